package mqttcore

import (
	"bytes"

	"github.com/umqttd/umqttd/mqttcore/packet"
)

// ValidTopic reports whether s may be the topic of a message: 1 to 65,535
// bytes of well-formed UTF-8 without U+0000 and without wildcards.
func ValidTopic(s []byte) bool { return packet.CheckTopic(s) == "" }

// ValidFilter reports whether s may be a topic filter, with + and # where
// MQTT 3.1.1 section 4.7.1 allows them.
func ValidFilter(s []byte) bool { return packet.CheckFilter(s) == "" }

// MatchFilter reports whether a topic matches a filter. Both must be valid.
// Levels are compared byte by byte, without normalisation [MQTT-4.7.3-4], and
// a filter that begins with a wildcard matches no topic that begins with $
// [MQTT-4.7.2-1].
func MatchFilter(filter, topic []byte) bool {
	if topic[0] == '$' && filter[0] != '$' {
		return false
	}
	for {
		if len(filter) == 1 && filter[0] == '#' {
			return true
		}
		var want, have []byte
		var moreFilter, moreTopic bool
		want, filter, moreFilter = cutLevel(filter)
		have, topic, moreTopic = cutLevel(topic)
		if !(len(want) == 1 && want[0] == '+') && !bytes.Equal(want, have) {
			return false
		}
		if !moreTopic {
			// The parent level matches as well: "a/#" takes "a".
			return !moreFilter || len(filter) == 1 && filter[0] == '#'
		}
		if !moreFilter {
			return false
		}
	}
}

// FilterCovers reports whether every topic that inner matches is matched by
// outer too. Both must be valid.
func FilterCovers(outer, inner []byte) bool {
	if inner[0] == '$' && outer[0] != '$' {
		return false
	}
	// A # stands for no level too, but a topic is not empty: where # would leave
	// nothing, it means one level at least.
	switch string(inner) {
	case "#":
		inner = []byte("+/#")
	case "/#":
		inner = []byte("/+/#")
	}
	for {
		if len(outer) == 1 && outer[0] == '#' {
			return true
		}
		if len(inner) == 1 && inner[0] == '#' {
			return false
		}
		var o, i []byte
		var moreOuter, moreInner bool
		o, outer, moreOuter = cutLevel(outer)
		i, inner, moreInner = cutLevel(inner)
		if !(len(o) == 1 && o[0] == '+') && !bytes.Equal(o, i) {
			return false
		}
		if !moreInner {
			return !moreOuter || len(outer) == 1 && outer[0] == '#'
		}
		if !moreOuter {
			return false
		}
	}
}

// cutLevel returns the first level of s, what stands behind its slash, and
// whether there was one.
func cutLevel(s []byte) (level, rest []byte, more bool) {
	return bytes.Cut(s, []byte{'/'})
}
