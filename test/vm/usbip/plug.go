package usbip

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// controller is where Linux has its virtual USB host controller, once vhci_hcd is loaded.
const controller = "/sys/devices/platform/vhci_hcd.0"

// Sockets is how many adapters can be plugged in at a time: sockets are numbered from 0.
const Sockets = 8

// settleTime is how long the controller may take to notice that an adapter is gone.
const settleTime = 10 * time.Second

// plug is an adapter in its socket.
type plug struct {
	socket int
	kernel net.Conn
	served chan struct{} // closed when nobody reads from kernel any more
}

// Plug plugs the adapter into a socket. The kernel takes a moment to find out what it is.
func (a *Adapter) Plug(socket int) error {
	pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("usbip: plug: socketpair: %w", err)
	}
	theirs := os.NewFile(uintptr(pair[0]), "kernel")
	defer func() { _ = theirs.Close() }() // the kernel has a reference of its own by then
	ours := os.NewFile(uintptr(pair[1]), "adapter")
	defer func() { _ = ours.Close() }() // so has conn
	conn, err := net.FileConn(ours)
	if err != nil {
		return fmt.Errorf("usbip: plug: %w", err)
	}
	p, err := a.powerOn(socket, conn)
	if err != nil {
		_ = conn.Close()
		return err
	}
	const fullSpeed = 2
	order := fmt.Sprintf("%d %d %d %d", socket, pair[0], 1<<16|socket+1, fullSpeed)
	if err := os.WriteFile(filepath.Join(controller, "attach"), []byte(order), 0); err != nil {
		_ = conn.Close()
		a.powerOff(p)
		return fmt.Errorf("usbip: plug: %w", err)
	}
	return nil
}

// Plugged reports whether the adapter is in a socket.
func (a *Adapter) Plugged() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.plug != nil
}

// powerOn begins to serve the kernel.
func (a *Adapter) powerOn(socket int, kernel net.Conn) (*plug, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.plug != nil {
		return nil, errors.New("usbip: plug: the adapter is plugged in already")
	}
	p := &plug{socket: socket, kernel: kernel, served: make(chan struct{})}
	a.plug = p
	go func() {
		defer close(p.served)
		a.serve(kernel)
	}()
	return p, nil
}

// Unplug pulls the adapter out and waits until its socket is free. What was under way is lost, and both lines are let go.
func (a *Adapter) Unplug() error {
	a.mu.Lock()
	p := a.plug
	a.mu.Unlock()
	if p == nil {
		return errors.New("usbip: unplug: the adapter is not plugged in")
	}
	if err := os.WriteFile(filepath.Join(controller, "detach"), strconv.AppendInt(nil, int64(p.socket), 10), 0); err != nil {
		return fmt.Errorf("usbip: unplug: %w", err)
	}
	a.powerOff(p)
	return awaitFree(p.socket)
}

// powerOff waits until the kernel has hung up, and makes the adapter as it was before it was plugged in.
func (a *Adapter) powerOff(p *plug) {
	<-p.served
	a.mu.Lock()
	defer a.mu.Unlock()
	_ = p.kernel.Close()
	a.plug, a.pending, a.toHost, a.toBoard = nil, nil, nil, nil
	a.lines, a.baud = Lines{}, 0
}

// awaitFree waits until the controller has let go of a socket.
func awaitFree(socket int) error {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(settleTime); time.Now().Before(end); <-tick.C {
		free, err := isFree(socket)
		if free || err != nil {
			return err
		}
	}
	return fmt.Errorf("usbip: unplug: socket %d is still taken after %v", socket, settleTime)
}

// isFree reads the controller's table:
//
//	hub port sta spd dev      sockfd local_busid
//	hs  0000 004 000 00000000 000000 0-0
func isFree(socket int) (bool, error) {
	const free = "004"
	table, err := os.ReadFile(filepath.Join(controller, "status"))
	if err != nil {
		return false, fmt.Errorf("usbip: unplug: %w", err)
	}
	for line := range bytes.Lines(table) {
		columns := bytes.Fields(line)
		if len(columns) > 2 && string(columns[1]) == fmt.Sprintf("%04d", socket) {
			return string(columns[2]) == free, nil
		}
	}
	return false, fmt.Errorf("usbip: unplug: the controller has no socket %d", socket)
}
