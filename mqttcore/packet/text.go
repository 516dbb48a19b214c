package packet

import (
	"bytes"
	"unicode/utf8"
)

// maxString is the longest string that two bytes of length can name.
const maxString = 65535

// CheckText returns what makes s no MQTT string, or "". A string is well-formed
// UTF-8 without U+0000 and without surrogates, of at most 65,535 bytes. A byte
// order mark is a character like any other. [MQTT-1.5.3-1] [MQTT-1.5.3-2]
// [MQTT-1.5.3-3]
func CheckText(s []byte) string {
	switch {
	case len(s) > maxString:
		return "is longer than 65535 bytes"
	case !utf8.Valid(s):
		return "is not well-formed UTF-8"
	case bytes.IndexByte(s, 0) >= 0:
		return "contains U+0000"
	}
	return ""
}

// CheckTopic returns what makes s no topic name, or "". [MQTT-3.3.2-1]
// [MQTT-3.3.2-2] [MQTT-4.7.3-1]
func CheckTopic(s []byte) string {
	if len(s) == 0 {
		return "is empty"
	}
	if fault := CheckText(s); fault != "" {
		return fault
	}
	for _, c := range s {
		if c == '+' || c == '#' {
			return "contains a wildcard"
		}
	}
	return ""
}

// CheckFilter returns what makes s no topic filter, or "". [MQTT-4.7.1-1]
// [MQTT-4.7.1-2] [MQTT-4.7.1-3] [MQTT-4.7.3-1]
func CheckFilter(s []byte) string {
	if len(s) == 0 {
		return "is empty"
	}
	if fault := CheckText(s); fault != "" {
		return fault
	}
	for i, c := range s {
		if c != '+' && c != '#' {
			continue
		}
		if i > 0 && s[i-1] != '/' {
			return "has a wildcard that does not begin a level"
		}
		if c == '#' && i != len(s)-1 {
			return "has a # that is not the last character"
		}
		if i+1 < len(s) && s[i+1] != '/' {
			return "has a + that does not fill its level"
		}
	}
	return ""
}
