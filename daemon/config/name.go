package config

import (
	"strconv"
	"strings"
)

const (
	lower       = "abcdefghijklmnopqrstuvwxyz0123456789_-"
	nameLetters = lower + "ABCDEFGHIJKLMNOPQRSTUVWXYZ."

	namePattern    = `[a-z0-9_-]{1,64}`
	gatewayPattern = `[A-Za-z0-9_.-]{1,64}`
)

// consists reports whether a word has min to max letters, all of the given ones.
func consists(s, letters string, min, max int) bool {
	return len(s) >= min && len(s) <= max && strings.Trim(s, letters) == "" // Trim leaves nothing only if all letters fit
}

// checkName accepts the name of a device: it is a metrics label and a topic level.
func checkName(s string) (wrong, write string) {
	if !consists(s, lower, 1, 64) {
		return "is " + strconv.Quote(printable(s)), "write 1 to 64 lower-case letters, digits, _ and -"
	}
	return "", ""
}

// checkGateway accepts the name of the gateway: it is a client id and a topic level.
func checkGateway(s string) (wrong, write string) {
	if !consists(s, nameLetters, 1, 64) {
		return "is " + strconv.Quote(printable(s)), "write 1 to 64 letters, digits, _, - and ."
	}
	return "", ""
}

// checkClientID accepts what MQTT can carry; brokers may accept less.
func checkClientID(s string) (wrong, write string) {
	if s == "" {
		return "is empty", "write one, or remove the key for what the board says"
	}
	return checkText(s)
}

// checkServerName accepts what a certificate can be made for.
func checkServerName(s string) (wrong, write string) {
	if strings.ContainsAny(s, " /@") {
		return "is no host name", "write one like broker.example.org"
	}
	return "", ""
}

// checkALPN accepts a protocol name: "Empty strings MUST NOT be included", and a
// length is one byte, RFC 7301 section 3.1.
func checkALPN(s string) (wrong, write string) {
	if s == "" || len(s) > 255 {
		return "is no protocol name", "write 1 to 255 bytes, like mqtt"
	}
	return "", ""
}
