package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// maxNodes bounds the YAML nodes looked at in one file: a thousand devices with every
// key have fewer, aliases to aliases have any number.
const maxNodes = 100_000

// A source is one YAML file.
type source struct {
	name  string // as messages name it
	dir   string // the folder its relative file names start from
	order int    // files are read, and faults listed, in this order
	nodes int    // looked at so far
}

// A place is where a key stands.
type place struct {
	src  *source
	line int
	key  string // the whole path from the top of the file
}

// below is the place of a key under this one.
func (p place) below(name string, line int) place {
	if p.key != "" {
		name = p.key + "." + name
	}
	return place{p.src, line, name}
}

// item is the place of an entry of the list that stands here.
func (p place) item(name string, line int) place {
	return place{p.src, line, p.key + "[" + name + "]"}
}

// A found fault remembers its file's turn, for the order of the list.
type found struct {
	Fault
	order int
}

// A decoder fills fields from YAML nodes and collects what is wrong with them.
// Fields are named by their address, so a check that only has the Config can ask
// whether a field was given, and where.
type decoder struct {
	env      func(string) (string, bool)
	given    map[any]place // address of a field -> where its key stands
	refused  map[any]bool  // address of a field -> its value was a fault
	gaveUp   bool          // there was too much to look at
	faults   []found
	warnings []found
}

// A key is one row of the table: what stands under one name of a mapping.
type key struct {
	name  string
	value value
	about string // one sentence, for the schema
}

// A value is what a key may hold.
type value interface {
	// decode fills the field from n, which is no alias, or reports why not.
	decode(d *decoder, at place, n *yaml.Node)
	// schema describes what decode accepts, in JSON Schema.
	schema() map[string]any
}

// fault reports what is wrong at a place, and what to write instead.
func (d *decoder) fault(at place, wrong, write string) {
	d.faults = append(d.faults, found{Fault{at.src.name, at.line, at.key, wrong, write}, at.src.order})
}

// warn reports what can be used but should be mended.
func (d *decoder) warn(at place, wrong, write string) {
	d.warnings = append(d.warnings, found{Fault{at.src.name, at.line, at.key, wrong, write}, at.src.order})
}

// sorted lists faults by file and line; those of one line stay in order of discovery.
func sorted(list []found) []Fault {
	slices.SortStableFunc(list, func(a, b found) int {
		return cmp.Or(cmp.Compare(a.order, b.order), cmp.Compare(a.Line, b.Line))
	})
	faults := make([]Fault, len(list))
	for i := range list {
		faults[i] = list[i].Fault
	}
	return faults
}

// decode hands a node to its value: aliases are followed, within bounds. A single
// value is at its own line, a list or mapping at that of its key.
func (d *decoder) decode(v value, at place, n *yaml.Node) {
	if n.Kind == yaml.ScalarNode {
		at.line = n.Line
	}
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	at.src.nodes++
	switch {
	case at.src.nodes < maxNodes:
		v.decode(d, at, n)
	case !d.gaveUp:
		d.gaveUp = true
		d.fault(at, "comes after 100000 values, aliases counted each time", "put devices into files of their own in devices_dir")
	}
}

// A pair is one key of a mapping with its value.
type pair struct {
	name  string
	line  int // of the key
	value *yaml.Node
}

// pairs lists a mapping in the order of the file. A key given twice, and one that
// is not text, are reported and left out.
func (d *decoder) pairs(at place, n *yaml.Node) []pair {
	var list []pair
	lines := make(map[string]int)
	for i := 0; i+1 < len(n.Content); i += 2 {
		k := n.Content[i]
		line := k.Line
		if k.Kind == yaml.AliasNode {
			k = k.Alias
		}
		if k.Kind != yaml.ScalarNode {
			d.fault(place{at.src, line, at.key}, "a key is "+kindOf(k), "write a name before the colon")
			continue
		}
		if k.ShortTag() == "!!merge" {
			d.fault(at.below("<<", line), "merge keys are not supported", "write the keys out")
			continue
		}
		if first, twice := lines[k.Value]; twice {
			d.fault(at.below(printable(k.Value), line), fmt.Sprintf("given twice, first on line %d", first), "remove one")
			continue
		}
		lines[k.Value] = line
		list = append(list, pair{k.Value, line, n.Content[i+1]})
	}
	return list
}

// scalar returns the text of a single value and its YAML type, "${}" if variables
// were replaced in it: then it may stand for a value of any type.
func (d *decoder) scalar(at place, n *yaml.Node, want string) (text, tag string, ok bool) {
	tag = n.ShortTag()
	switch {
	case n.Kind != yaml.ScalarNode:
		d.fault(at, "is "+kindOf(n)+", not "+want, "write a single value")
		return "", "", false
	case tag == "!!null":
		d.fault(at, "has no value", "write one, or remove the line")
		return "", "", false
	case tag != "!!str":
		return n.Value, tag, true
	}
	text, wrong, write := expand(n.Value, d.env)
	if wrong == "" {
		wrong, write = checkPrintable(text)
	}
	if wrong != "" {
		d.fault(at, wrong, write)
		return "", "", false
	}
	if text != n.Value {
		tag = "${}"
	}
	return text, tag, true
}

// take is scalar for the key of a field, whose place it notes.
func (d *decoder) take(field any, at place, n *yaml.Node, want string) (text, tag string, ok bool) {
	d.given[field] = at
	text, tag, ok = d.scalar(at, n, want)
	if !ok {
		d.refused[field] = true
	}
	return text, tag, ok
}

// isNull reports whether nothing stands under a key.
func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" }

// checkPrintable refuses what no value needs and what spoils a log. The file is UTF-8,
// but a variable may hold anything.
func checkPrintable(s string) (wrong, write string) {
	if !utf8.ValidString(s) {
		return "is not UTF-8 text", "look at the environment variable"
	}
	if strings.IndexFunc(s, unicode.IsControl) >= 0 {
		return "holds a control character or a line break", "write it on one line"
	}
	return "", ""
}

// kindOf names the kind of a node for a person.
func kindOf(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	}
	switch n.ShortTag() {
	case "!!str":
		return "text"
	case "!!int", "!!float":
		return "a number"
	case "!!bool":
		return "true or false"
	case "!!null":
		return "empty"
	case "!!timestamp":
		return "a date"
	}
	return "of type " + n.ShortTag()
}

// printable makes a piece of the file fit for a message: short, and in one line.
func printable(s string) string {
	const most = 60
	if strings.IndexFunc(s, unicode.IsControl) >= 0 || strings.ContainsRune(s, unicode.ReplacementChar) {
		s = strings.Trim(fmt.Sprintf("%+q", s), `"`)
	}
	if r := []rune(s); len(r) > most {
		s = string(r[:most]) + "..."
	}
	return s
}
