package port

import (
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"
)

// Spec says which port a device is on and how to open it. Specs are comparable.
type Spec struct {
	// Path is a device node or a link to one, tcp://host:port or
	// udp://host:port. Either Path or USB is given.
	Path string
	// USB finds a device node by the identity of its adapter.
	USB USB
	// Baud is the speed of the line in bits a second. 0 means DefaultBaud.
	Baud int
	// Reset says what opening does to the board. "" means ResetNever.
	Reset Reset
}

// USB is the identity of a USB adapter.
type USB struct {
	VID, PID string // four hexadecimal digits each, in either case
	Serial   string // exact; "" means any
}

// Reset says what opening a tty does to the board.
type Reset string

// What opening a tty does to the board.
const (
	ResetNever Reset = "never" // nothing: DTR and RTS are left to the kernel
	ResetPulse Reset = "pulse" // EN is pulled low for 100 ms
)

// DefaultBaud is the speed of a line whose Spec names none.
const DefaultBaud = 115200

// The speeds that ParseSpec accepts, in bits a second. What an adapter can do
// is known only when it is opened.
const (
	MinBaud = 50
	MaxBaud = 12_000_000
)

// Kind tells how a Spec is opened.
type Kind uint8

// The kinds of ports.
const (
	KindTTY Kind = iota // Opener.Open: a tty or pty
	KindTCP             // Opener.Open: a serial server
	KindUDP             // ListenUDP: datagrams
)

const (
	schemeTCP = "tcp://"
	schemeUDP = "udp://"
)

// Kind returns how s is opened.
func (s Spec) Kind() Kind {
	switch {
	case strings.HasPrefix(s.Path, schemeTCP):
		return KindTCP
	case strings.HasPrefix(s.Path, schemeUDP):
		return KindUDP
	}
	return KindTTY
}

// String returns the path, or the identity of the adapter.
func (s Spec) String() string {
	if s.Path != "" {
		return s.Path
	}
	return s.USB.String()
}

// WithDefaults returns s with its zero fields filled in. The Baud of a network
// port stays 0: it has none.
func (s Spec) WithDefaults() Spec {
	if s.Baud == 0 && s.Kind() == KindTTY {
		s.Baud = DefaultBaud
	}
	if s.Reset == "" {
		s.Reset = ResetNever
	}
	return s
}

// Identity is the same for two Specs that name one port, however they write
// it: udp://:1884 is udp://127.0.0.1:1884. Links are not followed and host names
// not looked up, so different identities may still lead to one port.
func (s Spec) Identity() string {
	if s.Kind() == KindTTY {
		return s.String()
	}
	scheme, _, _ := strings.Cut(s.Path, "://")
	host, port, err := splitAddress(s.Path)
	if err != nil {
		return s.Path
	}
	if host == "" {
		host = defaultHost
	}
	host = strings.ToLower(host)
	if ip, err := netip.ParseAddr(host); err == nil {
		host = ip.String()
	}
	return scheme + "://" + net.JoinHostPort(host, port)
}

// String returns "usb 10c4:ea60 serial 01435B26".
func (u USB) String() string {
	name := "usb " + strings.ToLower(u.VID) + ":" + strings.ToLower(u.PID)
	if u.Serial != "" {
		name += " serial " + u.Serial
	}
	return name
}

// defaultHost is where udp://:PORT listens: MQTT-SN has no passwords, so the
// network must be asked for.
const defaultHost = "127.0.0.1"

// Loopback reports whether only this machine can reach a KindUDP, judging by
// its Path.
func (s Spec) Loopback() bool {
	host, _, err := splitAddress(s.Path)
	return err == nil && (host == "" || LoopbackHost(host))
}

// LoopbackHost reports whether only this machine can reach what listens on
// host. The empty host, which is every address for a TCP listener, counts as
// reachable by others, and so does a name other than localhost.
func LoopbackHost(host string) bool {
	ip, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && ip.Unmap().IsLoopback()
}

// splitAddress returns host and port of a tcp:// or udp:// URL.
func splitAddress(url string) (host, port string, err error) {
	_, address, _ := strings.Cut(url, "://")
	return net.SplitHostPort(address)
}

// SpecFault is something wrong in the configuration of a port.
type SpecFault struct {
	Key   string // port, usb, usb.vid, usb.pid, baud or reset
	Wrong string // what is wrong
	Write string // what to write instead
}

// Error returns "usb.vid: what is wrong; what to write".
func (f *SpecFault) Error() string { return f.Key + ": " + f.Wrong + "; " + f.Write }

// SpecFaults is everything wrong in the configuration of a port.
type SpecFaults []*SpecFault

// Error lists all faults, one a line.
func (fs SpecFaults) Error() string {
	lines := make([]string, len(fs))
	for i, f := range fs {
		lines[i] = f.Error()
	}
	return strings.Join(lines, "\n")
}

func (fs *SpecFaults) add(key, wrong, write string) {
	*fs = append(*fs, &SpecFault{key, wrong, write})
}

// ParseSpec checks the keys of a device's configuration that say which port it
// is on, as they were written: "" and 0 are keys left out. The Spec has its
// defaults filled in and its USB ids in lower case. The error is a SpecFaults
// with all faults. Nothing is opened and nothing is looked up.
func ParseSpec(path string, usb USB, baud int, reset string) (Spec, error) {
	var faults SpecFaults
	usb.VID, usb.PID = strings.ToLower(usb.VID), strings.ToLower(usb.PID)
	s := Spec{Path: path, USB: usb, Baud: baud, Reset: Reset(reset)}
	switch {
	case path == "" && usb == USB{}:
		faults.add("port", "missing", "write a path that `umqttd ports` lists, tcp://HOST:PORT or udp://:PORT, or write usb: {vid: ..., pid: ...}")
	case path != "" && usb != USB{}:
		faults.add("usb", "port is given too", "write one of the two")
	case path != "":
		checkPath(path, &faults)
	default:
		checkUSB(usb, &faults)
	}
	network := s.Kind() != KindTTY
	switch {
	case baud != 0 && network:
		faults.add("baud", "a network port has no speed", "leave it out")
	case baud != 0 && (baud < MinBaud || baud > MaxBaud):
		faults.add("baud", fmt.Sprintf("%d is out of range", baud), fmt.Sprintf("write %d to %d, such as %d", MinBaud, MaxBaud, DefaultBaud))
	}
	switch s.Reset {
	case "", ResetNever:
	case ResetPulse:
		if network {
			faults.add("reset", "a network port has no reset line", "write never")
		}
	default:
		faults.add("reset", fmt.Sprintf("unknown %q", reset), "write never or pulse")
	}
	if faults != nil {
		return Spec{}, faults
	}
	return s.WithDefaults(), nil
}

func checkPath(path string, faults *SpecFaults) {
	scheme, _, isURL := strings.Cut(path, "://")
	switch {
	case isURL && scheme == "tcp", isURL && scheme == "udp":
		checkURL(scheme, path, faults)
	case isURL:
		faults.add("port", fmt.Sprintf("unknown scheme %q", scheme), "write a path, tcp://HOST:PORT (a serial server in raw mode) or udp://:PORT")
	case strings.HasPrefix(path, "tty"), strings.HasPrefix(path, "pts/"), strings.HasPrefix(path, "serial/"):
		faults.add("port", fmt.Sprintf("%q is not an absolute path", path), "write /dev/"+path)
	case !filepath.IsAbs(path):
		faults.add("port", fmt.Sprintf("%q is not an absolute path", path), "write /dev/..., as `umqttd ports` lists it")
	case path == "/":
		faults.add("port", `"/" is not a device`, "write /dev/..., as `umqttd ports` lists it")
	case path != filepath.Clean(path):
		faults.add("port", fmt.Sprintf("%q is not the plain path of a device", path), "write "+filepath.Clean(path)+" or a path below it")
	}
}

func checkURL(scheme, url string, faults *SpecFaults) {
	host, port, err := splitAddress(url)
	write := "write tcp://HOST:PORT, such as tcp://192.168.1.7:2000"
	if scheme == "udp" {
		write = "write udp://:1884 for this machine only, or udp://0.0.0.0:1884 for the network"
	}
	if err != nil || strings.ContainsAny(host, "/@?# ") {
		faults.add("port", fmt.Sprintf("%q is not an address", url), write)
		return
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 || port[0] == '0' {
		faults.add("port", fmt.Sprintf("%q has no port number from 1 to 65535", url), write)
	}
	if host == "" && scheme == "tcp" {
		faults.add("port", fmt.Sprintf("%q has no host", url), write)
	}
}

func checkUSB(u USB, faults *SpecFaults) {
	checkID("usb.vid", u.VID, "10c4", faults)
	checkID("usb.pid", u.PID, "ea60", faults)
}

// checkID accepts four hexadecimal digits, in lower case.
func checkID(key, value, example string, faults *SpecFaults) {
	if value == "" {
		faults.add(key, "missing", fmt.Sprintf("write the four digits that `umqttd ports` shows, such as %q", example))
		return
	}
	wrong := fmt.Sprintf("%q is not four hexadecimal digits", value)
	n, err := strconv.ParseUint(strings.TrimPrefix(value, "0x"), 16, 16)
	digits := fmt.Sprintf("%04x", n)
	switch {
	case err != nil:
		faults.add(key, wrong, fmt.Sprintf("write those that `umqttd ports` shows, such as %q", example))
	case value != digits:
		faults.add(key, wrong, fmt.Sprintf("write %q", digits))
	}
}
