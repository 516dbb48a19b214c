package port

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/umqttd/umqttd/devices/port/porttest"
)

// open opens path as a port, and closes it at the end of the test.
func open(t testing.TB, o *Opener, path string, spec Spec) *TTY {
	t.Helper()
	tty, err := o.OpenTTY(t.Context(), path, spec)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = tty.Close()
		wait(t, o)
	})
	return tty
}

// wait waits until o has closed everything.
func wait(t testing.TB, o *Opener) {
	t.Helper()
	if err := o.Wait(context.Background()); err != nil {
		t.Error(err)
	}
}

func openPTY(t testing.TB, spec Spec) (board *os.File, tty *TTY) {
	t.Helper()
	board, path := porttest.NewPTY(t)
	return board, open(t, &Opener{}, path, spec)
}

// onDescriptor runs f on the descriptor of tty.
func onDescriptor(t *testing.T, tty *TTY, f func(fd int)) {
	t.Helper()
	if err := tty.raw.Control(func(fd uintptr) { f(int(fd)) }); err != nil {
		t.Fatal(err)
	}
}

// termios returns the settings of the line.
func termios(t *testing.T, tty *TTY) (settings *unix.Termios) {
	t.Helper()
	onDescriptor(t, tty, func(fd int) {
		var err error
		if settings, err = unix.IoctlGetTermios(fd, unix.TCGETS2); err != nil {
			t.Fatal(err)
		}
	})
	return settings
}

// wantClass fails unless err is of the given class, and says what it should.
func wantClass(t *testing.T, what string, err, class error, says ...string) {
	t.Helper()
	if !errors.Is(err, class) {
		t.Errorf("%s: got error %v, want class %q", what, err, class)
		return
	}
	for _, s := range says {
		if !strings.Contains(err.Error(), s) {
			t.Errorf("%s: error %q does not say %q", what, err, s)
		}
	}
}

// wantRead fails unless exactly want comes next.
func wantRead(t *testing.T, who string, r io.Reader, want []byte) {
	t.Helper()
	got := make([]byte, len(want))
	if _, err := io.ReadFull(r, got); err != nil || !bytes.Equal(got, want) {
		t.Fatalf("%s read %x, %v, want %x", who, got, err, want)
	}
}

func allBytes() []byte {
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	return all
}

func TestBytesGoBothWaysUnchanged(t *testing.T) {
	board, tty := openPTY(t, Spec{})
	if n, err := tty.Write(allBytes()); n != 256 || err != nil {
		t.Fatalf("Write: %d, %v", n, err)
	}
	wantRead(t, "the board", board, allBytes())
	if _, err := board.Write(allBytes()); err != nil {
		t.Fatal(err)
	}
	wantRead(t, "the port", tty, allBytes())
}

func TestOpenTurnsHUPCLOff(t *testing.T) {
	_, path := porttest.NewPTY(t)
	prepare, err := os.OpenFile(path, os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer prepare.Close()
	settings, err := unix.IoctlGetTermios(int(prepare.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	settings.Cflag |= unix.HUPCL
	if err := unix.IoctlSetTermios(int(prepare.Fd()), unix.TCSETS, settings); err != nil {
		t.Fatal(err)
	}
	tty := open(t, &Opener{}, path, Spec{})
	if termios(t, tty).Cflag&unix.HUPCL != 0 {
		t.Error("HUPCL is on: closing would reset the board")
	}
}

func TestOpenSetsTheSpeed(t *testing.T) {
	for _, baud := range []int{0, 300, 9600, 74880, 115200, 921600, 1843200, 2000000, MaxBaud} {
		_, tty := openPTY(t, Spec{Baud: baud})
		want := uint32(baud)
		if baud == 0 {
			want = DefaultBaud
		}
		if got := termios(t, tty); got.Ospeed != want || got.Ispeed != want {
			t.Errorf("asked for %d, got %d out and %d in", want, got.Ospeed, got.Ispeed)
		}
	}
}

// A standard speed after a special one: the input speed must not stay special.
func TestOpenSetsTheSpeedAnew(t *testing.T) {
	_, path := porttest.NewPTY(t)
	o := &Opener{}
	for _, baud := range []int{74880, 115200, 2000000, 74880, 9600} {
		tty, err := o.OpenTTY(t.Context(), path, Spec{Baud: baud})
		if err != nil {
			t.Fatal(err)
		}
		if got := termios(t, tty); got.Ospeed != uint32(baud) || got.Ispeed != uint32(baud) {
			t.Errorf("asked for %d, got %d out and %d in", baud, got.Ospeed, got.Ispeed)
		}
		_ = tty.Close()
		wait(t, o)
	}
}

// A pty does every speed, so the driver that does not is played by asking for
// another one than was set.
func TestSpeedThatTheDriverDidNotSetIsRefused(t *testing.T) {
	_, tty := openPTY(t, Spec{Baud: 2000000})
	for _, c := range []struct {
		asked int
		fine  bool
	}{
		{2000000, true}, {1970000, true}, {2030000, true},
		{1950000, false}, {2050000, false}, {3000000, false},
	} {
		onDescriptor(t, tty, func(fd int) {
			err := checkSpeed(fd, c.asked)
			if c.fine {
				if err != nil {
					t.Errorf("%d baud: %v", c.asked, err)
				}
				return
			}
			wantClass(t, "open", lineError(fd, "/dev/ttyX", err), ErrUnsuitable,
				"/dev/ttyX", "the driver set 2000000", "write a baud")
		})
	}
}

// The library's descriptor must not stay: it would hold the minor number after an
// unplugging, and its exclusivity would outlive a killed gateway.
func TestOneDescriptorStaysAndAPtyIsNotExclusive(t *testing.T) {
	_, path := porttest.NewPTY(t)
	before := countDescriptors(t, path)
	tty := open(t, &Opener{}, path, Spec{})
	if n := countDescriptors(t, path) - before; n != 1 {
		t.Errorf("an open port has %d descriptors, want 1", n)
	}
	onDescriptor(t, tty, func(fd int) {
		if exclusive, err := unix.IoctlGetInt(fd, unix.TIOCGEXCL); err != nil || exclusive != 0 {
			t.Errorf("exclusive: %d, %v: nobody but root could open the pty again after a SIGKILL", exclusive, err)
		}
	})
}

func countDescriptors(t *testing.T, path string) (n int) {
	t.Helper()
	fds, err := filepath.Glob("/proc/self/fd/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range fds {
		if target, _ := os.Readlink(fd); target == path {
			n++
		}
	}
	return n
}

func TestWhatCameBeforeOpenIsDropped(t *testing.T) {
	for _, reset := range []Reset{ResetNever, ResetPulse} { // a pty has no lines to pulse
		board, path := porttest.NewPTY(t)
		if _, err := board.WriteString("stale\n"); err != nil {
			t.Fatal(err)
		}
		tty := open(t, &Opener{}, path, Spec{Reset: reset})
		if _, err := board.WriteString("fresh"); err != nil {
			t.Fatal(err)
		}
		wantRead(t, "the port", tty, []byte("fresh"))
	}
}

func TestUnplugIsGone(t *testing.T) {
	board, path := porttest.NewPTY(t)
	o := &Opener{}
	tty := open(t, o, path, Spec{})

	reading := make(chan error)
	go func() {
		_, err := tty.Read(make([]byte, 10))
		reading <- err
	}()
	if err := board.Close(); err != nil {
		t.Fatal(err)
	}
	wantClass(t, "Read that was blocked", <-reading, ErrGone, path)
	_, err := tty.Read(make([]byte, 10))
	wantClass(t, "Read", err, ErrGone)
	_, err = tty.Write([]byte("x"))
	wantClass(t, "Write", err, ErrGone)
	_, err = tty.TryWrite([]byte("x"))
	wantClass(t, "TryWrite", err, ErrGone)
	_, err = tty.OutQueue()
	wantClass(t, "OutQueue", err, ErrGone)
	// While the old descriptor is open nobody else can get the number.
	_, err = o.OpenTTY(t.Context(), path, Spec{})
	wantClass(t, "Open", err, ErrMissing, path)
	if err := tty.Close(); err != nil {
		t.Error(err)
	}
}

func TestAfterCloseNothingWorks(t *testing.T) {
	_, tty := openPTY(t, Spec{})
	for range 2 {
		if err := tty.Close(); err != nil {
			t.Error(err)
		}
	}
	_, err := tty.Read(make([]byte, 10))
	wantClass(t, "Read", err, ErrClosed)
	_, err = tty.Write([]byte("x"))
	wantClass(t, "Write", err, ErrClosed)
	_, err = tty.TryWrite([]byte("x"))
	wantClass(t, "TryWrite", err, ErrClosed)
	_, err = tty.OutQueue()
	wantClass(t, "OutQueue", err, ErrClosed)
	_, err = tty.LineErrors()
	wantClass(t, "LineErrors", err, ErrClosed)
}

func TestAPtyHasNoLineErrors(t *testing.T) {
	_, tty := openPTY(t, Spec{})
	if c, err := tty.LineErrors(); err != nil || c != (LineErrors{}) {
		t.Errorf("got %+v, %v", c, err)
	}
	if n, err := tty.OutQueue(); err != nil || n != 0 {
		t.Errorf("OutQueue: %d, %v", n, err)
	}
}

func TestWhatIsNotASerialPortIsRefused(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	o := &Opener{}
	for path, class := range map[string]error{
		file:               ErrUnsuitable,
		t.TempDir():        ErrUnsuitable,
		os.DevNull:         ErrUnsuitable,
		"/dev/full":        ErrUnsuitable,
		file + "/below":    ErrMissing,
		"/dev/no-such-tty": ErrMissing,
	} {
		_, err := o.Open(t.Context(), Spec{Path: path})
		wantClass(t, path, err, class, path)
	}
	wait(t, o)
}

// The kernel answers EACCES. Root may open everything, so root's thread takes a
// nobody's identity for files.
func TestForbiddenPort(t *testing.T) {
	_, path := porttest.NewPTY(t)
	if err := os.Chmod(path, 0); err != nil {
		t.Fatal(err)
	}
	var err error
	done := make(chan struct{})
	go func() {
		defer close(done)
		if os.Geteuid() == 0 {
			runtime.LockOSThread() // and never unlock: the thread ends with the goroutine
			if err = unix.Setfsuid(65534); err != nil {
				return
			}
		}
		_, err = openTTY(t.Context(), path, node{}, Spec{})
	}()
	<-done
	wantClass(t, "open", err, ErrPermission, path, "mode 0000")
}

func TestOpenErrorsAreClassified(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tty")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		errno error
		class error
		says  string
	}{
		{unix.ENOENT, ErrMissing, ""},
		{unix.ENODEV, ErrMissing, ""}, // while the adapter is being set up
		{unix.ENXIO, ErrMissing, ""},
		{unix.EBUSY, ErrBusy, "fuser"},
		{unix.EAGAIN, ErrBusy, "fuser"},
		{unix.EACCES, ErrPermission, "udev rules"},
		{unix.EPERM, ErrPermission, "DeviceAllow=char-188 rw"},
		{unix.EIO, ErrGone, ""},
		{unix.ENOTTY, ErrUnsuitable, "umqttd ports"},
		{unix.EMFILE, ErrUnsuitable, "too many open files"},
	} {
		err := error(openError(path, c.errno))
		wantClass(t, c.errno.Error(), err, c.class, c.says)
		if !errors.Is(err, c.errno) {
			t.Errorf("%v does not unwrap to %v", err, c.errno)
		}
	}
}
