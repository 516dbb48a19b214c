package config

import "strings"

// topicPattern is what checkTopic accepts, as the JSON Schema says it.
const topicPattern = `[^$+#][^+#]*`

// maxText is the longest text MQTT can carry, in bytes [MQTT-1.5.3].
const maxText = 65535

// checkText accepts what fits into one field of a packet.
func checkText(s string) (wrong, write string) {
	if len(s) > maxText {
		return "is longer than 65535 bytes", "write a shorter one"
	}
	return "", ""
}

// checkTopic accepts the name of a topic that an application may publish to.
// "The wildcard characters ... MUST NOT be used within a Topic Name" [MQTT-4.7.1-1].
func checkTopic(s string) (wrong, write string) {
	switch {
	case s == "":
		return "is an empty topic", "write one like sensors/greenhouse/temperature" // [MQTT-4.7.3-1]
	case len(s) > maxText:
		return "is longer than 65535 bytes", "write a shorter topic"
	case strings.ContainsAny(s, "+#"):
		return "is a filter, not a topic", "write it without + and #"
	case strings.HasPrefix(s, "$"):
		return "begins with $, which is the broker's own", "write another topic" // [MQTT-4.7.2-1]
	}
	return "", ""
}

// checkConsoleTopic accepts a topic, or none.
func checkConsoleTopic(s string) (wrong, write string) {
	if s == "" {
		return "", ""
	}
	return checkTopic(s)
}

// checkFilter accepts a topic filter [MQTT-4.7.1-2], [MQTT-4.7.1-3].
func checkFilter(s string) (wrong, write string) {
	switch {
	case s == "":
		return "is an empty filter", "write # for everything, or remove it"
	case len(s) > maxText:
		return "is longer than 65535 bytes", "write a shorter filter"
	}
	levels := strings.Split(s, "/")
	for i, level := range levels {
		switch {
		case strings.Contains(level, "#") && (level != "#" || i != len(levels)-1):
			return "has # elsewhere than alone at its end", "write it like sensors/#"
		case strings.Contains(level, "+") && level != "+":
			return "has + beside other characters of a level", "write it like sensors/+/temperature"
		}
	}
	return "", ""
}
