package daemon

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/umqttd/umqttd/devices"
)

// The monitor socket lets `umqttd monitor DEVICE` see what passes a port. A
// client sends one line, the device's name; the daemon answers with one line,
// "ok" or what is wrong, and then with one JSON object a line.

// MonitorEvent is one line from the monitor socket.
type MonitorEvent struct {
	At   time.Time         `json:"at"`
	Kind devices.WatchKind `json:"kind"`
	Body []byte            `json:"body"`
}

const (
	helloTimeout   = 5 * time.Second
	monitorTimeout = 5 * time.Second        // for a client to take a line
	acceptPause    = time.Second            // after a client could not be accepted
	followPause    = 100 * time.Millisecond // until a device that is started is looked for again
	maxMonitors    = 16
)

// monitor is the task that serves the socket.
type monitor struct {
	daemon *Daemon
	path   string
	ready  chan struct{}
	places chan struct{}
}

func (d *Daemon) wireMonitor() {
	if d.opts.Socket != "" {
		d.infra = append(d.infra, &monitor{
			daemon: d, path: d.opts.Socket, ready: make(chan struct{}), places: make(chan struct{}, maxMonitors),
		})
	}
}

// Run serves until ctx is done. Without a socket the gateway goes on.
func (m *monitor) Run(ctx context.Context) error {
	l, err := m.listen(ctx)
	close(m.ready)
	if err != nil {
		m.daemon.log.Warn("umqttd monitor will not work", "err", err)
		<-ctx.Done()
		return nil
	}
	stop := context.AfterFunc(ctx, func() { _ = l.Close() })
	defer stop()
	var clients sync.WaitGroup
	defer clients.Wait()
	for {
		conn, err := l.Accept()
		switch {
		case err == nil:
			clients.Go(func() { m.serve(ctx, conn) })
			continue
		case ctx.Err() != nil:
			return nil
		}
		// Out of descriptors, most likely: boards matter more than who watches them.
		m.daemon.log.Warn("monitor not accepted", "err", err)
		select {
		case <-ctx.Done():
		case <-time.After(acceptPause):
		}
	}
}

// listen makes the socket, in place of one that nobody listens on any more.
func (m *monitor) listen(ctx context.Context) (net.Listener, error) {
	if err := os.MkdirAll(filepath.Dir(m.path), 0o750); err != nil {
		return nil, fmt.Errorf("daemon: monitor socket: %w", err)
	}
	var d net.Dialer
	if conn, err := d.DialContext(ctx, "unix", m.path); err == nil {
		_ = conn.Close()
		return nil, fmt.Errorf("daemon: monitor socket: %s belongs to another umqttd with this configuration", m.path)
	}
	if err := os.Remove(m.path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("daemon: monitor socket: %w", err)
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "unix", m.path)
	if err != nil {
		return nil, fmt.Errorf("daemon: monitor socket: %w", err)
	}
	if err := os.Chmod(m.path, 0o660); err != nil { //nolint:gosec // the group may watch too
		_ = l.Close()
		return nil, fmt.Errorf("daemon: monitor socket: %w", err)
	}
	return l, nil
}

// serve shows one client what it asks for.
func (m *monitor) serve(ctx context.Context, conn net.Conn) {
	defer func() { _ = conn.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	_ = conn.SetReadDeadline(time.Now().Add(helloTimeout))
	name, err := bufio.NewReader(io.LimitReader(conn, 256)).ReadString('\n')
	if err != nil {
		return
	}
	select {
	case m.places <- struct{}{}:
		defer func() { <-m.places }()
	default:
		_, _ = fmt.Fprintf(conn, "%d monitors are open already\n", maxMonitors)
		return
	}
	name = strings.TrimSpace(name)
	if m.daemon.now.Load().device(name) == nil {
		_, _ = fmt.Fprintf(conn, "no device %q; configured: %s\n", name, strings.Join(m.names(), ", "))
		return
	}
	m.show(ctx, conn, name)
}

// show streams events until the client has gone, or the device is configured no more.
// Whatever passes after it was told ok is shown, but for what passes while a device that a
// reload restarts is another one.
func (m *monitor) show(ctx context.Context, conn net.Conn, name string) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	d := m.next(ctx, name, nil)
	if d == nil {
		return
	}
	w := d.Watch(ctx)
	defer func() { w.Close() }()
	if _, err := io.WriteString(conn, "ok\n"); err != nil {
		return
	}
	_ = conn.SetReadDeadline(time.Time{})
	var reading sync.WaitGroup
	reading.Go(func() { // a client says nothing more; reading tells when it has gone
		_, _ = io.Copy(io.Discard, conn)
		cancel()
	})
	defer reading.Wait()
	defer func() { _ = conn.Close() }() // which ends the reading
	enc := json.NewEncoder(conn)
	for {
		select {
		case ev := <-w.C:
			_ = conn.SetWriteDeadline(time.Now().Add(monitorTimeout))
			if enc.Encode(MonitorEvent{ev.At, ev.Kind, ev.Body}) != nil {
				return
			}
		case <-w.Ended:
			if d = m.next(ctx, name, d); d == nil {
				return
			}
			w = d.Watch(ctx)
		case <-ctx.Done():
			return
		}
	}
}

// next waits for a device of that name which is another one than before. It returns nil
// if there will be none, or ctx is done.
func (m *monitor) next(ctx context.Context, name string, before *devices.Device) *devices.Device {
	for {
		s := m.daemon.now.Load().device(name)
		if s == nil {
			return nil
		}
		if d := s.current.Load(); d != nil && d != before {
			return d
		}
		select {
		case <-time.After(followPause):
		case <-ctx.Done():
			return nil
		}
	}
}

func (m *monitor) names() []string {
	var names []string
	for _, d := range m.daemon.now.Load().devices {
		names = append(names, d.name)
	}
	return names
}

// Ready is closed when the socket is there, or will not be.
func (m *monitor) Ready() <-chan struct{} { return m.ready }

// String names the task.
func (m *monitor) String() string { return "monitor socket" }
