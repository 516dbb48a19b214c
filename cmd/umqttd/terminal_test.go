package main

import (
	"context"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
)

// terminal is where a command runs whose output a test reads while it runs.
type terminal struct {
	t      *testing.T
	stdout screen
	stderr screen
	read   int // lines of stdout that want has seen
	stop   context.CancelFunc
	ended  chan struct{}
	err    error
}

// start runs umqttd with args.
func start(t *testing.T, args ...string) *terminal {
	ctx, cancel := context.WithCancel(t.Context())
	term := &terminal{t: t, stop: cancel, ended: make(chan struct{})}
	root := newRoot()
	root.SetArgs(args)
	root.SetOut(&term.stdout)
	root.SetErr(&term.stderr)
	go func() {
		defer close(term.ended)
		defer term.stdout.end()
		term.err = root.ExecuteContext(ctx)
	}()
	t.Cleanup(func() { _ = term.interrupt() })
	return term
}

// want reads on until a line matches.
func (term *terminal) want(pattern string) {
	term.t.Helper()
	re := regexp.MustCompile(pattern)
	for {
		line, ok := term.stdout.line(term.read)
		if !ok {
			term.t.Fatalf("no line matches %q in:\n%s\nstderr: %s", pattern, term.stdout.String(), term.stderr.String())
		}
		term.read++
		if re.MatchString(line) {
			return
		}
	}
}

// interrupt is Ctrl-C. It returns the command's error.
func (term *terminal) interrupt() error {
	term.stop()
	<-term.ended
	return term.err
}

// screen keeps what is written to it, line by line.
type screen struct {
	mu    sync.Mutex
	text  string
	ended bool
	more  chan struct{} // closed when something is written, if somebody waits
}

// Write appends p.
func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.text += string(p)
	s.wake()
	return len(p), nil
}

func (s *screen) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	s.wake()
}

func (s *screen) wake() {
	if s.more != nil {
		close(s.more)
		s.more = nil
	}
}

// line returns line n, from 0, as soon as it is complete, or false if the
// command ends before.
func (s *screen) line(n int) (string, bool) {
	for {
		s.mu.Lock()
		lines, ended := strings.Split(s.text, "\n"), s.ended
		if n < len(lines)-1 || ended {
			s.mu.Unlock()
			return lines[min(n, len(lines)-1)], n < len(lines)-1
		}
		if s.more == nil {
			s.more = make(chan struct{})
		}
		more := s.more
		s.mu.Unlock()
		<-more
	}
}

// String returns everything.
func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text
}

func TestSimEndsInOrder(t *testing.T) {
	link := filepath.Join(t.TempDir(), "board")
	sim := start(t, "sim", "--pty", link)
	sim.want(`board  ready +port ` + regexp.QuoteMeta(link) + ` \(/dev/pts/\d+\)$`)
	if err := sim.interrupt(); err != nil {
		t.Errorf("Ctrl-C: %v", err)
	}
}

// The demo shows all of it: boards that publish, a monitor that watches, and a
// port that can be watched if nobody has it.
func TestDemo(t *testing.T) {
	t.Setenv("RUNTIME_DIRECTORY", t.TempDir())
	demo := start(t, "demo")
	demo.want(`^  Status page   http://127\.0\.0\.1:\d+/$`)
	demo.want(`^  .+ monitor greenhouse --config demo$`)
	demo.want(`^[0-9:.]+  (greenhouse|shed      )  connected$`)
	demo.want(`greenhouse  published +sensors/greenhouse/temperature +\{"seq":\d+,.*\}  acknowledged in`)

	capture := filepath.Join(t.TempDir(), "greenhouse.pcapng")
	monitor := start(t, "monitor", "greenhouse", "--config", "demo", "--pcap", capture)
	monitor.want(`greenhouse  board ->      PUBLISH qos=1`)
	monitor.want(`greenhouse  board <-      PUBACK`)
	if err := monitor.interrupt(); err != nil {
		t.Errorf("Ctrl-C of monitor: %v", err)
	}
	if captured := strings.Join(tshark(t, capture), "\n"); !strings.Contains(captured, "Publish Message") || !strings.Contains(captured, "Publish Ack") {
		t.Errorf("captured:\n%s", captured)
	}
	if err := demo.interrupt(); err != nil {
		t.Errorf("Ctrl-C of demo: %v", err)
	}
	if demo.stderr.String() != "" {
		t.Errorf("stderr: %s", demo.stderr.String())
	}
}

func TestMonitorOfAPort(t *testing.T) {
	line, err := openPTY(filepath.Join(t.TempDir(), "board"))
	if err != nil {
		t.Fatal(err)
	}
	defer line.Close()
	capture := filepath.Join(t.TempDir(), "port.pcapng")
	monitor := start(t, "monitor", line.link, "--pcap", capture)
	var board sync.WaitGroup
	defer board.Wait()
	board.Go(func() { // again and again: what is older than the monitor is not shown
		for {
			select {
			case <-monitor.ended:
				return
			default:
				_, _ = line.Write([]byte("\x00\x07\x02\x18\x2b\xe8\x83\x60\x00hello\r\n\x80\x00"))
			}
		}
	})
	monitor.want(`board ->      DISCONNECT$`)
	monitor.want(`noise         8 bytes: 68 65`)
	if captured := tshark(t, capture, "-c", "2"); !strings.Contains(captured[0], "Disconnect Req") { // it is there at once
		t.Errorf("captured: %q", captured)
	}
	if err := monitor.interrupt(); err != nil {
		t.Errorf("Ctrl-C: %v", err)
	}
}
