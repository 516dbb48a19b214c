package logs

import (
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"
)

// pair is an attribute as text: the key with its groups before it, joined by dots, and the value not yet escaped.
type pair struct{ key, value string }

// scope is what WithAttrs and WithGroup have gathered. It is never changed, only copied.
type scope struct {
	prefix string // the open groups, each with a dot behind it
	pairs  []pair
}

// group returns the scope inside a further group. An empty name opens none.
func (s scope) group(name string) scope {
	if name != "" {
		s.prefix += name + "."
	}
	return s
}

// with returns the scope with more attributes.
func (s scope) with(attrs []slog.Attr) scope {
	s.pairs = s.pairs[:len(s.pairs):len(s.pairs)] // a sibling may append to the same array
	for _, a := range attrs {
		s.pairs = flatten(s.pairs, s.prefix, a)
	}
	return s
}

// of returns the attributes of the scope and of the record.
func (s scope) of(r slog.Record) []pair {
	pairs := s.pairs[:len(s.pairs):len(s.pairs)]
	r.Attrs(func(a slog.Attr) bool {
		pairs = flatten(pairs, s.prefix, a)
		return true
	})
	return pairs
}

// flatten appends the attribute, a group as one pair a member. An empty attribute is no pair, and a group without a key has no prefix of its own
// (the rules of slog.Handler).
func flatten(pairs []pair, prefix string, a slog.Attr) []pair {
	a.Value = a.Value.Resolve()
	if a.Equal(slog.Attr{}) {
		return pairs
	}
	if a.Value.Kind() != slog.KindGroup {
		return append(pairs, pair{prefix + a.Key, plain(a.Value)})
	}
	if a.Key != "" {
		prefix += a.Key + "."
	}
	for _, member := range a.Value.Group() {
		pairs = flatten(pairs, prefix, member)
	}
	return pairs
}

// plain returns the value as a person writes it.
func plain(v slog.Value) string {
	switch v.Kind() {
	case slog.KindTime:
		return v.Time().Format(time.RFC3339Nano)
	case slog.KindAny:
		if b, ok := v.Any().([]byte); ok {
			return string(b)
		}
		return fmt.Sprintf("%+v", v.Any())
	default:
		return v.String()
	}
}

// Visible returns s with every byte and rune that is not printable escaped as in a Go string, so that a terminal only ever shows it: control
// bytes, ESC, DEL, the C1 controls, line separators, bidirectional overrides and what is not UTF-8. A backslash is doubled.
func Visible(s string) string {
	quoted := strconv.Quote(s)
	return strings.ReplaceAll(quoted[1:len(quoted)-1], `\"`, `"`)
}

// word returns s as a key=value line can hold it: as it is, or quoted if it could be misread.
func word(s string) string {
	if s == "" || strings.ContainsAny(s, ` ="\`) {
		return strconv.Quote(s)
	}
	if quoted := strconv.Quote(s); len(quoted) != len(s)+2 {
		return quoted
	}
	return s
}
