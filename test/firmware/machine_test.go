package firmware

import (
	"bufio"
	"io"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/umqttd/umqttd/test/patience"
)

// emulators are the programs of QEMU's machines, with the flags that attach the line to a pty and the report to standard output. $IMAGE and $LINE are put in.
var emulators = map[string][]string{
	"rv32imc": {
		"qemu-system-riscv32", "-M", "virt", "-cpu", "rv32", "-m", "16M", "-bios", "none", "-kernel", "$IMAGE",
		"-chardev", "serial,id=line,path=$LINE", "-serial", "chardev:line",
		"-chardev", "stdio,id=report,signal=off", "-semihosting-config", "enable=on,target=native,chardev=report",
	},
	"avr": {
		"qemu-system-avr", "-M", "mega2560", "-bios", "$IMAGE",
		"-chardev", "serial,id=line,path=$LINE", "-serial", "chardev:line",
		"-chardev", "stdio,id=report,signal=off", "-serial", "chardev:report",
	},
}

// busy is held by the test that has the ATmega2560: it polls, and takes a core of the host, so there is one at a time.
var busy sync.Mutex

// turn makes a test run beside others, but for those of a machine that polls.
func turn(t *testing.T, target string) {
	t.Helper()
	t.Parallel()
	if target == "avr" {
		busy.Lock()
		t.Cleanup(busy.Unlock)
	}
}

// machine is a QEMU that runs a firmware. Its methods belong to the test's goroutine.
type machine struct {
	t       testing.TB
	command *exec.Cmd
	ended   chan struct{} // closed when QEMU has

	mu    sync.Mutex
	lines []string // of the report
}

// powerOn starts a machine whose UART is a pty. It is off when the test ends.
func powerOn(t testing.TB, target, image, line string) *machine {
	t.Helper()
	args := make([]string, 0, 32)
	for _, arg := range emulators[target] {
		args = append(args, strings.NewReplacer("$IMAGE", image, "$LINE", line).Replace(arg))
	}
	args = append(args, "-nodefaults", "-display", "none", "-monitor", "none")
	path, err := exec.LookPath(args[0])
	if err != nil {
		t.Fatalf("%v; on Debian, Raspberry Pi OS and Ubuntu: test/firmware/install-packages", err)
	}
	m := &machine{t: t, command: exec.Command(path, args[1:]...), ended: make(chan struct{})}
	// A test that panics runs no cleanup; the kernel then ends QEMU.
	m.command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	output, err := m.command.StdoutPipe()
	if err == nil {
		m.command.Stderr = m.command.Stdout
		err = m.command.Start()
	}
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	go m.read(output)
	t.Cleanup(func() {
		m.powerOff()
		if t.Failed() {
			t.Logf("the firmware reported:\n%s", strings.Join(m.report(), "\n"))
		}
	})
	return m
}

// read takes the report until QEMU ends.
func (m *machine) read(output io.Reader) {
	defer close(m.ended)
	for scanner := bufio.NewScanner(output); scanner.Scan(); {
		m.mu.Lock()
		m.lines = append(m.lines, strings.TrimSuffix(scanner.Text(), "\r"))
		m.mu.Unlock()
	}
	_ = m.command.Wait()
}

// powerOff ends the machine without a word to anybody.
func (m *machine) powerOff() {
	_ = m.command.Process.Kill()
	<-m.ended
}

// report returns what the firmware has reported so far.
func (m *machine) report() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]string(nil), m.lines...)
}

// reported returns the rest of the last line that begins with a word, and whether there is one.
func (m *machine) reported(word string) (rest string, ok bool) {
	for _, line := range m.report() {
		if after, found := strings.CutPrefix(line+" ", word+" "); found {
			rest, ok = strings.TrimSpace(after), true
		}
	}
	return rest, ok
}

// wait waits for a line that begins with a word and returns its rest.
func (m *machine) wait(word string) string {
	m.t.Helper()
	rest := ""
	patience.Wait(m.t, "the firmware reports "+strconv.Quote(word), func() bool {
		var ok bool
		rest, ok = m.reported(word)
		return ok || m.hasEnded()
	})
	if _, ok := m.reported(word); !ok {
		m.t.Fatalf("the machine ended and never reported %q", word)
	}
	return rest
}

func (m *machine) hasEnded() bool {
	select {
	case <-m.ended:
		return true
	default:
		return false
	}
}

// wantExit waits until the firmware has ended with a status. Where the machine can be turned off by its firmware, QEMU must have ended with the same.
func (m *machine) wantExit(target string, status int) {
	m.t.Helper()
	if got := m.wait("exit"); got != strconv.Itoa(status) {
		m.t.Errorf("the firmware ended with %s, want %d", got, status)
	}
	if target != "rv32imc" {
		return
	}
	<-m.ended
	if got := m.command.ProcessState.ExitCode(); got != status {
		m.t.Errorf("QEMU ended with %d, want %d", got, status)
	}
}
