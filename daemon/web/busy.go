package web

import (
	"context"
	"net"
	"net/http"
	"sync"
)

// busy knows the connections that are being answered, or have just been accepted. http.Server.Shutdown drops a request that it has not begun to
// answer; a server that another one follows should not.
type busy struct {
	mu    sync.Mutex
	conns map[net.Conn]struct{}
	none  chan struct{} // closed when there are none; nil while nobody waits
}

func newBusy() *busy { return &busy{conns: make(map[net.Conn]struct{})} }

// changed is the ConnState of a server.
func (b *busy) changed(c net.Conn, state http.ConnState) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if state == http.StateNew || state == http.StateActive {
		b.conns[c] = struct{}{}
		return
	}
	delete(b.conns, c)
	if len(b.conns) == 0 && b.none != nil {
		close(b.none)
		b.none = nil
	}
}

// wait waits until there are none or ctx is done. It is called once, when no connection is accepted any more.
func (b *busy) wait(ctx context.Context) {
	b.mu.Lock()
	if len(b.conns) == 0 {
		b.mu.Unlock()
		return
	}
	none := make(chan struct{})
	b.none = none
	b.mu.Unlock()
	select {
	case <-none:
	case <-ctx.Done():
	}
}
