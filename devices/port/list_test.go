package port

import (
	"encoding/json"
	"errors"
	"os"
	"os/user"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/umqttd/umqttd/devices/port/porttest"
)

func TestListShowsHardwareInOrder(t *testing.T) {
	m := newMachine(t)
	m.uart("ttyS0", "serial8250", "4")
	for _, spare := range []string{"ttyS1", "ttyS2", "ttyS3"} {
		m.uart(spare, "serial8250", "0")
	}
	m.uart("ttyAMA0", "uart-pl011", "32")
	m.bridge("ttyUSB10", "1-2", "ch341-uart", ch340, "", "USB Serial")
	m.bridge("ttyUSB9", "1-1", "cp210x", USB{VID: "10C4", PID: "EA60", Serial: "01435B26"}, "Silicon Labs", "CP2104")
	m.acm("ttyACM0", "1-3", USB{VID: "303a", PID: "1001"}, "Espressif", "")
	byID := m.byID("usb-Silicon_Labs_CP2104_01435B26-if00-port0", "ttyUSB9")
	dev := func(name string) string { return filepath.Join(m.Dev, name) }
	for pid, target := range map[string]string{"7": dev("ttyUSB9"), "8": dev("ttyUSB1"), "self": dev("ttyUSB9")} {
		m.write(filepath.Join(m.Proc, pid, "comm"), "minicom")
		m.link(filepath.Join(m.Proc, pid, "fd/3"), target)
		m.link(filepath.Join(m.Proc, pid, "fd/4"), target)
	}

	got, err := m.List()
	if err != nil {
		t.Fatal(err)
	}
	want := []Info{
		{Path: dev("ttyACM0"), VID: "303a", PID: "1001", Manufacturer: "Espressif", Driver: "cdc_acm"},
		{Path: dev("ttyAMA0"), Driver: "uart-pl011"},
		{Path: dev("ttyS0"), Driver: "serial8250", Console: true},
		{Path: dev("ttyUSB9"), ByID: byID, ByPath: dev("serial/by-path/pci-1-1:1.00"), VID: "10c4", PID: "ea60",
			Serial: "01435B26", Manufacturer: "Silicon Labs", Product: "CP2104", Driver: "cp210x",
			Holders: []Holder{{PID: 7, Name: "minicom"}}},
		{Path: dev("ttyUSB10"), ByPath: dev("serial/by-path/pci-1-2:1.00"), VID: "1a86", PID: "7523",
			Product: "USB Serial", Driver: "ch341-uart"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %s\nwant %s", asJSON(t, got), asJSON(t, want))
	}
}

func asJSON(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestListSaysWhatStandsInTheWay(t *testing.T) {
	m := newMachine(t)
	m.uart("ttyS0", "serial8250", "4")
	if err := os.Remove(filepath.Join(m.Dev, "ttyS0")); err != nil {
		t.Fatal(err)
	}
	got, err := m.List()
	if err != nil || len(got) != 1 || !strings.Contains(got[0].Problem, "no such port") {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestListOfThisMachineOpensNothing(t *testing.T) {
	infos, err := Finder{}.List()
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range infos {
		if countDescriptors(t, i.Path) != 0 {
			t.Errorf("%s is open", i.Path)
		}
	}
}

func TestListWithoutSysfs(t *testing.T) {
	_, err := Finder{Sys: t.TempDir()}.List()
	wantClass(t, "List", err, ErrUnsuitable, "class/tty", "sysfs")
}

func TestHoldersOfAPty(t *testing.T) {
	_, path := porttest.NewPTY(t)
	if h := (Finder{}).holders(path)[path]; h != nil {
		t.Errorf("nobody has it open, got %v", h)
	}
	open(t, &Opener{}, path, Spec{})
	if h := (Finder{}).holders(path)[path]; len(h) != 1 || h[0].PID != os.Getpid() {
		t.Errorf("this process has it open, got %v", h)
	}
}

func TestBusyNamesWhoHasThePort(t *testing.T) {
	m := newMachine(t)
	path := filepath.Join(m.Dev, "ttyUSB0")
	if got := m.busyFix(path); !strings.Contains(got, "fuser -v "+path) {
		t.Errorf("nobody to be seen: %q", got)
	}
	m.write(filepath.Join(m.Proc, "7/comm"), "ModemManager")
	m.link(filepath.Join(m.Proc, "7/fd/9"), path)
	if got := m.busyFix(path); !strings.Contains(got, "stop ModemManager (pid 7)") {
		t.Errorf("got %q", got)
	}
}

func TestPermissionNamesTheGroup(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ttyUSB0")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	gid := os.Getgid()
	if os.Geteuid() == 0 {
		gid = 20 // dialout, on Debian; any group that is not root's will do
	}
	if err := errors.Join(os.Chown(path, -1, gid), os.Chmod(path, 0o660)); err != nil {
		t.Fatal(err)
	}
	group := strconv.Itoa(gid)
	if g, err := user.LookupGroupId(group); err == nil {
		group = g.Name
	}
	if got := permissionFix(path); !strings.Contains(got, "usermod -aG "+group+" USER") {
		t.Errorf("got %q, want group %s", got, group)
	}
}
