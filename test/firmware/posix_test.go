package firmware

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/umqttd/umqttd/test/cable"
	"github.com/umqttd/umqttd/test/patience"
	"github.com/umqttd/umqttd/test/witness"
)

const posixExample = clientFolder + "/examples/posix/board.c"

// buildLine is the command line by which board.c says it is built.
var buildLine = regexp.MustCompile(`(?m)^ \*     (cc .*)$`)

// documentedBoard builds examples/posix/board.c as it says.
func documentedBoard(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"src", "examples"} {
		folder, err := filepath.Abs(filepath.Join(clientFolder, name))
		if err == nil {
			err = os.Symlink(folder, filepath.Join(dir, name))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	line := buildLine.FindStringSubmatch(clientFile(t, "examples/posix/board.c"))
	if line == nil {
		t.Fatal("board.c does not say how it is built")
	}
	command := exec.Command("sh", "-c", line[1])
	command.Dir = dir
	if output, err := command.CombinedOutput(); err != nil || len(output) > 0 {
		t.Fatalf("%s: %v\n%s", line[1], err, output)
	}
	return filepath.Join(dir, "board")
}

// sanitizedBoard builds it with sanitizers, and with all warnings as errors.
func sanitizedBoard(t testing.TB) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "board")
	flags := append(append([]string{"-o", program, "-std=c99", "-I", sourceFolder}, warnings...), hostSanitizers...)
	runTool(t, "cc", append(append(flags, posixExample), clientSources(t)...)...)
	return program
}

// TestPosixBoard has the example for systems with a tty do all that it can.
func TestPosixBoard(t *testing.T) {
	t.Parallel()
	for name, build := range map[string]func(testing.TB) string{"as documented": documentedBoard, "sanitized": sanitizedBoard} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newLine(t, "max_frame: 2048", "up/#")
			b := posixBoard{start(t, build(t), "-i", "posix", "-k", "10", "-b", "115200", "-w", "up/will", "1", "gone for good", r.splice.BoardPath()), r, nil}
			b.talk()
			b.outlive()
			b.sleep()
			b.do("disconnect", "event disconnected 0", 1)
			b.say("quit")
			b.wantEnd()
		})
	}
}

// lastWill is what the broker publishes when the gateway is gone.
var lastWill = witness.Message{Topic: "up/will", Payload: "gone again"}

// posixBoard is board.c at work. What it has published with QoS 1 stands in sent.
type posixBoard struct {
	*process
	r    *rig
	sent []witness.Message
}

// do gives a command, and waits for its result and for the n-th line of what comes of it.
func (b *posixBoard) do(command, line string, n int) {
	b.t.Helper()
	b.say(command)
	verb, _, _ := strings.Cut(command, " ")
	b.wait("ok "+verb, 1)
	b.wait(line, n)
}

// publish publishes with QoS 1 and waits until that is acknowledged.
func (b *posixBoard) publish(verb, topic, text string) {
	b.t.Helper()
	b.sent = append(b.sent, witness.Message{Topic: topic, Payload: text})
	b.do(verb+" "+topic+" 1 "+text, fmt.Sprint("acked ", len(b.sent)), 1)
}

// arrived demands that the judge has what was published, in order. Of what came again, only the first copy is looked at.
func (b *posixBoard) arrived() {
	b.t.Helper()
	var got []witness.Message
	patience.Wait(b.t, "messages arrive", func() bool {
		got = nil
		for _, m := range b.r.judge.Arrived(0) {
			if m.Topic != lastWill.Topic && !slices.Contains(got, m) {
				got = append(got, m)
			}
		}
		return len(got) >= len(b.sent)
	})
	if !slices.Equal(got, b.sent) {
		b.t.Errorf("%v arrived, want %v", got, b.sent)
	}
}

// talk goes through the commands of a session.
func (b *posixBoard) talk() {
	b.t.Helper()
	b.say("nonsense")
	b.wait("error nonsense -1", 1)
	b.say("pub up/early 0 not connected")
	b.wait("error pub -6", 1)
	b.do("connect", "event connected 0", 1)
	b.do("sub down/# 1", "event subscribed 0 down/#", 1)
	b.r.judge.Publish("down/x", "to you\r\n\\")
	b.wait(`msg 1 0 down/x to you\x0d\x0a\x5c`, 1)
	b.publish("pub", "up/data", "hello, world")
	b.publish("retain", "up/kept", "")
	b.do("register up/later", "event registered 0 up/later", 1)
	b.publish("pub", "up/later", strings.Repeat("x", 1500))
	b.do("will "+lastWill.Topic+" 1 "+lastWill.Payload, "event will 0", 1)
	b.do("log some words", "ok log", 1)
	patience.Wait(b.t, "the gateway shows its words", func() bool { return b.r.gateway.Logged("some words") == 1 })
	b.say("time")
	patience.Wait(b.t, "the board knows the time", func() bool {
		return slices.ContainsFunc(b.written(), regexp.MustCompile(`^time \d{10}\.\d{3}$`).MatchString)
	})
	const flood = 40
	b.do(fmt.Sprint("flood up/n 1 ", flood), fmt.Sprint("acked ", len(b.sent)+flood), 1)
	for n := range flood {
		b.sent = append(b.sent, witness.Message{Topic: "up/n", Payload: fmt.Sprint(n + 1)})
	}
	b.arrived()
	b.do("unsub down/#", "event unsubscribed 0 down/#", 1)
	b.do("sub down/# 1", "event subscribed 0 down/#", 2)
}

// outlive kills the gateway and restarts it, and demands that all goes on.
func (b *posixBoard) outlive() {
	b.t.Helper()
	b.r.gateway.Kill()
	patience.Wait(b.t, "the broker publishes the will", func() bool { return slices.Contains(b.r.judge.Arrived(0), lastWill) })
	b.say("pub up/data 1 while nobody listens")
	b.r.gateway.Restart()
	b.wait("event connected 0", 2)
	b.sent = append(b.sent, witness.Message{Topic: "up/data", Payload: "while nobody listens"})
	b.wait(fmt.Sprint("acked ", len(b.sent)), 1)
	b.wait("event subscribed 0 down/#", 3)
	b.r.judge.Publish("down/again", "to you")
	b.wait("msg 1 0 down/again to you", 1)
	b.publish("pub", "up/data", "and now")
	b.arrived()
}

// sleep lets it miss a message, and fetch it.
func (b *posixBoard) sleep() {
	b.t.Helper()
	b.do("sleep 60", "event asleep 0", 1)
	b.r.judge.Publish("down/night", "good night")
	patience.Wait(b.t, "the broker has it", func() bool { return b.r.judge.Unsure() == 0 })
	for n := 2; !slices.Contains(b.written(), "msg 1 0 down/night good night"); n++ { // what is on its way to umqttd waits for the next time
		b.do("wake", "event asleep 0", n)
	}
	b.do("connect", "event connected 0", 3)
}

// TestPosixBoardEnds looks at the ends that are not quit.
func TestPosixBoardEnds(t *testing.T) {
	t.Parallel()
	program := sanitizedBoard(t)
	for name, c := range map[string]struct {
		args   []string
		status int
	}{
		"no tty":            {nil, 2},
		"unknown option":    {[]string{"-z", "1", "/dev/null"}, 2},
		"too few values":    {[]string{"-w", "topic", "1"}, 2},
		"a will of QoS 2":   {[]string{"-w", "topic", "2", "text", "/dev/null"}, 2},
		"a tty that is not": {[]string{"/dev/null"}, 1},
		"a missing tty":     {[]string{filepath.Join(t.TempDir(), "tty")}, 1},
	} {
		p := start(t, program, c.args...)
		patience.Wait(t, "the board ends", p.over)
		if got := p.command.ProcessState.ExitCode(); got != c.status {
			t.Errorf("%s: status %d, want %d", name, got, c.status)
		}
	}
	master, slave, err := cable.OpenPTY()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = slave.Close() }()
	p := start(t, program, slave.Name())
	p.say("log here I am")
	p.wait("ok log", 1)
	_ = master.Close()
	patience.Wait(t, "the board ends", p.over)
	if got := p.command.ProcessState.ExitCode(); got != 1 {
		t.Errorf("a tty that is gone: status %d, want 1", got)
	}
}
