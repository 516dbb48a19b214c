package mqttcore

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/umqttd/umqttd/mqttcore/fakebroker"
	"github.com/umqttd/umqttd/mqttcore/packet"
)

// Traps 37 and 49 to 53: a broker that sends nonsense, and bounds.

// Every frame that MQTT forbids ends the connection, once, is reported, and the
// next connection works. The codec's own test has more of them.
func TestTrap52_ForbiddenFramesEndTheConnection(t *testing.T) {
	frames := map[string]string{
		"CONNACK header flags":           "21020000",
		"CONNACK ack flags":              "20020200",
		"CONNACK length 3":               "2003000000",
		"CONNACK code 6":                 "20020006",
		"CONNACK refusal with session":   "20020105",
		"second CONNACK":                 "20020000",
		"PUBACK length 3":                "4003000100",
		"PUBACK length 1":                "400100",
		"PUBACK flags":                   "42020001",
		"PUBACK id 0":                    "40020000",
		"SUBACK code 3":                  "9003000103",
		"SUBACK no codes":                "90020001",
		"UNSUBACK flags":                 "b1020001",
		"PINGRESP length 1":              "d00100",
		"PUBLISH QoS 3":                  "3606000161000100",
		"PUBLISH QoS 2":                  "3406000161000100",
		"PUBLISH id 0":                   "32050001610000",
		"PUBLISH QoS 0 DUP":              "3803000161",
		"PUBLISH empty topic":            "30020000",
		"PUBLISH wildcard":               "3003000123",
		"PUBLISH NUL":                    "3003000100",
		"PUBLISH bad UTF-8":              "30030001ff",
		"PUBLISH surrogate":              "30050003eda080",
		"PUBLISH topic longer than body": "3003000561",
		"five-byte length":               "308080808001",
		"type 0":                         "0000",
		"type 15":                        "f000",
		"CONNECT":                        "100c00044d515454040200000000",
		"SUBSCRIBE":                      "820600010001610000",
		"PINGREQ":                        "c000",
		"DISCONNECT":                     "e000",
		"PUBREC":                         "50020001",
		"PUBREL":                         "62020001",
		"PUBCOMP":                        "70020001",
	}
	for name, text := range frames {
		t.Run(name, func(t *testing.T) {
			frame, err := hex.DecodeString(text)
			if err != nil {
				t.Fatal(err)
			}
			bubble(t, fakebroker.Config{}, func(t *testing.T, b *fakebroker.Broker) {
				r := start(t, b, Config{BackoffMin: 1, BackoffMax: 1})
				conn := b.Welcome(false)
				conn.SendRaw(frame)
				conn.WantClosed()
				conn = b.Welcome(true)
				r.publish(1, 1)
				conn.Puback(conn.WantPublish().ID)
				r.onceEach(1)
				states, _, _ := r.told()
				if len(states) != 3 || !errors.Is(states[1].Err, ErrProtocol) {
					t.Errorf("states %+v, want connected, protocol violation, connected", states)
				}
			})
		})
	}
}

func TestNothingButConnackComesFirst(t *testing.T) {
	bubble(t, fakebroker.Config{}, func(t *testing.T, b *fakebroker.Broker) {
		r := start(t, b, Config{})
		conn := b.Accept()
		conn.WantConnect()
		conn.Pingresp()
		conn.WantClosed()
		if s := r.lastState(); !errors.Is(s.Err, ErrProtocol) || !strings.Contains(s.Err.Error(), "PINGRESP before CONNACK") {
			t.Errorf("state %+v", s)
		}
	})
}

// hostile gives bytes to an engine in the midst of things, as a reader would.
func hostile(t *testing.T, p []byte) {
	s := newScript(t, Config{MaxInflight: 3})
	s.connect(true)
	s.publish(1, 5)
	s.subscribe("c", 1)
	s.takeAll()
	var in readBuffer
	for len(p) > 0 {
		n := copy(in.space(), p)
		p = p[n:]
		in.filled(n)
		for {
			whole, err := in.next(1 << 16)
			if err == nil && whole != nil {
				_, err = s.e.receive(s.now, whole)
			}
			if err != nil {
				if !errors.Is(malformed(err), ErrProtocol) {
					t.Fatal(err)
				}
				s.lost()
				return
			}
			if whole == nil {
				break
			}
			s.takeAll()
		}
	}
}

func TestTrap51_RandomBytesDoNotPanic(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 1))
	for range 20_000 {
		p := make([]byte, 4+r.IntN(40))
		for i := range p {
			p[i] = byte(r.Uint32())
		}
		p[0] = byte([]int{0x20, 0x30, 0x32, 0x34, 0x40, 0x90, 0xb0, 0xd0}[r.IntN(8)])
		p[1] = byte(r.IntN(len(p)))
		p[2] &= 1
		hostile(t, p)
	}
}

// FuzzReceive is trap 51 without an end.
func FuzzReceive(f *testing.F) {
	f.Add([]byte{0x40, 2, 0, 1, 0x90, 3, 0, 4, 1, 0xd0, 0})
	f.Add(append([]byte{0x40, 2, 0, 2}, (&packet.Publish{Topic: []byte("t"), QoS: 1, ID: 1}).Append(nil)...))
	f.Fuzz(hostile)
}

// allocated returns how many bytes f allocates.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

func TestTrap49_FiveBytesDoNotMakeTheClientAllocate(t *testing.T) {
	huge := []byte{0x30, 0xff, 0xff, 0xff, 0x7f}
	n := allocated(func() {
		var in readBuffer
		in.filled(copy(in.space(), huge))
		if p, err := in.next(1 << 20); p != nil || err == nil {
			t.Errorf("256 MiB to come: %v, %v", p, err)
		}
		var waiting readBuffer // within the limit: it is waited for, and paid for as it comes
		waiting.filled(copy(waiting.space(), huge))
		if p, err := waiting.next(packet.MaxRemaining + 5); p != nil || err != nil {
			t.Errorf("no limit: %v, %v", p, err)
		}
		_ = waiting.space()
	})
	if n > 10_000 {
		t.Errorf("%d bytes allocated for two times five", n)
	}
	bubble(t, fakebroker.Config{}, func(t *testing.T, b *fakebroker.Broker) {
		r := start(t, b, Config{})
		conn := b.Welcome(false)
		conn.SendRaw(huge)
		conn.WantClosed()
		if s := r.lastState(); !errors.Is(s.Err, ErrProtocol) || !strings.Contains(s.Err.Error(), "over the limit") {
			t.Errorf("state %+v", s)
		}
	})
}

func TestReadBufferGrowsWithBytesAndShrinks(t *testing.T) {
	big := (&packet.Publish{Topic: []byte("t"), Payload: bytes.Repeat([]byte("x"), 300_000)}).Append(nil)
	var in readBuffer
	for fed := 0; fed < len(big); {
		space := in.space()
		if len(in.buf()) > max(idleRead, smallBuffer, 2*fed, largeBuffer) {
			t.Fatalf("%d bytes of buffer for %d bytes", len(in.buf()), fed)
		}
		n := copy(space, big[fed:])
		in.filled(n)
		fed += n
		p, err := in.next(1 << 20)
		if err != nil || (p != nil) != (fed == len(big)) {
			t.Fatalf("after %d of %d bytes: packet %v, %v", fed, len(big), p != nil, err)
		}
		if p != nil && !bytes.Equal(p, big) {
			t.Fatal("packet is damaged")
		}
	}
	in.rest(10)
	if len(in.space()) != idleRead {
		t.Errorf("%d bytes of buffer when all is taken", len(in.space()))
	}
}

func TestReadBufferCutsAnyStream(t *testing.T) {
	var stream []byte
	var sizes []int
	for n := range 200 {
		p := (&packet.Publish{Topic: []byte("t"), Payload: make([]byte, n*n%700)}).Append(nil)
		sizes = append(sizes, len(p))
		stream = append(stream, p...)
	}
	for step := 1; step < 3000; step = step*3 + 1 {
		var in readBuffer
		next := 0
		for rest := stream; len(rest) > 0; {
			n := copy(in.space(), rest[:min(step, len(rest))])
			rest = rest[n:]
			in.filled(n)
			for p, err := in.next(1000); p != nil || err != nil; p, err = in.next(1000) {
				if err != nil || len(p) != sizes[next] {
					t.Fatalf("in steps of %d: packet %d has %d bytes, %v, want %d", step, next, len(p), err, sizes[next])
				}
				next++
			}
			in.rest(n)
		}
		if next != len(sizes) {
			t.Errorf("in steps of %d: %d packets, want %d", step, next, len(sizes))
		}
	}
}

func TestTrap50_NothingIsAllocatedForAnIdleConnection(t *testing.T) {
	bubble(t, fakebroker.Config{}, func(t *testing.T, b *fakebroker.Broker) {
		r := start(t, b, Config{OnMessage: func(Delivery) {}})
		conn := b.Welcome(false)
		r.publish(1, 20)
		for range 20 {
			conn.Puback(conn.WantPublish().ID)
		}
		for id := range uint16(50) {
			conn.Publish(message("t", strings.Repeat("x", 500), 1, id+1))
		}
		for range 50 {
			conn.WantType(packet.PUBACK)
		}
		time.Sleep(2 * linger)
		r.Client.mu.Lock()
		defer r.Client.mu.Unlock()
		e := &r.engine
		if r.serving || r.delivering || e.out.queue.n+e.events.n+e.settled.n+r.inbox.queue.n != 0 || e.acks.ring != nil {
			t.Errorf("an idle client has: writer %v, deliverer %v, %d messages, %d events, acknowledgements %v",
				r.serving, r.delivering, e.out.queue.n, e.events.n, e.acks.ring)
		}
	})
}

// The next size that the runtime has is 128 bytes more, ten thousand times.
func TestTrap50_TheClientFitsItsSizeClass(t *testing.T) {
	if size := reflect.TypeFor[Client]().Size(); size > 888 {
		t.Errorf("Client has %d bytes, want at most 888", size)
	}
}

func TestTrap53_TheQueueIsBounded(t *testing.T) {
	bubble(t, fakebroker.Config{}, func(t *testing.T, b *fakebroker.Broker) {
		r := newRunner(t, b, Config{MaxQueued: 3, MaxQueuedBytes: 100})
		publish := func(size int) error {
			return r.PublishAsync(Message{Topic: []byte("t"), Payload: make([]byte, size), QoS: 1}, 1)
		}
		if err := publish(100); !errors.Is(err, ErrInvalid) { // never will fit
			t.Errorf("101 bytes: %v", err)
		}
		if err := publish(90); err != nil {
			t.Fatal(err)
		}
		if err := publish(9); !errors.Is(err, ErrQueueFull) {
			t.Errorf("beyond 100 bytes: %v", err)
		}
		for range 2 {
			if err := publish(0); err != nil {
				t.Fatal(err)
			}
		}
		if err := publish(0); !errors.Is(err, ErrQueueFull) {
			t.Errorf("fourth message: %v", err)
		}
		for i := range 4 {
			err := r.SubscribeAsync([]byte("c"), 1, 1)
			if full := errors.Is(err, ErrQueueFull); full != (i == 3) {
				t.Errorf("request %d: %v", i+1, err)
			}
		}
		r.Close()
	})
}

// A completion that no hook was told of yet still holds its place, or a hook
// that publishes could fill memory.
func TestTrap53_CompletionsHoldTheirPlace(t *testing.T) {
	s := newScript(t, Config{MaxQueued: 2})
	s.connect(false)
	s.events()
	s.publish(0, 2)
	s.takeAll()
	m := Message{Topic: []byte("t")}
	if err := s.e.publish(s.now, &m, 9, nil); !errors.Is(err, ErrQueueFull) {
		t.Errorf("with two untold completions: %v", err)
	}
	s.wantEvents("1 done", "2 done")
	s.publish(0, 1)
}

func TestInvalidMessagesAreRefused(t *testing.T) {
	s := newScript(t, Config{})
	for _, m := range []Message{
		{}, {Topic: []byte("a/+")}, {Topic: []byte("#")}, {Topic: []byte("a\x00")}, {Topic: []byte{0xff}},
		{Topic: bytes.Repeat([]byte("a"), 65536)}, {Topic: []byte("a"), QoS: 2},
	} {
		if err := s.e.publish(s.now, &m, 1, nil); !errors.Is(err, ErrInvalid) {
			t.Errorf("%.20q QoS %d: %v", m.Topic, m.QoS, err)
		}
	}
	m := Message{Topic: bytes.Repeat([]byte("a"), 65535), QoS: 1}
	if err := s.e.publish(s.now, &m, 1, nil); err != nil {
		t.Errorf("longest topic: %v", err)
	}
}

// Deadlines are kept in monotonic time: setting the clock ends no connection.
func TestTrap37_WallClockJumpsDoNotMatter(t *testing.T) {
	b := fakebroker.NewTCP(t, fakebroker.Config{})
	b.Serve(func(int) fakebroker.Behavior { return fakebroker.Behavior{} })
	connected := make(chan struct{})
	r := start(t, b, Config{OnState: func(s State) {
		if s.Kind == Connected {
			close(connected)
		}
	}})
	<-connected
	r.Client.mu.Lock()
	defer r.Client.mu.Unlock()
	for what, at := range map[string]time.Time{"written": r.engine.keepalive.written, "heard": r.engine.keepalive.heard, "deadline": r.engine.deadline()} {
		if !strings.Contains(fmt.Sprint(at), "m=") {
			t.Errorf("%s has no monotonic reading: %v", what, at)
		}
	}
}
