package mqttcore

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/coder/websocket"
)

// webSocketProtocol is the sub-protocol of MQTT over WebSocket. "The WebSocket Sub Protocol name listed in the client and server handshake MUST
// be 'mqtt'" [MQTT-6.0.0-3], [MQTT-6.0.0-4].
const webSocketProtocol = "mqtt"

// maxHandshake bounds the server's answer to the handshake, in bytes.
const maxHandshake = 64 << 10

// wsConn is MQTT's byte stream over a WebSocket connection.
//
// It is not websocket.NetConn: there every Read costs a context, an expired deadline reads "context canceled", and Close waits up to ten
// seconds for the peer's part of the closing handshake. Here deadlines are the socket's own, and Close closes the socket.
type wsConn struct {
	// Immutable.
	ws  *websocket.Conn
	raw net.Conn // below ws: TCP, or TLS

	// Owned by the reader.
	message io.Reader // the message being read, nil between two
	readErr error     // the first error; it may have cut a frame in two, and what follows has no meaning then

	// Shared: mu. The socket has the write deadline during a Write only: the reader answers pings, and an answer must not fail because the
	// deadline of some earlier Write is over.
	mu            sync.Mutex
	writers       int
	writeDeadline time.Time
}

// dialWebSocket makes the TCP or TLS connection and shakes hands. No proxy is used and no redirect followed: either would take the
// connection, and what is said on it, to a place that nobody configured.
func (d *Dialer) dialWebSocket(ctx context.Context) (net.Conn, error) {
	dial := d.dialTCP
	if d.tls != nil {
		dial = d.dialTLS
	}
	raw, err := dial(ctx)
	if err != nil {
		return nil, err
	}
	client := &http.Client{
		Transport:     upgrader{raw},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	ws, _, err := websocket.Dial(ctx, d.target, &websocket.DialOptions{
		HTTPClient:   client,
		Host:         d.hostHeader,
		Subprotocols: []string{webSocketProtocol},
	})
	if err != nil {
		_ = raw.Close() // the handshake's error is the one that says something
		return nil, err
	}
	if ws.Subprotocol() != webSocketProtocol {
		_ = ws.CloseNow() // likewise
		return nil, fmt.Errorf("server does not speak the WebSocket sub-protocol %q", webSocketProtocol)
	}
	// A message is a piece of the stream, of any length: "MQTT Control Packets may be split across or combined in data frames"
	// [MQTT-6.0.0-2]. The limit on packets is the decoder's.
	ws.SetReadLimit(-1)
	return &wsConn{ws: ws, raw: raw}, nil
}

// Read reads bytes of the stream, wherever messages begin or end. A close frame reads as io.EOF.
func (c *wsConn) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for c.readErr == nil {
		if c.message == nil {
			c.readErr = c.nextMessage()
			continue
		}
		n, err := c.message.Read(p)
		if errors.Is(err, io.EOF) {
			c.message, err = nil, nil
		}
		c.readErr = err
		if n > 0 {
			return n, nil
		}
	}
	return 0, c.readErr
}

// nextMessage waits for a message and answers pings meanwhile.
func (c *wsConn) nextMessage() error {
	kind, message, err := c.ws.Reader(context.Background())
	if code := websocket.CloseStatus(err); code == websocket.StatusNormalClosure || code == websocket.StatusGoingAway {
		return io.EOF
	}
	if err != nil {
		return err
	}
	if kind != websocket.MessageBinary {
		// "If any other type of data frame is received the recipient MUST close the Network Connection" [MQTT-6.0.0-1].
		_ = c.Close() // the error is the reason for closing
		return errors.New("mqttcore: WebSocket message is text, not binary")
	}
	c.message = message
	return nil
}

// Write sends p as one message.
func (c *wsConn) Write(p []byte) (int, error) {
	if err := c.setWriters(+1); err != nil {
		return 0, err
	}
	err := c.ws.Write(context.Background(), websocket.MessageBinary, p)
	if err := errors.Join(err, c.setWriters(-1)); err != nil {
		return 0, err
	}
	return len(p), nil
}

// setWriters notes that a Write begins or ends, and gives the socket the deadline that holds then.
func (c *wsConn) setWriters(delta int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.writers += delta
	if c.writers > 0 {
		return c.raw.SetWriteDeadline(c.writeDeadline)
	}
	return c.raw.SetWriteDeadline(time.Time{})
}

// Close closes the socket without the closing handshake, for which a peer that hangs would have to be waited for. MQTT has said what there is
// to say, or has deliberately not said it.
func (c *wsConn) Close() error { return c.ws.CloseNow() }

// LocalAddr returns the socket's address.
func (c *wsConn) LocalAddr() net.Addr { return c.raw.LocalAddr() }

// RemoteAddr returns the broker's address.
func (c *wsConn) RemoteAddr() net.Addr { return c.raw.RemoteAddr() }

// SetDeadline sets both deadlines; see Dial for what one that expires means.
func (c *wsConn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

// SetReadDeadline bounds Read.
func (c *wsConn) SetReadDeadline(t time.Time) error { return c.raw.SetReadDeadline(t) }

// SetWriteDeadline bounds every Write that is under way or follows.
func (c *wsConn) SetWriteDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.writeDeadline = t
	if c.writers > 0 {
		return c.raw.SetWriteDeadline(t)
	}
	return nil
}

// upgrader does the one HTTP exchange of a WebSocket handshake on a connection that is there already. http.Transport would add two goroutines
// and a pool, and keep a connection that was made just as its context ended.
type upgrader struct{ conn net.Conn }

// RoundTrip implements http.RoundTripper.
func (u upgrader) RoundTrip(request *http.Request) (*http.Response, error) {
	ctx := request.Context()
	interrupted := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(interrupted)
		_ = u.conn.SetDeadline(time.Unix(1, 0)) // in the past: ends the exchange
	})
	response, err := u.exchange(request)
	if !stop() {
		<-interrupted
		err = errors.Join(ctx.Err(), err)
	}
	if err != nil {
		return nil, err
	}
	return response, nil
}

// exchange sends request and reads the answer, whose body is the connection if the server agreed to switch.
func (u upgrader) exchange(request *http.Request) (*http.Response, error) {
	if err := request.Write(u.conn); err != nil {
		return nil, err
	}
	buffered := bufio.NewReader(io.LimitReader(u.conn, maxHandshake))
	response, err := http.ReadResponse(buffered, request)
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusSwitchingProtocols {
		return response, nil
	}
	early, err := buffered.Peek(buffered.Buffered())
	if err != nil {
		return nil, err
	}
	response.Body = upgraded{Conn: u.conn, reader: io.MultiReader(bytes.NewReader(early), u.conn)}
	return response, nil
}

// upgraded is a connection after the handshake. Bytes that came with the handshake's answer are read first.
type upgraded struct {
	net.Conn
	reader io.Reader
}

// Read implements io.Reader.
func (u upgraded) Read(p []byte) (int, error) { return u.reader.Read(p) }
