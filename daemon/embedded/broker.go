// Package embedded is the MQTT broker inside umqttd, for `broker.url: embedded`: github.com/mochi-mqtt/server/v2 with limits, a password file and an
// orderly end.
//
// It is for a Pi that needs no other broker, and for `umqttd demo`. It keeps everything in memory: a restart forgets sessions, queues and
// retained messages. Whoever needs more runs mosquitto.
package embedded

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"syscall"
	"time"

	mqtt "github.com/mochi-mqtt/server/v2"

	"github.com/umqttd/umqttd/devices/port"
)

// ErrClosed is returned by Dial after the broker has stopped.
var ErrClosed = errors.New("embedded: broker has stopped")

// Config says where the broker listens and whom it lets in.
type Config struct {
	// Listen is host:port. Port 0 takes a free one. An empty Listen means 127.0.0.1:1883.
	Listen string
	// PasswordFile names a file with a line user:bcrypt-hash for each user, as `htpasswd -B` writes it. Empty means that everybody is
	// welcome, which is allowed only if Listen is a loopback address. The file is read again when it changes.
	PasswordFile string
	// Log gets what goes wrong. nil discards it.
	Log *slog.Logger
}

// Broker is the task that serves MQTT clients.
type Broker struct {
	listen string
	log    *slog.Logger
	users  *users // nil if everybody is welcome
	conns  conns
	ready  chan struct{}

	// Set before ready is closed: the listener by Listen, or by Run.
	listener net.Listener
	server   *mqtt.Server
}

// New checks the configuration and reads the password file. It listens on nothing yet.
func New(cfg Config) (*Broker, error) {
	if cfg.Listen == "" {
		cfg.Listen = "127.0.0.1:1883"
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	host, _, err := net.SplitHostPort(cfg.Listen)
	if err != nil {
		return nil, fmt.Errorf("embedded: embedded_broker.listen: %v; write host:port, such as 127.0.0.1:1883", err)
	}
	b := &Broker{listen: cfg.Listen, log: cfg.Log, ready: make(chan struct{})}
	if cfg.PasswordFile != "" {
		if b.users, err = readUsers(cfg.PasswordFile, b.log); err != nil {
			return nil, err
		}
	} else if !port.LoopbackHost(host) {
		return nil, fmt.Errorf("embedded: embedded_broker.listen: %s is reachable from other machines; set embedded_broker.password_file, or listen on 127.0.0.1", cfg.Listen)
	}
	return b, nil
}

// Ready is closed when clients can connect.
func (b *Broker) Ready() <-chan struct{} { return b.ready }

// String names the task.
func (b *Broker) String() string { return "embedded broker" }

// Addr returns the address the broker listens on. It is valid once Ready is closed.
func (b *Broker) Addr() net.Addr { return b.listener.Addr() }

// Listen binds what Run will serve, so that it is known whether that is possible. The error unwraps to the system's.
func (b *Broker) Listen(ctx context.Context) (err error) {
	var listening net.ListenConfig
	b.listener, err = listening.Listen(ctx, "tcp", b.listen)
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("embedded: embedded_broker.listen: %s is taken: %w; stop the other broker, or choose another port", b.listen, err)
	}
	if err != nil {
		return fmt.Errorf("embedded: embedded_broker.listen: %w", err)
	}
	return nil
}

// Close gives up what Listen has bound. It is for a broker that will not run.
func (b *Broker) Close() {
	if b.listener != nil {
		_ = b.listener.Close()
	}
}

// Run serves clients until ctx is done, then closes every connection and returns nil. It returns an error, which unwraps to the system's, if it
// cannot listen. It must be called once.
func (b *Broker) Run(ctx context.Context) error {
	defer b.conns.closeAll()
	if b.listener == nil {
		if err := b.Listen(ctx); err != nil {
			return err
		}
	}
	listener := b.listener
	defer context.AfterFunc(ctx, func() { _ = listener.Close() })()
	defer func() { _ = listener.Close() }()

	server := mqtt.New(&mqtt.Options{
		Capabilities:           capabilities(),
		Logger:                 slog.New(quiet(b.log.Handler())),
		SysTopicResendInterval: 10, // seconds, as mosquitto
	})
	if err := server.AddHook(newDoorman(b.users, b.log), nil); err != nil {
		return fmt.Errorf("embedded: %v", err)
	}
	if err := server.Serve(); err != nil {
		return fmt.Errorf("embedded: %v", err)
	}
	b.server = server
	close(b.ready)
	b.accept(ctx, listener)
	b.conns.closeAll()
	_ = server.Close() // ends its housekeeping; it never fails
	return nil
}

// accept serves clients until the listener is closed.
func (b *Broker) accept(ctx context.Context, listener net.Listener) {
	for ctx.Err() == nil {
		conn, err := listener.Accept()
		if err == nil {
			b.serve(outside, conn)
			continue
		}
		if ctx.Err() != nil {
			return
		}
		// Out of descriptors, most likely: the connections there are go on, and a new one may be possible in a moment.
		b.log.Warn("connection not accepted", "error", err)
		select {
		case <-ctx.Done():
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// connectTimeout is how long a client may take from its connection to its CONNECT; the broker sets its own deadlines after that.
const connectTimeout = 10 * time.Second

// Where a client came from; mochi calls it the client's listener.
const (
	outside = "network"
	inside  = "umqttd"
)

// serve lets the broker talk to one client in a goroutine of its own. It returns false, and has closed the connection, if the broker is stopping
// or full.
func (b *Broker) serve(from string, conn net.Conn) bool {
	_ = conn.SetDeadline(time.Now().Add(connectTimeout))
	return b.conns.serve(conn, func() {
		if err := b.server.EstablishConnection(from, conn); err != nil {
			b.log.Debug("client gone", "error", err, "from", from, "remote", conn.RemoteAddr())
		}
	})
}

// Dial connects to the broker from inside the process. It waits for Ready or ctx. Such a client needs no password: it is umqttd itself.
func (b *Broker) Dial(ctx context.Context) (net.Conn, error) {
	select {
	case <-b.ready:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	ours, theirs, err := pair()
	if err != nil {
		return nil, fmt.Errorf("embedded: %w", err)
	}
	if !b.serve(inside, theirs) {
		_ = ours.Close()
		return nil, ErrClosed
	}
	return ours, nil
}

// capabilities are the broker's limits: generous to honest clients, and none lets one client eat the Pi's memory.
func capabilities() *mqtt.Capabilities {
	const week = 7 * 24 * 60 * 60 // seconds
	c := mqtt.NewDefaultServerCapabilities()
	c.MaximumClients = maxConns
	c.MaximumPacketSize = 256 << 10 // bytes; a board's largest frame is a quarter of it
	c.MaximumSessionExpiryInterval = week
	c.MaximumMessageExpiryInterval = week
	c.MaximumClientWritesPending = 2048 // allocated for each client, 8 bytes apiece
	c.MaximumInflight = 4096            // stored messages a client
	return c
}
