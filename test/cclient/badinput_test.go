package cclient

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/umqttd/umqttd/serialproto"
	"github.com/umqttd/umqttd/serialproto/mqttsn"
	"github.com/umqttd/umqttd/test/cable"
	"github.com/umqttd/umqttd/test/patience"
)

// umqtt_result and umqtt_until of umqtt_serial.h.
const (
	errArgument = -1
	errTopic    = -2
	errTooLong  = -3
	errBusy     = -4
	errNoRoom   = -5
	errState    = -6
	errTimeout  = -8

	untilConnected = 2
)

// grace is what a machine with much to do may add to a time that is documented.
const grace = 4 * time.Second

// alone returns a board whose line nobody reads but the test, which has the gateway's end of it.
func alone(t *testing.T, options ...string) (b *Board, gateway *os.File) {
	t.Helper()
	line := cable.New(t)
	s := cable.NewSplice(t, line)
	fd, err := unix.Open(line.Path(), unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	gateway = os.NewFile(uintptr(fd), line.Path())
	t.Cleanup(func() { _ = gateway.Close() })
	return Start(t, boardProgram, s.BoardPath(), append([]string{"id=m5"}, options...)...), gateway
}

// hear reads the next message of the board.
func hear(t *testing.T, gateway *os.File, frames *serialproto.Decoder) mqttsn.Packet {
	t.Helper()
	_ = gateway.SetReadDeadline(time.Now().Add(patience.Limit))
	for buf := make([]byte, 256); ; {
		for ev, ok := frames.Next(); ok; ev, ok = frames.Next() {
			var p mqttsn.Packet
			if err := mqttsn.Parse(append([]byte(nil), ev.Body...), &p); ev.Kind != serialproto.Frame || err != nil {
				t.Fatalf("the board sent %v: % x: %v", ev.Kind, ev.Body, err)
			}
			return p
		}
		n, err := gateway.Read(buf)
		if err != nil {
			t.Fatalf("the board sends nothing: %v", err)
		}
		frames.Feed(buf[:n], time.Now())
	}
}

// within demands that something took as long as documented.
func within(t *testing.T, what string, took, least, most time.Duration) {
	t.Helper()
	if took < least || took > most+grace {
		t.Errorf("%s took %v, documented are %v to %v", what, took, least, most)
	}
}

// TestAbsentGateway returns in the documented times when nobody answers, and asks again as often as documented.
func TestAbsentGateway(t *testing.T) {
	t.Parallel()
	b, gateway := alone(t)
	began := time.Now()
	b.Must("connect")
	var frames serialproto.Decoder
	var asked []time.Duration
	for range 3 {
		if p := hear(t, gateway, &frames); p.Type != mqttsn.Connect || string(p.ClientID) != "m5" {
			t.Fatalf("the board sent %+v", p)
		}
		asked = append(asked, time.Since(began))
	}
	within(t, "the second CONNECT", asked[1], time.Second-10*time.Millisecond, time.Second)
	within(t, "the third CONNECT", asked[2], 3*time.Second-10*time.Millisecond, 3*time.Second)
	began = time.Now()
	if code := b.Do("wait %d 300", untilConnected); code != errTimeout {
		t.Errorf("umqtt_wait returned %d", code)
	}
	within(t, "umqtt_wait", time.Since(began), 300*time.Millisecond, 300*time.Millisecond)
	if code := b.Do("try 1 0 up/m5 kept"); code != 0 {
		t.Errorf("publishing while it connects returned %d", code)
	}
	if code := b.Do("try 1 0 up/m5 one too many"); code != errBusy {
		t.Errorf("publishing two messages returned %d", code)
	}
	began = time.Now()
	b.Must("disconnect")
	b.Wait("disconnected", 1)
	within(t, "umqtt_disconnect", time.Since(began), 0, 7*time.Second)
	if code := b.Do("try 1 0 up/m5 off"); code != errState {
		t.Errorf("publishing when off returned %d", code)
	}
	b.Quit()
}

// TestGatewayFallsSilent tells that the session is lost when the gateway does not answer any more, connects when it does, and delivers what it had taken.
func TestGatewayFallsSilent(t *testing.T) {
	t.Parallel()
	r := newRig(t, "", "keepalive=1")
	b := r.connect()
	b.Must("pub 1 0 up/m5 before")
	b.Wait("published", 1)
	r.gateway.Pause()
	b.Must("pub 1 0 up/m5 during")
	if ev := b.Wait("lost", 1); ev.Code != reasonUnanswered {
		t.Errorf("the event is %+v", ev)
	}
	r.gateway.Resume()
	b.Wait("connected", 2)
	b.Wait("published", 2)
	r.witnessed("up/m5", "during")
	b.Quit()
}

// TestSleepUnanswered does not wait for ever for a gateway that does not let it sleep, or does not answer one that wakes up.
func TestSleepUnanswered(t *testing.T) {
	t.Parallel()
	r := newRig(t, "")
	b := r.connect()
	r.gateway.Pause()
	began := time.Now()
	b.Must("sleep 60")
	b.Wait("lost", 1)
	within(t, "umqtt_sleep", time.Since(began), 5*time.Second, 7*time.Second)
	r.gateway.Resume()
	b.Wait("connected", 2)
	b.Must("sleep 60")
	b.Wait("asleep", 1)
	r.gateway.Pause()
	began = time.Now()
	b.Must("wake")
	if ev := b.Wait("asleep", 2); ev.Code != reasonUnanswered {
		t.Errorf("the event is %+v", ev)
	}
	within(t, "umqtt_wake", time.Since(began), 5*time.Second, 7*time.Second)
	r.gateway.Resume()
	b.Quit()
}

// TestGarbage is a gateway that says anything but the truth: bytes, frames and messages at random, before and in a session. No message comes of it that was not one,
// nothing hangs, and a good gateway finds the board as it should be.
func TestGarbage(t *testing.T) {
	t.Parallel()
	b, gateway := alone(t)
	random := rand.New(rand.NewPCG(*stormSeed, 0))
	rubbish := func(n int, limit time.Duration) {
		t.Helper()
		_ = gateway.SetWriteDeadline(time.Now().Add(patience.Limit))
		for end := time.Now().Add(limit); n > 0 && time.Now().Before(end); n-- {
			if _, err := gateway.Write(noise(random)); err != nil {
				t.Fatal(err)
			}
		}
	}
	reader := make(chan struct{}) // what it says is of no interest, but must not stay in its way
	go func() {
		defer close(reader)
		for buf := make([]byte, 4096); ; {
			_ = gateway.SetReadDeadline(time.Now().Add(patience.Limit))
			if _, err := gateway.Read(buf); err != nil {
				return
			}
		}
	}()
	rubbish(5000, patience.Limit/4)
	b.Must("connect")
	b.Must("sub 1 #")
	for range 20 {
		rubbish(500, patience.Limit/20)
		if code := b.Do("try 1 0 up/m5 anything"); code != 0 && code != errBusy && code != errNoRoom {
			t.Errorf("umqtt_publish returned %d", code)
		}
	}
	for _, m := range b.Messages(0) { // a PUBLISH with a good CRC is a message, whoever made it
		if !strings.HasPrefix(m.Payload, "rubbish") {
			t.Errorf("the board was given %+v", m)
		}
	}
	b.Must("log it lives")
	_ = gateway.SetReadDeadline(time.Now())
	<-reader
	b.Quit()
}

// noise returns something that a gateway would not say, or would not say now.
func noise(random *rand.Rand) []byte {
	p := make([]byte, random.IntN(300))
	for i := range p {
		p[i] = byte(random.Uint32())
	}
	types := []mqttsn.Type{
		mqttsn.ConnAck, mqttsn.WillTopicReq, mqttsn.WillMsgReq, mqttsn.Register, mqttsn.RegAck, mqttsn.Publish, mqttsn.PubAck, mqttsn.SubAck, mqttsn.UnsubAck,
		mqttsn.PingReq, mqttsn.PingResp, mqttsn.Disconnect, mqttsn.WillTopicResp, mqttsn.WillMsgResp, mqttsn.PubRec, mqttsn.Connect, mqttsn.Advertise,
	}
	m := mqttsn.Packet{
		Type: types[random.IntN(len(types))], TopicID: uint16(random.IntN(4)), MsgID: uint16(random.IntN(4)), ReturnCode: mqttsn.ReturnCode(random.IntN(5)),
		Topic: []byte("up/m5"), Data: fmt.Append(nil, "rubbish", random.Uint32()),
	}
	body := m.Append(nil)
	switch random.IntN(6) {
	case 0:
		return p // no frame
	case 1:
		return serialproto.AppendFrame(nil, append([]byte{1}, p...)) // no message
	case 2:
		body = append(body, p...) // too long
		body[0] = byte(random.Uint32())
	case 3:
		body = body[:1+random.IntN(len(body))] // too short
		body[0] = byte(len(body))
	}
	return serialproto.AppendFrame(nil, body) // not asked for
}

// TestRefusedBeforeAByteIsSent refuses what cannot be sent, and says why.
func TestRefusedBeforeAByteIsSent(t *testing.T) {
	t.Parallel()
	r := newRig(t, "")
	b := r.connect("tx=100", "topics=64", "max=240")
	b.Must("pub 1 0 ok fine")
	b.Wait("published", 1)
	before := r.gateway.Metric(`umqttd_serial_bytes_total{device="attic",direction="rx"}`)
	long := strings.Repeat("t", 100)
	for command, want := range map[string]int{
		"fill 1 10 101":                    errTooLong, // tx
		"fill 0 2 234":                     errTooLong, // max_body
		"fill 1 100 1":                     errTooLong, // topic table
		"fill 1 0 1":                       errTopic,
		"fill 1 300 1":                     errTooLong,
		"fill 0 2 70000":                   errTooLong,
		"try 1 0 a/+/b x":                  errTopic,
		"try 1 0 a/# x":                    errTopic,
		"try 2 0 ab x":                     errArgument,
		"try -2 0 ab x":                    errArgument,
		"try -1 0 long x":                  errTopic,
		"sub 2 a":                          errArgument,
		"sub 1 ":                           errTopic,
		"sub 1 a#":                         errTopic,
		"sub 1 a+/b":                       errTopic,
		"sub 1 #/a":                        errTopic,
		"sub 1 " + long:                    errTooLong,
		"unsub " + long:                    errTooLong,
		"reg a/+":                          errTopic,
		"reg ab":                           errTopic,
		"reg " + long:                      errTooLong,
		"sleep 0":                          errArgument,
		"wake":                             errState,
		"will 3 0 a b":                     errArgument,
		"will 1 0 a/+ b":                   errTopic,
		"will 1 0 a " + long + long + long: errTooLong,
	} {
		if code := b.Do("%s", command); code != want {
			t.Errorf("%.40q returned %d, want %d", command, code, want)
		}
	}
	b.Must("pub 1 0 ok fine") // the session goes on, and what was sent is this one alone
	b.Wait("published", 2)
	frame := serialproto.AppendFrame(nil, (&mqttsn.Packet{Type: mqttsn.Publish, Flags: mqttsn.Flags(0x22), TopicID: 0x6f6b, MsgID: 2, Data: []byte("fine")}).Append(nil))
	if n := r.gateway.Metric(`umqttd_serial_bytes_total{device="attic",direction="rx"}`) - before; int(n) != len(frame) {
		t.Errorf("%v bytes were sent, want %d", n, len(frame))
	}
	for _, m := range r.witness.Arrived(0) {
		t.Errorf("the witness was given %+v", m)
	}
	b.Quit()
}

// TestRefusedConfigurations are those that cannot work.
func TestRefusedConfigurations(t *testing.T) {
	t.Parallel()
	line := cable.New(t)
	s := cable.NewSplice(t, line)
	for options, want := range map[string]int{
		"rx=15":                                errArgument,
		"rx=16":                                0,
		"will=a/#":                             errTopic,
		"will=a willqos=2":                     errArgument,
		"max=30 id=" + strings.Repeat("m", 25): errTooLong,
	} {
		b := Boot(t, boardProgram, s.BoardPath(), strings.Fields(options)...)
		if code := b.Init(); code != want {
			t.Errorf("umqtt_init with %s returned %d, want %d", options, code, want)
		}
		b.Kill()
	}
}
