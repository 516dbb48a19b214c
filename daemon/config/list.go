package config

import (
	"fmt"
	"strconv"

	"gopkg.in/yaml.v3"
)

// A texts is a key that holds a list of texts.
type texts struct {
	field *[]string
	check func(string) (wrong, write string)

	// strict refuses a list with nothing under it: where an absent list allows
	// everything, that must not happen by commenting out its last line.
	strict bool
}

// decode keeps an empty list apart from an absent one: it is not nil.
func (v texts) decode(d *decoder, at place, n *yaml.Node) {
	d.given[v.field] = at
	switch {
	case isNull(n) && v.strict:
		d.fault(at, "has no value", "write [] to allow nothing, or remove the key to allow everything")
		return
	case isNull(n):
		return
	case n.Kind != yaml.SequenceNode:
		d.fault(at, "is "+kindOf(n)+", not a list", `write ["one", "two"]`)
		return
	}
	list := make([]string, 0, len(n.Content))
	known := make(map[string]bool)
	for i, item := range n.Content {
		d.decode(text{field: new(string), check: func(s string) (wrong, write string) {
			if wrong, write = v.check(s); wrong == "" && known[s] {
				wrong, write = "stands in the list already", "remove one"
			}
			if wrong == "" {
				known[s] = true
				list = append(list, s)
			}
			return wrong, write
		}}, at.item(strconv.Itoa(i), item.Line), item)
	}
	*v.field = list
}

func (v texts) schema() map[string]any {
	schema := map[string]any{"type": []string{"array", "null"}, "items": map[string]any{"type": "string"}}
	if v.strict {
		schema["type"] = "array"
	}
	return schema
}

// A topicIDs is a key that maps predefined topic ids to topics.
type topicIDs struct {
	field *map[uint16]string
}

// decode accepts ids 1 to 65534: "the values 0x0000 and 0xFFFF are reserved",
// MQTT-SN 1.2 section 5.3.11.
func (v topicIDs) decode(d *decoder, at place, n *yaml.Node) {
	d.given[v.field] = at
	if isNull(n) {
		return
	}
	if n.Kind != yaml.MappingNode {
		d.fault(at, "is "+kindOf(n)+", not a mapping", "write ids and topics: {1: sensors/one, 2: sensors/two}")
		return
	}
	ids := make(map[string]uint16)
	topics := make(map[uint16]string)
	for _, p := range d.pairs(at, n) {
		here := at.item(printable(p.name), p.line)
		id, err := strconv.ParseUint(p.name, 10, 16)
		if err != nil || id < 1 || id > 65534 || strconv.FormatUint(id, 10) != p.name {
			d.fault(here, "is no topic id", "write 1 to 65534")
			continue
		}
		var topic string
		t := text{field: &topic, check: checkTopic}
		d.decode(t, here, p.value)
		if d.refused[t.field] || topic == "" {
			continue
		}
		if first, twice := ids[topic]; twice {
			d.fault(here, fmt.Sprintf("has the topic of id %d", first), "remove one")
			continue
		}
		ids[topic] = uint16(id)
		topics[uint16(id)] = topic
	}
	*v.field = topics
}

func (v topicIDs) schema() map[string]any {
	return map[string]any{
		"type":                 []string{"object", "null"},
		"propertyNames":        map[string]any{"pattern": "^[1-9][0-9]{0,4}$"},
		"additionalProperties": text{field: new(string), pattern: topicPattern}.schema(),
	}
}

// A future is a key whose meaning comes with a later version. It may stand there
// as an empty list, so that one file serves both.
type future struct{}

func (v future) decode(d *decoder, at place, n *yaml.Node) {
	if !isNull(n) && (n.Kind != yaml.SequenceNode || len(n.Content) > 0) {
		d.fault(at, "is not supported by this version", "remove it")
	}
}

func (v future) schema() map[string]any {
	return map[string]any{"type": []string{"array", "null"}, "maxItems": 0}
}
