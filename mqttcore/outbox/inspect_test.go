package outbox_test

import (
	"errors"
	"io/fs"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/umqttd/umqttd/mqttcore/outbox"
)

// Inspect looks at a log that is being written, and that loses and moves
// segments meanwhile. It sees every message that waits for good.
func TestInspectWhileWriting(t *testing.T) {
	dir := t.TempDir()
	l, err := outbox.Open(outbox.Config{Dir: dir, MaxBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	for range 10 {
		if _, err := l.Append(&outbox.Message{Client: "stuck", Payload: []byte("waits")}); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(l.PutState("stuck", []byte("state")), l.Commit()); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		defer close(done)
		for range 300 {
			seq, _ := l.Append(&outbox.Message{Client: "a", Payload: make([]byte, 20000)})
			if err := l.Commit(); err != nil {
				t.Error(err)
				return
			}
			l.Ack("a", seq)
		}
	})
	looks := 0
	for running := true; running; looks++ {
		select {
		case <-done:
			running = false
		default:
		}
		r, err := outbox.Inspect(dir)
		if err != nil {
			t.Fatal(err)
		}
		found := false
		for _, c := range r.Clients {
			if c.Client == "stuck" {
				found = true
				if c.Messages != 10 || !c.State {
					t.Errorf("%+v", c)
				}
			}
		}
		if !found || len(r.Damage) > 0 {
			t.Errorf("look %d: %+v", looks, r)
		}
	}
	wg.Wait()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestInspectRefuses(t *testing.T) {
	if _, err := outbox.Inspect(filepath.Join(t.TempDir(), "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	dir := t.TempDir()
	f, err := outbox.OS{}.Open(filepath.Join(dir, "notes"), outbox.Create)
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	if _, err := outbox.Inspect(dir); !errors.Is(err, outbox.ErrForeign) || !strings.Contains(err.Error(), "notes") {
		t.Error(err)
	}
}
