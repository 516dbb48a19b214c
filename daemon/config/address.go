package config

import (
	"net"
	"net/url"
	"strconv"
	"strings"

	"github.com/umqttd/umqttd/devices/port"
)

const (
	urlPattern    = `embedded|(mqtts?|wss?)://[^/?#@]+(/[^#@]*)?`
	listenPattern = `.*:[0-9]{1,5}`
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
	lower := strings.ToLower(scheme)
	u, err := url.Parse(s)
	switch {
	case strings.Contains(s, "@") || err == nil && u.User != nil:
		return "holds a user name or password", "write username: and password_file: beside it"
	case scheme == s:
		return "has no scheme", "write mqtt:// before it, mqtts:// for TLS, or the word embedded"
	case schemeHints[lower] != "":
		return "has the scheme " + scheme, "write " + schemeHints[lower] + "://"
	case err != nil:
		return "is no URL", example
	case scheme != lower:
		return "has the scheme " + printable(scheme), "write " + printable(lower) + "://"
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

// sameAddress reports whether it is plain that two host:port cannot both be listened
// on. Port 0 is another one each time.
func sameAddress(a, b string) bool {
	hostA, portA, errA := net.SplitHostPort(a)
	hostB, portB, errB := net.SplitHostPort(b)
	return errA == nil && errB == nil && portA == portB && portA != "0" &&
		(strings.EqualFold(hostA, hostB) || hostA == "" || hostB == "")
}

// onLoopback reports whether only this machine can reach a host:port.
func onLoopback(listen string) bool {
	host, _, err := net.SplitHostPort(listen)
	return err == nil && port.LoopbackHost(host)
}
