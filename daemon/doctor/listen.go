package doctor

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/umqttd/umqttd/devices/port"
	"github.com/umqttd/umqttd/serialproto"
)

// defaultListen is how long a port is listened to.
const defaultListen = 3 * time.Second

// enoughFrames is when listening ends before its time.
const enoughFrames = 3

// rates are tried where the configured one gives noise: the usual ones, likely ones first, and that of the ESP8266's boot ROM.
var rates = []int{115200, 9600, 921600, 57600, 38400, 19200, 230400, 460800, 74880, 1000000, 1500000, 2000000}

// heard is what arrived while a port was listened to.
type heard struct {
	bytes, frames, lines, noise int
	text                        int    // bytes of text
	sample                      string // the first line of text
}

// clear reports whether what arrived makes sense, more than by chance.
func (h heard) clear() bool { return h.frames > 0 || h.lines > 0 && h.text*5 >= h.bytes*4 }

func (h heard) String() string {
	return fmt.Sprintf("%s, %s of text, %s of noise", count(h.frames, "frame"), count(h.lines, "line"), count(h.noise, "run"))
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func (d *Doctor) listenTime() time.Duration {
	if d.Listen > 0 {
		return d.Listen
	}
	return defaultListen
}

// listen opens the port, reads its settings back, and judges what arrives. Where that is noise, it tries other speeds, and sets the first one again at the end.
func (e exam) listen(ctx context.Context, spec port.Spec) {
	h, err := e.hear(ctx, spec, e.d.listenTime(), true)
	if err != nil {
		if ctx.Err() == nil {
			e.portError("opened", err)
		}
		return
	}
	at := ""
	if spec.Baud > 0 {
		at = fmt.Sprintf(" at %d baud", spec.Baud)
	}
	switch {
	case h.bytes == 0:
		e.problem("arrives", fmt.Sprintf("nothing in %s%s", e.d.listenTime(), at),
			"has the board power, does its program run, does its TX go to the adapter's RX, is the ground connected? For one that says little: --listen 1m")
	case h.frames > 0 && h.noise*10 > h.frames:
		e.warn("arrives", h.String()+at+": bytes are lost or damaged on the way", "a shorter cable, a lower speed at both ends, no print() from two threads of the board at once; umqttd_frame_errors_total tells the reasons apart")
	case h.frames > 0:
		e.ok("arrives", "%s%s", h, at)
	case h.clear():
		e.problem("arrives", fmt.Sprintf("%s%s and no frame: the board prints, its client does not run; it said: %q", count(h.lines, "line"), at, h.sample),
			"start the program that uses the client; umqttd monitor "+spec.Path+" shows all it prints")
	case spec.Kind() != port.KindTTY:
		e.problem("arrives", h.String()+" and no frame", "set the serial server to the board's speed, 8N1, raw")
	default:
		e.sweep(ctx, spec, h)
	}
}

// sweep looks for the speed at which noise makes sense.
func (e exam) sweep(ctx context.Context, spec port.Spec, first heard) {
	best, at := heard{}, 0
	for _, baud := range rates {
		if baud == spec.Baud {
			continue
		}
		other := spec
		other.Baud = baud
		h, err := e.hear(ctx, other, e.d.listenTime()/3, false)
		if ctx.Err() != nil {
			return
		}
		if err == nil && h.clear() && (h.frames > best.frames || at == 0) {
			best, at = h, baud
		}
		if best.frames > 0 {
			break
		}
	}
	_, _ = e.hear(ctx, spec, time.Millisecond, false) // as it was
	found := fmt.Sprintf("noise at %d baud (%s), but ", spec.Baud, count(first.bytes, "byte"))
	switch {
	case at == 0:
		e.problem("arrives", fmt.Sprintf("%sno other usual speed makes sense of it either", found), "is the ground connected, are the levels right (3.3 V, not RS-232), is another device on the line?")
	case best.frames > 0:
		e.problem("arrives", fmt.Sprintf("%s%s at %d", found, best, at), fmt.Sprintf("write baud: %d in the configuration", at))
	default:
		e.problem("arrives", fmt.Sprintf("%stext at %d: %q", found, at, best.sample), fmt.Sprintf("if that is its program and not its boot ROM, write baud: %d; then start the program that uses the client", at))
	}
}

// hear listens for a while, or until there are frames enough.
func (e exam) hear(ctx context.Context, spec port.Spec, span time.Duration, say bool) (heard, error) {
	var h heard
	line, err := e.open(ctx, spec)
	if err != nil {
		return h, err
	}
	if say {
		e.settings(line)
	}
	ctx, cancel := context.WithTimeout(ctx, span)
	defer cancel()
	chunks := make(chan []byte)
	var reader sync.WaitGroup
	reader.Go(func() { readLine(ctx, line, chunks) })
	dec := serialproto.Decoder{MaxFrame: serialproto.MaxFrame}
	for done := false; !done && h.frames < enoughFrames; {
		select {
		case b, more := <-chunks:
			h.bytes += len(b)
			dec.Feed(b, time.Now())
			h.take(&dec)
			done = !more
		case <-ctx.Done():
			done = true
		}
	}
	dec.Feed(nil, time.Now().Add(time.Hour)) // what is not finished yet counts too
	h.take(&dec)
	cancel()
	err = line.Close()
	reader.Wait()
	return h, errors.Join(err, e.d.opener.Wait(context.WithoutCancel(ctx)))
}

// readLine reads until the port is closed or ctx is done. It closes to.
func readLine(ctx context.Context, line Line, to chan<- []byte) {
	defer close(to)
	for {
		b := make([]byte, 4096)
		n, err := line.Read(b)
		select {
		case to <- b[:n]:
		case <-ctx.Done():
			return
		}
		if err != nil {
			return
		}
	}
}

// take counts what the decoder has found.
func (h *heard) take(dec *serialproto.Decoder) {
	for ev, ok := dec.Next(); ok; ev, ok = dec.Next() {
		switch ev.Kind {
		case serialproto.Frame:
			h.frames++
		case serialproto.Text:
			h.text += len(ev.Body)
			if strings.TrimSpace(string(ev.Body)) == "" {
				continue
			}
			h.lines++
			if h.sample == "" {
				h.sample = strings.TrimSpace(string(ev.Body))
			}
		default:
			h.noise++
		}
	}
}

func (e exam) open(ctx context.Context, spec port.Spec) (Line, error) {
	if e.d.Open != nil {
		return e.d.Open(ctx, spec)
	}
	if spec.Kind() == port.KindTTY {
		return lineOrNil(e.d.opener.OpenTTY(ctx, spec.Path, spec))
	}
	p, err := e.d.opener.Open(ctx, spec)
	if err != nil {
		return nil, err
	}
	return network{p}, nil
}

// lineOrNil makes a nil pointer a nil Line.
func lineOrNil(t *port.TTY, err error) (Line, error) {
	if err != nil {
		return nil, err
	}
	return t, nil
}

// network is a serial server's port: what is set there is not ours to see.
type network struct{ port.Port }

func (network) Settings() (port.Settings, error) { return port.Settings{}, errors.ErrUnsupported }

// settings says how the driver has set the line.
func (e exam) settings(line Line) {
	s, err := line.Settings()
	switch {
	case errors.Is(err, errors.ErrUnsupported):
	case err != nil:
		e.problem("settings", "cannot be read back: "+err.Error(), "plug the adapter in again")
	case s.DataBits != 8 || s.Parity != 'N' || s.StopBits != 1 || s.FlowControl != "none" || !s.Raw:
		e.problem("settings", fmt.Sprintf("the driver did not take them: %s, raw %v", s, s.Raw), "use another adapter")
	case s.Hangup:
		e.warn("settings", s.String()+", but closing the port drops DTR and RTS, which resets some boards", "use another adapter, or take the board's auto-reset circuit out")
	default:
		e.ok("settings", "%s, as the driver has them; closing leaves DTR and RTS alone", s)
	}
}
