package config

import (
	"maps"
	"strings"

	"gopkg.in/yaml.v3"
)

// A section is a mapping with known keys.
type section struct {
	field any // address of the struct that it fills
	keys  []key

	// hints answer keys that people try and that do not exist.
	hints map[string]string

	// extra says to the schema what the checks say better.
	extra map[string]any

	// strict refuses a section with nothing under it. Elsewhere that is what
	// remains when all its lines are commented out, and it means the defaults.
	strict bool

	// some says what to write into a section that says nothing at all, where that
	// could be taken for the opposite of what it means.
	some string
}

// decode fills the keys in the order of the table, whatever the file's: a device's
// broker starts from the main one, which therefore must be known by then.
func (s section) decode(d *decoder, at place, n *yaml.Node) {
	d.given[s.field] = at
	if isNull(n) && !s.strict {
		return
	}
	if n.Kind != yaml.MappingNode {
		d.fault(at, "is "+kindOf(n)+", not a mapping", "write keys and values: "+s.names())
		d.refused[s.field] = true
		return
	}
	if s.some != "" && len(n.Content) == 0 {
		d.fault(at, "is empty", "write "+s.some)
		d.refused[s.field] = true
		return
	}
	byName := make(map[string]pair)
	for _, p := range d.pairs(at, n) {
		byName[p.name] = p
		if s.find(p.name) == nil {
			d.fault(at.below(printable(p.name), p.line), "unknown key", s.advice(p.name))
		}
	}
	for _, k := range s.keys {
		if p, ok := byName[k.name]; ok {
			d.decode(k.value, at.below(k.name, p.line), p.value)
		}
	}
}

func (s section) find(name string) *key {
	for i := range s.keys {
		if s.keys[i].name == name {
			return &s.keys[i]
		}
	}
	return nil
}

func (s section) names() string {
	names := make([]string, len(s.keys))
	for i, k := range s.keys {
		names[i] = k.name
	}
	return strings.Join(names, ", ")
}

// advice says what to write instead of an unknown key.
func (s section) advice(name string) string {
	if hint, ok := s.hints[name]; ok {
		return hint
	}
	for _, k := range s.keys {
		if below, ok := k.value.(section); ok && below.find(name) != nil {
			return "write it under " + k.name + ":"
		}
	}
	names := make([]string, len(s.keys))
	for i, k := range s.keys {
		names[i] = k.name
	}
	if near := nearest(name, names); near != "" {
		return "did you mean " + near + "?"
	}
	return "write one of " + s.names()
}

func (s section) schema() map[string]any {
	properties := make(map[string]any)
	for _, k := range s.keys {
		described := k.value.schema()
		described["description"] = k.about
		properties[k.name] = described
	}
	schema := map[string]any{
		"type":                 []string{"object", "null"},
		"properties":           properties,
		"additionalProperties": false,
	}
	if s.strict {
		schema["type"] = "object"
	}
	maps.Copy(schema, s.extra)
	return schema
}
