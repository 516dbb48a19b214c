package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/umqttd/umqttd/devices/port"
)

func TestPrintPorts(t *testing.T) {
	infos := []port.Info{
		{
			Path: "/dev/ttyUSB0", VID: "10c4", PID: "ea60", Manufacturer: "Silicon Labs", Product: "Silicon Labs CP2104",
			ByID: "/dev/serial/by-id/usb-Silicon_Labs_CP2104-if00-port0", ByPath: "/dev/serial/by-path/pci-0",
		},
		{
			Path: "/dev/ttyUSB1", VID: "1a86", PID: "7523", Product: "USB Serial", ByPath: "/dev/serial/by-path/pci-1",
			Holders: []port.Holder{{PID: 812, Name: "umqttd"}, {PID: 900, Name: "minicom"}},
		},
		{Path: "/dev/ttyACM0", VID: "303a", PID: "1001", Product: "évil\x1b[2J", Problem: "not allowed"},
		{Path: "/dev/ttyS0", Driver: "serial8250", Console: true},
	}
	var out bytes.Buffer
	if err := printPorts(&out, infos); err != nil {
		t.Fatal(err)
	}
	want := strings.Join([]string{
		`PORT          USB        WHAT                 STATE                                         NAME THAT STAYS`,
		`/dev/ttyUSB0  10c4:ea60  Silicon Labs CP2104  free                                          /dev/serial/by-id/usb-Silicon_Labs_CP2104-if00-port0`,
		`/dev/ttyUSB1  1a86:7523  USB Serial           open: umqttd (pid 812), minicom (pid 900)     /dev/serial/by-path/pci-1`,
		`/dev/ttyACM0  303a:1001  évil\x1b[2J          not allowed`,
		`/dev/ttyS0    -          serial8250           kernel console`,
	}, "\n") + "\n"
	want = strings.ReplaceAll(want, "   NAME", "NAME")
	want = strings.ReplaceAll(want, "   /dev/serial", "/dev/serial")
	if out.String() != want {
		t.Errorf("got\n%swant\n%s", out.String(), want)
	}
}

func TestPrintNoPorts(t *testing.T) {
	var out bytes.Buffer
	if err := printPorts(&out, nil); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(out.String(), "No serial port found.\n") {
		t.Errorf("got %q", out.String())
	}
	out.Reset()
	if err := printPortsJSON(&out, nil); err != nil {
		t.Fatal(err)
	}
	if out.String() != "[]\n" {
		t.Errorf("got %q", out.String())
	}
}

// Colour leaves the columns where they are.
func TestColouredTable(t *testing.T) {
	var out bytes.Buffer
	rows := [][]cell{{{"a", red}, {"b", plain}}, {{"ccc", plain}, {"d", green}}}
	if err := printTable(&out, palette{coloured: true}, rows); err != nil {
		t.Fatal(err)
	}
	if want := "\x1b[31ma\x1b[0m    b\nccc  \x1b[32md\x1b[0m\n"; out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
}
