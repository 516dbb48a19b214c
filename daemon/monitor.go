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
	monitorTimeout = 5 * time.Second // for a client to take a line
	acceptPause    = time.Second     // after a client could not be accepted
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
	s := m.find(strings.TrimSpace(name))
	if s == nil {
		_, _ = fmt.Fprintf(conn, "no device %q; configured: %s\n", strings.TrimSpace(name), strings.Join(m.names(), ", "))
		return
	}
	d := s.current.Load()
	if d == nil {
		_, _ = fmt.Fprintf(conn, "device %s is being started, try again\n", s.name)
		return
	}
	m.show(ctx, conn, d)
}

// show streams events until the client has gone. Whatever passes after it was told ok
// is shown.
func (m *monitor) show(ctx context.Context, conn net.Conn, d *devices.Device) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	w := d.Watch(ctx)
	defer w.Close()
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
		case ev, ok := <-w.C:
			if !ok {
				return
			}
			_ = conn.SetWriteDeadline(time.Now().Add(monitorTimeout))
			if enc.Encode(MonitorEvent{ev.At, ev.Kind, ev.Body}) != nil {
				return
			}
		case <-ctx.Done():
			return
		}
	}
}

func (m *monitor) find(name string) *supervised {
	for _, d := range m.daemon.now.Load().devices {
		if d.name == name {
			return d
		}
	}
	return nil
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
