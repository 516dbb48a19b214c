package firmware

import (
	"slices"
	"testing"
	"time"

	"github.com/umqttd/umqttd/test/cable"
	"github.com/umqttd/umqttd/test/patience"
	"github.com/umqttd/umqttd/test/witness"
)

// sketchDevice is what the gateway knows of a board whose program is an example: that of a UmqttSerial which is not on AVR.
const sketchDevice = "max_frame: 1024"

// heard waits until the judge has got n messages, and returns them and what came after them.
func (r *rig) heard(n int) []witness.Message {
	r.t.Helper()
	patience.Wait(r.t, "messages arrive", func() bool { return len(r.judge.Arrived(0)) >= n })
	return r.judge.Arrived(0)
}

// wantHeard waits for the messages, which must be all.
func (r *rig) wantHeard(want ...witness.Message) {
	r.t.Helper()
	if got := r.heard(len(want)); !slices.Equal(got, want) {
		r.t.Fatalf("%v arrived, want %v", got, want)
	}
}

// lossy is a line that loses one frame in twenty.
var lossy = cable.Noise{Frame: 0.05}

// TestCommandHandler runs the example whole, on a line that loses frames, with the gateway killed in between.
func TestCommandHandler(t *testing.T) {
	t.Parallel()
	r := newLine(t, sketchDevice, "lamp/state")
	sketch := start(t, hostSketch(t, "CommandHandler"), r.splice.BoardPath())
	r.splice.Disturb(lossy, lossy)
	r.switchLamp(func() {
		r.gateway.Kill()
		r.gateway.Restart()
	})
	r.splice.Disturb(cable.Noise{}, cable.Noise{}) // what is printed is not sent again
	r.askLamp()
	sketch.wait("digitalWrite 13 1", 2)
	sketch.wait("digitalWrite 13 0", 1)
}

// TestCommandHandlerMega runs the same example on the machine it is for, with Arduino's core.
func TestCommandHandlerMega(t *testing.T) {
	turn(t, "avr")
	r := newLine(t, "max_frame: 128, rx_buffer: 60", "lamp/state")
	powerOn(t, "avr", mega.link(t, "CommandHandler", "arduino/clock.c"), r.splice.BoardPath())
	r.switchLamp(func() { r.broker.Restart() })
	r.askLamp()
}

// switchLamp has the lamp of an example switched on and off, and on again after something has happened.
func (r *rig) switchLamp(happens func()) {
	r.t.Helper()
	r.wantLamp("off")
	for _, state := range []string{"on", "off"} {
		r.judge.Publish("lamp/set", state)
		r.wantLamp(state)
	}
	happens()
	r.judge.Publish("lamp/set", "on")
	r.wantLamp("on")
}

// wantLamp waits until the last that the lamp has said is its state. A lamp that has connected again says it again.
func (r *rig) wantLamp(state string) {
	r.t.Helper()
	want := witness.Message{Topic: "lamp/state", Payload: state}
	patience.Wait(r.t, "the lamp is "+state, func() bool {
		all := r.judge.Arrived(0)
		return len(all) > 0 && all[len(all)-1] == want
	})
}

// askLamp asks the lamp of CommandHandler, which answers twice: in the gateway's log, and with its state.
func (r *rig) askLamp() {
	r.t.Helper()
	before := len(r.heard(1))
	r.judge.Publish("lamp/ask/you/there", "")
	patience.Wait(r.t, "the gateway shows what the sketch prints", func() bool { return r.gateway.Logged("asked by lamp/ask/you/there") == 1 })
	r.heard(before + 1)
}

// TestPublishSensor runs the example until it has measured.
func TestPublishSensor(t *testing.T) {
	t.Parallel()
	r := newLine(t, sketchDevice, "attic/#")
	start(t, hostSketch(t, "PublishSensor"), r.splice.BoardPath())
	if m := r.heard(1)[0]; m != (witness.Message{Topic: "attic/voltage", Payload: "512"}) {
		t.Errorf("%v arrived", m)
	}
}

// TestDeepSleep runs the example twice, as a board does that loses its memory in its sleep. What was sent meanwhile is waiting.
func TestDeepSleep(t *testing.T) {
	t.Parallel()
	r := newLine(t, sketchDevice, "garden/moisture")
	program := hostSketch(t, "DeepSleep")
	measured := witness.Message{Topic: "garden/moisture", Payload: "1234"}
	sketch := start(t, program, r.splice.BoardPath())
	sketch.wantEnd()
	sketch.wait("wakeup 600000000", 1)
	sketch.wait("sleep", 1)
	r.wantHeard(measured)
	r.judge.Publish("garden/interval", "20")
	sketch = start(t, program, r.splice.BoardPath())
	sketch.wantEnd()
	r.wantHeard(measured, measured)
	r.gateway.WaitMetric(`umqttd_messages_total{device="attic",direction="downlink",qos="1"}`, 1)
}

// TestM5Stack runs the example whole: clock, display, button.
func TestM5Stack(t *testing.T) {
	t.Parallel()
	r := newLine(t, sketchDevice, "m5/button")
	sketch := start(t, hostSketch(t, "M5Stack"), r.splice.BoardPath())
	sketch.wait(time.Now().UTC().Format("clock 2006"), 1)
	r.judge.Publish("m5/text", "Grüße")
	sketch.wait("display Grüße", 1)
	sketch.say("")
	r.wantHeard(witness.Message{Topic: "m5/button", Payload: "A"})
}

// TestClass goes through what the examples leave out: arduino/session.cpp.
func TestClass(t *testing.T) {
	t.Parallel()
	r := newLine(t, `max_frame: 1024, topics: {7: "self/known"}`, "self/will")
	board := start(t, hostArduino(t, "arduino/session.cpp", "arduino/host.cpp"), r.splice.BoardPath())
	board.wantEnd()
	for _, line := range board.written() {
		if line != "begin 115200" {
			t.Error(line)
		}
	}
	patience.Wait(t, "the gateway shows what the sketch prints", func() bool { return r.gateway.Logged("done") == 1 })
}
