package notify

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// manager is the service manager's end of NOTIFY_SOCKET.
type manager struct {
	t  *testing.T
	fd int
}

// newManager listens on a socket of its own and points the environment at it.
func newManager(t *testing.T) *manager {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) })
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: path}); err != nil {
		t.Fatal(err)
	}
	t.Setenv("NOTIFY_SOCKET", path)
	return &manager{t, fd}
}

// got returns the datagram that has arrived, or "" if none has. A datagram over a Unix socket has arrived when the sender's call returns, so there
// is nothing to wait for.
func (m *manager) got() string {
	m.t.Helper()
	buf := make([]byte, 4096)
	n, _, err := unix.Recvfrom(m.fd, buf, unix.MSG_DONTWAIT)
	if errors.Is(err, unix.EAGAIN) {
		return ""
	}
	if err != nil {
		m.t.Fatal(err)
	}
	return string(buf[:n])
}

func (m *manager) want(state string) {
	m.t.Helper()
	if got := m.got(); got != state {
		m.t.Fatalf("systemd got %q, want %q", got, state)
	}
}

func TestStates(t *testing.T) {
	systemd := newManager(t)
	for _, step := range []struct {
		send func() error
		want string
	}{
		{Systemd{}.Ready, "READY=1"},
		{Systemd{}.Stopping, "STOPPING=1"},
		{func() error { return Systemd{}.Status("3/4 devices up, broker connected") }, "STATUS=3/4 devices up, broker connected"},
		{func() error { return Systemd{}.Status("evil\nREADY=1\x00") }, "STATUS=evil READY=1 "},
	} {
		if err := step.send(); err != nil {
			t.Fatal(err)
		}
		systemd.want(step.want)
	}
	if err := (Systemd{}).Reloading(); err != nil {
		t.Fatal(err)
	}
	if got := systemd.got(); !regexp.MustCompile(`^RELOADING=1\nMONOTONIC_USEC=[1-9][0-9]*\n$`).MatchString(got) {
		t.Errorf("systemd got %q, want RELOADING=1 and the time", got)
	}
}

func TestWithoutSystemdNothingHappens(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	for _, send := range []func() error{Systemd{}.Ready, Systemd{}.Reloading, Systemd{}.Stopping} {
		if err := send(); err != nil {
			t.Error(err)
		}
	}
}

func TestADeadSocketIsAnErrorThatNamesTheState(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", filepath.Join(t.TempDir(), "nobody"))
	err := Systemd{}.Status("secret")
	if err == nil || !strings.Contains(err.Error(), "STATUS") || strings.Contains(err.Error(), "secret") {
		t.Errorf("got %v, want an error that names STATUS", err)
	}
}

// start runs a watchdog with systemd's timeout of 16 s in a synctest bubble, until the test ends.
func start(t *testing.T) (w *Watchdog, log *bytes.Buffer) {
	t.Helper()
	t.Setenv("WATCHDOG_USEC", "16000000")
	t.Setenv("WATCHDOG_PID", "")
	log = new(bytes.Buffer)
	w, err := NewWatchdog(slog.New(slog.NewTextHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- w.Run(ctx) }()
	<-w.Ready()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run returned %v after its context was done, want nil", err)
		}
	})
	return w, log
}

// advance lets the bubble's time pass and everything that is due happen.
func advance(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func TestWatchdogIsFedWhileEveryLoopTurns(t *testing.T) {
	systemd := newManager(t)
	synctest.Test(t, func(t *testing.T) {
		w, _ := start(t)
		if w.Interval() != 4*time.Second {
			t.Fatalf("loops must tick every %v, want 4 s", w.Interval())
		}
		a, b := w.Loop("a"), w.Loop("b")
		advance(7999 * time.Millisecond)
		systemd.want("")
		advance(time.Millisecond)
		systemd.want("WATCHDOG=1")
		for range 3 {
			a.Tick()
			b.Tick()
			advance(8 * time.Second)
			systemd.want("WATCHDOG=1")
		}
	})
}

func TestWatchdogIsNotFedWhileOneLoopHangs(t *testing.T) {
	systemd := newManager(t)
	synctest.Test(t, func(t *testing.T) {
		w, log := start(t)
		a, hung := w.Loop("a"), w.Loop("device attic")
		advance(8 * time.Second)
		systemd.want("WATCHDOG=1")
		for range 10 {
			a.Tick()
			advance(4 * time.Second)
			systemd.want("")
		}
		if got := strings.Count(log.String(), "device attic"); got != 1 {
			t.Errorf("the hung loop is named %d times, want once in\n%s", got, log)
		}
		hung.Tick()
		advance(time.Second)
		systemd.want("WATCHDOG=1") // late, but at once
	})
}

func TestWatchdogDoesNotWaitForALoopThatEnded(t *testing.T) {
	systemd := newManager(t)
	synctest.Test(t, func(t *testing.T) {
		w, _ := start(t)
		ended := w.Loop("removed device")
		advance(8 * time.Second)
		systemd.want("WATCHDOG=1")
		ended.Stop()
		advance(8 * time.Second)
		systemd.want("WATCHDOG=1")
	})
}

func TestWatchdogGoesOnWhenSystemdIsDeaf(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", filepath.Join(t.TempDir(), "nobody"))
	synctest.Test(t, func(t *testing.T) {
		_, log := start(t)
		advance(20 * time.Second)
		if got := strings.Count(log.String(), "watchdog not fed"); got != 2 {
			t.Errorf("said %d times, want 2:\n%s", got, log)
		}
	})
}

func TestWatchdogThatNobodyAskedFor(t *testing.T) {
	systemd := newManager(t)
	for name, env := range map[string][2]string{
		"not set": {"", ""}, "of another process": {"16000000", strconv.Itoa(os.Getpid() + 1)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("WATCHDOG_USEC", env[0])
			t.Setenv("WATCHDOG_PID", env[1])
			synctest.Test(t, func(t *testing.T) {
				w, err := NewWatchdog(slog.New(slog.DiscardHandler))
				if err != nil || w.Interval() != 0 {
					t.Fatalf("interval %v, %v; want 0, nil", w.Interval(), err)
				}
				ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
				defer cancel()
				if err := w.Run(ctx); err != nil {
					t.Error(err)
				}
				systemd.want("")
			})
		})
	}
}

func TestWatchdogTimeoutMustBeANumber(t *testing.T) {
	for _, usec := range []string{"soon", "0", "-1"} {
		t.Setenv("WATCHDOG_USEC", usec)
		if _, err := NewWatchdog(slog.New(slog.DiscardHandler)); err == nil {
			t.Errorf("WATCHDOG_USEC=%s was accepted", usec)
		}
	}
}

func TestTickDoesNotAllocate(t *testing.T) {
	t.Setenv("WATCHDOG_USEC", "")
	w, err := NewWatchdog(slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	h := w.Loop("a")
	if n := testing.AllocsPerRun(100, h.Tick); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}
