package config

import (
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
)

const (
	urlPattern    = `embedded|(mqtts?|wss?)://[^/?#@]+(/[^#@]*)?`
	listenPattern = `.*:[0-9]{1,5}`
	portPattern   = `/.+|tcp://.+:[0-9]{1,5}|udp://.*:[0-9]{1,5}`
)

// schemeHints answer the names that other programs give to MQTT's transports.
var schemeHints = map[string]string{
	"tcp": "mqtt", "http": "ws", "ssl": "mqtts", "tls": "mqtts", "tcps": "mqtts", "https": "wss", "mqtt+tls": "mqtts",
}

// checkURL accepts the URL of a broker. It never repeats the URL: there may be a
// password in it.
func checkURL(s string) (wrong, write string) {
	const example = "write one like mqtts://broker.example.org:8883"
	if s == Embedded {
		return "", ""
	}
	scheme, _, _ := strings.Cut(s, "://")
	u, err := url.Parse(s)
	switch {
	case strings.Contains(s, "@") || err == nil && u.User != nil:
		return "holds a user name or password", "write username: and password_file: beside it"
	case scheme == s:
		return "has no scheme", "write mqtt:// before it, mqtts:// for TLS, or the word embedded"
	case schemeHints[scheme] != "":
		return "has the scheme " + scheme, "write " + schemeHints[scheme] + "://"
	case err != nil:
		return "is no URL", example
	}
	switch u.Scheme {
	case "mqtt", "mqtts":
		if u.Path != "" && u.Path != "/" || u.RawQuery != "" {
			return "has a path", "write scheme, host and port only, or ws:// or wss://"
		}
	case "ws", "wss":
	default:
		return "has the scheme " + printable(u.Scheme), "write mqtt://, mqtts://, ws:// or wss://"
	}
	switch {
	case u.Hostname() == "":
		return "has no host", example
	case u.Fragment != "":
		return "has a #", "remove it and what follows"
	case u.Port() != "" && !isPort(u.Port()):
		return "has the port " + u.Port(), "write 1 to 65535"
	case strings.Contains(u.Hostname(), ":") && !strings.HasPrefix(u.Host, "["):
		return "has more than one port", "write an IPv6 address as [::1]"
	}
	return "", ""
}

// overTLS reports whether a broker of this URL is spoken to with TLS.
func overTLS(brokerURL string) bool {
	return strings.HasPrefix(brokerURL, "mqtts://") || strings.HasPrefix(brokerURL, "wss://")
}

// checkListen accepts host:port to listen on; port 0 lets the system choose.
func checkListen(s string) (wrong, write string) {
	_, port, err := net.SplitHostPort(s)
	if err != nil || port != "0" && !isPort(port) {
		return "is no host:port", "write one like 127.0.0.1:9884, or :9884 for every address"
	}
	return "", ""
}

// isPort accepts 1 to 65535, without leading zeros.
func isPort(s string) bool {
	n, err := strconv.ParseUint(s, 10, 16)
	return err == nil && n > 0 && s[0] != '0'
}

// onLoopback reports whether only this machine can reach a host:port.
func onLoopback(listen string) bool {
	host, _, err := net.SplitHostPort(listen)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.Unmap().IsLoopback()
}

// PortKind is how a device's port is opened.
type PortKind int

const (
	TTYPort PortKind = iota // a serial port or a pseudo-terminal
	TCPPort                 // a TCP connection that carries the same bytes
	UDPPort                 // MQTT-SN over UDP, one message a datagram
)

// A Port is Device.Port taken apart.
type Port struct {
	Kind PortKind

	// Address is the absolute path, or host:port. The host of a UDP port is
	// never empty: without one it is 127.0.0.1.
	Address string
}

// ParsePort takes a port apart: an absolute path, tcp://host:port or
// udp://host:port, where udp://:port is loopback. One port written in two ways
// gives the same Port, symbolic links and host names apart.
func ParsePort(s string) (p Port, ok bool) {
	if filepath.IsAbs(s) {
		return Port{TTYPort, s}, s == filepath.Clean(s) && s != "/"
	}
	scheme, address, _ := strings.Cut(s, "://")
	host, port, err := net.SplitHostPort(address)
	if err != nil || !isPort(port) || strings.ContainsAny(host, "/@?# ") {
		return Port{}, false
	}
	host = strings.ToLower(host)
	switch {
	case scheme == "tcp" && host != "":
		return Port{TCPPort, net.JoinHostPort(host, port)}, true
	case scheme == "udp":
		if host == "" {
			host = "127.0.0.1"
		}
		return Port{UDPPort, net.JoinHostPort(host, port)}, true
	}
	return Port{}, false
}

// number is the port number of a network port.
func (p Port) number() string {
	_, number, _ := net.SplitHostPort(p.Address)
	return number
}

// String is the port as the configuration writes it.
func (p Port) String() string {
	switch p.Kind {
	case TCPPort:
		return "tcp://" + p.Address
	case UDPPort:
		return "udp://" + p.Address
	}
	return p.Address
}

// checkPort accepts what ParsePort does.
func checkPort(s string) (wrong, write string) {
	if _, ok := ParsePort(s); ok {
		return "", ""
	}
	switch {
	case filepath.IsAbs(s) && s != filepath.Clean(s):
		return "is no plain path", "write " + printable(filepath.Clean(s)) + ", or a file below it"
	case strings.HasPrefix(s, "tty"):
		return "is no full path", "write /dev/" + printable(s)
	}
	return "is " + strconv.Quote(printable(s)), "write /dev/..., tcp://host:port or udp://:port, umqttd ports lists what is plugged in"
}
