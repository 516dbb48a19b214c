package daemon

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/umqttd/umqttd/daemon/config"
	"github.com/umqttd/umqttd/daemon/web"
	"github.com/umqttd/umqttd/devices"
	"github.com/umqttd/umqttd/devices/port"
)

// askTimeout bounds the questions that a page asks of all devices together. A
// device's loop answers in microseconds.
const askTimeout = time.Second

// answer is what a device says of itself, unless it says nothing in time.
type answer struct {
	devices.Status
	ok bool
}

// ask asks all devices at once, so that one which hangs does not silence others.
func (l *lineup) ask(ctx context.Context) []answer {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	answers := make([]answer, len(l.devices))
	var asked sync.WaitGroup
	for i, t := range l.devices {
		asked.Go(func() { answers[i].Status, answers[i].ok = t.status(ctx) })
	}
	asked.Wait()
	return answers
}

// page shows a Daemon to the web server.
type page Daemon

// Status returns what the status page shows.
func (p *page) Status() web.Status {
	now := p.now.Load()
	main := now.cfg.Broker.Label()
	s := web.Status{Version: p.opts.Version, Started: p.started, Broker: main}
	if !now.cfg.NoGateway {
		s.Name = now.cfg.Gateway
	}
	for i, a := range now.ask(context.Background()) {
		device := web.Device{Name: now.devices[i].name, Problem: "the device does not answer"}
		if a.ok {
			device = showDevice(&a.Status)
		}
		if own := now.cfg.Devices[i].Broker.Label(); own != main {
			device.Broker = own
		}
		device.Settings = settings(&now.cfg.Devices[i])
		s.Devices = append(s.Devices, device)
	}
	s.Taken = time.Now()
	return s
}

func showDevice(s *devices.Status) web.Device {
	d := web.Device{
		Name: s.Name, Port: s.Port, Up: s.Open, Problem: s.Problem,
		FramesRx: s.Counts.FramesRx, FramesTx: s.Counts.FramesTx, Errors: s.Counts.Errors,
		Retransmits: s.Counts.Retransmits, Dropped: s.Counts.Dropped,
		Stored: uint64(s.Outbox.Messages), StoredBytes: s.Outbox.Bytes, Quarantined: s.Outbox.Quarantined,
		SerialTrips: s.Hops.Serial, BrokerTrips: s.Hops.Broker, UplinkTimes: s.Hops.Uplink, Console: s.Console,
	}
	if s.Outbox.Problem != "" {
		d.Problem = strings.TrimPrefix(d.Problem+"; "+s.Outbox.Problem, "; ")
	}
	for i := range s.Boards {
		d.Boards = append(d.Boards, showBoard(&s.Boards[i], s.Open))
	}
	return d
}

// settings are the keys of a device that a person may want to see. Of its broker only the label is among them: no user, no file, no key.
func settings(c *config.Device) []web.Setting {
	var all []web.Setting
	add := func(key, value string) {
		if value != "" {
			all = append(all, web.Setting{Key: key, Value: value})
		}
	}
	if c.Port.Path != "" {
		add("port", c.Port.Path)
	} else {
		add("usb", strings.TrimPrefix(c.Port.USB.String(), "usb "))
	}
	if c.Port.Kind() == port.KindTTY {
		add("baud", fmt.Sprint(c.Port.Baud))
		add("reset", string(c.Port.Reset))
	}
	add("rx_buffer", fmt.Sprintf("%d bytes", c.RxBuffer))
	add("max_frame", fmt.Sprintf("%d bytes", c.MaxFrame))
	add("broker", c.Broker.Label())
	add("client_id", c.ClientID)
	for _, id := range slices.Sorted(maps.Keys(c.Topics)) {
		add(fmt.Sprintf("topics: %d", id), c.Topics[id])
	}
	add("allow.publish", allowed(c.Allow.Publish))
	add("allow.subscribe", allowed(c.Allow.Subscribe))
	if n := c.Limits.MessagesPerSecond; n > 0 {
		add("limits.messages_per_second", fmt.Sprint(n))
	}
	if n := c.Limits.MaxPayload; n > 0 {
		add("limits.max_payload", fmt.Sprintf("%d bytes", n))
	}
	if c.Console.NoLog {
		add("console.log", "false")
	}
	add("console.topic", c.Console.Topic)
	if n := len(c.HomeAssistant.Entities); n > 0 {
		add("homeassistant", fmt.Sprintf("entities: %s", strings.Join(slices.Sorted(maps.Keys(c.HomeAssistant.Entities)), ", ")))
	}
	return all
}

func allowed(filters []string) string {
	switch {
	case filters == nil:
		return "everything"
	case len(filters) == 0:
		return "nothing"
	}
	return strings.Join(filters, ", ")
}

// showBoard shows a board. Whoever sleeps may take the port along (native USB does); of any other board whose port is gone nobody knows more than that.
func showBoard(b *devices.Board, open bool) web.Board {
	board := web.Board{
		ClientID: b.ClientID, Since: b.Since, BrokerOnline: b.Broker, SRTT: b.SRTT, Uplink: b.Uplink, Downlink: b.Downlink, Stored: b.Stored,
		PerMinute: b.PerMinute, Filters: b.Filters,
	}
	switch {
	case b.Connected && b.Asleep:
		board.Session = web.Asleep
	case b.Connected && !open:
		board.Session = web.Lost
	case b.Connected:
		board.Session = web.Active
	default:
		board.Session = web.Awaiting
	}
	for _, t := range b.Topics {
		board.Topics = append(board.Topics, web.Topic(t))
	}
	return board
}

// NotReady returns the tasks that do not do their work yet.
func (p *page) NotReady() []string {
	var reasons []string
	now := p.now.Load()
	for _, t := range slices.Concat(p.infra, now.servers()) {
		reasons = appendUnready(reasons, t)
	}
	for _, t := range now.devices {
		reasons = appendUnready(reasons, t)
		if why := t.notReady(); why != "" {
			reasons = append(reasons, t.String()+": "+why)
		}
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

// summary is the line for systemctl status: "3/4 devices up, broker connected, outbox 12".
func (d *Daemon) summary(ctx context.Context) string {
	now := d.now.Load()
	up, boards, online, stored := 0, 0, 0, 0
	for _, a := range now.ask(ctx) {
		if a.Open {
			up++
		}
		stored += a.Outbox.Messages
		for i := range a.Boards {
			boards++
			if a.Boards[i].Broker {
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
	line := fmt.Sprintf("%d/%d devices up, %s", up, len(now.devices), broker)
	if now.cfg.Outbox.Dir != "" {
		line += fmt.Sprintf(", outbox %d", stored)
	}
	return line
}
