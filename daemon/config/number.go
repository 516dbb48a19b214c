package config

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"
)

// A boolean is a key that is true or false.
type boolean struct {
	field *bool
	not   bool // the field holds the opposite of the key
}

func (b boolean) decode(d *decoder, at place, n *yaml.Node) {
	s, tag, ok := d.take(b.field, at, n, "true or false")
	if !ok {
		return
	}
	if tag == "!!bool" {
		s = strings.ToLower(s) // YAML lets it be True and TRUE
	}
	if tag != "!!bool" && tag != "${}" || s != "true" && s != "false" {
		d.fault(at, "is neither true nor false", "write true or false")
		d.refused[b.field] = true
		return
	}
	*b.field = (s == "true") != b.not
}

func (b boolean) schema() map[string]any {
	schema := orVariable(map[string]any{"type": "boolean"})
	schema["default"] = *b.field != b.not
	return schema
}

// A number is a key that holds a whole number.
type number struct {
	field    *int
	min, max int
}

func (v number) decode(d *decoder, at place, n *yaml.Node) {
	s, tag, ok := d.take(v.field, at, n, "a number")
	if !ok {
		return
	}
	i, err := strconv.Atoi(s)
	between := fmt.Sprintf("write %d to %d", v.min, v.max)
	switch {
	case tag != "!!int" && tag != "!!float" && tag != "${}":
		d.fault(at, "is "+kindOf(n)+", not a number", between)
	case err != nil || strconv.Itoa(i) != s: // 0x10, 1_000 and 010 mean different things to different readers
		d.fault(at, "is "+printable(s)+", not a plain whole number", between)
	case i < v.min || i > v.max:
		d.fault(at, "is "+s, between)
	default:
		*v.field = i
		return
	}
	d.refused[v.field] = true
}

func (v number) schema() map[string]any {
	schema := orVariable(map[string]any{"type": "integer", "minimum": v.min, "maximum": v.max})
	if *v.field != 0 {
		schema["default"] = *v.field
	}
	return schema
}

// timePattern is what a duration accepts: less than Go, which also knows +.5h.
const timePattern = `([0-9]+(\.[0-9]+)?(us|ms|s|m|h))+`

var plainTime = regexp.MustCompile("^" + timePattern + "$")

// A duration is a key that holds a time with its unit: 250ms, 30s, 1m30s.
type duration struct {
	field    *time.Duration
	min, max time.Duration
	whole    bool // in whole seconds
	off      bool // 0 is accepted, and kept as -1
}

func (v duration) decode(d *decoder, at place, n *yaml.Node) {
	between := fmt.Sprintf("write %s to %s", short(v.min), short(v.max))
	if v.off {
		between += ", or 0s for off"
	}
	s, tag, ok := d.take(v.field, at, n, "a time")
	if !ok {
		return
	}
	t, err := time.ParseDuration(s)
	switch {
	case tag == "!!int" && s != "0":
		d.fault(at, "has no unit", "write "+printable(s)+"s if you mean seconds")
	case err != nil || s != "0" && !plainTime.MatchString(s) || tag != "!!str" && tag != "${}" && tag != "!!int":
		d.fault(at, "is no time", "write a number and its unit, like "+short(max(v.min, *v.field)))
	case t == 0 && v.off:
		*v.field = -1
		return
	case t < v.min || t > v.max:
		d.fault(at, "is "+printable(s), between)
	case v.whole && t%time.Second != 0:
		d.fault(at, "is "+printable(s)+", not whole seconds", between)
	default:
		*v.field = t
		return
	}
	d.refused[v.field] = true
}

// short is how a person writes a time: 1m, not 1m0s.
func short(t time.Duration) string {
	s := t.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

func (v duration) schema() map[string]any {
	accepted := []any{map[string]any{"type": "string", "pattern": "^" + timePattern + "$"}}
	if v.off {
		accepted = append(accepted, map[string]any{"const": 0})
	}
	schema := orVariable(accepted...)
	if *v.field > 0 {
		schema["default"] = short(*v.field)
	}
	return schema
}
