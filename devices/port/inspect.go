package port

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Holders returns the other processes that have the node at path open, as far as
// this user may know: only root sees those of other users.
func (f Finder) Holders(path string) []Holder {
	return slices.DeleteFunc(f.holders(path)[path], func(h Holder) bool { return h.PID == os.Getpid() })
}

// Locker returns the process that has locked the node at path, as gateways do and
// terminals do not. Every user may know of locks. The name is empty if the process is
// not to be seen.
func (f Finder) Locker(path string) (Holder, bool) {
	info, err := os.Stat(path)
	if err != nil {
		return Holder{}, false
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return Holder{}, false
	}
	dev := uint64(st.Dev) //nolint:unconvert // 32 bits on some machines
	where := fmt.Sprintf("%02x:%02x:%d", unix.Major(dev), unix.Minor(dev), st.Ino)
	locks, err := os.Open(filepath.Join(f.proc(), "locks"))
	if err != nil {
		return Holder{}, false
	}
	defer func() { _ = locks.Close() }()
	// 1: FLOCK  ADVISORY  WRITE 1234 00:05:678 0 EOF
	for scanner := bufio.NewScanner(locks); scanner.Scan(); {
		fields := strings.Fields(scanner.Text())
		if len(fields) < 6 || fields[1] != "FLOCK" || fields[5] != where {
			continue
		}
		pid, err := strconv.Atoi(fields[4])
		if err != nil || pid == os.Getpid() {
			continue
		}
		return Holder{PID: pid, Name: attribute(filepath.Join(f.proc(), fields[4]), "comm")}, true
	}
	return Holder{}, false
}

// Settings are those of an open tty as its driver has them.
type Settings struct {
	Baud        int
	DataBits    int
	Parity      byte // N, E or O
	StopBits    int
	FlowControl string // "none", "RTS/CTS", "XON/XOFF", or both
	Hangup      bool   // HUPCL: the last close drops DTR and RTS
	Raw         bool   // bytes pass as they are
}

// String returns "115200 8N1, flow control none".
func (s Settings) String() string {
	return fmt.Sprintf("%d %d%c%d, flow control %s", s.Baud, s.DataBits, s.Parity, s.StopBits, s.FlowControl)
}

// Settings reads the settings back.
func (t *TTY) Settings() (Settings, error) {
	var s Settings
	err := t.control("TCGETS2", func(fd int) error {
		got, err := unix.IoctlGetTermios(fd, unix.TCGETS2)
		if err == nil {
			s = settingsOf(got)
		}
		return err
	})
	return s, err
}

func settingsOf(t *unix.Termios) Settings {
	s := Settings{
		Baud: int(t.Ospeed), DataBits: 5, Parity: 'N', StopBits: 1, FlowControl: "none",
		Hangup: t.Cflag&unix.HUPCL != 0,
		Raw:    t.Lflag&(unix.ICANON|unix.ECHO|unix.ISIG) == 0 && t.Oflag&unix.OPOST == 0 && t.Iflag&(unix.ICRNL|unix.ISTRIP) == 0,
	}
	switch t.Cflag & unix.CSIZE {
	case unix.CS6:
		s.DataBits = 6
	case unix.CS7:
		s.DataBits = 7
	case unix.CS8:
		s.DataBits = 8
	}
	if t.Cflag&unix.PARENB != 0 {
		s.Parity = 'E'
		if t.Cflag&unix.PARODD != 0 {
			s.Parity = 'O'
		}
	}
	if t.Cflag&unix.CSTOPB != 0 {
		s.StopBits = 2
	}
	hard, soft := t.Cflag&unix.CRTSCTS != 0, t.Iflag&(unix.IXON|unix.IXOFF) != 0
	switch {
	case hard && soft:
		s.FlowControl = "RTS/CTS and XON/XOFF"
	case hard:
		s.FlowControl = "RTS/CTS"
	case soft:
		s.FlowControl = "XON/XOFF"
	}
	return s
}
