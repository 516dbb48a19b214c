package port

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/umqttd/umqttd/devices/port/porttest"
)

var (
	cp2104 = USB{VID: "10c4", PID: "ea60", Serial: "01435B26"}
	ch340  = USB{VID: "1a86", PID: "7523"} // these have no serial number
)

func (m *machine) wantFind(what string, spec Spec, tty string) {
	m.t.Helper()
	got, err := m.Find(spec)
	if want := filepath.Join(m.Dev, tty); err != nil || got != want {
		m.t.Errorf("%s: found %q, %v, want %q", what, got, err, want)
	}
}

func (m *machine) wantFault(what string, spec Spec, class error, says ...string) {
	m.t.Helper()
	got, err := m.Find(spec)
	wantClass(m.t, what, err, class, says...)
	if got != "" {
		m.t.Errorf("%s: found %q with an error", what, got)
	}
}

func TestFindByIdentity(t *testing.T) {
	m := newMachine(t)
	m.bridge("ttyUSB0", "1-1", "cp210x", cp2104, "Silicon Labs", "CP2104")
	m.bridge("ttyUSB1", "1-2", "ch341-uart", ch340, "", "USB Serial")
	m.acm("ttyACM0", "1-3", USB{VID: "303a", PID: "1001", Serial: "34:85:18:AA"}, "Espressif", "USB JTAG/serial debug unit")

	m.wantFind("vid, pid and serial", Spec{USB: cp2104}, "ttyUSB0")
	m.wantFind("upper case", Spec{USB: USB{VID: "10C4", PID: "EA60"}}, "ttyUSB0")
	m.wantFind("no serial number", Spec{USB: ch340}, "ttyUSB1")
	m.wantFind("cdc_acm", Spec{USB: USB{VID: "303A", PID: "1001", Serial: "34:85:18:AA"}}, "ttyACM0")
	m.wantFault("wrong serial", Spec{USB: USB{VID: "10c4", PID: "ea60", Serial: "01435b26"}}, ErrMissing,
		"usb 10c4:ea60 serial 01435b26", `there is one with serial "01435B26"`, "plug the adapter in")
	m.wantFault("not plugged in", Spec{USB: USB{VID: "0403", PID: "6001"}}, ErrMissing, "usb 0403:6001")
	m.wantFault("the hub is no port", Spec{USB: USB{VID: "1d6b", PID: "0002"}}, ErrMissing)
}

func TestFindFollowsAnAdapterToItsNewNumber(t *testing.T) {
	m := newMachine(t)
	m.bridge("ttyUSB0", "1-1", "cp210x", cp2104, "", "")
	m.wantFind("plugged in", Spec{USB: cp2104}, "ttyUSB0")
	for _, gone := range []string{"class/tty/ttyUSB0", "devices/pci0/usb1/1-1"} {
		if err := os.RemoveAll(filepath.Join(m.Sys, gone)); err != nil {
			t.Fatal(err)
		}
	}
	m.wantFault("unplugged", Spec{USB: cp2104}, ErrMissing)
	m.bridge("ttyUSB1", "1-4", "cp210x", cp2104, "", "")
	m.wantFind("plugged in elsewhere", Spec{USB: cp2104}, "ttyUSB1")
}

// sysfs may know a tty before /dev does.
func TestFindWaitsForTheNode(t *testing.T) {
	m := newMachine(t)
	m.bridge("ttyUSB0", "1-1", "cp210x", cp2104, "", "")
	if err := os.Remove(filepath.Join(m.Dev, "ttyUSB0")); err != nil {
		t.Fatal(err)
	}
	m.wantFault("no node yet", Spec{USB: cp2104}, ErrMissing, "ttyUSB0")
}

func TestTwoMatchesAreRefused(t *testing.T) {
	m := newMachine(t)
	m.bridge("ttyUSB0", "1-1", "ch341-uart", ch340, "QinHeng", "USB Serial")
	m.bridge("ttyUSB10", "1-2", "ch341-uart", ch340, "QinHeng", "USB Serial")
	link := m.byID("usb-1a86_USB_Serial-if00-port0", "ttyUSB10")
	for what, spec := range map[string]Spec{"identity": {USB: ch340}, "by-id": {Path: link}} {
		m.wantFault(what, spec, ErrAmbiguous, "ttyUSB0 (", "pci-1-1:1.00), ", "ttyUSB10 (", "pci-1-2:1.00", "/dev/serial/by-path")
	}
	// The socket tells them apart, and a plain path is what it says.
	m.wantFind("by-path", Spec{Path: filepath.Join(m.Dev, "serial/by-path/pci-1-2:1.00")}, "ttyUSB10")
	m.wantFind("plain path", Spec{Path: filepath.Join(m.Dev, "ttyUSB0")}, "ttyUSB0")
}

// An adapter with two ports has one identity and two by-id links.
func TestAdapterWithTwoPorts(t *testing.T) {
	m := newMachine(t)
	ft2232 := USB{VID: "0403", PID: "6010", Serial: "FT0"}
	dir := m.usb("1-1", ft2232, "FTDI", "Dual RS232")
	m.bridgePort("ttyUSB0", dir, "ftdi_sio", "00")
	m.bridgePort("ttyUSB1", dir, "ftdi_sio", "01")
	m.wantFault("identity", Spec{USB: ft2232}, ErrAmbiguous, "ttyUSB0", "ttyUSB1")
	m.wantFind("by-id", Spec{Path: m.byID("usb-FTDI_Dual_RS232_FT0-if01-port0", "ttyUSB1")}, "ttyUSB1")
}

func TestFindByPath(t *testing.T) {
	m := newMachine(t)
	m.bridge("ttyUSB0", "1-1", "cp210x", cp2104, "", "")
	m.uart("ttyAMA0", "uart-pl011", "32")
	m.wantFind("by-id", Spec{Path: m.byID("usb-Silicon_Labs_CP2104_01435B26-if00-port0", "ttyUSB0")}, "ttyUSB0")
	m.wantFind("not on USB", Spec{Path: filepath.Join(m.Dev, "ttyAMA0")}, "ttyAMA0")
	missing := filepath.Join(m.Dev, "serial/by-id/usb-other")
	m.wantFault("not there", Spec{Path: missing}, ErrMissing, missing, "plug the adapter in")
	m.link(filepath.Join(m.Dev, "stale"), "ttyUSB9")
	m.wantFault("link to nothing", Spec{Path: filepath.Join(m.Dev, "stale")}, ErrMissing)
}

func TestFindLinkToAPty(t *testing.T) {
	_, path := porttest.NewPTY(t)
	link := filepath.Join(t.TempDir(), "board")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{path, link} {
		if got, err := (Finder{}).Find(Spec{Path: p}); err != nil || got != path {
			t.Errorf("%s: found %q, %v, want %q", p, got, err, path)
		}
	}
}
