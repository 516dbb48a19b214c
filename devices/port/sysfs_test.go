package port

import (
	"os"
	"path/filepath"
	"testing"
)

// machine is a machine with serial ports, as /dev, /sys and /proc show it.
type machine struct {
	Finder
	t *testing.T
}

func newMachine(t *testing.T) *machine {
	root := t.TempDir()
	m := &machine{t: t, Finder: Finder{
		Dev: filepath.Join(root, "dev"), Sys: filepath.Join(root, "sys"), Proc: filepath.Join(root, "proc"),
	}}
	for _, dir := range []string{m.Dev, m.Proc} {
		m.mkdir(dir)
	}
	// A virtual tty has no device, and no hardware.
	m.write(filepath.Join(m.Sys, "class/tty/tty0/dev"), "4:0")
	m.write(filepath.Join(m.Sys, "class/tty/console/active"), "tty0 ttyS0")
	return m
}

func (m *machine) mkdir(dir string) {
	m.t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		m.t.Fatal(err)
	}
}

func (m *machine) write(path, text string) {
	m.t.Helper()
	m.mkdir(filepath.Dir(path))
	if err := os.WriteFile(path, []byte(text+"\n"), 0o600); err != nil {
		m.t.Fatal(err)
	}
}

func (m *machine) link(path, target string) {
	m.t.Helper()
	m.mkdir(filepath.Dir(path))
	if err := os.Symlink(target, path); err != nil {
		m.t.Fatal(err)
	}
}

// tty adds a tty to the directory of its device, and its node to /dev.
func (m *machine) tty(name, device string) {
	m.t.Helper()
	dir := filepath.Join(device, "tty", name)
	m.mkdir(dir)
	m.link(filepath.Join(dir, "device"), device)
	m.link(filepath.Join(m.Sys, "class/tty", name), dir)
	m.write(filepath.Join(m.Dev, name), "")
}

// usb adds an adapter to a socket: the directory of its USB device.
func (m *machine) usb(socket string, id USB, manufacturer, product string) string {
	m.t.Helper()
	dir := filepath.Join(m.Sys, "devices/pci0/usb1", socket)
	m.write(filepath.Join(dir, "idVendor"), id.VID)
	m.write(filepath.Join(dir, "idProduct"), id.PID)
	for name, text := range map[string]string{"serial": id.Serial, "manufacturer": manufacturer, "product": product} {
		if text != "" {
			m.write(filepath.Join(dir, name), text)
		}
	}
	// The hub, further up, has an identity too.
	m.write(filepath.Join(m.Sys, "devices/pci0/usb1/idVendor"), "1d6b")
	m.write(filepath.Join(m.Sys, "devices/pci0/usb1/idProduct"), "0002")
	return dir
}

// bridge adds an adapter with a UART, the way usb-serial drivers show it.
func (m *machine) bridge(tty, socket, driver string, id USB, manufacturer, product string) {
	m.t.Helper()
	m.bridgePort(tty, m.usb(socket, id, manufacturer, product), driver, "00")
}

// bridgePort adds one port of an adapter.
func (m *machine) bridgePort(tty, dir, driver, number string) {
	m.t.Helper()
	part := filepath.Join(dir, filepath.Base(dir)+":1."+number)
	m.write(filepath.Join(part, "bInterfaceNumber"), number)
	m.link(filepath.Join(part, "driver"), "../../bus/usb/drivers/usb-wrong")
	device := filepath.Join(part, tty)
	m.write(filepath.Join(device, "port_number"), "0")
	m.link(filepath.Join(device, "driver"), "../../bus/usb-serial/drivers/"+driver)
	m.tty(tty, device)
	m.link(filepath.Join(m.Dev, "serial/by-path", "pci-"+filepath.Base(dir)+":1."+number), "../../"+tty)
}

// acm adds a board with USB of its own, the way cdc_acm shows it.
func (m *machine) acm(tty, socket string, id USB, manufacturer, product string) {
	m.t.Helper()
	part := filepath.Join(m.usb(socket, id, manufacturer, product), socket+":1.0")
	m.write(filepath.Join(part, "bInterfaceNumber"), "00")
	m.link(filepath.Join(part, "driver"), "../../bus/usb/drivers/cdc_acm")
	m.tty(tty, part)
}

// byID adds the link that udev makes for an adapter.
func (m *machine) byID(name, tty string) string {
	m.t.Helper()
	link := filepath.Join(m.Dev, "serial/by-id", name)
	m.link(link, "../../"+tty)
	return link
}

// uart adds a UART of the board itself. Type 0 is a spare number.
func (m *machine) uart(tty, driver, kind string) {
	m.t.Helper()
	platform := filepath.Join(m.Sys, "devices/platform", tty)
	m.link(filepath.Join(platform, "driver"), "../../bus/platform/drivers/"+driver)
	device := filepath.Join(platform, tty+":0", tty+":0.0")
	m.mkdir(device)
	for _, dir := range []string{device, filepath.Dir(device)} {
		m.link(filepath.Join(dir, "subsystem"), "../../bus/serial-base")
	}
	m.link(filepath.Join(device, "driver"), "../../bus/serial-base/drivers/port")
	m.link(filepath.Join(filepath.Dir(device), "driver"), "../../bus/serial-base/drivers/ctrl")
	m.tty(tty, device)
	m.write(filepath.Join(device, "tty", tty, "type"), kind)
}
