package daemon

import (
	"context"
	"fmt"
	"time"

	"github.com/umqttd/umqttd/daemon/web"
	"github.com/umqttd/umqttd/devices"
)

// askTimeout bounds the questions that a page asks of all devices together. A
// device's loop answers in microseconds.
const askTimeout = time.Second

// page shows a Daemon to the web server.
type page Daemon

// Status returns what the status page shows.
func (p *page) Status() web.Status {
	ctx, cancel := context.WithTimeout(context.Background(), askTimeout)
	defer cancel()
	s := web.Status{
		Version: p.opts.Version, Started: p.started, Taken: time.Now(), Broker: p.cfg.Broker.URL,
	}
	if !p.cfg.NoGateway {
		s.Name = p.cfg.Gateway
	}
	for _, d := range p.devices {
		status, ok := d.current.Load().Status(ctx)
		if !ok {
			s.Devices = append(s.Devices, web.Device{Name: d.name, Problem: "the device does not answer"})
			continue
		}
		s.Devices = append(s.Devices, showDevice(&status))
	}
	return s
}

func showDevice(s *devices.Status) web.Device {
	d := web.Device{
		Name: s.Name, Port: s.Port, Up: s.Open, Problem: s.Problem,
		FramesRx: s.Counts.FramesRx, FramesTx: s.Counts.FramesTx, Errors: s.Counts.Errors,
		Retransmits: s.Counts.Retransmits, Dropped: s.Counts.Dropped,
	}
	for i := range s.Boards {
		b := &s.Boards[i]
		board := web.Board{
			ClientID: b.ClientID, Since: b.Since, BrokerOnline: b.Broker, SRTT: b.SRTT, Uplink: b.Uplink, Downlink: b.Downlink,
		}
		if b.Connected {
			board.Session = web.Active
		}
		for _, t := range b.Topics {
			board.Topics = append(board.Topics, web.Topic(t))
		}
		d.Boards = append(d.Boards, board)
	}
	return d
}

// NotReady returns the tasks that do not do their work yet.
func (p *page) NotReady() []string {
	var reasons []string
	for _, t := range p.infra {
		reasons = appendUnready(reasons, t)
	}
	for _, t := range p.devices {
		reasons = appendUnready(reasons, t)
	}
	if len(reasons) == 0 && !p.serving.Load() {
		reasons = append(reasons, "starting or stopping")
	}
	return reasons
}

func appendUnready(reasons []string, t task) []string {
	select {
	case <-t.Ready():
		return reasons
	default:
		return append(reasons, t.String()+" is not ready")
	}
}

// summary is the line for systemctl status: "3/4 devices up, broker connected".
func (d *Daemon) summary(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	up, boards, online := 0, 0, 0
	for _, t := range d.devices {
		s, _ := t.current.Load().Status(ctx)
		if s.Open {
			up++
		}
		for i := range s.Boards {
			boards++
			if s.Boards[i].Broker {
				online++
			}
		}
	}
	broker := "no board connected"
	switch {
	case boards > 0 && online == boards:
		broker = "broker connected"
	case boards > 0:
		broker = fmt.Sprintf("broker connected for %d of %d boards", online, boards)
	}
	return fmt.Sprintf("%d/%d devices up, %s", up, len(d.devices), broker)
}
