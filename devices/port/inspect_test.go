package port

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/umqttd/umqttd/devices/port/porttest"
)

// TestSettings holds that what is read back is what umqttd sets, and that a difference shows.
func TestSettings(t *testing.T) {
	_, path := porttest.NewPTY(t)
	var opener Opener
	tty, err := opener.OpenTTY(t.Context(), path, Spec{Path: path, Baud: 74880})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = tty.Close()
		_ = opener.Wait(t.Context())
	}()
	got, err := tty.Settings()
	if want := (Settings{Baud: 74880, DataBits: 8, Parity: 'N', StopBits: 1, FlowControl: "none", Raw: true}); err != nil || got != want {
		t.Errorf("settings %+v, %v; want %+v", got, err, want)
	}
	if got.String() != "74880 8N1, flow control none" {
		t.Errorf("settings read %q", got)
	}
	other, err := os.OpenFile(path, os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Close() }()
	termios, err := unix.IoctlGetTermios(int(other.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	termios.Cflag = termios.Cflag&^unix.CSIZE | unix.CS8 | unix.CSTOPB | unix.CRTSCTS | unix.HUPCL | unix.PARENB | unix.PARODD
	termios.Iflag |= unix.IXON
	if err := unix.IoctlSetTermios(int(other.Fd()), unix.TCSETS, termios); err != nil {
		t.Fatal(err)
	}
	// A pty keeps the size at 8 and drops parity: n_tty asks nothing more of it.
	got, err = tty.Settings()
	if err != nil || got.StopBits != 2 || got.FlowControl != "RTS/CTS and XON/XOFF" || !got.Hangup {
		t.Errorf("settings %+v, %v; want two stop bits, both flow controls and hang-up", got, err)
	}
}

// TestLocker finds who has locked a file, by /proc/locks as the kernel writes it.
func TestLocker(t *testing.T) {
	dir := t.TempDir()
	node := filepath.Join(dir, "ttyUSB0")
	if err := os.WriteFile(node, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(node)
	if err != nil {
		t.Fatal(err)
	}
	st := info.Sys().(*syscall.Stat_t)
	f := Finder{Proc: filepath.Join(dir, "proc")}
	if h, locked := f.Locker(node); locked {
		t.Errorf("locked by %v without /proc/locks", h)
	}
	dev := uint64(st.Dev) //nolint:unconvert // 32 bits on some machines
	where := fmt.Sprintf("%02x:%02x:%d", unix.Major(dev), unix.Minor(dev), st.Ino)
	locks := "1: POSIX  ADVISORY  WRITE 5 " + where + " 0 EOF\n" +
		"2: FLOCK  ADVISORY  WRITE 6 ff:ff:1 0 EOF\n" +
		"3: FLOCK  ADVISORY  WRITE " + strconv.Itoa(os.Getpid()) + " " + where + " 0 EOF\n" +
		"4: FLOCK  ADVISORY  WRITE 4711 " + where + " 0 EOF\n"
	for path, text := range map[string]string{"proc/locks": locks, "proc/4711/comm": "umqttd\n"} {
		path = filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if h, locked := f.Locker(node); !locked || h != (Holder{PID: 4711, Name: "umqttd"}) {
		t.Errorf("locked by %v, %v; want umqttd with pid 4711", h, locked)
	}
	// The kernel's own list, and a lock of our own: that does not count.
	file, err := os.Open(node)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	if h, locked := (Finder{}).Locker(node); locked {
		t.Errorf("locked by %v, and that is this process", h)
	}
}
