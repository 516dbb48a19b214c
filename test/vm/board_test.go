//go:build vm

package vm

import (
	"context"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/umqttd/umqttd/serialproto/board"
	"github.com/umqttd/umqttd/serialproto/board/sim"
	"github.com/umqttd/umqttd/test/patience"
)

// simulated is a board that runs a faithful client, and has power whatever happens to its cable.
type simulated struct {
	t   testing.TB
	sim *sim.Sim

	mu     sync.Mutex
	events map[board.EventKind]int
}

// newBoard powers a board on. It is off when the test ends.
func newBoard(t testing.TB, line io.ReadWriteCloser, cfg board.Config) *simulated {
	t.Helper()
	b := &simulated{t: t, events: make(map[board.EventKind]int)}
	var err error
	b.sim, err = sim.New(sim.Config{Board: cfg, OnEvent: b.note})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- b.sim.Run(ctx, line) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return b
}

func (b *simulated) note(_ time.Time, _ *board.Board, e board.Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.events[e.Kind]++
}

// seen returns how often something has happened.
func (b *simulated) seen(kind board.EventKind) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.events[kind]
}

// await waits until something has happened n times since the board was powered on.
func (b *simulated) await(what string, kind board.EventKind, n int) {
	b.t.Helper()
	patience.Wait(b.t, what, func() bool { return b.seen(kind) >= n })
}

// do runs f on the board's goroutine.
func (b *simulated) do(f func(*board.Board) error) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience.Limit)
	defer cancel()
	var err error
	if !b.sim.Do(ctx, func(_ time.Time, client *board.Board) { err = f(client) }) {
		err = ctx.Err()
	}
	if err != nil {
		b.t.Fatal(err)
	}
}
