package machine

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// inside is the environment variable that the program finds set.
const inside = "UMQTTD_VM"

// statusBroken is the exit status of a machine whose program could not be run, or did not end by itself. A higher one does not fit through exitPort.
const statusBroken = 127

// Inside reports whether this program runs in a machine of this package.
func Inside() bool { return os.Getenv(inside) != "" }

// Init makes a Linux of what has just booted and runs this program in it, if it is the first process of a machine, and does not return then. Otherwise it does nothing.
func Init() {
	if os.Getpid() != 1 || Inside() {
		return
	}
	status, err := runInside()
	if err != nil {
		fmt.Fprintln(os.Stderr, "machine: init:", err)
	}
	if err != nil || status < 0 || status > statusBroken {
		status = statusBroken
	}
	// A first process that ends is a kernel that panics, which Run can tell from a status.
	panic(leave(byte(status)))
}

// leave ends the machine. It returns only if it cannot.
func leave(status byte) error {
	ports, err := os.OpenFile("/dev/port", os.O_WRONLY, 0)
	if err == nil {
		_, err = ports.WriteAt([]byte{status}, exitPort)
	}
	return err
}

// runInside returns the exit status of the program.
func runInside() (int, error) {
	for _, step := range []func() error{mount, loopbackUp, loadModules} {
		if err := step(); err != nil {
			return 0, err
		}
	}
	args, err := os.ReadFile(argsFile)
	if err != nil {
		return 0, err
	}
	output, err := os.OpenFile("/dev/ttyS1", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return 0, err
	}
	if _, err := term.MakeRaw(int(output.Fd())); err != nil { // a line feed is a line feed
		return 0, err
	}
	command := exec.Command(initFile, strings.Split(string(args), "\n")...)
	command.Env = append(os.Environ(), inside+"=1", "HOME=/tmp")
	command.Stdout, command.Stderr = output, output
	if err := command.Run(); err != nil && command.ProcessState == nil {
		return 0, err
	}
	const drain = 1 // tcdrain(3)
	return command.ProcessState.ExitCode(), unix.IoctlSetInt(int(output.Fd()), unix.TCSBRK, drain)
}

// mount mounts what programs expect to be there.
func mount() error {
	for _, fs := range []struct{ kind, dir string }{
		{"devtmpfs", "/dev"}, {"proc", "/proc"}, {"sysfs", "/sys"}, {"tmpfs", "/tmp"},
	} {
		if err := unix.Mount(fs.kind, fs.dir, fs.kind, 0, ""); err != nil {
			return fmt.Errorf("mount %s: %w", fs.dir, err)
		}
	}
	return nil
}

// loopbackUp is `ip link set lo up`.
func loopbackUp() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	lo, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	lo.SetUint16(unix.IFF_UP)
	if err := unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, lo); err != nil {
		return fmt.Errorf("loopback: %w", err)
	}
	return nil
}

// loadModules loads all modules, in their order.
func loadModules() error {
	paths, err := filepath.Glob(filepath.Join(moduleDir, "*.ko"))
	if err == nil && len(paths) == 0 {
		err = errors.New("no modules")
	}
	for _, path := range paths {
		if err == nil {
			err = load(path)
		}
	}
	return err
}

func load(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	if err := unix.FinitModule(int(file.Fd()), "", 0); err != nil {
		return fmt.Errorf("load %s: %w", path, err)
	}
	return nil
}
