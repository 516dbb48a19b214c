package config

import (
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// A text is a key that holds one line of text.
type text struct {
	field *string

	// check says what is wrong with a value and what to write; nil accepts all.
	check func(string) (wrong, write string)

	// pattern says to the schema what check accepts.
	pattern string

	// off is set, and check is not asked, if the value is "".
	off *bool
}

func (t text) decode(d *decoder, at place, n *yaml.Node) {
	d.given[t.field] = at
	s, ok := d.text(at, n)
	if ok && t.off != nil {
		*t.off = s == ""
	}
	if ok && t.check != nil && (t.off == nil || s != "") {
		if wrong, write := t.check(s); wrong != "" {
			d.fault(at, wrong, write)
			ok = false
		}
	}
	if !ok {
		d.refused[t.field] = true
		return
	}
	*t.field = s
}

// text returns a value that must be text. Numbers are refused and not turned into
// text: the USB id 0403 would become 259.
func (d *decoder) text(at place, n *yaml.Node) (string, bool) {
	s, tag, ok := d.scalar(at, n, "text")
	if ok && tag != "!!str" && tag != "${}" {
		d.fault(at, "is "+kindOf(n)+", not text", "write "+strconv.Quote(printable(s))+" with the quotes")
		return "", false
	}
	return s, ok
}

func (t text) schema() map[string]any {
	schema := map[string]any{"type": "string"}
	switch {
	case t.pattern != "" && t.off != nil:
		schema = orVariable(map[string]any{"type": "string", "pattern": "^(" + t.pattern + ")?$"})
	case t.pattern != "":
		schema = orVariable(map[string]any{"type": "string", "pattern": "^(" + t.pattern + ")$"})
	}
	if *t.field != "" {
		schema["default"] = *t.field
	}
	return schema
}

// A file is a key that names a file or folder. A relative name starts from the
// folder of the configuration file it stands in.
type file struct {
	field *string
}

func (f file) decode(d *decoder, at place, n *yaml.Node) {
	text{field: f.field}.decode(d, at, n)
	if *f.field != "" && !d.refused[f.field] && !filepath.IsAbs(*f.field) {
		*f.field = filepath.Join(at.src.dir, *f.field)
	}
}

func (f file) schema() map[string]any { return text{field: f.field}.schema() }

// A choice is a key that holds one of a few words.
type choice[T ~string] struct {
	field *T
	words []T
}

func (c choice[T]) decode(d *decoder, at place, n *yaml.Node) {
	d.given[c.field] = at
	s, ok := d.text(at, n)
	if ok && !slices.Contains(c.words, T(s)) {
		d.fault(at, "is "+strconv.Quote(printable(s)), "write "+c.list())
		ok = false
	}
	if !ok {
		d.refused[c.field] = true
		return
	}
	*c.field = T(s)
}

// list is the words as a person says them: never or pulse.
func (c choice[T]) list() string {
	words := make([]string, len(c.words))
	for i, w := range c.words {
		words[i] = string(w)
		if w[0] <= '9' {
			words[i] = strconv.Quote(string(w)) // else YAML takes it for a number
		}
	}
	last := len(words) - 1
	if last == 0 {
		return words[0]
	}
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

func (c choice[T]) schema() map[string]any {
	schema := orVariable(map[string]any{"enum": c.words})
	if *c.field != "" {
		schema["default"] = *c.field
	}
	return schema
}

// orVariable lets a value hold a variable instead: an editor does not know what it
// stands for.
func orVariable(schema ...any) map[string]any {
	return map[string]any{"anyOf": append(schema, map[string]any{"$ref": "#/$defs/variable"})}
}
