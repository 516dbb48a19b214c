package config

import (
	"fmt"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// A size is a key that holds a number of bytes with its unit: 64MiB.
type size struct {
	field    *int64
	min, max int64
}

// units from the largest to the smallest.
var units = []struct {
	name  string
	bytes int64
}{{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}}

func (v size) decode(d *decoder, at place, n *yaml.Node) {
	s, tag, ok := d.take(v.field, at, n, "a size")
	if !ok {
		return
	}
	bytes, ok := parseSize(s)
	switch {
	case tag == "!!int":
		d.fault(at, "has no unit", "write "+printable(s)+"MiB if you mean mebibytes")
	case tag != "!!str" && tag != "${}" || !ok:
		d.fault(at, "is no size", "write a whole number and B, KiB, MiB, GiB or TiB, like 64MiB")
	case bytes < v.min || bytes > v.max:
		d.fault(at, "is "+s, "write "+formatSize(v.min)+" to "+formatSize(v.max))
	default:
		*v.field = bytes
		return
	}
	d.refused[v.field] = true
}

func parseSize(s string) (int64, bool) {
	for _, unit := range units {
		digits, ok := strings.CutSuffix(s, unit.name)
		if !ok {
			continue
		}
		n, err := strconv.ParseUint(digits, 10, 63)
		return int64(n) * unit.bytes, err == nil && int64(n) <= (1<<62)/unit.bytes
	}
	return 0, false
}

// formatSize writes a size in the largest unit that leaves it whole.
func formatSize(bytes int64) string {
	for _, unit := range units {
		if bytes%unit.bytes == 0 && bytes >= unit.bytes {
			return fmt.Sprintf("%d%s", bytes/unit.bytes, unit.name)
		}
	}
	return "0B"
}

func (v size) schema() map[string]any {
	schema := orVariable(map[string]any{"type": "string", "pattern": `^[0-9]+(B|KiB|MiB|GiB|TiB)$`})
	if *v.field > 0 {
		schema["default"] = formatSize(*v.field)
	}
	return schema
}
