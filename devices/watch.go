package devices

import (
	"context"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/umqttd/umqttd/serialproto"
)

// WatchKind says what a WatchEvent shows.
type WatchKind uint8

// What can be watched.
const (
	FrameIn  WatchKind = iota // an MQTT-SN message from a board
	FrameOut                  // one to a board
	Console                   // text that a board printed
	Noise                     // bytes that are neither
)

// WatchEvent is one thing that passed the port.
type WatchEvent struct {
	At   time.Time
	Kind WatchKind
	Body []byte
}

// Watch receives what passes a device's port, as far as it keeps up.
type Watch struct {
	C     <-chan WatchEvent
	Ended <-chan struct{} // closed when the device has ended; nothing comes any more
	c     chan WatchEvent
	lost  atomic.Int64
	stop  func()
}

// Lost returns how many events the watcher was too slow for.
func (w *Watch) Lost() int { return int(w.lost.Load()) }

// watchQueue is how many events may wait for a watcher.
const watchQueue = 1024

// addrOfStream is the address of whatever is on a stream port.
var addrOfStream netip.AddrPort

// Watch shows what passes the port from now on. It costs the device nothing
// while nobody watches. Close it when done.
func (d *Device) Watch(ctx context.Context) *Watch {
	w := &Watch{c: make(chan WatchEvent, watchQueue), Ended: d.done}
	w.C = w.c
	select {
	case d.events <- event{kind: watchWanted, watcher: w}:
	case <-d.done:
	case <-ctx.Done():
	}
	w.stop = func() { d.post(event{kind: watchEnded, watcher: w}) }
	return w
}

// Close ends the watch.
func (w *Watch) Close() { w.stop() }

// show hands an event to the watchers; it never waits for them.
func (d *Device) show(at time.Time, kind WatchKind, body []byte) {
	if len(d.watchers) == 0 {
		return
	}
	ev := WatchEvent{At: at, Kind: kind, Body: append([]byte(nil), body...)}
	for w := range d.watchers {
		select {
		case w.c <- ev:
		default:
			w.lost.Add(1)
		}
	}
}

// showSent shows the frames in a run of bytes for the port.
func (d *Device) showSent(b []byte) {
	if len(d.watchers) == 0 {
		return
	}
	var dec serialproto.Decoder
	dec.MaxFrame = serialproto.MaxFrame
	now := d.now()
	dec.Feed(b, now)
	for ev, ok := dec.Next(); ok; ev, ok = dec.Next() {
		d.show(now, FrameOut, ev.Body)
	}
}
