// Package machine is a Linux for one test program: a virtual machine that boots in seconds with a stock kernel and nothing else, runs the program, and is gone.
//
//	outside                               inside
//	Run -- QEMU -- kernel -- /init: Init: mounts, modules, loopback
//	  ^                         '-- the program again, with Args: Inside reports true
//	  '------ what it writes, and its exit status ------'
//
// The program is the init of its own machine, so there is no distribution, no shell and no file but those that Run is given.
//
// # Time
//
// The machine has one processor whose clock counts instructions, 2 ns each (QEMU's -icount), about what a Raspberry Pi Zero does. When it has nothing to do, its time jumps to the
// next timer at once. So a driver's 30 s pass in no time, and a bound of milliseconds means the same on a busy computer as on an idle one. It is what testing/synctest is to
// goroutines. It also means that a test that waits for what never comes fails at once, by its own time-out.
//
// KVM is never used, even if it is there: it has neither that clock nor a place on most CI machines.
package machine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
)

// program is the QEMU that is run.
const program = "qemu-system-x86_64"

// Machine says what boots.
type Machine struct {
	Kernel Kernel
	// Init is a program without cgo that calls Init first. It finds itself as /init.
	Init string
	// Files are more files: paths inside, and what they are copies of.
	Files map[string]string
	// Args are the arguments of the program. None has a line break.
	Args []string
	// Output gets all that the program writes, as it comes.
	Output io.Writer
}

// Run boots the machine and returns the exit status of its program. An error means that there is none: the machine did not start, or died, or ctx was done. Nothing is left
// running, even if the caller is killed.
func (m Machine) Run(ctx context.Context) (status int, err error) {
	dir, err := os.MkdirTemp("", "umqttd-vm")
	if err != nil {
		return 0, fmt.Errorf("machine: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	initrd, console := filepath.Join(dir, "initrd"), filepath.Join(dir, "console")
	if err := m.writeInitrd(initrd); err != nil {
		return 0, fmt.Errorf("machine: initrd: %w", err)
	}
	qemu := exec.CommandContext(ctx, program, arguments(m.Kernel.Image, initrd, console)...)
	qemu.Stdout = m.Output
	var complaints bytes.Buffer
	qemu.Stderr = &complaints
	qemu.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	err = qemu.Run()
	exit, ended := errors.AsType[*exec.ExitError](err)
	if ended && exit.ExitCode() > 0 && exit.ExitCode()%2 == 1 && complaints.Len() == 0 {
		return exit.ExitCode() / 2, nil
	}
	if ctx.Err() != nil {
		err = ctx.Err()
	} else if err == nil {
		err = errors.New("it went down without a result")
	}
	return 0, fmt.Errorf("machine: %w\n%s\n%s", err, bytes.TrimSpace(complaints.Bytes()), tail(console))
}

// exitPort is an I/O port of QEMU's device isa-debug-exit: a byte written there ends QEMU, with twice that and one as its exit status. So a status is never 0, which is what QEMU says
// when the kernel has halted.
const exitPort = 0x501

// arguments are QEMU's. The first serial port is the kernel's console, which goes to a file. The second one is for the program's output alone.
func arguments(kernel, initrd, console string) []string {
	return []string{
		"-no-user-config", "-nodefaults", "-display", "none",
		"-accel", "tcg,thread=single",
		"-icount", "shift=1,sleep=off", // 2^1 ns an instruction; do not sleep when idle
		"-rtc", "clock=vm", // the date goes with the machine's time
		"-cpu", "Nehalem-v1", // few features are quick to emulate
		"-m", "512",
		"-serial", "file:" + console,
		"-serial", "stdio",
		"-device", fmt.Sprintf("isa-debug-exit,iobase=%#x", exitPort),
		"-no-reboot",
		"-kernel", kernel, "-initrd", initrd,
		"-append", "console=ttyS0 panic=-1 oops=panic", // reboot when it panics, which -no-reboot makes an end
	}
}

// tailLen is how much of the console is shown when the machine has died, in bytes.
const tailLen = 4000

// tail returns the last lines of the console.
func tail(console string) []byte {
	text, err := os.ReadFile(console)
	if err != nil {
		return nil
	}
	if len(text) > tailLen {
		text = text[len(text)-tailLen:]
		text = text[bytes.IndexByte(text, '\n')+1:]
	}
	return bytes.TrimSpace(text)
}
