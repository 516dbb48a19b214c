package micropython

import (
	"flag"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/umqttd/umqttd/test/micropython/interpreter"
	"github.com/umqttd/umqttd/test/mosquitto"
	"github.com/umqttd/umqttd/test/patience"
	"github.com/umqttd/umqttd/test/relay"
)

// original is where the umqtt of a real board is.
var original = flag.String("umqtt", "", "folder with package umqtt, as of micropython-lib or M5Stack: TestAPI runs it too")

// apiParts are the functions of testdata/api.py, but for refused.
var apiParts = []string{"constructor", "sessions", "publishing", "subscribing", "persistence", "wills", "robustness", "handlers", "absent"}

// TestAPI holds umqtt_serial to what umqtt promises: one program runs with it on a cable to umqttd, and with a umqtt over a plain connection to the broker. That one is our
// own, written after the documentation; with -umqtt DIR the real thing shows that it is faithful.
//
//	go test ./test/micropython -run TestAPI -v -umqtt ~/micropython-lib/micropython/umqtt
func TestAPI(t *testing.T) {
	everyVersion(t, func(t *testing.T, version string) {
		t.Run("serial", func(t *testing.T) {
			t.Parallel()
			r := newRig(t, version, setup{broker: mosquitto.Config{Persistence: true}})
			e := &serialEnd{rig: r}
			newAPI(t, r.broker, e, func(config interpreter.Config, args ...string) *interpreter.Board {
				return r.board("api.py", config, append([]string{"serial"}, args...)...)
			}).run(apiParts...)
		})
		for name, dir := range plainUmqtts() {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				broker := mosquitto.Start(t, mosquitto.Config{Persistence: true})
				newPlainAPI(t, version, broker, dir).run(apiParts...)
			})
		}
	})
}

// TestAPIRefused holds what is raised when the broker does not let one in.
func TestAPIRefused(t *testing.T) {
	t.Parallel()
	users := mosquitto.Config{Users: map[string]string{"user": "password"}}
	t.Run("serial", func(t *testing.T) {
		t.Parallel()
		wrong := filepath.Join(t.TempDir(), "password")
		writeFile(t, wrong, "wrong")
		r := newRig(t, "", setup{broker: users, connect: []string{"username: user", "password_file: " + wrong}})
		newAPI(t, r.broker, &serialEnd{rig: r}, func(config interpreter.Config, args ...string) *interpreter.Board {
			return r.board("api.py", config, append([]string{"serial"}, args...)...)
		}, "-u", "user", "-P", "password").run("refused")
	})
	for name, dir := range plainUmqtts() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			newPlainAPI(t, "", mosquitto.Start(t, users), dir, "-u", "user", "-P", "password").run("refused")
		})
	}
}

// plainUmqtts are the folders of umqtts over sockets, by name.
func plainUmqtts() map[string]string {
	all := map[string]string{"plain": filepath.Join("testdata", "plain")}
	if *original != "" {
		all["original"] = *original
	}
	return all
}

// otherEnd is what the client talks to, and what can happen to it.
type otherEnd interface {
	cut()     // the board is lost
	restart() // it ends in order and begins again
	away()    // it ends in order
	back()    // and is there again
}

// serialEnd is a umqttd.
type serialEnd struct{ rig *rig }

func (e *serialEnd) cut()     { e.rig.line.Unplug() }
func (e *serialEnd) restart() { e.away(); e.back() }
func (e *serialEnd) away()    { e.rig.gateway.Stop() }
func (e *serialEnd) back()    { e.rig.gateway.Restart(); e.rig.waitPort() }

// plainEnd is a broker.
type plainEnd struct {
	broker *mosquitto.Broker
	relay  *relay.Relay
}

func (e *plainEnd) cut()     { e.relay.Drop() }
func (e *plainEnd) restart() { e.broker.Restart() }
func (e *plainEnd) away()    { e.broker.Stop() }
func (e *plainEnd) back()    { e.broker.Restart() }

// api is one run of testdata/api.py.
type api struct {
	t     *testing.T
	judge *judge
	end   otherEnd
	relay *relay.Relay // nil on a cable
	start func(config interpreter.Config, args ...string) *interpreter.Board
	board *interpreter.Board
	good  int
}

func newAPI(t *testing.T, broker *mosquitto.Broker, end otherEnd, start func(interpreter.Config, ...string) *interpreter.Board, login ...string) *api {
	return &api{t: t, judge: newJudge(t, broker, login...), end: end, start: start}
}

// newPlainAPI is one with a umqtt over a socket.
func newPlainAPI(t *testing.T, version string, broker *mosquitto.Broker, dir string, login ...string) *api {
	var a *api
	r := relay.New(t, broker.Addr(), func() { a.board.Say("over") })
	a = newAPI(t, broker, &plainEnd{broker, r}, func(config interpreter.Config, args ...string) *interpreter.Board {
		config.Version, config.Program, config.Args = version, filepath.Join("testdata", "api.py"), append([]string{"umqtt"}, args...)
		config.Libraries = []string{dir, filepath.Join("testdata", "lib"), filepath.Join("testdata", "socket")}
		config.UARTs = map[int]string{1: r.BoardPath()}
		return interpreter.Start(t, config)
	}, login...)
	a.relay = r
	return a
}

// run runs some parts to their end.
func (a *api) run(parts ...string) {
	a.t.Helper()
	a.board = a.start(interpreter.Config{Heap: 1 << 20, Loose: true}, parts...) // memory is another test's
	taken, part, done := 0, "", false
	for !done {
		if !patience.Within(2*patience.Limit, func() bool { return len(a.board.LinesFrom(taken)) > 0 || a.board.Ended() }) {
			a.t.Fatalf("%s: the program says no more", part)
		}
		if a.board.Ended() && len(a.board.LinesFrom(taken)) == 0 {
			a.t.Fatalf("%s: the program has ended: %s", part, a.board.Stderr())
		}
		for _, line := range a.board.LinesFrom(taken) {
			taken++
			word, rest, _ := strings.Cut(line, " ")
			switch word {
			case "part":
				part = rest
			case "good":
				a.good++
			case "differs":
				a.t.Logf("%s: differs on purpose: %s", part, rest)
			case "bad":
				a.t.Errorf("%s: %s", part, rest)
			case "ask":
				a.board.Say("answer %s", a.answer(strings.Split(rest, " ")))
			case "dial":
				a.board.Say("%s", map[bool]string{true: "dialed", false: "refused"}[a.relay.Dial()])
			case "hangup":
				a.relay.HangUp()
				a.board.Say("hungup")
			case "done":
				done = true
			}
		}
	}
	a.board.WantOK(patience.Limit)
	a.t.Logf("%d checks", a.good)
}

// answer does what the program asks for.
func (a *api) answer(words []string) string {
	a.t.Helper()
	switch words[0] {
	case "seen":
		return a.judge.next(words[1])
	case "none":
		if a.judge.quiet(words[1]) {
			return "none"
		}
		return "some"
	case "retained":
		return a.judge.retained(words[1])
	case "publish":
		qos, err := strconv.Atoi(words[2])
		if err != nil {
			a.t.Fatal(err)
		}
		a.judge.publish(words[1], unhex(a.t, words[4]), qos, words[3] == "1")
	case "cut":
		a.end.cut()
	case "mend":
		if e, ok := a.end.(*serialEnd); ok {
			e.rig.line.Plug()
			e.rig.waitPort()
		}
	case "restart":
		a.end.restart()
	case "away":
		a.end.away()
	case "back":
		a.end.back()
	case "settled":
	default:
		a.t.Fatalf("the program asks for %q", words)
	}
	return "done"
}
