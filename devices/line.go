package devices

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"time"

	"github.com/umqttd/umqttd/devices/port"
	"github.com/umqttd/umqttd/metrics"
	"github.com/umqttd/umqttd/serialproto"
)

// line is the port of a device as its loop sees it: open or not, and what could
// not be written yet.
type line struct {
	link    uint32 // counts openings
	stream  port.Port
	socket  *port.UDP
	problem string    // why it is not open, as last told to the log; "" if it is
	since   time.Time // when it was opened
	flaps   int       // openings in a row that did not last
	writing bool      // a write that takes long runs aside; the gateway knows that the port is busy
	unsent  []byte    // what waits for that write to end
}

func (l *line) open() bool { return l.stream != nil || l.socket != nil }

// reopenEvery is how long a port that cannot be opened is left alone, unless
// something changes in /dev.
const reopenEvery = 2 * time.Second

// reopenSoon is the pause after a port that was open is gone. It doubles, up to
// reopenEvery, for a port that opens and is gone again before steadyAfter.
const (
	reopenSoon  = 50 * time.Millisecond
	steadyAfter = 5 * time.Second
)

// serveLink opens the port when it may, reads it until it is gone, and opens it
// again, for as long as the device lives. It is the one goroutine that reads.
func (d *Device) serveLink() {
	ctx := d.inner
	select {
	case <-d.mayOpen:
	case <-ctx.Done():
		return
	}
	soon := reopenSoon
	for link := uint32(1); ctx.Err() == nil; link++ {
		// Subscribe first, look then: what changes in between is told.
		look := d.look()
		var openedAt time.Time
		err := d.serveOnce(ctx, link, func() { openedAt = time.Now(); look.Close() })
		if ctx.Err() != nil {
			look.Close()
			return
		}
		d.post(event{kind: portFailed, link: link, err: err})
		switch {
		case openedAt.IsZero():
			pause(ctx, reopenEvery, look.C())
			look.Close()
			continue
		case time.Since(openedAt) >= steadyAfter:
			soon = reopenSoon
		}
		pause(ctx, soon, nil) // it may be back already
		soon = min(2*soon, reopenEvery)
	}
}

// pause waits for d, or until look tells that something has changed.
func pause(ctx context.Context, d time.Duration, look <-chan struct{}) {
	wait := time.NewTimer(d)
	defer wait.Stop()
	select {
	case <-ctx.Done():
	case <-look:
	case <-wait.C:
	}
}

// look subscribes to changes of the port's device node.
func (d *Device) look() *port.Subscription {
	path := d.cfg.Port.Path
	if d.cfg.Port.Kind() != port.KindTTY {
		path = "" // no node; the pause is what counts
	}
	return d.shared.Watcher.Subscribe(path)
}

// serveOnce opens the port, calls opened, and reads until it is gone.
func (d *Device) serveOnce(ctx context.Context, link uint32, opened func()) error {
	if d.cfg.Port.Kind() == port.KindUDP {
		u, err := port.ListenUDP(ctx, d.cfg.Port)
		if err != nil {
			return err
		}
		defer context.AfterFunc(ctx, func() { _ = u.Close() })()
		opened()
		d.post(event{kind: portOpened, link: link, socket: u, at: time.Now()})
		return d.read(link, u.ReadFrom)
	}
	p, err := d.shared.Opener.Open(ctx, d.cfg.Port)
	if err != nil {
		return err
	}
	defer func() { _ = p.Close() }()
	defer context.AfterFunc(ctx, func() { _ = p.Close() })()
	opened()
	d.post(event{kind: portOpened, link: link, stream: p, at: time.Now()})
	return d.read(link, func(b []byte) (int, netip.AddrPort, error) {
		n, err := p.Read(b)
		return n, netip.AddrPort{}, err
	})
}

// read hands what it reads to the loop, until the port is gone.
func (d *Device) read(link uint32, from func([]byte) (int, netip.AddrPort, error)) error {
	for {
		b := d.buffer()
		n, addr, err := from(b)
		if err != nil {
			d.post(event{kind: portLost, link: link, err: err})
			return err
		}
		d.post(event{kind: bytesRead, link: link, data: b[:n], addr: addr, at: time.Now()})
	}
}

func (d *Device) buffer() []byte {
	select {
	case b := <-d.free:
		return b
	default:
		return make([]byte, max(readBuffer, d.datagramLen()))
	}
}

// datagramLen is the longest datagram that is taken whole.
func (d *Device) datagramLen() int {
	if d.cfg.Port.Kind() != port.KindUDP {
		return 0
	}
	return max(d.cfg.MaxFrame, serialproto.DefaultMaxFrame) + 1
}

// lineChanged deals with the port's coming and going.
func (d *Device) lineChanged(ev *event) {
	l := &d.line
	switch ev.kind {
	case portOpened:
		*l = line{link: ev.link, stream: ev.stream, socket: ev.socket, since: ev.at, flaps: l.flaps}
		if ev.link > 1 {
			d.met.Reconnects[metrics.SidePort].Inc()
		}
		d.met.Up.Set(1)
		d.countLineErrors(false) // what came before is not ours
		d.dec = serialproto.Decoder{MaxFrame: d.cfg.MaxFrame}
		level := slog.LevelInfo
		if l.flaps > 1 {
			level = slog.LevelDebug
		}
		d.log.Log(d.inner, level, "port open", "port", d.cfg.Port.String())
		d.gw.PortOpened(ev.at)
	case portLost:
		d.closeLine(d.now())
	case portFailed:
		d.portProblem(ev.err)
	case bytesWritten:
		d.written(ev)
	}
}

// written deals with the end of a write that ran aside.
func (d *Device) written(ev *event) {
	l := &d.line
	switch {
	case ev.link != l.link || !l.writing:
		return // of a port that is gone
	case ev.err != nil:
		_ = l.stream.Close() // the reader notices, and says so
	case len(l.unsent) > 0:
		d.writeAside()
	default:
		l.writing = false
		d.gw.PortBusy(d.now(), false)
	}
}

func (d *Device) closeLine(now time.Time) {
	if !d.line.open() {
		return
	}
	d.line.stream, d.line.socket = nil, nil
	d.line.writing, d.line.unsent = false, nil
	d.line.flaps++
	if now.Sub(d.line.since) >= steadyAfter {
		d.line.flaps = 0
		d.said.over(aboutPort)
	}
	d.met.Up.Set(0)
	d.gw.PortLost(now)
}

// portProblem logs why the port is not open, once for each change of reason.
func (d *Device) portProblem(err error) {
	d.closeLine(d.now())
	text := err.Error()
	if text == d.line.problem {
		return
	}
	d.line.problem = text
	switch {
	case !errors.Is(err, port.ErrMissing) && !errors.Is(err, port.ErrGone):
		d.countPortError(err)
		d.log.Error("port cannot be opened, trying on", "port", d.cfg.Port.String(), "err", err)
	case d.line.flaps > 1:
		d.log.Log(d.inner, d.said.level(aboutPort, text), "port comes and goes", "port", d.cfg.Port.String(), "err", err)
	default:
		d.log.Info("port is not there, waiting for it", "port", d.cfg.Port.String(), "err", err)
	}
}

func (d *Device) countPortError(err error) {
	switch {
	case errors.Is(err, port.ErrAmbiguous):
		d.met.PortErrors[metrics.PortAmbiguous].Inc()
	case errors.Is(err, port.ErrBusy):
		d.met.PortErrors[metrics.PortBusy].Inc()
	case errors.Is(err, port.ErrPermission):
		d.met.PortErrors[metrics.PortPermission].Inc()
	case errors.Is(err, port.ErrUnsuitable):
		d.met.PortErrors[metrics.PortBaud].Inc()
	default:
		d.met.PortErrors[metrics.PortOther].Inc()
	}
}

// transmit writes what the gateway put out.
func (d *Device) transmit() {
	l := &d.line
	if l.socket != nil || d.cfg.Port.Kind() == port.KindUDP {
		d.transmitDatagrams()
		return
	}
	b, frames := d.gw.Stream()
	if len(b) == 0 || l.stream == nil {
		return
	}
	d.met.FramesTx.Add(float64(frames))
	d.seen.counts.FramesTx += uint64(frames)
	d.met.BytesTx.Add(float64(len(b)))
	d.showSent(b)
	if l.writing { // said before the gateway knew
		l.unsent = append(l.unsent, b...)
		return
	}
	n, err := l.stream.TryWrite(b)
	switch {
	case err != nil:
		_ = l.stream.Close() // the reader notices, and says so
	case n < len(b):
		l.unsent = append(l.unsent, b[n:]...)
		d.writeAside()
		d.gw.PortBusy(d.now(), true)
	}
}

// writeAside lets a goroutine wait for a port that takes its time.
func (d *Device) writeAside() {
	l := &d.line
	b, stream, link := l.unsent, l.stream, l.link
	l.unsent, l.writing = nil, true
	d.work.Go(func() {
		_, err := stream.Write(b)
		d.post(event{kind: bytesWritten, link: link, err: err})
	})
}

func (d *Device) transmitDatagrams() {
	for _, out := range d.gw.Datagrams() {
		if d.line.socket == nil {
			continue
		}
		d.met.FramesTx.Inc()
		d.seen.counts.FramesTx++
		d.met.BytesTx.Add(float64(len(out.Data)))
		d.show(d.now(), FrameOut, out.Data)
		if ok, err := d.line.socket.TryWriteTo(out.Data, out.Addr); err != nil {
			d.log.Debug("datagram not sent", "peer", out.Addr, "err", err)
		} else if !ok {
			d.met.Dropped[metrics.DropCongestion].Inc()
		}
	}
}

// countLineErrors reads the driver's error counters, which count since the
// adapter was plugged in.
func (d *Device) countLineErrors(count bool) {
	tty, ok := d.line.stream.(*port.TTY)
	if !ok {
		return
	}
	c, err := tty.LineErrors()
	if err != nil {
		return // the port is going; the reader says so
	}
	last := d.lineErrs
	d.lineErrs = c
	if !count {
		return
	}
	d.met.LineErrors[metrics.LineFrame].Add(float64(c.Frame - last.Frame))
	d.met.LineErrors[metrics.LineOverrun].Add(float64(c.Overrun - last.Overrun))
	d.met.LineErrors[metrics.LineParity].Add(float64(c.Parity - last.Parity))
	d.met.LineErrors[metrics.LineBreak].Add(float64(c.Break - last.Break))
	d.met.LineErrors[metrics.LineBufOverrun].Add(float64(c.Buffer - last.Buffer))
}
