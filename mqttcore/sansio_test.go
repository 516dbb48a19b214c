package mqttcore_test

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/umqttd/umqttd/mqttcore"
	"github.com/umqttd/umqttd/mqttcore/packet"
)

// bench is an engine on a table: the test is its socket, broker and clock.
type bench struct {
	*mqttcore.Engine
	t   *testing.T
	now time.Time
}

func newBench(t *testing.T, cfg mqttcore.Config) *bench {
	t.Helper()
	if cfg.ClientID == "" {
		cfg.ClientID = "bench"
	}
	if cfg.Rand == nil {
		cfg.Rand = func() float64 { return 0.5 }
	}
	e, err := mqttcore.NewEngine(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return &bench{e, t, time.Unix(1_000_000, 0)}
}

// connect opens a connection and checks CONNECT. The broker answers.
func (b *bench) connect(sessionPresent bool) packet.Connect {
	b.t.Helper()
	if err := b.Open(); err != nil {
		b.t.Fatal(err)
	}
	c, err := packet.ParseConnect(b.write())
	if err != nil {
		b.t.Fatal(err)
	}
	b.receive(packet.Connack{SessionPresent: sessionPresent}.Append(nil))
	return c
}

// write takes all that is due to the socket.
func (b *bench) write() []byte {
	var out []byte
	for b.Due() {
		out = append(out, b.Take(nil)...)
		b.Wrote(b.now)
	}
	return out
}

func (b *bench) receive(p []byte) {
	b.t.Helper()
	if err := b.Receive(b.now, p); err != nil {
		b.t.Fatal(err)
	}
}

// want checks the events, which it prints shortly.
func (b *bench) want(lines ...string) {
	b.t.Helper()
	var got []string
	for ev, ok := b.Next(); ok; ev, ok = b.Next() {
		switch {
		case ev.State != nil:
			got = append(got, fmt.Sprintf("%v by peer %v, attempt %d, retry %v", ev.State.Kind, ev.State.ByPeer, ev.State.Attempt, ev.State.Retry))
		case ev.Published != nil:
			got = append(got, fmt.Sprintf("published %d %v", ev.Published.Token, ev.Published.Err))
		case ev.Subscribed != nil:
			got = append(got, fmt.Sprintf("subscribed %d %v", ev.Subscribed.Token, ev.Subscribed.Err))
		case ev.Delivery != nil:
			got = append(got, fmt.Sprintf("delivery %d %s %s", ev.Delivery.ID, ev.Delivery.Topic, ev.Delivery.Payload))
		}
	}
	if !slices.Equal(got, lines) {
		b.t.Fatalf("events are\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(lines, "\n\t"))
	}
}

const connected = "connected by peer false, attempt 0, retry 0s"

// Bytes may be cut in whatever way. Events come in the order of what happened.
func TestEngineReceivesBytesInPieces(t *testing.T) {
	for _, size := range []int{1, 2, 7, 1000} {
		b := newBench(t, mqttcore.Config{})
		if err := b.Publish(b.now, mqttcore.Message{Topic: []byte("t"), QoS: 1}, 7); err != nil {
			t.Fatal(err)
		}
		if err := b.Subscribe(b.now, []byte("a/#"), 1, 8); err != nil {
			t.Fatal(err)
		}
		if err := b.Open(); err != nil {
			t.Fatal(err)
		}
		b.write()
		stream := packet.Connack{}.Append(nil)
		for i := range uint16(3) {
			m := packet.Publish{Topic: []byte("a/b"), Payload: fmt.Append(nil, i, strings.Repeat("x", 300)), QoS: 1, ID: i + 1}
			stream = m.Append(stream)
		}
		for piece := range slices.Chunk(stream, size) {
			b.receive(piece)
		}
		long := strings.Repeat("x", 300)
		b.want(connected, "delivery 1 a/b 0"+long, "delivery 2 a/b 1"+long, "delivery 3 a/b 2"+long)
		b.write()
		b.receive(packet.AppendSuback(packet.AppendPuback(nil, 2), 1, 1))
		b.want("published 7 <nil>", "subscribed 8 <nil>")
	}
}

// A message is acknowledged when the user says so, and on its connection only.
func TestEngineAcknowledgesOnItsConnectionOnly(t *testing.T) {
	b := newBench(t, mqttcore.Config{})
	b.connect(false)
	m := packet.Publish{Topic: []byte("t"), QoS: 1, ID: 9}
	b.receive(m.Append(nil))
	b.want(connected, "delivery 1 t ")
	if b.Due() {
		t.Error("acknowledged by itself")
	}
	b.Ack(1)
	if got := b.write(); string(got) != string(packet.AppendPuback(nil, 9)) {
		t.Errorf("wrote % x", got)
	}
	b.receive(m.Append(nil))
	b.want("delivery 2 t ")
	b.Lost(b.now, io.EOF)
	b.connect(true)
	b.Ack(2)
	if b.Due() {
		t.Error("an acknowledgement crossed over to another connection")
	}
	if n := b.Stats().StaleAcks; n != 1 {
		t.Errorf("%d stale acknowledgements", n)
	}
}

// What ends a connection, and how long to wait then.
func TestEngineReportsEnds(t *testing.T) {
	cfg := mqttcore.Config{BackoffMin: time.Second, BackoffMax: 8 * time.Second, KeepAlive: 10 * time.Second}
	down := "disconnected by peer %v, attempt %d, retry %v"
	b := newBench(t, cfg)
	for attempt, ms := range []int{500, 1000, 2000, 4000, 4000} {
		retry := time.Duration(ms) * time.Millisecond
		if got := b.Lost(b.now, errors.New("no route")); got != retry {
			t.Errorf("wait %v after attempt %d, want %v", got, attempt+1, retry)
		}
		b.want(fmt.Sprintf(down, false, attempt+1, retry))
	}
	b.connect(false)
	b.now = b.now.Add(time.Second)
	b.Lost(b.now, io.EOF) // a connection that did not last is no success
	b.want(connected, fmt.Sprintf(down, true, 0, 4*time.Second))
	b.connect(false)
	b.now = b.now.Add(9 * time.Second)
	if err := b.Receive(b.now, []byte{0}); !errors.Is(err, mqttcore.ErrProtocol) {
		t.Fatal(err)
	}
	if err := b.Receive(b.now, packet.AppendPingresp(nil)); !errors.Is(err, mqttcore.ErrProtocol) {
		t.Fatal(err) // there is no going on after that
	}
	b.Lost(b.now, io.EOF)
	b.want(connected, fmt.Sprintf(down, false, 0, 500*time.Millisecond))
	b.connect(false)
	b.now = b.Deadline()
	if err := b.Tick(b.now); err != nil || len(b.write()) != 2 {
		t.Fatalf("no PINGREQ: %v", err)
	}
	b.now = b.Deadline()
	if err := b.Tick(b.now); !errors.Is(err, mqttcore.ErrPingTimeout) {
		t.Fatal(err)
	}
	b.Lost(b.now, nil)
	b.want(connected, fmt.Sprintf(down, false, 0, 500*time.Millisecond))
}

func TestEngineReportsRefusal(t *testing.T) {
	b := newBench(t, mqttcore.Config{BackoffMax: 40 * time.Second})
	if err := b.Open(); err != nil {
		t.Fatal(err)
	}
	b.write()
	var refused *mqttcore.RefusedError
	if err := b.Receive(b.now, packet.Connack{Code: packet.RefusedUnauthorized}.Append(nil)); !errors.As(err, &refused) {
		t.Fatal(err)
	}
	b.Lost(b.now, io.EOF)
	b.want("refused by peer false, attempt 1, retry 30s")
}

// After DISCONNECT the connection ends as it was meant to, whatever the socket says.
func TestEngineParts(t *testing.T) {
	b := newBench(t, mqttcore.Config{})
	if b.Disconnect() {
		t.Error("disconnected from nobody")
	}
	b.connect(false)
	if !b.Disconnect() || b.Parted() {
		t.Error("parted before DISCONNECT was written")
	}
	if got := b.write(); string(got) != "\xe0\x00" || !b.Parted() {
		t.Errorf("wrote % x, parted %v", got, b.Parted())
	}
	b.receive([]byte{0xff}) // does not matter any more
	if wait := b.Lost(b.now, io.EOF); wait != 0 {
		t.Errorf("wait %v", wait)
	}
	b.want(connected, "disconnected by peer false, attempt 0, retry 0s")
}

func TestEngineReconfigures(t *testing.T) {
	b := newBench(t, mqttcore.Config{Subscriptions: []mqttcore.Subscription{{Filter: []byte("a"), QoS: 1}}})
	if c := b.connect(true); c.CleanSession || c.HasWill {
		t.Errorf("CONNECT %+v", c)
	}
	session := mqttcore.Session{ClientID: "bench", CleanSession: true, Will: &mqttcore.Message{Topic: []byte("w")}}
	if err := b.Reconfigure(b.now, session); !errors.Is(err, mqttcore.ErrRunning) {
		t.Errorf("during a connection: %v", err)
	}
	b.Lost(b.now, io.EOF)
	if err := b.Reconfigure(b.now, mqttcore.Session{}); err == nil {
		t.Error("no client id without CleanSession")
	}
	if err := b.Reconfigure(b.now, session); err != nil {
		t.Fatal(err)
	}
	if c := b.connect(false); !c.CleanSession || !c.HasWill {
		t.Errorf("CONNECT %+v", c)
	}
	if b.Due() {
		t.Error("subscriptions outlived their session")
	}
	b.Lost(b.now, io.EOF)
	b.Close(b.now)
	if err := b.Reconfigure(b.now, session); !errors.Is(err, mqttcore.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

// Close completes what is pending, once.
func TestEngineCloses(t *testing.T) {
	b := newBench(t, mqttcore.Config{})
	for token := range uint64(3) {
		if err := b.Publish(b.now, mqttcore.Message{Topic: []byte("t"), QoS: 1}, token); err != nil {
			t.Fatal(err)
		}
	}
	if !b.Withdraw(1) || b.Withdraw(1) {
		t.Error("withdrawn never or twice")
	}
	b.Close(b.now)
	gone := fmt.Sprint(mqttcore.ErrNotSent) + ": " + fmt.Sprint(mqttcore.ErrClosed)
	b.want("published 0 "+gone, "published 2 "+gone)
	if err := b.Publish(b.now, mqttcore.Message{Topic: []byte("t"), QoS: 1}, 4); !errors.Is(err, mqttcore.ErrClosed) {
		t.Errorf("publish: %v", err)
	}
	if err := b.Unsubscribe(b.now, []byte("t"), 5); !errors.Is(err, mqttcore.ErrClosed) {
		t.Errorf("unsubscribe: %v", err)
	}
}

func TestEngineNeedsAPassword(t *testing.T) {
	locked := errors.New("locked")
	b := newBench(t, mqttcore.Config{Username: "u", Password: func() ([]byte, error) { return nil, locked }})
	if err := b.Open(); !errors.Is(err, locked) {
		t.Fatal(err)
	}
	b.Lost(b.now, nil)
	ev, ok := b.Next()
	if !ok || !errors.Is(ev.State.Err, locked) || ev.State.Attempt != 1 {
		t.Errorf("reported %+v", ev.State)
	}
	if _, err := mqttcore.NewEngine(mqttcore.Config{}); err == nil {
		t.Error("no client id")
	}
}
