package usbip

import (
	"io"
	"sync"
)

// UART is the board's side of an adapter. It stays open while the adapter is unplugged: what the board sends then is lost.
type UART struct {
	adapter *Adapter
	once    sync.Once
	closed  chan struct{}
}

// UART returns the board's side. One reader gets all that the host sends.
func (a *Adapter) UART() *UART { return &UART{adapter: a, closed: make(chan struct{})} }

// Read waits for bytes of the host. It returns io.EOF after Close.
func (u *UART) Read(p []byte) (int, error) {
	for {
		if n := u.adapter.take(p); n > 0 {
			return n, nil
		}
		select {
		case <-u.adapter.arrived:
		case <-u.closed:
			return 0, io.EOF
		}
	}
}

// Write sends bytes to the host and never waits: a UART has nobody to wait for.
func (u *UART) Write(p []byte) (int, error) {
	u.adapter.send(p)
	return len(p), nil
}

// Close ends a Read that waits.
func (u *UART) Close() error {
	u.once.Do(func() { close(u.closed) })
	return nil
}

// take moves bytes that the host has sent to p.
func (a *Adapter) take(p []byte) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	n := copy(p, a.toBoard)
	a.toBoard = a.toBoard[n:]
	return n
}

// send hands bytes to the host, as many as there is room for.
func (a *Adapter) send(p []byte) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.plug == nil {
		return
	}
	a.toHost = append(a.toHost, p[:min(len(p), bufferSize-len(a.toHost))]...)
	a.progress()
}
