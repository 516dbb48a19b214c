package embedded

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/crypto/bcrypt"

	"github.com/umqttd/umqttd/daemon/logs/logtest"
	"github.com/umqttd/umqttd/daemon/tasktest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what must happen.
const patience = 10 * time.Second

// start runs a broker on a free loopback port until the test ends. Its log is complete after stop.
func start(t *testing.T, cfg Config) (b *Broker, log *logtest.Book, stop func()) {
	t.Helper()
	log = new(logtest.Book)
	cfg.Log = log.Logger()
	if cfg.Listen == "" {
		cfg.Listen = "127.0.0.1:0"
	}
	b, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return b, log, tasktest.Start(t, b)
}

// client is one connection, spoken byte by byte.
type client struct {
	t *testing.T
	net.Conn
}

func dial(t *testing.T, b *Broker) client {
	t.Helper()
	conn, err := net.Dial("tcp", b.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return newClient(t, conn)
}

func newClient(t *testing.T, conn net.Conn) client {
	_ = conn.SetDeadline(time.Now().Add(patience))
	t.Cleanup(func() { _ = conn.Close() })
	return client{t, conn}
}

// join connects over the network, as a client without a password.
func join(t *testing.T, b *Broker, id string) client {
	t.Helper()
	c := dial(t, b)
	c.send(connect(id, "", ""))
	c.want("CONNACK", accepted)
	return c
}

// joinInside connects as umqttd itself does.
func joinInside(t *testing.T, b *Broker, id string) client {
	t.Helper()
	conn, err := b.Dial(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	c := newClient(t, conn)
	c.send(connect(id, "", ""))
	c.want("CONNACK without a password", accepted)
	return c
}

func (c client) send(packet string) {
	c.t.Helper()
	if _, err := io.WriteString(c, packet); err != nil {
		c.t.Fatal(err)
	}
}

func (c client) want(what, packet string) {
	c.t.Helper()
	got := make([]byte, len(packet))
	if n, err := io.ReadFull(c, got); err != nil || string(got) != packet {
		c.t.Fatalf("%s: got %x, %v; want %x", what, got[:n], err, packet)
	}
}

// wantClosed checks that the broker closes the connection, whatever it still sends.
func (c client) wantClosed() {
	c.t.Helper()
	if _, err := io.Copy(io.Discard, c); err != nil && !errors.Is(err, syscall.ECONNRESET) {
		c.t.Fatalf("got %v, want the end of the connection", err)
	}
}

// field is a string with MQTT's length in front.
func field(s string) string { return string([]byte{byte(len(s) >> 8), byte(len(s))}) + s }

// connect is CONNECT with a clean session and no keepalive; without a user if user is empty.
func connect(id, user, password string) string {
	flags, login := byte(0x02), ""
	if user != "" {
		flags, login = 0xc2, field(user)+field(password)
	}
	body := field("MQTT") + "\x04" + string([]byte{flags}) + "\x00\x00" + field(id) + login
	return "\x10" + string([]byte{byte(len(body))}) + body
}

const (
	accepted = "\x20\x02\x00\x00"
	refused  = "\x20\x02\x00\x05" // not authorised
)

func TestQoS1FromTheNetworkToTheInside(t *testing.T) {
	b, _, _ := start(t, Config{})
	inner, outer := joinInside(t, b, "gateway"), join(t, b, "phone")
	inner.send("\x82\x08\x00\x01" + field("a/#") + "\x01")
	inner.want("SUBACK with QoS 1", "\x90\x03\x00\x01\x01")

	outer.send("\x32\x09\x00\x03a/b\x00\x07hi")
	outer.want("PUBACK", "\x40\x02\x00\x07")

	inner.want("the message, with the broker's own id", "\x32\x09\x00\x03a/b\x00\x01hi")
	inner.send("\x40\x02\x00\x01")
}

// The daemon must stop in seconds, whoever hangs on the line, also a client that never said CONNECT.
func TestStopClosesEveryConnection(t *testing.T) {
	b, _, stop := start(t, Config{})
	silent, live := dial(t, b), join(t, b, "live")
	stop()
	silent.wantClosed()
	live.wantClosed()
	if _, err := b.Dial(context.Background()); !errors.Is(err, ErrClosed) {
		t.Errorf("Dial after the end: %v, want ErrClosed", err)
	}
}

func TestDialWaitsForReadyOrItsContext(t *testing.T) {
	b, err := New(Config{Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := b.Dial(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
}

// passwords writes a password file with one user, alice, and returns its path.
func passwords(t *testing.T, password string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "passwords")
	write(t, path, "# who may connect\n\nalice:"+hash(t, password)+"\n")
	return path
}

func hash(t *testing.T, password string) string {
	t.Helper()
	h, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	return string(h)
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestPasswords(t *testing.T) {
	b, log, stop := start(t, Config{PasswordFile: passwords(t, "wonderland")})
	for _, test := range []struct{ user, password, want string }{
		{"alice", "wonderland", accepted},
		{"alice", "wonderland", accepted}, // now remembered
		{"alice", "guess", refused},
		{"bob", "fakepassword", refused}, // the one of the hash that stands in for a missing user
		{"", "", refused},
	} {
		c := dial(t, b)
		c.send(connect("c", test.user, test.password))
		c.want(test.user+":"+test.password, test.want)
		if test.want == refused {
			c.wantClosed()
		}
		_ = c.Close()
	}
	joinInside(t, b, "gateway")
	stop()
	if got := log.String(); !strings.Contains(got, "user=bob") || strings.Contains(got, "wonderland") || strings.Contains(got, "guess") {
		t.Errorf("the log must name the refused user and never a password:\n%s", got)
	}
}

func TestPasswordFileIsReadAgainWhenItChanges(t *testing.T) {
	path := passwords(t, "old")
	b, log, stop := start(t, Config{PasswordFile: path})
	try := func(password, want string) {
		t.Helper()
		c := dial(t, b)
		c.send(connect("c", "alice", password))
		c.want(password, want)
		_ = c.Close()
	}
	try("old", accepted)

	write(t, path, "alice:"+hash(t, "new")+"\nbob:"+hash(t, "other")+"\n")
	try("old", refused) // it was remembered, and must be forgotten
	try("new", accepted)

	write(t, path, "alice:plain text\n")
	try("new", accepted) // a broken file changes nothing
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	try("new", accepted)
	try("new", accepted)
	write(t, path, "alice:"+hash(t, "newest")+"\n")
	try("newest", accepted)
	stop()
	if got := strings.Count(log.String(), "password file not read again"); got != 2 || strings.Contains(log.String(), "plain text") {
		t.Errorf("said %d times, want once for each of 2 faults, and never what is in the file:\n%s", got, log)
	}
}

func TestConfigurationFaults(t *testing.T) {
	bad := filepath.Join(t.TempDir(), "bad")
	write(t, bad, "alice:secret\n:"+hash(t, "x")+"\nbob:"+hash(t, "x")+"\nbob:"+hash(t, "x")+"\n")
	for _, test := range []struct {
		cfg  Config
		want []string
	}{
		{Config{Listen: "0.0.0.0:1883"}, []string{"embedded_broker.listen", "embedded_broker.password_file"}},
		{Config{Listen: ":1883"}, []string{"embedded_broker.password_file"}},
		{Config{Listen: "[::]:1883"}, []string{"embedded_broker.password_file"}},
		{Config{Listen: "pi.example.org:1883"}, []string{"embedded_broker.password_file"}},
		{Config{Listen: "localhost"}, []string{"embedded_broker.listen", "host:port"}},
		{Config{PasswordFile: filepath.Join(t.TempDir(), "none")}, []string{"embedded_broker.password_file", "no such file"}},
		{Config{PasswordFile: bad}, []string{bad + ":1: there is no bcrypt hash", bad + ":2: there is no user name", bad + ":4: the user stands"}},
	} {
		_, err := New(test.cfg)
		for _, want := range test.want {
			if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
				t.Errorf("New(%+v): %v, want an error that says %q", test.cfg, err, want)
			}
		}
	}
	for _, listen := range []string{"", "localhost:1883", "127.0.0.2:0", "[::1]:1883", "[::ffff:127.0.0.1]:1883"} {
		if _, err := New(Config{Listen: listen}); err != nil {
			t.Errorf("New with listen %q: %v, want nil", listen, err)
		}
	}
}

func TestAddressInUseNamesTheKey(t *testing.T) {
	b, _, _ := start(t, Config{})
	second, err := New(Config{Listen: b.Addr().String()})
	if err != nil {
		t.Fatal(err)
	}
	err = second.Run(context.Background())
	if !errors.Is(err, syscall.EADDRINUSE) || !strings.Contains(err.Error(), "embedded_broker.listen") {
		t.Errorf("got %v, want EADDRINUSE that names embedded_broker.listen", err)
	}
}

// Mochi logs the whole packet that broke a rule.
func TestNoPayloadReachesTheLog(t *testing.T) {
	b, log, stop := start(t, Config{})
	c := join(t, b, "c")
	c.send("\x32\x0d\x00\x03a/b\x00\x00secret") // QoS 1 with packet id 0 [MQTT-2.3.1-1]
	c.wantClosed()
	stop()
	if got := log.String(); !strings.Contains(got, "error processing packet") || strings.Contains(got, "secret") || strings.Contains(got, "pk=") {
		t.Errorf("the log must have the fault and not the packet:\n%s", got)
	}
	if strings.Contains(log.String(), "level=INFO") {
		t.Errorf("the broker chats:\n%s", log)
	}
}

func TestALargePacketIsRefusedBeforeItIsRead(t *testing.T) {
	b, _, _ := start(t, Config{})
	c := join(t, b, "c")
	c.send("\x30\xff\xff\xff\x7f") // PUBLISH of 256 MiB
	c.wantClosed()
}

func TestADroppedMessageIsSaidOnce(t *testing.T) {
	b, log, stop := start(t, Config{})
	slow, fast := joinInside(t, b, "slow"), join(t, b, "fast")
	slow.send("\x82\x08\x00\x01" + field("a/#") + "\x00")
	slow.want("SUBACK", "\x90\x03\x00\x01\x00")

	publish := "\x30\x85\x08" + field("a/b") + strings.Repeat("x", 1024)
	fast.send(strings.Repeat(publish, 4000) + "\xc0\x00") // nobody reads them: the socket's buffer and the queue fill up
	fast.want("PINGRESP, the publisher does not wait for the slow one", "\xd0\x00")
	stop()
	if got := strings.Count(log.String(), "client reads too slowly"); got != 1 {
		t.Errorf("said %d times, want once:\n%s", got, log)
	}
}
