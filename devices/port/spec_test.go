package port

import (
	"errors"
	"strings"
	"testing"
)

func TestParseSpecAcceptsWhatIsRight(t *testing.T) {
	cp2104 := USB{VID: "10c4", PID: "ea60", Serial: "01435B26"}
	asUdevWrites := USB{VID: "10C4", PID: "EA60", Serial: "01435B26"}
	for _, c := range []struct {
		path  string
		usb   USB
		baud  int
		reset string
		want  Spec
		kind  Kind
	}{
		{"/dev/ttyUSB0", USB{}, 0, "", Spec{Path: "/dev/ttyUSB0", Baud: 115200, Reset: ResetNever}, KindTTY},
		{"/dev/pts/3", USB{}, 74880, "never", Spec{Path: "/dev/pts/3", Baud: 74880, Reset: ResetNever}, KindTTY},
		{"/dev/serial/by-id/usb-a:b", USB{}, 2000000, "pulse", Spec{Path: "/dev/serial/by-id/usb-a:b", Baud: 2000000, Reset: ResetPulse}, KindTTY},
		{"", asUdevWrites, 50, "", Spec{USB: cp2104, Baud: 50, Reset: ResetNever}, KindTTY},
		{"", USB{VID: "1a86", PID: "7523"}, 0, "", Spec{USB: USB{VID: "1a86", PID: "7523"}, Baud: 115200, Reset: ResetNever}, KindTTY},
		{"tcp://192.168.1.7:2000", USB{}, 0, "", Spec{Path: "tcp://192.168.1.7:2000", Reset: ResetNever}, KindTCP},
		{"tcp://[fe80::1%eth0]:23", USB{}, 0, "never", Spec{Path: "tcp://[fe80::1%eth0]:23", Reset: ResetNever}, KindTCP},
		{"tcp://esp-link.local:65535", USB{}, 0, "", Spec{Path: "tcp://esp-link.local:65535", Reset: ResetNever}, KindTCP},
		{"udp://:1884", USB{}, 0, "", Spec{Path: "udp://:1884", Reset: ResetNever}, KindUDP},
		{"udp://[::]:1884", USB{}, 0, "", Spec{Path: "udp://[::]:1884", Reset: ResetNever}, KindUDP},
	} {
		got, err := ParseSpec(c.path, c.usb, c.baud, c.reset)
		if err != nil || got != c.want || got.Kind() != c.kind {
			t.Errorf("%q %v %d %q: got %+v, %v, want %+v", c.path, c.usb, c.baud, c.reset, got, err, c.want)
		}
	}
}

func TestParseSpecSaysWhatToWrite(t *testing.T) {
	for _, c := range []struct {
		path  string
		usb   USB
		baud  int
		reset string
		key   string
		says  string
	}{
		{key: "port", says: "umqttd ports"},
		{path: "/dev/ttyUSB0", usb: USB{VID: "10c4"}, key: "usb", says: "one of the two"},
		{path: "ttyUSB0", key: "port", says: "write /dev/ttyUSB0"},
		{path: "COM3", key: "port", says: "absolute"},
		{path: "serial/by-id/x", key: "port", says: "write /dev/serial/by-id/x"},
		{path: "/", key: "port", says: "umqttd ports"},
		{path: "/dev/serial/by-id/", key: "port", says: "path below it"},
		{path: "/dev/../etc/passwd", key: "port", says: "write /etc/passwd"},
		{path: "rfc2217://h:1", key: "port", says: "raw mode"},
		{path: "tcp://", key: "port", says: "tcp://192.168.1.7:2000"},
		{path: "tcp://host", key: "port", says: "tcp://192.168.1.7:2000"},
		{path: "tcp://:2000", key: "port", says: "no host"},
		{path: "tcp://host:0", key: "port", says: "1 to 65535"},
		{path: "tcp://host:023", key: "port", says: "1 to 65535"},
		{path: "tcp://host?x:23", key: "port", says: "not an address"},
		{path: "tcp://host:65536", key: "port", says: "1 to 65535"},
		{path: "tcp://host:telnet", key: "port", says: "1 to 65535"},
		{path: "tcp://host:23/raw", key: "port", says: "1 to 65535"},
		{path: "tcp://user@host:23", key: "port", says: "not an address"},
		{path: "tcp://::1:23", key: "port", says: "not an address"},
		{path: "udp://1884", key: "port", says: "udp://:1884"},
		{path: "udp://:", key: "port", says: "udp://:1884"},
		{path: "tcp://h:1", baud: 9600, key: "baud", says: "leave it out"},
		{path: "udp://:1", reset: "pulse", key: "reset", says: "write never"},
		{path: "/dev/ttyS0", baud: -1, key: "baud", says: "50 to 12000000"},
		{path: "/dev/ttyS0", baud: 49, key: "baud", says: "50 to 12000000"},
		{path: "/dev/ttyS0", baud: 12_000_001, key: "baud", says: "50 to 12000000"},
		{path: "/dev/ttyS0", reset: "always", key: "reset", says: "never or pulse"},
		{usb: USB{PID: "ea60"}, key: "usb.vid", says: "missing"},
		{usb: USB{VID: "10c4"}, key: "usb.pid", says: "missing"},
		{usb: USB{VID: "0", PID: "ea60"}, key: "usb.vid", says: `write "0000"`},
		{usb: USB{VID: "0x10C4", PID: "ea60"}, key: "usb.vid", says: `write "10c4"`},
		{usb: USB{VID: "403", PID: "6001"}, key: "usb.vid", says: `write "0403"`},
		{usb: USB{VID: "10c4", PID: "ea6g"}, key: "usb.pid", says: `such as "ea60"`},
		{usb: USB{VID: "10c4", PID: "0ea60"}, key: "usb.pid", says: `write "ea60"`},
		{usb: USB{Serial: "x"}, key: "usb.vid", says: "missing"},
	} {
		_, err := ParseSpec(c.path, c.usb, c.baud, c.reset)
		var faults SpecFaults
		if !errors.As(err, &faults) {
			t.Errorf("%+v: got error %v", c, err)
			continue
		}
		if f := faults[0]; f.Key != c.key || !strings.Contains(f.Error(), c.says) {
			t.Errorf("%+v: got %q", c, f)
		}
	}
}

func TestParseSpecFindsAllFaultsAtOnce(t *testing.T) {
	_, err := ParseSpec("", USB{VID: "x", PID: "y"}, 1, "z")
	if err == nil {
		t.Fatal("no error")
	}
	for i, line := range strings.Split(err.Error(), "\n") {
		if want := []string{"usb.vid: ", "usb.pid: ", "baud: ", "reset: "}[i]; !strings.HasPrefix(line, want) {
			t.Errorf("line %d is %q, want %q", i, line, want)
		}
	}
}

func TestSpecNamesItself(t *testing.T) {
	for want, s := range map[string]Spec{
		"/dev/ttyUSB0":                  {Path: "/dev/ttyUSB0"},
		"usb 10c4:ea60 serial 01435B26": {USB: USB{"10C4", "EA60", "01435B26"}},
		"usb 1a86:7523":                 {USB: USB{VID: "1a86", PID: "7523"}},
	} {
		if got := s.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestIdentityIsTheSameHoweverAPortIsWritten(t *testing.T) {
	for want, same := range map[string][]Spec{
		"/dev/ttyUSB0":                  {{Path: "/dev/ttyUSB0"}, {Path: "/dev/ttyUSB0", Baud: 9600, Reset: ResetPulse}},
		"usb 10c4:ea60 serial 01435B26": {{USB: USB{"10C4", "EA60", "01435B26"}}, {USB: USB{"10c4", "ea60", "01435B26"}}},
		"usb 10c4:ea60 serial 01435b26": {{USB: USB{"10C4", "EA60", "01435b26"}}},
		"tcp://esp-link:23":             {{Path: "tcp://esp-link:23"}, {Path: "tcp://ESP-Link:23"}},
		"tcp://[::1]:23":                {{Path: "tcp://[::1]:23"}, {Path: "tcp://[0:0:0:0:0:0:0:1]:23"}},
		"udp://127.0.0.1:1884":          {{Path: "udp://:1884"}, {Path: "udp://127.0.0.1:1884"}},
		"udp://0.0.0.0:1884":            {{Path: "udp://0.0.0.0:1884"}},
		"udp://nonsense":                {{Path: "udp://nonsense"}},
	} {
		for _, s := range same {
			if got := s.Identity(); got != want {
				t.Errorf("%+v: got %q, want %q", s, got, want)
			}
		}
	}
}

func TestLoopback(t *testing.T) {
	for path, want := range map[string]bool{
		"udp://:1": true, "udp://127.0.0.1:1": true, "udp://127.9.9.9:1": true, "udp://[::1]:1": true, "udp://LocalHost:1": true,
		"udp://[::ffff:127.0.0.1]:1": true, "udp://0.0.0.0:1": false, "udp://[::]:1": false, "udp://192.168.1.2:1": false,
		"udp://pi-attic:1": false, "udp://localhost": false,
	} {
		if got := (Spec{Path: path}).Loopback(); got != want {
			t.Errorf("%s: got %v, want %v", path, got, want)
		}
	}
	if LoopbackHost("") {
		t.Error("a TCP listener without a host can be reached by others")
	}
}
