package cable

import (
	"bytes"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/umqttd/umqttd/serialproto"
	"github.com/umqttd/umqttd/serialproto/board"
	"github.com/umqttd/umqttd/serialproto/mqttsn"
	"github.com/umqttd/umqttd/test/patience"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// open opens the gateway's end.
func open(t *testing.T, c *Cable) *os.File {
	t.Helper()
	fd, err := unix.Open(c.Path(), unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(fd), c.Path())
	t.Cleanup(func() { _ = f.Close() })
	if err := f.SetDeadline(time.Now().Add(patience.Limit)); err != nil {
		t.Fatal(err)
	}
	return f
}

func readFull(t *testing.T, r io.Reader, n int) []byte {
	t.Helper()
	p := make([]byte, n)
	if _, err := io.ReadFull(r, p); err != nil {
		t.Fatal(err)
	}
	return p
}

// every is every byte once.
func every() []byte {
	p := make([]byte, 256)
	for i := range p {
		p[i] = byte(i)
	}
	return p
}

// TestTransparent passes every byte both ways as it is, and no echo, before anybody has set the line.
func TestTransparent(t *testing.T) {
	c := New(t)
	gateway := open(t, c)
	c.Write(every())
	if got := readFull(t, gateway, 256); !bytes.Equal(got, every()) {
		t.Errorf("the gateway read % x", got)
	}
	if _, err := gateway.Write(every()); err != nil {
		t.Fatal(err)
	}
	var got []byte
	for len(got) < 256 {
		got = append(got, <-c.In()...)
	}
	if !bytes.Equal(got, every()) {
		t.Errorf("the board read % x", got)
	}
}

// TestReplug gives the path another pty. What was written meanwhile is lost.
func TestReplug(t *testing.T) {
	c := New(t)
	before := open(t, c)
	c.Unplug()
	if n, err := before.Read(make([]byte, 1)); err == nil && n > 0 {
		t.Error("an unplugged line can be read")
	}
	if _, err := os.Lstat(c.Path()); !os.IsNotExist(err) {
		t.Errorf("the path of an unplugged line is there: %v", err)
	}
	c.Write([]byte("lost"))
	c.Plug()
	after := open(t, c)
	c.Write([]byte("here"))
	if got := readFull(t, after, 4); string(got) != "here" {
		t.Errorf("read %q", got)
	}
}

// TestNobodyReads loses what is written, as a UART does, and holds nobody up for long.
func TestNobodyReads(t *testing.T) {
	c := New(t)
	for range 3 {
		c.Write(make([]byte, 64<<10))
	}
}

// TestNoise does to bytes what it is told, the same in every run.
func TestNoise(t *testing.T) {
	in := bytes.Repeat([]byte("abcdefgh"), 1000)
	for name, tt := range map[string]struct {
		noise Noise
		len   func(int) bool
	}{
		"none":   {Noise{}, func(n int) bool { return n == len(in) }},
		"drop":   {Noise{Drop: 0.1}, func(n int) bool { return n < len(in)*95/100 && n > len(in)*85/100 }},
		"flip":   {Noise{Flip: 0.1}, func(n int) bool { return n == len(in) }},
		"insert": {Noise{Insert: 0.1}, func(n int) bool { return n > len(in)*105/100 && n < len(in)*115/100 }},
	} {
		a, b := disturbance{Noise: tt.noise}, disturbance{Noise: tt.noise}
		got := a.pass(in)
		if !bytes.Equal(got, b.pass(in)) {
			t.Errorf("%s: two runs differ", name)
		}
		if !tt.len(len(got)) {
			t.Errorf("%s: %d bytes became %d", name, len(in), len(got))
		}
		if quiet := tt.noise == (Noise{}); bytes.Equal(got, in) != quiet || (a.faults == 0) != quiet {
			t.Errorf("%s: %d faults", name, a.faults)
		}
	}
}

// TestStall stops reading until the cable is plugged in anew.
func TestStall(t *testing.T) {
	c := New(t)
	gateway := open(t, c)
	c.Stall()
	if err := gateway.SetWriteDeadline(time.Now().Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	if n, err := gateway.Write(make([]byte, 1<<20)); err == nil {
		t.Errorf("a stalled board took %d bytes", n)
	}
}

// TestServer carries bytes both ways between TCP and the line, and lets its client connect again.
func TestServer(t *testing.T) {
	c := New(t)
	s := NewServer(t, c)
	for range 2 {
		conn, err := net.Dial("tcp", s.Addr())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Write([]byte("down")); err != nil {
			t.Fatal(err)
		}
		if got := <-c.In(); string(got) != "down" {
			t.Errorf("the board read %q", got)
		}
		c.Write([]byte("up"))
		if got := readFull(t, conn, 2); string(got) != "up" {
			t.Errorf("the client read %q", got)
		}
		s.Drop()
		if _, err := io.Copy(io.Discard, conn); err != nil && !strings.Contains(err.Error(), "reset") {
			t.Error(err)
		}
		_ = conn.Close()
	}
}

// TestBoard lets a board connect and publish to a gateway that is a script here.
func TestBoard(t *testing.T) {
	c := New(t)
	gateway := open(t, c)
	b := NewBoard(t, c, board.Config{ClientID: "m5"})
	var frames serialproto.Decoder
	next := func() (p mqttsn.Packet) {
		buf := make([]byte, 256)
		for {
			if ev, ok := frames.Next(); ok {
				if err := mqttsn.Parse(bytes.Clone(ev.Body), &p); err != nil {
					t.Fatal(err)
				}
				return p
			}
			n, err := gateway.Read(buf)
			if err != nil {
				t.Fatal(err)
			}
			frames.Feed(buf[:n], time.Now())
		}
	}
	answer := func(p mqttsn.Packet) {
		if _, err := gateway.Write(serialproto.AppendFrame(nil, p.Append(nil))); err != nil {
			t.Fatal(err)
		}
	}
	if p := next(); p.Type != mqttsn.Connect || string(p.ClientID) != "m5" {
		t.Fatalf("the board sent %+v", p)
	}
	answer(mqttsn.Packet{Type: mqttsn.ConnAck})
	b.Wait(board.Connected, 1)
	b.Publish(board.Message{Topic: "ab", Data: []byte("x"), QoS: 1})
	p := next()
	answer(mqttsn.Packet{Type: mqttsn.PubAck, TopicID: p.TopicID, MsgID: p.MsgID})
	b.WaitAcknowledged()
	answer(mqttsn.Packet{Type: mqttsn.Disconnect})
	if p := next(); p.Type != mqttsn.Connect {
		t.Fatalf("the board answered DISCONNECT with %+v", p)
	}
	if b.Sent(mqttsn.Publish) != 1 || b.Heard(mqttsn.Disconnect) != 1 || b.Reconnects() != 1 {
		t.Errorf("counted %d PUBLISHs, %d DISCONNECTs, %d CONNECTs more", b.Sent(mqttsn.Publish), b.Heard(mqttsn.Disconnect), b.Reconnects())
	}
}
