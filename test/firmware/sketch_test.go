package firmware

import (
	"slices"
	"testing"
	"time"

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

// TestCommandHandler runs the example whole, with the gateway killed in between.
func TestCommandHandler(t *testing.T) {
	t.Parallel()
	r := newLine(t, sketchDevice, "lamp/state")
	sketch := start(t, hostSketch(t, "CommandHandler"), r.splice.BoardPath())
	r.switchLamp(func() {
		r.gateway.Kill()
		r.gateway.Restart()
	})
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
	off, on := lampState("off"), lampState("on")
	r.heard(1)
	r.judge.Publish("lamp/set", "on")
	r.wantHeard(off, on)
	r.judge.Publish("lamp/set", "off")
	r.wantHeard(off, on, off)
	happens()
	r.judge.Publish("lamp/set", "on")
	patience.Wait(r.t, "the lamp is on again", func() bool { return slices.Contains(r.judge.Arrived(3), on) })
}

func lampState(text string) witness.Message {
	return witness.Message{Topic: "lamp/state", Payload: text}
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
	r.wantHeard(witness.Message{Topic: "attic/voltage", Payload: "512"})
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
