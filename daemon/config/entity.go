package config

import (
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// entityNamePattern leaves out '-', which stands between the names of a device and an
// entity in a discovery topic.
const entityNamePattern = `[a-z0-9_]{1,64}`

var entityName = regexp.MustCompile("^" + entityNamePattern + "$")

// An entities is a key that maps names to what Home Assistant is told of each.
type entities struct {
	field *map[string]Entity
}

func (v entities) decode(d *decoder, at place, n *yaml.Node) {
	d.given[v.field] = at
	if isNull(n) {
		return
	}
	if n.Kind != yaml.MappingNode {
		d.fault(at, "is "+kindOf(n)+", not a mapping", "write names and what each is: temperature: {platform: sensor, state_topic: sensors/t}")
		return
	}
	all := make(map[string]Entity)
	for _, p := range d.pairs(at, n) {
		here := at.item(printable(p.name), p.line)
		if !entityName.MatchString(p.name) {
			d.fault(here, "is no name of an entity", "write 1 to 64 lower-case letters, digits and _")
			continue
		}
		e := entity{field: new(Entity)}
		d.decode(e, here, p.value)
		all[p.name] = *e.field
	}
	*v.field = all
}

func (v entities) schema() map[string]any {
	return map[string]any{
		"type":                 []string{"object", "null"},
		"propertyNames":        map[string]any{"pattern": "^" + entityNamePattern + "$"},
		"additionalProperties": entity{new(Entity)}.schema(),
	}
}

// An entity is a mapping whose keys depend on its platform.
type entity struct {
	field *Entity
}

func (v entity) decode(d *decoder, at place, n *yaml.Node) {
	if n.Kind != yaml.MappingNode {
		d.fault(at, "is "+kindOf(n)+", not a mapping", "write platform: and its keys, like {platform: sensor, state_topic: sensors/t}")
		return
	}
	pairs := d.pairs(at, n)
	i := slices.IndexFunc(pairs, func(p pair) bool { return p.name == "platform" })
	if i < 0 {
		d.fault(at, "has no platform", "write platform: "+platformChoice(new(string)).list())
		return
	}
	c := platformChoice(&v.field.Platform)
	d.decode(c, at.below("platform", pairs[i].line), pairs[i].value)
	if d.refused[c.field] {
		return
	}
	v.options(d, at, slices.Delete(pairs, i, i+1))
}

// options fills what stands beside the platform.
func (v entity) options(d *decoder, at place, pairs []pair) {
	known := platforms[v.field.Platform]
	v.field.Options = make(map[string]any)
	refused := false
	for _, p := range pairs {
		here := at.below(printable(p.name), p.line)
		o := known.find(p.name)
		if o == nil {
			d.fault(here, "unknown key of a "+v.field.Platform, known.advice(p.name))
			refused = true
			continue
		}
		field, value := o.value()
		d.decode(value, here, p.value)
		if got := field(); !d.refused[got.address] {
			v.field.Options[p.name] = got.value
		} else {
			refused = true
		}
	}
	for _, o := range known {
		if _, given := v.field.Options[o.name]; o.required && !given && !refused {
			d.fault(at, fmt.Sprintf("a %s needs %s", v.field.Platform, o.name), "write "+o.name+": "+o.example())
		}
	}
	if !refused {
		v.together(d, at)
	}
}

// together looks at keys that need or exclude each other.
func (v entity) together(d *decoder, at place) {
	o := v.field.Options
	number := func(key string, otherwise float64) float64 {
		switch n := o[key].(type) {
		case int:
			return float64(n)
		case float64:
			return n
		}
		return otherwise
	}
	switch class, _ := o["device_class"].(string); v.field.Platform {
	case "number":
		if lo, hi := number("min", 1), number("max", 100); lo >= hi {
			d.fault(at, fmt.Sprintf("min, %v, is not below max, %v", lo, hi), "write both; left out they are 1 and 100")
		}
	case "text":
		if lo, hi := number("min", 0), number("max", 255); lo > hi {
			d.fault(at, fmt.Sprintf("min, %v, is above max, %v", lo, hi), "write a min up to max")
		}
	case "sensor":
		_, hasOptions := o["options"]
		switch {
		case hasOptions && class != "enum":
			d.fault(at, "has options and is no enum", "write device_class: enum, or remove options:")
		case class == "enum" && (o["state_class"] != nil || o["unit_of_measurement"] != nil):
			d.fault(at, "is an enum, which has no unit_of_measurement and no state_class", "remove them")
		}
	}
	if class, ok := o["device_class"].(string); ok {
		if classes := deviceClasses[v.field.Platform]; !slices.Contains(classes, class) {
			near := nearest(class, classes)
			if near == "" {
				near = "one of " + strings.Join(classes, ", ")
			}
			d.warn(at.below("device_class", at.line), fmt.Sprintf("%q is no class that this version knows; if Home Assistant does not either, it leaves the entity out", printable(class)), "write "+near)
		}
	}
}

func platformChoice(field *string) choice[string] {
	return choice[string]{field: field, words: slices.Sorted(maps.Keys(platforms))}
}

func (v entity) schema() map[string]any {
	platform := platformChoice(new(string))
	all := make([]any, 0, len(platforms))
	for _, name := range platform.words {
		properties := map[string]any{"platform": map[string]any{}}
		required := []string{"platform"}
		for _, o := range platforms[name] {
			_, value := o.value()
			properties[o.name] = value.schema()
			if o.required {
				required = append(required, o.name)
			}
		}
		all = append(all, map[string]any{
			"if":   map[string]any{"properties": map[string]any{"platform": map[string]any{"const": name}}, "required": []string{"platform"}},
			"then": map[string]any{"properties": properties, "required": required, "additionalProperties": false},
		})
	}
	return map[string]any{
		"type": "object", "required": []string{"platform"}, "properties": map[string]any{"platform": platform.schema()}, "allOf": all,
	}
}

// A decimal is a key that holds a number, whole or not.
type decimal struct {
	field    *float64
	min, max float64
}

func (v decimal) decode(d *decoder, at place, n *yaml.Node) {
	s, tag, ok := d.take(v.field, at, n, "a number")
	if !ok {
		return
	}
	f, err := strconv.ParseFloat(s, 64)
	switch {
	case tag != "!!int" && tag != "!!float" && tag != "${}":
		d.fault(at, "is "+kindOf(n)+", not a number", "write one like 0.5")
	case err != nil || math.IsInf(f, 0) || math.IsNaN(f) || strings.ContainsAny(s, "_xXpP"):
		d.fault(at, "is "+printable(s)+", not a plain number", "write one like 0.5")
	case f < v.min || f > v.max:
		d.fault(at, "is "+s, fmt.Sprintf("write %v to %v", v.min, v.max))
	default:
		*v.field = f
		return
	}
	d.refused[v.field] = true
}

func (v decimal) schema() map[string]any {
	return orVariable(map[string]any{"type": "number", "minimum": v.min, "maximum": v.max})
}
