// Package web is umqttd's HTTP server: Prometheus' /metrics, /-/healthy and /-/ready, and a status page for people.
//
// It only reads. It shows no secret, has no profiler and no form, and its one script only shows what the server renders. A page of a foreign site cannot read it through the
// visitor's browser either: requests whose Host is not this gateway are refused (DNS rebinding), and no other site may embed its pages. TLS and
// passwords are configured in the web configuration file that all Prometheus exporters share
// (https://prometheus.io/docs/prometheus/latest/configuration/https/); it is read again when it changes.
package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	toolkit "github.com/prometheus/exporter-toolkit/web"
	"golang.org/x/net/netutil"

	"github.com/umqttd/umqttd/daemon/logs"
)

// Config says where the server listens and what it shows.
type Config struct {
	// Listen is host:port. Port 0 takes a free one. An empty Listen means 127.0.0.1:9884.
	Listen string
	// WebConfigFile names the exporter-toolkit's configuration. Empty means neither TLS nor passwords.
	WebConfigFile string
	// ShowPayloads lets the status page show what the messages say.
	ShowPayloads bool
	// HostName is the name that requests may use beside loopback names and addresses. Empty means the machine's.
	HostName string
	// Metrics serves /metrics. nil leaves the path out.
	Metrics http.Handler
	// Gateway is what the pages are about. It must not be nil.
	Gateway Gateway
	// Log gets what goes wrong. nil discards it.
	Log *slog.Logger
}

// Server is the task that serves HTTP.
type Server struct {
	cfg   Config
	hosts map[string]bool // names that a request's Host may have
	ready chan struct{}
	hub   *hub

	listener *net.TCPListener // set by Listen, or by Run before ready is closed
}

// Limits of one connection and of all. A scrape takes milliseconds; whoever takes longer than these is broken or malicious.
const (
	maxConns       = 64
	headerTimeout  = 5 * time.Second
	requestTimeout = 10 * time.Second
	answerTimeout  = 30 * time.Second
	idleTimeout    = time.Minute
	stopTimeout    = 2 * time.Second        // of the 5 s the whole daemon has
	beginTimeout   = 250 * time.Millisecond // of these, for a request that is just coming
	maxHeaderBytes = 16 << 10
)

// New checks the configuration and the files it names. It listens on nothing yet.
func New(cfg Config) (*Server, error) {
	if cfg.Listen == "" {
		cfg.Listen = "127.0.0.1:9884"
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.HostName == "" {
		cfg.HostName, _ = os.Hostname() // without it, loopback names and addresses still work
	}
	host, _, err := net.SplitHostPort(cfg.Listen)
	if err != nil {
		return nil, fmt.Errorf("web: http.listen: %v; write host:port, such as 127.0.0.1:9884", err)
	}
	if err := toolkit.Validate(cfg.WebConfigFile); err != nil {
		return nil, fmt.Errorf("web: http.web_config_file: %s: %v", cfg.WebConfigFile, err)
	}
	s := &Server{cfg: cfg, hosts: hostNames(cfg.HostName, host), ready: make(chan struct{})}
	s.hub = newHub(s.moments)
	return s, nil
}

// Ready is closed when the server listens.
func (s *Server) Ready() <-chan struct{} { return s.ready }

// String names the task.
func (s *Server) String() string { return "http server" }

// Addr returns the address the server listens on. It is valid once Ready is closed.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// Run serves until ctx is done, on what Listen has bound or on what it binds itself, then lets running requests end, for 2 s at most, and returns nil. It returns an error, which unwraps to the system's,
// if it cannot listen. It must be called once.
func (s *Server) Run(ctx context.Context) error {
	if s.listener == nil {
		if err := s.Listen(ctx, nil); err != nil {
			return err
		}
	}
	b := newBusy()
	server := &http.Server{
		ConnState:         b.changed,
		Handler:           s.handler(),
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       requestTimeout,
		WriteTimeout:      answerTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(s.cfg.Log.Handler(), slog.LevelDebug),
	}
	serving := make(chan error, 1)
	go func() { serving <- s.serve(server, netutil.LimitListener(s.listener, maxConns)) }()
	close(s.ready)
	select {
	case err := <-serving:
		s.hub.close()
		return fmt.Errorf("web: %w", err)
	case <-ctx.Done():
	}
	s.hub.close() // streams would never end by themselves
	defer s.hub.running.Wait()
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	_ = s.listener.Close()
	err := <-serving // what it has accepted it has noted
	begun, done := context.WithTimeout(stop, beginTimeout)
	b.wait(begun)
	done()
	if server.Shutdown(stop) != nil {
		_ = server.Close()
	}
	if !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("web: %w", err)
	}
	return nil
}

// serve serves with TLS and passwords as the web configuration says. What the toolkit says at info is debug to us.
func (s *Server) serve(server *http.Server, listener net.Listener) error {
	log := slog.New(logs.AtLeast(s.cfg.Log.Handler(), slog.LevelWarn))
	return toolkit.Serve(listener, server, &toolkit.FlagConfig{WebConfigFile: &s.cfg.WebConfigFile}, log)
}

// handler is the list of everything there is to see. Other methods than GET and HEAD are answered 405, other paths 404.
func (s *Server) handler() http.Handler {
	mux := http.NewServeMux()
	if s.cfg.Metrics != nil {
		mux.Handle("GET /metrics", s.cfg.Metrics)
	}
	mux.HandleFunc("GET /-/healthy", s.healthy)
	mux.HandleFunc("GET /-/ready", s.answerReady)
	mux.HandleFunc("GET /{$}", s.page)
	mux.HandleFunc("GET /devices/{name}", s.page)
	mux.HandleFunc("GET /events", s.stream)
	mux.HandleFunc("GET /devices/{name}/events", s.stream)
	mux.Handle("GET /live.js", newAsset("live.js", "text/javascript; charset=utf-8"))
	mux.Handle("GET /style.css", newAsset("style.css", "text/css; charset=utf-8"))
	mux.Handle("GET /icon.svg", newAsset("icon.svg", "image/svg+xml"))
	return s.guard(mux)
}
