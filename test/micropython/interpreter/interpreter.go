// Package interpreter runs programs for boards in the real MicroPython, compiled to WebAssembly, as a process of its own: with a heap that does not grow and with ptys for
// UARTs. One process is one board.
//
//	b := interpreter.Start(t, interpreter.Config{Version: "1.27.0", Program: "testdata/blink.py", UARTs: map[int]string{1: splice.BoardPath()}})
//	b.Say("publish 100")     // what the program reads by host.take()
//	b.Wait("published")      // what it says by host.say(), or prints
//	b.PowerOff()
//
// This port of MicroPython collects garbage only while no Python code runs; Mode says when that is. It has no machine, no sockets and no asyncio.run: folder lib has
// stand-ins for the first and the last, and a time.sleep that sleeps.
package interpreter

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/umqttd/umqttd/test/patience"
)

// Versions are the MicroPythons that there are: the one that UIFlow 2 is made of, and a new one.
var Versions = []string{"1.25.0", "1.27.0"}

// Mode is how a program is run.
type Mode string

// Modes.
const (
	Once  Mode = "once"  // from top to bottom; garbage is never collected
	Step  Mode = "step"  // then its loop() is called for ever; garbage is collected between two calls
	Tasks Mode = "tasks" // its asyncio tasks go on until one ends the program; garbage is collected while all wait
)

// Config says what board is wanted.
type Config struct {
	// Version is one of Versions. Empty: the last.
	Version string

	// Program is the path of the program.
	Program string

	// Args are what the program finds in the global argv.
	Args []string

	// Libraries are folders whose .py and .mpy files are on the program's path, with their folders.
	Libraries []string

	// Files are further files that the program can open, by their paths there: the paths here.
	Files map[string]string

	// UARTs are the ptys of machine.UART(ID). Whoever made them keeps them open and has made them raw.
	UARTs map[int]string

	// REPL is a pty that is sys.stdin and sys.stdout. Empty: what is printed is a line as what is said, and nothing can be read.
	REPL string

	// Heap is the size of MicroPython's heap in bytes. 0: 65536.
	Heap int

	// Loose lets the heap grow.
	Loose bool

	// Mode is how the program is run. Empty: Once.
	Mode Mode
}

// Board is a running program. Its methods may be called by any goroutine.
type Board struct {
	t       testing.TB
	name    string
	command *exec.Cmd
	stdin   io.WriteCloser
	exited  chan struct{} // closed when it has ended and all that it said is read

	mu    sync.Mutex
	lines []string
	taken int // of lines, by Wait
	wrote strings.Builder
	off   bool
}

// Start switches a board on. It is off when the test ends; what it wrote is shown if the test fails.
func Start(t testing.TB, config Config) *Board {
	t.Helper()
	b := &Board{t: t, name: config.Program, exited: make(chan struct{})}
	node, packages := find(t)
	b.command = exec.Command(node, config.arguments(t, packages)...)
	// A test that panics runs no cleanup; the kernel then ends the program.
	b.command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	b.command.Stderr = &lockedWriter{mu: &b.mu, to: &b.wrote}
	output, err := b.command.StdoutPipe()
	if err == nil {
		b.stdin, err = b.command.StdinPipe()
	}
	if err == nil {
		err = b.command.Start()
	}
	if err != nil {
		t.Fatalf("interpreter: %v", err)
	}
	go b.read(output)
	t.Cleanup(func() {
		b.PowerOff()
		if t.Failed() {
			t.Logf("%s said, at last:\n%s\nand on stderr:\n%s", b.name, strings.Join(b.last(40), "\n"), b.Stderr())
		}
	})
	return b
}

// lockedWriter collects what is written.
type lockedWriter struct {
	mu *sync.Mutex
	to *strings.Builder
}

func (w *lockedWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.to.Write(p)
}

// arguments returns the command line behind node.
func (c *Config) arguments(t testing.TB, packages string) []string {
	t.Helper()
	version, heap, mode := c.Version, c.Heap, c.Mode
	if version == "" {
		version = Versions[len(Versions)-1]
	}
	if heap == 0 {
		heap = 65536
	}
	if mode == "" {
		mode = Once
	}
	args := []string{harness(t), "--packages", packages, "--version", version, "--heap", strconv.Itoa(heap), "--mode", string(mode)}
	if c.Loose {
		args = append(args, "--loose")
	}
	for _, dir := range c.Libraries {
		args = append(args, "--lib", dir)
	}
	for guest, host := range c.Files {
		args = append(args, "--file", guest+"="+host)
	}
	for id, pty := range c.UARTs {
		args = append(args, "--uart", fmt.Sprintf("%d=%s", id, pty))
	}
	if c.REPL != "" {
		args = append(args, "--repl", c.REPL)
	}
	return append(append(args, c.Program), c.Args...)
}

// read takes what the program says, until it has ended.
func (b *Board) read(output io.Reader) {
	defer close(b.exited)
	for r := bufio.NewReader(output); ; {
		line, err := r.ReadString('\n')
		if line != "" {
			b.mu.Lock()
			b.lines = append(b.lines, strings.TrimSuffix(line, "\n"))
			b.mu.Unlock()
		}
		if err != nil {
			break
		}
	}
	_ = b.command.Wait() // how it ended is in ProcessState
}

// Say sends the program a line.
func (b *Board) Say(format string, args ...any) {
	b.t.Helper()
	_, err := fmt.Fprintf(b.stdin, format+"\n", args...)
	if err != nil && !errors.Is(err, os.ErrClosed) && !errors.Is(err, syscall.EPIPE) {
		b.t.Fatalf("interpreter: %v", err)
	}
}

// Wait waits for the next line that begins with a word, and returns the rest of it. Lines before it are passed over, but for "error": that fails the test.
func (b *Board) Wait(word string) string {
	b.t.Helper()
	return b.WaitFor(patience.Limit, word)
}

// WaitFor is Wait with a limit of its own.
func (b *Board) WaitFor(limit time.Duration, word string) string {
	b.t.Helper()
	var rest string
	if !patience.Within(limit, func() bool { var ok bool; rest, ok = b.next(word); return ok }) {
		b.t.Fatalf("%s has not said %q after %v", b.name, word, limit)
	}
	return rest
}

// WaitAny waits for the next line that begins with one of the words, and returns all of it.
func (b *Board) WaitAny(limit time.Duration, words ...string) string {
	b.t.Helper()
	var line string
	if !patience.Within(limit, func() bool { var ok bool; line, ok = b.nextLine(words); return ok }) {
		b.t.Fatalf("%s has not said any of %q after %v", b.name, words, limit)
	}
	return line
}

// next looks for the word in what was not taken yet.
func (b *Board) next(word string) (rest string, found bool) {
	b.t.Helper()
	line, found := b.nextLine([]string{word})
	_, rest, _ = strings.Cut(line, " ")
	return rest, found
}

// nextLine looks for a line that begins with one of the words in what was not taken yet.
func (b *Board) nextLine(words []string) (line string, found bool) {
	b.t.Helper()
	over := b.Ended() // asked before, so that nothing that was said is missed
	b.mu.Lock()
	defer b.mu.Unlock()
	for b.taken < len(b.lines) {
		line := b.lines[b.taken]
		b.taken++
		first, _, _ := strings.Cut(line, " ")
		if slices.Contains(words, first) {
			return line, true
		}
		if first == "error" {
			b.t.Errorf("%s: %s", b.name, line)
		}
	}
	if over {
		b.t.Fatalf("%s has ended with status %d and has not said any of %q; stderr:\n%s", b.name, b.command.ProcessState.ExitCode(), words, b.wrote.String())
	}
	return "", false
}

// Lines returns all that the program has said so far.
func (b *Board) Lines() []string { return b.LinesFrom(0) }

// LinesFrom returns what it has said so far, from the n-th line on.
func (b *Board) LinesFrom(n int) []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.lines[n:len(b.lines):len(b.lines)]
}

func (b *Board) last(n int) []string {
	all := b.Lines()
	return all[max(0, len(all)-n):]
}

// Stderr returns what the program wrote there: the traceback of the exception that ended it, for one.
func (b *Board) Stderr() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.wrote.String()
}

// Heap asks for the size of what is alive on the heap. The program answers if it calls host.measure() when it is told "heap".
func (b *Board) Heap() int {
	b.t.Helper()
	b.Say("heap")
	n, err := strconv.Atoi(b.Wait("heap"))
	if err != nil {
		b.t.Fatalf("interpreter: %v", err)
	}
	return n
}

// Ended reports whether the program has come to its end.
func (b *Board) Ended() bool {
	select {
	case <-b.exited:
		return true
	default:
		return false
	}
}

// Status waits for the program's end and returns its exit status: 0, what SystemExit says, or 1 if another exception ended it.
func (b *Board) Status(limit time.Duration) int {
	b.t.Helper()
	select {
	case <-b.exited:
	case <-time.After(limit):
		b.t.Fatalf("%s goes on after %v", b.name, limit)
	}
	return b.command.ProcessState.ExitCode()
}

// WantOK waits for the program's end and fails the test if it was not a good one.
func (b *Board) WantOK(limit time.Duration) {
	b.t.Helper()
	if status := b.Status(limit); status != 0 {
		b.t.Errorf("%s ended with status %d", b.name, status)
	}
}

// PowerOff ends the program without a word.
func (b *Board) PowerOff() {
	b.mu.Lock()
	first := !b.off
	b.off = true
	b.mu.Unlock()
	if first {
		_ = b.command.Process.Kill()
		_ = b.stdin.Close()
	}
	<-b.exited
}
