package doctor_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/umqttd/umqttd/daemon/doctor"
	"github.com/umqttd/umqttd/devices/port"
	"github.com/umqttd/umqttd/serialproto"
	"github.com/umqttd/umqttd/test/cable"
)

// puback is the body of a frame.
var puback = []byte{0x07, 0x0d, 0, 1, 0, 1, 0}

// frame is what a board sends.
func frame() string { return string(serialproto.AppendFrame(nil, puback)) }

// line is a port on which a board says something, once.
type line struct {
	io.Reader
	settings port.Settings
	err      error
	closed   chan struct{}
	once     sync.Once
}

func newLine(says string) *line {
	return &line{
		Reader: strings.NewReader(says), closed: make(chan struct{}),
		settings: port.Settings{Baud: 115200, DataBits: 8, Parity: 'N', StopBits: 1, FlowControl: "none", Raw: true},
	}
}

// Read is silent, as a tty, after the board's words.
func (l *line) Read(b []byte) (int, error) {
	n, err := l.Reader.Read(b)
	if errors.Is(err, io.EOF) && n == 0 {
		<-l.closed
	}
	return n, err
}

func (l *line) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *line) Settings() (port.Settings, error) { return l.settings, l.err }

// serial makes a patient with a port whose board says something at each speed.
func serial(t *testing.T, says map[int]string) (*patient, port.Spec) {
	p := newPatient(t)
	p.write("/dev/ttyUSB0", "")
	p.Listen = 3 * time.Millisecond
	p.Open = func(_ context.Context, spec port.Spec) (doctor.Line, error) { return newLine(says[spec.Baud]), nil }
	return p, port.Spec{Path: filepath.Join(p.Root, "dev/ttyUSB0")}
}

func TestWhatArrives(t *testing.T) {
	noise := strings.Repeat("\x80\xf8\x1c\xe0", 20) + "\x00"
	tests := map[string]struct {
		says  map[int]string
		level doctor.Level
		words []string
	}{
		"nothing":           {nil, doctor.Problem, []string{"nothing in 3ms at 115200 baud", "has the board power"}},
		"frames":            {map[int]string{115200: frame() + frame() + frame()}, doctor.OK, []string{"3 frames, 0 lines of text, 0 runs of noise at 115200"}},
		"one frame":         {map[int]string{115200: frame()}, doctor.OK, []string{"1 frame,"}},
		"damaged frames":    {map[int]string{115200: frame() + noise}, doctor.Warning, []string{"bytes are lost or damaged", "shorter cable"}},
		"text":              {map[int]string{115200: "rst:0x1 (POWERON_RESET)\r\nready\r\n"}, doctor.Problem, []string{"2 lines", "no frame", `"rst:0x1 (POWERON_RESET)"`, "umqttd monitor"}},
		"frames elsewhere":  {map[int]string{115200: noise, 9600: frame()}, doctor.Problem, []string{"noise at 115200", "1 frame", "at 9600", "write baud: 9600"}},
		"text elsewhere":    {map[int]string{115200: noise, 74880: "ets Jan  8 2013\r\n"}, doctor.Problem, []string{`text at 74880: "ets Jan  8 2013"`, "boot ROM"}},
		"frames, not text":  {map[int]string{115200: noise, 9600: "ok ok ok\r\n", 921600: frame()}, doctor.Problem, []string{"write baud: 921600"}},
		"noise at any rate": {map[int]string{115200: noise}, doctor.Problem, []string{"no other usual speed", "ground"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			p, spec := serial(t, test.says)
			p.Port(t.Context(), "attic", spec)
			p.has("arrives", test.level, test.words...)
			if !strings.HasSuffix(p.found[0].About, "(attic)") {
				t.Errorf("about %q, not of the device attic", p.found[0].About)
			}
		})
	}
}

// After trying other speeds the line is set as it was found.
func TestSpeedIsSetAgain(t *testing.T) {
	p, spec := serial(t, nil)
	var last int
	p.Open = func(_ context.Context, spec port.Spec) (doctor.Line, error) {
		last = spec.Baud
		if spec.Baud == 9600 {
			return newLine(frame()), nil
		}
		return newLine("\x80\x81\x82\x83\x00"), nil
	}
	p.Port(t.Context(), "", spec)
	p.has("arrives", doctor.Problem, "write baud: 9600")
	if last != 115200 {
		t.Errorf("the port was left at %d baud", last)
	}
}

func TestSettings(t *testing.T) {
	tests := map[string]struct {
		change func(*line)
		level  doctor.Level
		words  string
	}{
		"taken":         {func(*line) {}, doctor.OK, "115200 8N1"},
		"parity":        {func(l *line) { l.settings.Parity = 'E' }, doctor.Problem, "115200 8E1"},
		"flow control":  {func(l *line) { l.settings.FlowControl = "RTS/CTS" }, doctor.Problem, "RTS/CTS"},
		"not raw":       {func(l *line) { l.settings.Raw = false }, doctor.Problem, "raw false"},
		"hang-up":       {func(l *line) { l.settings.Hangup = true }, doctor.Warning, "drops DTR and RTS"},
		"not read back": {func(l *line) { l.err = syscall.EIO }, doctor.Problem, "input/output error"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			p, spec := serial(t, nil)
			p.Open = func(context.Context, port.Spec) (doctor.Line, error) {
				l := newLine(frame())
				test.change(l)
				return l, nil
			}
			p.Port(t.Context(), "", spec)
			p.has("settings", test.level, test.words)
		})
	}
}

// A real terminal, with a board at its other end.
func TestTerminal(t *testing.T) {
	wire := cable.New(t)
	p := newPatient(t)
	p.real(nil)
	p.Listen = 10 * time.Second // frames end it earlier
	done := make(chan struct{})
	var board sync.WaitGroup
	board.Go(func() {
		for {
			select {
			case <-done:
				return
			case <-time.After(time.Millisecond):
				wire.Send(puback)
			}
		}
	})
	p.Port(t.Context(), "attic", port.Spec{Path: wire.Path()})
	close(done)
	board.Wait()
	p.has("found", doctor.OK)
	p.has("permission", doctor.OK)
	p.has("holder", doctor.OK, "pseudo-terminal")
	p.has("settings", doctor.OK, "115200 8N1")
	p.has("arrives", doctor.OK, "frame")
	select {
	case got := <-wire.In():
		t.Errorf("the doctor sent %x to the board", got)
	default:
	}
}

func TestPortThatIsNotThere(t *testing.T) {
	p := newPatient(t)
	p.Port(t.Context(), "", port.Spec{Path: filepath.Join(p.Root, "dev/ttyUSB7")})
	p.has("found", doctor.Problem, "no such port")
	p.write("/sys/class/tty/tty0/dev", "4:0")
	p.Port(t.Context(), "", port.Spec{USB: port.USB{VID: "10c4", PID: "ea60"}})
	p.has("found", doctor.Problem, "no such port", "plug the adapter in")
	p.Port(t.Context(), "", port.Spec{Path: "udp://:1884"})
	p.has("kind", doctor.OK, "network")
}

func TestPortThatMayNotBeOpened(t *testing.T) {
	p, spec := serial(t, nil)
	p.User = stranger
	if err := os.Chmod(spec.Path, 0o660); err != nil {
		t.Fatal(err)
	}
	p.Port(t.Context(), "", spec)
	p.has("permission", doctor.Problem, "stranger may not open it")
	p.hasNone("arrives") // what cannot be opened is not listened to

	// Root is told what the service may do, by the tables of the system.
	p, spec = serial(t, map[int]string{115200: frame()})
	p.User = &doctor.User{Name: "ann", UID: 1000, GIDs: []int{os.Getegid()}}
	if err := os.Chmod(spec.Path, 0o660); err != nil {
		t.Fatal(err)
	}
	p.Port(t.Context(), "", spec)
	p.has("permission", doctor.OK, "ann may open it")
}

// hold starts a program, called name, that has a file open and, if it shall, locks it: this test's own, which becomes holdPort.
func hold(t *testing.T, path, name string, lock bool) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), "HOLD_PORT="+path, "HOLD_NAME="+name, fmt.Sprintf("HOLD_LOCK=%v", lock))
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Wait()
	})
	said := make([]byte, 4)
	if _, err := io.ReadFull(out, said); err != nil || string(said) != "held" {
		t.Fatalf("%s does not hold %s: %q, %v", name, path, said, err)
	}
}

// holdPort is the program of hold. It ends with its input.
func holdPort(path string) error {
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	if os.Getenv("HOLD_LOCK") == "true" {
		if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
			return err
		}
	}
	if err := os.WriteFile("/proc/self/comm", []byte(os.Getenv("HOLD_NAME")), 0); err != nil {
		return err
	}
	fmt.Print("held")
	_, err = io.Copy(io.Discard, os.Stdin)
	return errors.Join(err, file.Close())
}

func TestPortThatSomebodyHas(t *testing.T) {
	tests := map[string]struct {
		name  string
		lock  bool
		level doctor.Level
		words []string
	}{
		"the gateway":    {"umqttd", true, doctor.OK, []string{"the gateway has it", "umqttd monitor attic"}},
		"another locker": {"picocom", true, doctor.Problem, []string{"picocom (pid ", "has locked it"}},
		"a login":        {"agetty", false, doctor.Problem, []string{"agetty", "disable --now serial-getty@"}},
		"ModemManager":   {"ModemManager", false, doctor.Problem, []string{"mask --now ModemManager"}},
		"brltty":         {"brltty", false, doctor.Problem, []string{"apt remove brltty"}},
		"anybody":        {"cat", false, doctor.Problem, []string{"cat (pid ", "two readers"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			p := newPatient(t)
			p.real(nil)
			p.Open = func(context.Context, port.Spec) (doctor.Line, error) {
				return nil, errors.New("the doctor opened a port that another has")
			}
			path := filepath.Join(t.TempDir(), "ttyUSB0")
			if err := os.WriteFile(path, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			hold(t, path, test.name, test.lock)
			p.Port(t.Context(), "attic", port.Spec{Path: path})
			p.has("holder", test.level, test.words...)
			p.hasNone("opened")
		})
	}
}

func TestLatencyTimer(t *testing.T) {
	p, spec := serial(t, nil)
	p.write("/sys/class/tty/ttyUSB0/device/latency_timer", "16")
	p.Port(t.Context(), "", spec)
	p.has("latency timer", doctor.Warning, "16 ms", `ATTR{latency_timer}="1"`)

	p, spec = serial(t, nil)
	p.write("/sys/class/tty/ttyUSB0/device/latency_timer", "1")
	p.Port(t.Context(), "", spec)
	p.has("latency timer", doctor.OK, "1 ms")
}

func TestPortThatCannotBeOpened(t *testing.T) {
	p, spec := serial(t, nil)
	p.Open = func(context.Context, port.Spec) (doctor.Line, error) { return nil, syscall.EIO }
	p.Port(t.Context(), "", spec)
	p.has("opened", doctor.Problem, "input/output error")
}
