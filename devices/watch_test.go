package devices

import (
	"context"
	"testing"

	"github.com/umqttd/umqttd/serialproto/mqttsn"
)

// TestSlowWatcher: what a watcher is too slow for is lost to it, and to nobody else.
func TestSlowWatcher(t *testing.T) {
	b := newBench(t, func(c *Config) { c.RxBuffer = 0 })
	b.connect()
	w := b.device.Watch(context.Background())
	for range watchQueue {
		b.send(mqttsn.Packet{Type: mqttsn.PingReq})
		b.want("alive", mqttsn.Packet{Type: mqttsn.PingResp})
		_ = w.Lost() // while the loop counts
	}
	w.Close()
	if n := w.Lost(); n == 0 || len(w.C) != watchQueue {
		t.Errorf("%d events lost and %d kept, of twice as many as are kept", n, len(w.C))
	}
}
