package mqttcore_test

import (
	"bytes"
	"context"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/umqttd/umqttd/mqttcore"
	"github.com/umqttd/umqttd/test/certs"
)

// wsServer is the broker's side of WebSocket connections: a handler of HTTP requests that hands each upgraded connection to the test.
type wsServer struct {
	url      string // ws://host:port
	requests chan *http.Request
	conns    chan *websocket.Conn
}

func startWSServer(t *testing.T, protocols ...string) *wsServer {
	t.Helper()
	s := &wsServer{requests: make(chan *http.Request, 16), conns: make(chan *websocket.Conn, 16)}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.requests <- r
		conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: protocols})
		if err == nil {
			conn.SetReadLimit(-1)
			s.conns <- conn
		}
	}))
	t.Cleanup(server.Close)
	s.url = "ws" + strings.TrimPrefix(server.URL, "http")
	return s
}

// connect dials and returns both ends.
func (s *wsServer) connect(t *testing.T) (client net.Conn, server *websocket.Conn) {
	t.Helper()
	client, err := newDialer(t, s.url, mqttcore.FileTLS{}).Dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	server = <-s.conns
	t.Cleanup(func() {
		_ = client.Close()
		_ = server.CloseNow()
	})
	_ = client.SetDeadline(time.Now().Add(20 * time.Second))
	return client, server
}

func send(t *testing.T, conn *websocket.Conn, message []byte) {
	t.Helper()
	if err := conn.Write(t.Context(), websocket.MessageBinary, message); err != nil {
		t.Fatal(err)
	}
}

func wantBytes(t *testing.T, conn io.Reader, want string) {
	t.Helper()
	got := make([]byte, len(want))
	if _, err := io.ReadFull(conn, got); err != nil || string(got) != want {
		t.Fatalf("read %q (%v), want %q", got, err, want)
	}
}

func TestWebSocketHandshake(t *testing.T) {
	server := startWSServer(t, "mqtt")
	for path, want := range map[string]string{"": "/mqtt", "/": "/", "/ws?token=1": "/ws?token=1"} {
		conn, err := newDialer(t, server.url+path, mqttcore.FileTLS{}).Dial(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		request := <-server.requests
		if got := request.URL.RequestURI(); got != want {
			t.Errorf("asked for %s, want %s", got, want)
		}
		if got := request.Header.Get("Sec-WebSocket-Protocol"); got != "mqtt" {
			t.Errorf("sub-protocol %q, want mqtt", got)
		}
		if got := conn.RemoteAddr().String(); got != strings.TrimPrefix(server.url, "ws://") {
			t.Errorf("remote address %s, want the server's", got)
		}
		if conn.LocalAddr().String() != request.RemoteAddr {
			t.Errorf("local address %s, server sees %s", conn.LocalAddr(), request.RemoteAddr)
		}
		_ = conn.Close()
		_ = (<-server.conns).CloseNow()
	}
}

func TestWebSocketHandshakeRefused(t *testing.T) {
	handlers := map[string]struct {
		handler http.HandlerFunc
		want    string
	}{
		"not found":       {http.NotFound, "404"},
		"redirect":        {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/other", http.StatusFound) }, "302"},
		"endless headers": {endlessHeaders, "EOF"},
		"another protocol": {func(w http.ResponseWriter, r *http.Request) {
			conn, err := websocket.Accept(w, r, nil)
			if err == nil {
				_ = conn.CloseNow()
			}
		}, `sub-protocol "mqtt"`},
	}
	for name, test := range handlers {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(test.handler)
			defer server.Close()
			url := "ws" + strings.TrimPrefix(server.URL, "http")
			_, err := newDialer(t, url, mqttcore.FileTLS{}).Dial(t.Context())
			wantErr(t, err, "mqttcore: dial "+url+"/mqtt: ", test.want)
		})
	}
}

// endlessHeaders answers with headers for as long as somebody reads them.
func endlessHeaders(w http.ResponseWriter, _ *http.Request) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	_, err = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\n")
	for i := 0; err == nil; i++ {
		_, err = fmt.Fprintf(conn, "X-%d: %s\r\n", i, strings.Repeat("x", 1000))
	}
}

// "MQTT Control Packets may be split across or combined in data frames" [MQTT-6.0.0-2].
func TestWebSocketIsAStreamOfBytes(t *testing.T) {
	client, server := startWSServer(t, "mqtt").connect(t)
	for _, message := range []string{"\x20", "\x02\x00", "", "\x00\x40\x02\x00\x01\xd0\x00"} {
		send(t, server, []byte(message))
	}
	wantBytes(t, client, "\x20\x02\x00\x00")
	wantBytes(t, client, "\x40\x02\x00\x01")
	wantBytes(t, client, "\xd0\x00")

	sent := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	written := make(chan error, 1)
	go func() {
		n, err := client.Write(sent)
		if n != len(sent) && err == nil {
			err = fmt.Errorf("wrote %d of %d bytes", n, len(sent))
		}
		written <- err
	}()
	kind, got, err := server.Read(t.Context())
	if err := errors.Join(err, <-written); err != nil {
		t.Fatal(err)
	}
	if kind != websocket.MessageBinary || !bytes.Equal(got, sent) {
		t.Errorf("server read %d bytes as %v, want the %d sent, binary", len(got), kind, len(sent))
	}
	go func() { written <- server.Write(t.Context(), websocket.MessageBinary, sent) }()
	wantBytes(t, client, string(sent))
	if err := <-written; err != nil {
		t.Fatal(err)
	}
}

// startRawServer accepts the handshake, sends bytes in one go with it, and then closes the connection once hangUp is closed.
func startRawServer(t *testing.T, sent string, hangUp <-chan struct{}) (url string) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer conn.Close()
		_, _ = fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
			"Sec-WebSocket-Protocol: mqtt\r\nSec-WebSocket-Accept: %s\r\n\r\n%s", acceptKey(r), sent)
		<-hangUp
	}))
	t.Cleanup(server.Close)
	return "ws" + strings.TrimPrefix(server.URL, "http")
}

// What a server sends in one go with its answer to the handshake belongs to the stream. A connection may end inside a frame.
func TestWebSocketBytesRightAfterTheHandshake(t *testing.T) {
	hangUp := make(chan struct{})
	url := startRawServer(t, "\x82\x04\x20\x02\x00\x00\x82\x0aabc", hangUp)
	conn, err := newDialer(t, url, mqttcore.FileTLS{}).Dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	wantBytes(t, conn, "\x20\x02\x00\x00")
	wantBytes(t, conn, "abc")
	close(hangUp)
	for range 2 {
		if n, err := conn.Read(make([]byte, 10)); n != 0 || err == nil {
			t.Errorf("read %d bytes and %v, want an error", n, err)
		}
	}
}

// acceptKey is the server's proof that it understood the handshake, RFC 6455 section 4.2.2.
func acceptKey(r *http.Request) string {
	digest := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(digest[:])
}

// "If any other type of data frame is received the recipient MUST close the Network Connection" [MQTT-6.0.0-1].
func TestWebSocketTextMessageClosesTheConnection(t *testing.T) {
	client, server := startWSServer(t, "mqtt").connect(t)
	if err := server.Write(t.Context(), websocket.MessageText, []byte("\x20\x02\x00\x00")); err != nil {
		t.Fatal(err)
	}
	_, err := client.Read(make([]byte, 4))
	wantErr(t, err, "text")
	if _, _, err := server.Read(t.Context()); err == nil {
		t.Error("the connection is still open")
	}
}

func TestWebSocketEnds(t *testing.T) {
	t.Run("with a close frame", func(t *testing.T) {
		client, server := startWSServer(t, "mqtt").connect(t)
		send(t, server, []byte("last"))
		go func() { _ = server.Close(websocket.StatusGoingAway, "") }()
		wantBytes(t, client, "last")
		for range 2 {
			if n, err := client.Read(make([]byte, 4)); n != 0 || !errors.Is(err, io.EOF) {
				t.Errorf("read %d bytes and %v, want io.EOF", n, err)
			}
		}
	})
	t.Run("without one", func(t *testing.T) {
		client, server := startWSServer(t, "mqtt").connect(t)
		_ = server.CloseNow()
		if _, err := client.Read(make([]byte, 4)); err == nil {
			t.Error("read from a closed connection succeeds")
		}
	})
}

// A client reports that the broker has closed, with a close frame or without.
func TestWebSocketClosedByBroker(t *testing.T) {
	for name, end := range map[string]func(*websocket.Conn){
		"going away":  func(conn *websocket.Conn) { _ = conn.Close(websocket.StatusGoingAway, "") },
		"too large":   func(conn *websocket.Conn) { _ = conn.Close(websocket.StatusMessageTooBig, "") },
		"no farewell": func(conn *websocket.Conn) { _ = conn.CloseNow() },
	} {
		t.Run(name, func(t *testing.T) {
			server := startWSServer(t, "mqtt")
			states := make(chan mqttcore.State, 2)
			client, err := mqttcore.New(mqttcore.Config{
				Dial: newDialer(t, server.url, mqttcore.FileTLS{}).Dial, ClientID: "board",
				BackoffMin: time.Hour, BackoffMax: time.Hour, OnState: func(s mqttcore.State) { states <- s },
			})
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			stopped := make(chan error)
			go func() { stopped <- client.Run(ctx) }()
			conn := <-server.conns
			if _, _, err := conn.Read(t.Context()); err != nil { // CONNECT
				t.Fatal(err)
			}
			send(t, conn, []byte("\x20\x02\x00\x00"))
			if s := <-states; s.Kind != mqttcore.Connected {
				t.Errorf("%+v", s)
			}
			end(conn)
			if s := <-states; !s.ByPeer {
				t.Errorf("%+v, want ByPeer", s)
			}
			cancel()
			<-stopped
			_ = conn.CloseNow()
		})
	}
}

func TestWebSocketCloseFreesReaderAndWriter(t *testing.T) {
	client, server := startWSServer(t, "mqtt").connect(t)
	_ = client.SetDeadline(time.Time{})
	fillDone, readDone := make(chan error, 1), make(chan error, 1)
	go func() {
		_, err := client.Read(make([]byte, 1))
		readDone <- err
	}()
	go func() {
		_, err := client.Write(make([]byte, 64<<20)) // more than any pair of socket buffers holds
		fillDone <- err
	}()
	if _, _, err := server.Reader(t.Context()); err != nil { // the Write has begun
		t.Fatal(err)
	}
	if err := client.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	for name, done := range map[string]chan error{"reader": readDone, "writer": fillDone} {
		if err := <-done; !errors.Is(err, net.ErrClosed) {
			t.Errorf("%s ends with %v, want net.ErrClosed", name, err)
		}
	}
}

// A read deadline may come in the middle of a frame, so its end is final.
func TestWebSocketReadDeadline(t *testing.T) {
	for name, test := range map[string]struct{ sent, read string }{
		"between frames": {"", ""}, "inside a header": {"\x82", ""}, "inside a frame": {"\x82\x0aabc", "abc"},
	} {
		t.Run(name, func(t *testing.T) {
			hangUp := make(chan struct{})
			url := startRawServer(t, "\x82\x01x"+test.sent, hangUp)
			defer close(hangUp)
			conn, err := newDialer(t, url, mqttcore.FileTLS{}).Dial(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			wantBytes(t, conn, "x")
			_ = conn.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
			got, err := io.ReadAll(conn)
			if wantTimeout(t, err); string(got) != test.read {
				t.Errorf("read %q before the deadline", got)
			}
			_ = conn.SetReadDeadline(time.Now().Add(time.Minute))
			_, err = conn.Read(make([]byte, 1))
			wantTimeout(t, err)
		})
	}
}

func TestWebSocketWriteDeadline(t *testing.T) {
	t.Run("set before", func(t *testing.T) {
		client, _ := startWSServer(t, "mqtt").connect(t)
		fill(t, client)
	})
	t.Run("set during", func(t *testing.T) {
		client, server := startWSServer(t, "mqtt").connect(t)
		_ = client.SetWriteDeadline(time.Time{})
		done := make(chan error, 1)
		go func() {
			_, err := client.Write(make([]byte, 64<<20))
			done <- err
		}()
		if _, _, err := server.Reader(t.Context()); err != nil { // the Write has begun
			t.Fatal(err)
		}
		_ = client.SetWriteDeadline(time.Unix(1, 0))
		wantTimeout(t, <-done)
	})
}

func wantTimeout(t *testing.T, err error) {
	t.Helper()
	var timeout net.Error
	if !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Errorf("error %v, want a timeout", err)
	}
}

// The reader answers the server's pings. A write deadline long over, of a Write long done, must not make the answer fail.
func TestWebSocketPingAfterAnOldWriteDeadline(t *testing.T) {
	client, server := startWSServer(t, "mqtt").connect(t)
	over := time.Now().Add(20 * time.Millisecond)
	_ = client.SetWriteDeadline(over)
	if _, err := client.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if _, _, err := server.Read(t.Context()); err != nil {
		t.Fatal(err)
	}
	read := make(chan error, 1)
	go func() {
		_, err := client.Read(make([]byte, 1))
		read <- err
	}()
	ctx, cancel := context.WithTimeout(server.CloseRead(t.Context()), 10*time.Second) // which reads the pongs
	defer cancel()
	for done := false; !done; {
		done = time.Now().After(over)
		if err := server.Ping(ctx); err != nil {
			t.Fatalf("ping is not answered: %v", err)
		}
	}
	send(t, server, []byte("x"))
	if err := <-read; err != nil {
		t.Errorf("reading ended with %v", err)
	}
}

func TestWebSocketOverTLS(t *testing.T) {
	ca := certs.NewAuthority(t, t.TempDir(), "ca")
	names := make(chan string, 16)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		names <- r.TLS.PeerCertificates[0].Subject.CommonName
		conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{"mqtt"}})
		if err == nil {
			_ = conn.Write(r.Context(), websocket.MessageBinary, []byte("hi"))
			conn.CloseRead(r.Context())
		}
	}))
	server.TLS = serverConfig(t, ca)
	requireClient(t, server.TLS, ca)
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError) // it tells of the handshake that shall fail
	server.StartTLS()
	defer server.Close()
	client := ca.Client(t, "greenhouse-1", time.Time{})
	url := "wss" + strings.TrimPrefix(server.URL, "https")
	conn, err := newDialer(t, url, mqttcore.FileTLS{CAFile: ca.CertFile, CertFile: client.CertFile, KeyFile: client.KeyFile}).Dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	wantBytes(t, conn, "hi")
	if name := <-names; name != "greenhouse-1" {
		t.Errorf("server saw the certificate of %s", name)
	}
	_, err = newDialer(t, url, mqttcore.FileTLS{}).Dial(t.Context())
	wantErr(t, err, "unknown authority")
}
