package cclient

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/umqttd/umqttd/test/patience"
)

// Event is one of the C client's events; umqtt_serial.h says what its fields mean. Name is its type's without UMQTT_EVENT_, in lower case.
type Event struct {
	Name      string
	Code, QoS int
	Seconds   int64
	Topic     string
	At        time.Time // when it was heard of
}

// Message is what the board was given.
type Message struct {
	Topic, Payload string
	QoS            int
	Retain         bool
}

// Board is a board that runs. Its methods belong to the test's goroutine.
type Board struct {
	t       testing.TB
	command *exec.Cmd
	stdin   io.WriteCloser
	stderr  strings.Builder // valid after ended
	ended   chan struct{}
	status  error // valid after ended
	sent    int   // commands, umqtt_init included

	mu       sync.Mutex
	results  []result
	events   []Event
	messages []Message
	faults   []string
}

// result is what a command came to.
type result struct {
	name string
	code int
}

// Start switches a board on whose line is at path, with options for its program. The test fails if its client cannot be configured so.
func Start(t testing.TB, program, path string, options ...string) *Board {
	t.Helper()
	b := Boot(t, program, path, options...)
	if code := b.result(0); code != 0 {
		t.Fatalf("cclient: umqtt_init returned %d", code)
	}
	return b
}

// Boot is Start of a board whose client may be refused: Init says so.
func Boot(t testing.TB, program, path string, options ...string) *Board {
	t.Helper()
	b := &Board{t: t, command: exec.Command(program, append([]string{"port=" + path}, options...)...), ended: make(chan struct{}), sent: 1}
	// A test that panics runs no cleanup; the kernel then ends the program.
	b.command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	b.command.Stderr = &b.stderr
	stdin, err := b.command.StdinPipe()
	var stdout io.Reader
	if err == nil {
		b.stdin = stdin
		stdout, err = b.command.StdoutPipe()
	}
	if err == nil {
		err = b.command.Start()
	}
	if err != nil {
		t.Fatalf("cclient: %v", err)
	}
	go func() {
		defer close(b.ended)
		for r := bufio.NewReader(stdout); ; {
			line, err := r.ReadString('\n')
			if err != nil {
				break
			}
			b.take(strings.TrimSuffix(line, "\n"))
		}
		b.status = b.command.Wait()
	}()
	t.Cleanup(b.cleanup)
	return b
}

// take takes a line of what the board says.
func (b *Board) take(line string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	kind, rest, _ := strings.Cut(line, " ")
	switch kind {
	case "result":
		name, code, _ := strings.Cut(rest, " ")
		n, err := strconv.Atoi(code)
		if err != nil {
			b.faults = append(b.faults, line)
		}
		b.results = append(b.results, result{name, n})
	case "event":
		ev := Event{At: time.Now()}
		if _, err := fmt.Sscanf(rest, "%s code=%d qos=%d seconds=%d topic=", &ev.Name, &ev.Code, &ev.QoS, &ev.Seconds); err != nil {
			b.faults = append(b.faults, line)
		}
		_, ev.Topic, _ = strings.Cut(rest, " topic=")
		b.events = append(b.events, ev)
	case "message":
		parts := strings.SplitN(rest, " ", 4)
		if len(parts) != 4 {
			b.faults = append(b.faults, line)
			return
		}
		b.messages = append(b.messages, Message{Topic: parts[2], Payload: parts[3], QoS: int(parts[0][0] - '0'), Retain: parts[1] == "1"})
	default:
		b.faults = append(b.faults, line)
	}
}

// cleanup ends the board with its test.
func (b *Board) cleanup() {
	b.Kill()
	if b.t.Failed() {
		b.t.Logf("the board's last events: %v", b.events[max(0, len(b.events)-20):])
	}
}

// Kill switches the board off, in the midst of whatever it does.
func (b *Board) Kill() {
	b.t.Helper()
	_ = b.command.Process.Kill()
	<-b.ended
	var exit *exec.ExitError
	killed := errors.As(b.status, &exit) && exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL
	if b.status != nil && !killed {
		b.t.Errorf("cclient: the board ended with %v\n%s", b.status, b.stderr.String())
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, fault := range b.faults {
		b.t.Errorf("cclient: the board said %q", fault)
	}
	b.faults = nil
}

// Quit lets the board's program end in good order: what it has allocated and not freed is found. The client says nothing to the gateway.
func (b *Board) Quit() {
	b.t.Helper()
	b.Send("quit")
	select {
	case <-b.ended:
	case <-time.After(patience.Limit):
		b.t.Errorf("cclient: the board does not end within %v", patience.Limit)
	}
	b.Kill()
}

// Send gives the board a command, and does not wait for its result.
func (b *Board) Send(format string, args ...any) {
	b.t.Helper()
	b.sent++
	if _, err := fmt.Fprintf(b.stdin, format+"\n", args...); err != nil {
		<-b.ended
		b.t.Fatalf("cclient: the board has ended: %v\n%s", b.status, b.stderr.String())
	}
}

// Do gives the board a command and returns its result, a umqtt_result.
func (b *Board) Do(format string, args ...any) int {
	b.t.Helper()
	b.Send(format, args...)
	return b.result(b.sent - 1)
}

// Must is Do of a command that must succeed.
func (b *Board) Must(format string, args ...any) {
	b.t.Helper()
	if code := b.Do(format, args...); code != 0 {
		b.t.Fatalf("cclient: "+format+" returned %d", append(args, code)...)
	}
}

// Connect connects and waits until that is done.
func (b *Board) Connect() Event {
	b.t.Helper()
	before := b.Count("connected")
	b.Must("connect")
	return b.Wait("connected", before+1)
}

// Init returns what umqtt_init returned.
func (b *Board) Init() int {
	b.t.Helper()
	return b.result(0)
}

// result waits for the n-th result, that of umqtt_init being number 0.
func (b *Board) result(n int) int {
	b.t.Helper()
	var r result
	b.wait(func() string { return fmt.Sprintf("result %d, has %d", n, len(b.results)) }, func() bool {
		if len(b.results) > n {
			r = b.results[n]
			return true
		}
		return false
	})
	return r.code
}

// wait waits until holds, which runs locked, as what does.
func (b *Board) wait(what func() string, holds func() bool) {
	b.t.Helper()
	locked := func() bool { b.mu.Lock(); defer b.mu.Unlock(); return holds() }
	ok := patience.Within(patience.Limit, func() bool { return locked() || b.over() })
	if !ok || !locked() {
		b.mu.Lock()
		said := what()
		b.mu.Unlock()
		if b.over() {
			b.t.Fatalf("cclient: the board has ended (%v) and not said: %s\n%s", b.status, said, b.stderr.String())
		}
		b.t.Fatalf("cclient: waited %v for: %s", patience.Limit, said)
	}
}

// over reports whether the program has ended.
func (b *Board) over() bool {
	select {
	case <-b.ended:
		return true
	default:
		return false
	}
}

// Results returns the results of the commands of one name so far.
func (b *Board) Results(name string) []int {
	b.mu.Lock()
	defer b.mu.Unlock()
	var codes []int
	for _, r := range b.results {
		if r.name == name {
			codes = append(codes, r.code)
		}
	}
	return codes
}

// Events returns the events since the first n, of every name.
func (b *Board) Events(n int) []Event {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]Event(nil), b.events[n:]...)
}

// Messages returns the messages since the first n.
func (b *Board) Messages(n int) []Message {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]Message(nil), b.messages[n:]...)
}

// Count returns how many events of a name there were.
func (b *Board) Count(name string) int {
	n := 0
	for _, ev := range b.Events(0) {
		if ev.Name == name {
			n++
		}
	}
	return n
}

// Wait waits for the n-th event of a name, counted from 1, and returns it.
func (b *Board) Wait(name string, n int) Event {
	b.t.Helper()
	var found Event
	b.wait(func() string { return fmt.Sprintf("event %q number %d, of %v", name, n, b.events) }, func() bool {
		left := n
		for _, ev := range b.events {
			if ev.Name == name {
				left--
			}
			if left == 0 {
				found = ev
				return true
			}
		}
		return false
	})
	return found
}

// WaitMessages waits for n messages and returns them and what came after them.
func (b *Board) WaitMessages(n int) []Message {
	b.t.Helper()
	b.wait(func() string { return fmt.Sprintf("%d messages, has %d", n, len(b.messages)) }, func() bool { return len(b.messages) >= n })
	return b.Messages(0)
}

// Signal sends the board's program a signal: SIGSTOP makes a board that has something else to do.
func (b *Board) Signal(signal syscall.Signal) {
	b.t.Helper()
	if err := b.command.Process.Signal(signal); err != nil {
		b.t.Errorf("cclient: send %v: %v", signal, err)
	}
}
