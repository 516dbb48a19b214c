package mqttcore

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Keepalive of the TCP connection, below MQTT's own. It finds a dead peer where MQTT's is off (KeepAlive 0): 30 s of silence, then three
// questions 10 s apart.
const (
	tcpKeepAliveIdle     = 30 * time.Second
	tcpKeepAliveInterval = 10 * time.Second
	tcpKeepAliveCount    = 3
)

// closeGrace is how long the Close of a TLS connection may take to say goodbye to a peer that does not read.
const closeGrace = 250 * time.Millisecond

// Dialer makes connections to one broker. Any number of clients may share one.
type Dialer struct {
	// Immutable.
	scheme     string
	address    string // host:port
	target     string // the URL with every default filled in
	hostHeader string // for WebSocket: without the port if it is the scheme's own, as browsers write it and signed URLs expect it
	tls        *tlsFiles
}

// NewDialer returns a Dialer for a broker's URL:
//
//	mqtt://host[:1883]         TCP
//	mqtts://host[:8883]        TLS
//	ws://host[:80][/mqtt]      WebSocket, sub-protocol "mqtt", binary messages [MQTT-6.0.0-1]
//	wss://host[:443][/mqtt]    WebSocket over TLS
//
// The parts in brackets are the defaults. The path /mqtt is what EMQX, HiveMQ, VerneMQ and AWS IoT listen on, and mosquitto does not mind; a
// path that is given, "/" too, is sent as it stands, with its query.
//
// files are for mqtts and wss, and are loaded here. Refused, with an error that says what to write instead: a user or password in the URL,
// an unknown scheme, a missing host, files for a scheme without TLS, and files that cannot be used.
func NewDialer(rawURL string, files FileTLS) (*Dialer, error) {
	u, err := parseBrokerURL(rawURL)
	if err != nil {
		return nil, err
	}
	d := &Dialer{scheme: u.Scheme, address: u.Host, target: u.String(), hostHeader: u.Host}
	if port, _ := defaultPort(u.Scheme); u.Port() == port {
		d.hostHeader = strings.TrimSuffix(u.Host, ":"+port)
	}
	if u.Scheme == "mqtts" || u.Scheme == "wss" {
		d.tls, err = newTLSFiles(files, u.Hostname())
		return d, err
	}
	if files.CAFile != "" || files.CertFile != "" || files.KeyFile != "" || files.ServerName != "" || files.MinVersion != "" || len(files.ALPN) > 0 {
		return nil, fmt.Errorf("mqttcore: broker URL %s has no TLS, but TLS settings are given; write %ss:// or remove them", d.target, u.Scheme)
	}
	return d, nil
}

// String returns the URL with every default filled in and without its query, which may hold a signature. It is fit for a log.
func (d *Dialer) String() string {
	target, _, _ := strings.Cut(d.target, "?")
	return target
}

// TLSStatus returns what is known about the TLS files since the last dial. It reports false for a scheme without TLS.
func (d *Dialer) TLSStatus() (TLSStatus, bool) {
	if d.tls == nil {
		return TLSStatus{}, false
	}
	return d.tls.status(), true
}

// Dial connects. ctx bounds all of it: name lookup, TCP, the handshakes of TLS and WebSocket; give it a deadline, a peer that is silent during
// a handshake is waited for until then. The connection outlives ctx.
//
// The connection has TCP_NODELAY set, because its user coalesces writes itself. Close may be called from any goroutine, frees a blocked
// reader and a blocked writer, and returns within a fraction of a second, whatever the peer does. A deadline that ends a Read or a Write of
// TLS or WebSocket may end it inside a record or a frame: the connection is then good for Close only, as after any other error.
func (d *Dialer) Dial(ctx context.Context) (net.Conn, error) {
	conn, err := d.dial(ctx)
	if err != nil {
		return nil, fmt.Errorf("mqttcore: dial %s: %w", d, err)
	}
	return conn, nil
}

func (d *Dialer) dial(ctx context.Context) (net.Conn, error) {
	switch d.scheme {
	case "mqtt":
		return d.dialTCP(ctx)
	case "mqtts":
		return d.dialTLS(ctx)
	default:
		return d.dialWebSocket(ctx)
	}
}

func (d *Dialer) dialTCP(ctx context.Context) (net.Conn, error) {
	dialer := net.Dialer{KeepAliveConfig: net.KeepAliveConfig{
		Enable:   true,
		Idle:     tcpKeepAliveIdle,
		Interval: tcpKeepAliveInterval,
		Count:    tcpKeepAliveCount,
	}}
	conn, err := dialer.DialContext(ctx, "tcp", d.address)
	if err != nil {
		return nil, err
	}
	if err := conn.(*net.TCPConn).SetNoDelay(true); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return conn, nil
}

func (d *Dialer) dialTLS(ctx context.Context) (net.Conn, error) {
	raw, err := d.dialTCP(ctx)
	if err != nil {
		return nil, err
	}
	conn := tls.Client(raw, d.tls.config())
	err = conn.HandshakeContext(ctx)
	var untrusted *tls.CertificateVerificationError
	if errors.As(err, &untrusted) {
		err = fmt.Errorf("%w (authorities trusted: %s)", err, d.tls.trusted())
	}
	if err != nil {
		_ = raw.Close() // the handshake's error is the one that says something
		return nil, err
	}
	return &tlsConn{Conn: conn, raw: raw}, nil
}

// tlsConn is a tls.Conn whose Close does not wait five seconds for a peer that has stopped reading.
type tlsConn struct {
	*tls.Conn
	raw net.Conn
}

// Close says goodbye with a close_notify, for closeGrace at most, and closes the connection.
func (c *tlsConn) Close() error {
	cut := time.AfterFunc(closeGrace, func() { _ = c.raw.Close() })
	defer cut.Stop()
	return c.Conn.Close()
}

// parseBrokerURL reads a broker's URL and fills in port and path. No error repeats a text that may hold a password.
func parseBrokerURL(rawURL string) (*url.URL, error) {
	u, err := url.Parse(rawURL)
	if err != nil && strings.Contains(rawURL, "@") {
		return nil, errors.New("mqttcore: broker URL cannot be read, and has an @ in it: a user and a password do not belong there")
	}
	var detail *url.Error
	if errors.As(err, &detail) {
		err = detail.Err
	}
	if err != nil {
		return nil, fmt.Errorf("mqttcore: broker URL %q: %w", rawURL, err)
	}
	if u.User != nil {
		return nil, fmt.Errorf("mqttcore: broker URL for %s holds a user or a password; they do not belong there", u.Host)
	}
	port, err := defaultPort(u.Scheme)
	if err != nil {
		return nil, err
	}
	if u.Hostname() == "" {
		return nil, fmt.Errorf("mqttcore: broker URL %q names no host; write %s://HOST", rawURL, u.Scheme)
	}
	if p := u.Port(); p != "" {
		port = p
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return nil, fmt.Errorf("mqttcore: broker URL %q: port %s is not in 1 to 65535", rawURL, port)
	}
	if u.Fragment != "" {
		return nil, fmt.Errorf("mqttcore: broker URL %q: a fragment (#%s) means nothing here", rawURL, u.Fragment)
	}
	u.Host = net.JoinHostPort(u.Hostname(), port)
	if u.Scheme == "ws" || u.Scheme == "wss" {
		if u.Path == "" {
			u.Path = "/mqtt"
		}
		return u, nil
	}
	if (u.Path != "" && u.Path != "/") || u.RawQuery != "" {
		return nil, fmt.Errorf("mqttcore: broker URL %q: %s has no path and no query; write %[2]s://%[3]s", rawURL, u.Scheme, u.Host)
	}
	u.Path = ""
	return u, nil
}

// defaultPort returns the port a scheme stands for.
func defaultPort(scheme string) (string, error) {
	switch scheme {
	case "mqtt":
		return "1883", nil
	case "mqtts":
		return "8883", nil
	case "ws":
		return "80", nil
	case "wss":
		return "443", nil
	case "tcp":
		return "", errors.New("mqttcore: broker URL scheme tcp is not known; write mqtt://")
	case "ssl", "tls":
		return "", fmt.Errorf("mqttcore: broker URL scheme %s is not known; write mqtts://", scheme)
	case "http", "https":
		return "", fmt.Errorf("mqttcore: broker URL scheme %s is not known; write %s://", scheme, strings.Replace(scheme, "http", "ws", 1))
	default:
		return "", fmt.Errorf("mqttcore: broker URL scheme %q is not known; write mqtt://, mqtts://, ws:// or wss://", scheme)
	}
}
