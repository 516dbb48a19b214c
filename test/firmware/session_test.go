package firmware

import (
	"strconv"
	"testing"

	"github.com/umqttd/umqttd/test/cable"
	"github.com/umqttd/umqttd/test/patience"
)

// lines are what a test of sessions makes the board endure: each loses about one frame in twenty, in both directions.
var lines = []struct {
	name  string
	noise cable.Noise
}{
	{"frames", cable.Noise{Frame: 0.05}},
	{"bytes", cable.Noise{Drop: 1.5e-3, Flip: 5e-4, Insert: 3e-4}},
}

// TestSessions lets the client, compiled for an instruction set of its own, go through whole sessions on a bad line: connect, subscribe, register, messages and commands,
// disconnect. Every session completes, and everything arrives once and in order.
func TestSessions(t *testing.T) {
	for _, target := range machines {
		t.Run(target, func(t *testing.T) {
			turn(t, target)
			for _, line := range lines {
				t.Run(line.name, func(t *testing.T) { sessions(t, target, line.noise) })
			}
		})
	}
}

func sessions(t *testing.T, target string, noise cable.Noise) {
	const sessions, messages, echoes = 8, 10, 4
	r := newRig(t, target)
	r.splice.Disturb(noise, noise)
	for n := 1; n <= sessions; n++ {
		r.publish(messages)
		r.echo(echoes)
		r.session(n)
	}
	r.end()
	r.want(false)
	if again := r.board.wait("again"); again != "0" {
		t.Errorf("%s commands came again", again)
	}
	if faults := r.splice.Faults(); faults < sessions {
		t.Errorf("the line did only %d times something wrong", faults)
	}
	t.Logf("%d sessions, %d messages up, %d down, %d faults", sessions+1, r.numbers+len(r.echoes), r.commands, r.splice.Faults())
}

// TestOutage kills the gateway and restarts the broker while messages flow both ways on a bad line. All arrive, the first copies in order.
func TestOutage(t *testing.T) {
	for _, target := range machines {
		t.Run(target, func(t *testing.T) {
			turn(t, target)
			r := newRig(t, target)
			noise := cable.Noise{Frame: 0.02, Drop: 2e-4, Flip: 2e-4}
			r.splice.Disturb(noise, noise)
			for range 2 {
				r.amid(func() {
					r.gateway.Kill()
					r.gateway.Restart()
				})
				r.amid(func() { r.broker.Restart() })
				r.amid(func() {
					patience.Wait(t, "the judge listens", r.judge.Online)
					r.broker.Kill()
					r.broker.Restart()
				})
			}
			r.session(1)
			r.end()
			r.want(true)
			if lost, _ := r.board.reported("lost"); lost == "" {
				t.Error("the board noticed nothing")
			}
		})
	}
}

// TestReset takes the board's power away amid messages. What it forgot it is told again; what arrived twice is only what it could not know.
func TestReset(t *testing.T) {
	t.Parallel()
	r := newRig(t, "rv32imc")
	for range 3 {
		r.publish(20)
		r.arrive(5)
		r.board.powerOff()
		r.splice.Flush()
		r.numbers -= 20
		r.board = powerOn(t, r.target, r.image, r.splice.BoardPath())
		r.board.wait("subscribed")
		r.publish(20)
		r.echo(1)
		r.session(1)
	}
	r.end()
	r.want(true)
}

// amid does something while messages flow, and waits until all have arrived.
func (r *rig) amid(does func()) {
	r.t.Helper()
	r.publish(15)
	r.echo(5)
	r.arrive(3)
	does()
	patience.Wait(r.t, "messages flow again", func() bool {
		numbers, echoes := r.received()
		return len(firsts(numbers)) >= r.numbers && len(firsts(echoes)) >= len(r.echoes)
	})
}

// arrive waits until so many messages more have arrived.
func (r *rig) arrive(n int) {
	r.t.Helper()
	have := len(r.judge.Arrived(0))
	patience.Wait(r.t, "messages arrive", func() bool { return len(r.judge.Arrived(0)) >= have+n })
}

// session ends a session when all is done, and waits until the board has ended n.
func (r *rig) session(n int) {
	r.t.Helper()
	r.command("end")
	patience.Wait(r.t, "session "+strconv.Itoa(n)+" ends", func() bool {
		ended, _ := r.board.reported("session")
		return ended == strconv.Itoa(n) || r.board.hasEnded()
	})
}

// end ends the firmware, which must be content.
func (r *rig) end() {
	r.t.Helper()
	r.command("exit")
	r.board.wantExit(r.target, 0)
}
