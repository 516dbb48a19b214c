// Package mosquitto starts a real mosquitto for a test: on a free port of loopback, with a configuration of its own in a folder of the test, and
// gone when the test ends.
//
//	broker := mosquitto.Start(t, mosquitto.Config{Persistence: true})
//	// ... a client uses broker.URL() ...
//	broker.Kill()
//	broker.Restart()
//
// Stop, Kill, Pause and Restart return when it is done: the process is gone, or it accepts connections, on the port it had before. The broker's log
// is shown if the test fails. A missing mosquitto fails the test and says what to install.
package mosquitto

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/umqttd/umqttd/test/patience"
)

// startAttempts is how many ports are tried before a test gives up.
const startAttempts = 10

// Broker is a mosquitto. Its methods belong to the test's goroutine, but for URL and the like.
type Broker struct {
	// Immutable.
	t       testing.TB
	config  Config
	program string
	file    string // mosquitto.conf
	port    int
	wsPort  int // 0: none

	process *process // nil: not running
	log     lineLog
}

// process is one run of the program.
type process struct {
	command *exec.Cmd
	opened  chan struct{} // closed when the broker says that it has opened its ports
	serving chan struct{} // closed when it says that it has seen a connection
	exited  chan struct{} // closed when it has ended and its log is read
	inUse   bool          // a port was taken; valid after exited
	err     error         // of its end; valid after exited
}

// lineLog is what all runs have written.
type lineLog struct {
	mu    sync.Mutex
	lines []string
}

func (l *lineLog) add(line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, line)
}

func (l *lineLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.lines, "\n")
}

// Start starts a broker and waits until it accepts connections.
func Start(t testing.TB, config Config) *Broker {
	t.Helper()
	b := &Broker{t: t, config: config, program: find(t, "mosquitto")}
	dir := t.TempDir()
	t.Cleanup(b.cleanup)
	for range startAttempts {
		b.port = freePort(t)
		if config.WebSocket {
			b.wsPort = freePort(t)
		}
		b.file = config.write(t, dir, b.port, b.wsPort)
		if b.run() {
			return b
		}
	}
	t.Fatalf("mosquitto: somebody was quicker to take each of %d ports", startAttempts)
	return nil
}

// cleanup ends the broker with its test.
func (b *Broker) cleanup() {
	if b.process != nil {
		b.Kill()
	}
	if b.t.Failed() {
		b.t.Logf("mosquitto's log:\n%s", b.Log())
	}
}

// run starts the program and waits until it is ready. It reports false if its port was taken.
func (b *Broker) run() bool {
	b.t.Helper()
	p := &process{
		command: exec.Command(b.program, "-c", b.file),
		opened:  make(chan struct{}),
		serving: make(chan struct{}),
		exited:  make(chan struct{}),
	}
	// A test that panics runs no cleanup; the kernel then ends the broker.
	p.command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	output, err := p.command.StderrPipe()
	if err == nil {
		err = p.command.Start()
	}
	if err != nil {
		b.t.Fatalf("mosquitto: %v", err)
	}
	go func() {
		defer close(p.exited)
		b.follow(p, output)
		p.err = p.command.Wait()
	}()
	b.process = p
	if !b.await(p, p.opened) {
		return false
	}
	b.reach(b.port)
	if b.wsPort != 0 {
		b.reach(b.wsPort)
	}
	// A SIGTERM that comes after the ports are open and before the first round of the loop is lost on mosquitto.
	return b.await(p, p.serving)
}

// await waits until milestone is reached. It reports false if the broker has ended because its port was taken.
func (b *Broker) await(p *process, milestone chan struct{}) bool {
	b.t.Helper()
	select {
	case <-milestone:
		return true
	case <-p.exited:
		b.process = nil
		if !p.inUse {
			b.t.Fatalf("mosquitto: ended at once: %v", p.err)
		}
	case <-time.After(patience.Limit):
		b.t.Fatalf("mosquitto: not ready after %v", patience.Limit)
	}
	return false
}

// follow collects the log of one run until its end, and looks for the lines that matter.
func (b *Broker) follow(p *process, output io.Reader) {
	opened, serving := false, false
	for scanner := bufio.NewScanner(output); scanner.Scan(); {
		line := scanner.Text()
		b.log.add(line)
		switch {
		case strings.Contains(line, "Address already in use"):
			p.inUse = true
		case !opened && strings.HasSuffix(line, " running"):
			opened = true
			close(p.opened)
		case !serving && strings.Contains(line, "onnection from "):
			serving = true
			close(p.serving)
		}
	}
}

// reach makes sure that a listener accepts connections.
func (b *Broker) reach(port int) {
	b.t.Helper()
	conn, err := net.DialTimeout("tcp", address(port), patience.Limit)
	if err != nil {
		b.t.Fatalf("mosquitto: runs, but: %v", err)
	}
	_ = conn.Close()
}

// Stop ends the broker in order, with SIGTERM: it saves what it keeps.
func (b *Broker) Stop() {
	b.t.Helper()
	if err := b.end(syscall.SIGTERM); err != nil {
		b.t.Fatalf("mosquitto: ended with %v", err)
	}
}

// Kill ends the broker with SIGKILL, as a power cut does. A paused one too.
func (b *Broker) Kill() {
	b.t.Helper()
	_ = b.end(syscall.SIGKILL) // "signal: killed"
}

// end sends a signal and waits for the process to be gone.
func (b *Broker) end(signal os.Signal) error {
	b.t.Helper()
	b.signal(signal)
	p := b.process
	b.process = nil
	select {
	case <-p.exited:
	case <-time.After(patience.Limit):
		_ = p.command.Process.Kill()
		<-p.exited
		b.t.Fatalf("mosquitto: still there %v after %v", patience.Limit, signal)
	}
	return p.err
}

// Restart starts the broker again after Stop or Kill, or stops it and starts it again. Port and configuration stay.
func (b *Broker) Restart() {
	b.t.Helper()
	if b.process != nil {
		b.Stop()
	}
	for range startAttempts {
		if b.run() {
			return
		}
	}
	b.t.Fatalf("mosquitto: somebody took port %d while the broker was down", b.port)
}

// Pause freezes the broker: connections stand, the kernel accepts more, and nobody answers.
func (b *Broker) Pause() {
	b.t.Helper()
	b.signal(syscall.SIGSTOP)
	patience.Stopped(b.t, b.PID())
}

// Resume ends Pause.
func (b *Broker) Resume() {
	b.t.Helper()
	b.signal(syscall.SIGCONT)
}

func (b *Broker) signal(signal os.Signal) {
	b.t.Helper()
	if b.process == nil {
		b.t.Fatalf("mosquitto: is not running, cannot be sent %v", signal)
	}
	if err := b.process.command.Process.Signal(signal); err != nil {
		b.t.Fatalf("mosquitto: send %v: %v", signal, err)
	}
}

// Addr returns host:port of the main listener.
func (b *Broker) Addr() string { return address(b.port) }

// URL returns mqtt://127.0.0.1:PORT, or mqtts://.
func (b *Broker) URL() string { return b.url("mqtt") + b.Addr() }

// WebSocketURL returns ws://127.0.0.1:PORT, or wss://.
func (b *Broker) WebSocketURL() string {
	b.t.Helper()
	if b.wsPort == 0 {
		b.t.Fatal("mosquitto: started without a WebSocket listener")
	}
	return b.url("ws") + address(b.wsPort)
}

func (b *Broker) url(scheme string) string {
	if b.config.TLS != nil {
		scheme += "s"
	}
	return scheme + "://"
}

// PID returns the broker's process id, 0 while it is not running.
func (b *Broker) PID() int {
	if b.process == nil {
		return 0
	}
	return b.process.command.Process.Pid
}

// Log returns what the broker has written since Start, over all restarts. Of a run that goes on, the last lines may be missing.
func (b *Broker) Log() string { return b.log.String() }

func address(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }
