// Package umqttd runs the real umqttd for a test: the binary that users get, with a configuration of the test's own, ended with the test.
//
//	program, err := umqttd.Build(dir) // once, in TestMain
//
//	gateway := umqttd.Start(t, program, "devices: [{name: attic, port: "+cable.Path()+"}]")
//	// ... boards and subscribers talk ...
//	gateway.WaitMetric(`umqttd_messages_total{device="attic",direction="uplink",qos="1"}`, 100)
//	gateway.Kill()
//	gateway.Restart()
//
// The program finds its configuration, its monitor socket and its metrics in places of the test's, so tests may run side by side. Its log is shown if
// the test fails.
package umqttd

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/umqttd/umqttd/test/patience"
)

// StopTime is how long an orderly stop may take, as users and systemd are promised.
const StopTime = 5 * time.Second

// startAttempts is how many HTTP ports are tried before a test gives up.
const startAttempts = 10

// Build builds umqttd into dir as it is released, without cgo, and returns the program's path.
func Build(dir string) (string, error) {
	program := filepath.Join(dir, "umqttd")
	build := exec.Command("go", "build", "-o", program, "github.com/umqttd/umqttd/cmd/umqttd")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if output, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("umqttd: build: %w\n%s", err, output)
	}
	return program, nil
}

// Gateway is a umqttd. Its methods belong to the test's goroutine.
type Gateway struct {
	// Immutable.
	t       testing.TB
	program []string // with what it is started by, if that is not the program itself
	config  string   // what the test wants, without http
	dir     string
	http    string // host:port

	process *process // nil: not running
	log     lineLog
}

// process is one run of the program.
type process struct {
	command *exec.Cmd
	exited  chan struct{} // closed when it has ended and its log is read
	err     error         // of its end; valid after exited
}

// lineLog is what all runs have written.
type lineLog struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lineLog) add(line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text.WriteString(line)
	l.text.WriteByte('\n')
}

func (l *lineLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// Start starts umqttd and waits until it is ready. Config is YAML without the key http, which Start adds; or with a line "http: {...}" for other keys than listen.
func Start(t testing.TB, program, config string) *Gateway {
	t.Helper()
	return start(t, []string{program}, config)
}

func start(t testing.TB, program []string, config string) *Gateway {
	t.Helper()
	g := &Gateway{t: t, program: program, config: config, dir: t.TempDir()}
	t.Cleanup(g.cleanup)
	for range startAttempts {
		g.http = freeAddress(t)
		g.write(g.config)
		if g.run(g.ready) {
			return g
		}
	}
	t.Fatalf("umqttd: somebody was quicker to take each of %d ports", startAttempts)
	return nil
}

// write writes the configuration.
func (g *Gateway) write(config string) {
	g.t.Helper()
	listen := fmt.Sprintf("\nhttp: {listen: %q", g.http)
	if before, keys, own := strings.Cut("\n"+config, "\nhttp: {"); own {
		config = before + listen + ", " + keys
	} else {
		config += listen + "}\n"
	}
	// The program may be reading at this moment: it must never find half a file.
	err := os.WriteFile(g.file()+".new", []byte(config), 0o600)
	if err == nil {
		err = os.Rename(g.file()+".new", g.file())
	}
	if err != nil {
		g.t.Fatalf("umqttd: %v", err)
	}
}

func (g *Gateway) file() string { return filepath.Join(g.dir, "umqttd.yaml") }

// command returns the program with its arguments and surroundings.
func command(program []string, dir string, args ...string) *exec.Cmd {
	c := exec.Command(program[0], append(program[1:len(program):len(program)], args...)...)
	c.Env = append(os.Environ(), "RUNTIME_DIRECTORY="+dir, "NOTIFY_SOCKET=", "JOURNAL_STREAM=")
	// A test that panics runs no cleanup; the kernel then ends the program.
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return c
}

// run starts the program and waits until it is ready, or whatever is waited for. It reports false if its HTTP port was taken.
func (g *Gateway) run(ready func() bool) bool {
	g.t.Helper()
	p := &process{command: command(g.program, g.dir, "run", "--config", g.file()), exited: make(chan struct{})}
	output, err := p.command.StderrPipe()
	if err == nil {
		err = p.command.Start()
	}
	if err != nil {
		g.t.Fatalf("umqttd: %v", err)
	}
	go func() {
		defer close(p.exited)
		for r := bufio.NewReader(output); ; {
			line, err := r.ReadString('\n')
			if line != "" {
				g.log.add(strings.TrimSuffix(line, "\n"))
			}
			if err != nil {
				break
			}
		}
		p.err = p.command.Wait()
	}()
	g.process = p
	patience.Wait(g.t, "umqttd is ready", func() bool { return ready() || p.ended() })
	if !p.ended() {
		return true
	}
	g.process = nil
	if !strings.Contains(g.Log(), syscall.EADDRINUSE.Error()) {
		g.t.Fatalf("umqttd: ended at once: %v", p.err)
	}
	return false
}

func (p *process) ended() bool {
	select {
	case <-p.exited:
		return true
	default:
		return false
	}
}

// cleanup ends the program with its test.
func (g *Gateway) cleanup() {
	if g.process != nil {
		if g.t.Failed() {
			g.t.Logf("umqttd's metrics that are not 0:\n%s", g.moved())
		}
		g.Kill()
	}
	if g.t.Failed() {
		g.t.Logf("umqttd's log:\n%s", g.Log())
	}
}

// Stop ends the program in order, with SIGTERM. It fails the test if that takes longer than StopTime, or if the program does not say that all went well.
func (g *Gateway) Stop() {
	g.t.Helper()
	g.stop(syscall.SIGTERM)
}

// Interrupt is Stop by SIGINT, as Ctrl-C in a terminal.
func (g *Gateway) Interrupt() {
	g.t.Helper()
	g.stop(syscall.SIGINT)
}

func (g *Gateway) stop(signal os.Signal) {
	g.t.Helper()
	began := time.Now()
	err := g.end(signal)
	if took := time.Since(began); took > StopTime {
		g.t.Errorf("umqttd: took %v to stop", took)
	}
	if err != nil {
		g.t.Errorf("umqttd: ended with %v", err)
	}
}

// Kill ends the program with SIGKILL, as a power cut does.
func (g *Gateway) Kill() {
	g.t.Helper()
	_ = g.end(syscall.SIGKILL) // "signal: killed"
}

// end sends a signal and waits for the process to be gone.
func (g *Gateway) end(signal os.Signal) error {
	g.t.Helper()
	g.Signal(signal)
	p := g.process
	g.process = nil
	select {
	case <-p.exited:
	case <-time.After(patience.Limit):
		_ = p.command.Process.Kill()
		<-p.exited
		g.t.Fatalf("umqttd: still there %v after %v", patience.Limit, signal)
	}
	return p.err
}

// Restart starts the program again after Stop or Kill, with the same configuration on the same HTTP port.
func (g *Gateway) Restart() {
	g.t.Helper()
	g.restart(g.ready)
}

// RestartUnready is Restart of a program that something keeps from being ready. It waits only until the program says that it lives.
func (g *Gateway) RestartUnready() {
	g.t.Helper()
	g.restart(func() bool { status, _ := g.get("/-/healthy"); return status == http.StatusOK })
}

func (g *Gateway) restart(ready func() bool) {
	g.t.Helper()
	for range startAttempts {
		if g.run(ready) {
			return
		}
	}
	g.t.Fatalf("umqttd: somebody took %s while it was down", g.http)
}

// Rewrite replaces the configuration, for Restart or SIGHUP.
func (g *Gateway) Rewrite(config string) {
	g.t.Helper()
	g.write(config)
}

// Signal sends a signal.
func (g *Gateway) Signal(signal os.Signal) {
	g.t.Helper()
	if g.process == nil {
		g.t.Fatalf("umqttd: is not running, cannot be sent %v", signal)
	}
	if err := g.process.command.Process.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
		g.t.Fatalf("umqttd: send %v: %v", signal, err)
	}
}

// Pause freezes the program: its port and its connections stand, and nobody answers.
func (g *Gateway) Pause() {
	g.t.Helper()
	g.Signal(syscall.SIGSTOP)
	patience.Stopped(g.t, g.PID())
}

// Resume ends Pause.
func (g *Gateway) Resume() {
	g.t.Helper()
	g.Signal(syscall.SIGCONT)
}

// PID returns the process id, 0 while it is not running.
func (g *Gateway) PID() int {
	if g.process == nil {
		return 0
	}
	return g.process.command.Process.Pid
}

// Log returns what the program has written since Start, over all restarts.
func (g *Gateway) Log() string { return g.log.String() }

// Logged returns how many lines of the log contain all of the texts.
func (g *Gateway) Logged(texts ...string) int {
	n := 0
lines:
	for line := range strings.Lines(g.Log()) {
		for _, text := range texts {
			if !strings.Contains(line, text) {
				continue lines
			}
		}
		n++
	}
	return n
}

// Run runs the program to its end and returns its exit status and all that it wrote.
func Run(t testing.TB, program string, args ...string) (status int, output string) {
	t.Helper()
	c := command([]string{program}, t.TempDir(), args...)
	var b strings.Builder
	c.Stdout, c.Stderr = &b, &b
	if err := c.Start(); err != nil {
		t.Fatalf("umqttd: %v", err)
	}
	timeout := time.AfterFunc(patience.Limit, func() { _ = c.Process.Kill() })
	defer timeout.Stop()
	var exit *exec.ExitError
	if err := c.Wait(); err != nil && !errors.As(err, &exit) {
		t.Fatalf("umqttd: %v", err)
	}
	return c.ProcessState.ExitCode(), b.String()
}

// freeAddress returns an address on which nobody listens at this moment.
func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("umqttd: %v", err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}
