package port

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Finder finds and lists serial ports. It reads sysfs and the links that udev
// makes; it never opens a port. The zero value looks at the system.
type Finder struct {
	Dev  string // where device nodes are; "" means /dev
	Sys  string // "" means /sys
	Proc string // where List and errors look for who has a port open; "" means /proc
}

func (f Finder) dev() string  { return orDefault(f.Dev, "/dev") }
func (f Finder) sys() string  { return orDefault(f.Sys, "/sys") }
func (f Finder) proc() string { return orDefault(f.Proc, "/proc") }

func orDefault(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// hardware is what sysfs knows of a tty with hardware behind it.
type hardware struct {
	name         string // ttyUSB0
	driver       string
	usb          USB // in lower case; empty for what is not on USB
	manufacturer string
	product      string
	part         string // which port of an adapter that has several
}

// twin reports whether udev makes the same by-id link for a and b.
func (a hardware) twin(b hardware) bool {
	a.name, a.driver = b.name, b.driver
	return a.usb.VID != "" && a == b
}

// hardware reads /sys/class/tty, in the order of names. A tty without a device is
// virtual: consoles, ptys. A ttyS of type 0 is one of the drivers' spare numbers.
func (f Finder) hardware() ([]hardware, error) {
	class := filepath.Join(f.sys(), "class/tty")
	entries, err := os.ReadDir(class)
	if err != nil {
		return nil, &Error{Op: "list", Port: class, Class: ErrUnsuitable, Err: errnoOf(err), Fix: "is sysfs mounted?"}
	}
	var all []hardware
	for _, entry := range entries {
		dir := filepath.Join(class, entry.Name())
		device, err := filepath.EvalSymlinks(filepath.Join(dir, "device"))
		if err != nil || attribute(dir, "type") == "0" {
			continue
		}
		h := hardware{name: entry.Name(), driver: f.driver(device)}
		f.readUSB(device, &h)
		all = append(all, h)
	}
	slices.SortFunc(all, func(a, b hardware) int { return compareNames(a.name, b.name) })
	return all, nil
}

// driver returns the name of the driver of device. Since Linux 6.5 a UART's
// device is a "port" of the serial core; its driver is further up.
func (f Finder) driver(device string) string {
	for dir := device; f.inside(dir); dir = filepath.Dir(dir) {
		if linkBase(dir, "subsystem") == "serial-base" {
			continue
		}
		if name := linkBase(dir, "driver"); name != "" {
			return name
		}
	}
	return ""
}

// readUSB fills in the identity of the USB adapter that device is part of, if it
// is: the attributes are those of the directory, further up, with an idVendor.
func (f Finder) readUSB(device string, h *hardware) {
	var part []string
	for dir := device; f.inside(dir); dir = filepath.Dir(dir) {
		if p := attribute(dir, "port_number"); p != "" {
			part = append(part, "port"+p)
		}
		if i := attribute(dir, "bInterfaceNumber"); i != "" {
			part = append(part, "if"+i)
		}
		vid := attribute(dir, "idVendor")
		if vid == "" {
			continue
		}
		h.usb = USB{
			VID:    strings.ToLower(vid),
			PID:    strings.ToLower(attribute(dir, "idProduct")),
			Serial: attribute(dir, "serial"),
		}
		h.manufacturer = attribute(dir, "manufacturer")
		h.product = attribute(dir, "product")
		slices.Reverse(part)
		h.part = strings.Join(part, "-")
		return
	}
}

// inside reports whether dir is below the root of sysfs.
func (f Finder) inside(dir string) bool {
	root, err := filepath.EvalSymlinks(f.sys())
	return err == nil && strings.HasPrefix(dir, root+"/")
}

// links maps device nodes to the links in dir, such as /dev/serial/by-id.
func (f Finder) links(dir string) map[string]string {
	dir = filepath.Join(f.dev(), dir)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil // udev removes the directory with the last link
	}
	links := make(map[string]string, len(entries))
	for _, entry := range entries {
		link := filepath.Join(dir, entry.Name())
		target, err := filepath.EvalSymlinks(link)
		if err == nil && links[target] == "" {
			links[target] = link
		}
	}
	return links
}

// attribute returns the text of a file of sysfs, or "".
func attribute(dir, name string) string {
	text, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}

// linkBase returns the last element of what the link name points to, or "".
func linkBase(dir, name string) string {
	target, err := os.Readlink(filepath.Join(dir, name))
	if err != nil {
		return ""
	}
	return filepath.Base(target)
}

// compareNames puts ttyUSB9 before ttyUSB10.
func compareNames(a, b string) int {
	prefixA, prefixB := strings.TrimRight(a, "0123456789"), strings.TrimRight(b, "0123456789")
	if prefixA == prefixB && len(a) != len(b) {
		return len(a) - len(b)
	}
	return strings.Compare(a, b)
}
