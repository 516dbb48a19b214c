package firmware

import (
	"bufio"
	"io"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/umqttd/umqttd/test/patience"
)

// process is a board that is a program of this machine. Its methods belong to the test's goroutine.
type process struct {
	t       testing.TB
	command *exec.Cmd
	stdin   io.WriteCloser
	ended   chan struct{}
	err     error // of its end; valid after ended

	mu    sync.Mutex
	lines []string // that it wrote
}

// start starts a program. It is gone when the test ends.
func start(t testing.TB, program string, args ...string) *process {
	t.Helper()
	p := &process{t: t, command: exec.Command(program, args...), ended: make(chan struct{})}
	// A test that panics runs no cleanup; the kernel then ends the program.
	p.command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	stdin, err := p.command.StdinPipe()
	var stdout io.Reader
	if err == nil {
		p.stdin = stdin
		stdout, err = p.command.StdoutPipe()
	}
	if err == nil {
		p.command.Stderr = p.command.Stdout
		err = p.command.Start()
	}
	if err != nil {
		t.Fatalf("%s: %v", program, err)
	}
	go func() {
		defer close(p.ended)
		for scanner := bufio.NewScanner(stdout); scanner.Scan(); {
			p.mu.Lock()
			p.lines = append(p.lines, scanner.Text())
			p.mu.Unlock()
		}
		p.err = p.command.Wait()
	}()
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			t.Logf("%s wrote:\n%s", program, strings.Join(p.written(), "\n"))
		}
	})
	return p
}

// kill ends the program as a power cut does.
func (p *process) kill() {
	_ = p.command.Process.Kill()
	<-p.ended
}

// written returns the lines so far.
func (p *process) written() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.lines)
}

// say writes a line to its standard input.
func (p *process) say(line string) {
	p.t.Helper()
	if _, err := io.WriteString(p.stdin, line+"\n"); err != nil {
		p.t.Fatalf("%q: %v", line, err)
	}
}

// wait waits for the n-th line of some words, counted from 1.
func (p *process) wait(line string, n int) {
	p.t.Helper()
	count := func() int {
		found := 0
		for _, l := range p.written() {
			if l == line {
				found++
			}
		}
		return found
	}
	patience.Wait(p.t, "the board writes "+line, func() bool { return count() >= n || p.over() })
	if got := count(); got < n {
		p.t.Fatalf("the board has ended (%v) and written %q %d times, want %d", p.err, line, got, n)
	}
}

func (p *process) over() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

// wantEnd waits until the program has ended well.
func (p *process) wantEnd() {
	p.t.Helper()
	patience.Wait(p.t, "the board ends", p.over)
	if p.err != nil {
		p.t.Errorf("the board ended with %v", p.err)
	}
}
