package mqttcore

import (
	"strings"
	"testing"
)

func TestMatchFilter(t *testing.T) {
	tests := []struct {
		filter string
		yes    []string
		no     []string
	}{
		{"a", []string{"a"}, []string{"b", "a/", "/a", "a/b", "A", "aa"}},
		{"a/b", []string{"a/b"}, []string{"a", "a/b/", "a/b/c", "a//b", "a/bb"}},
		{"#", []string{"a", "/", "a/b", "//", "a/$x"}, []string{"$SYS", "$SYS/a", "$"}},
		{"+", []string{"a", " "}, []string{"/", "a/", "a/b", "$SYS"}},
		{"/", []string{"/"}, []string{"a", "a/", "//"}},
		{"+/+", []string{"/", "a/b", "a/", "/b"}, []string{"a", "a/b/c", "$SYS/a"}},
		{"/+", []string{"/a", "/"}, []string{"a", "a/b", "/a/b"}},
		{"a/+", []string{"a/b", "a/"}, []string{"a", "a/b/c", "b/a"}},
		{"a/+/c", []string{"a/b/c", "a//c"}, []string{"a/c", "a/b/b/c"}},
		{"a/#", []string{"a", "a/", "a/b", "a/b/c", "a//"}, []string{"b", "aa", "aa/b", "/a"}},
		{"+/#", []string{"a", "a/b", "/", "/a"}, []string{"$SYS/a", "$SYS"}},
		{"+/b/#", []string{"a/b", "a/b/c", "/b"}, []string{"a", "a/c", "$SYS/b"}},
		{"$SYS/#", []string{"$SYS", "$SYS/a"}, []string{"SYS/a", "a/$SYS"}},
		{"$SYS/+", []string{"$SYS/a"}, []string{"$SYS"}},
		{"a/$x", []string{"a/$x"}, []string{"a/x"}},
		{"é", []string{"é"}, []string{"e\u0301"}}, // no normalisation [MQTT-4.7.3-4]
	}
	for _, tt := range tests {
		for _, topic := range tt.yes {
			if !MatchFilter([]byte(tt.filter), []byte(topic)) {
				t.Errorf("%q does not match %q", tt.filter, topic)
			}
		}
		for _, topic := range tt.no {
			if MatchFilter([]byte(tt.filter), []byte(topic)) {
				t.Errorf("%q matches %q", tt.filter, topic)
			}
		}
	}
}

func TestValid(t *testing.T) {
	for s, want := range map[string]struct{ topic, filter bool }{
		"a/b": {true, true}, "a/#": {false, true}, "+": {false, true}, "": {}, "a#": {}, "a\x00": {}, "\xff": {},
	} {
		if got := ValidTopic([]byte(s)); got != want.topic {
			t.Errorf("ValidTopic(%q) = %v", s, got)
		}
		if got := ValidFilter([]byte(s)); got != want.filter {
			t.Errorf("ValidFilter(%q) = %v", s, got)
		}
	}
}

// words returns everything of up to levels levels that can be made from these.
func words(alphabet []string, levels int) (all []string) {
	last := alphabet
	all = append(all, last...)
	for range levels - 1 {
		var next []string
		for _, s := range last {
			for _, w := range alphabet {
				next = append(next, s+"/"+w)
			}
		}
		all = append(all, next...)
		last = next
	}
	return all
}

// naiveMatch is MatchFilter by the words of MQTT 3.1.1 section 4.7.
func naiveMatch(filter, topic string) bool {
	f, t := strings.Split(filter, "/"), strings.Split(topic, "/")
	if strings.HasPrefix(topic, "$") && (f[0] == "+" || f[0] == "#") {
		return false
	}
	for i, level := range f {
		switch {
		case level == "#":
			return true
		case i >= len(t) || level != "+" && level != t[i]:
			return false
		}
	}
	return len(f) == len(t) || len(f) == len(t)+1 && f[len(t)] == "#"
}

// Over all filters and topics of few levels and few words: FilterCovers says
// the same as trying every topic. The topics have one level and one word more
// than the filters, so that wildcards cannot be told apart by chance.
func TestFilterCoversIsWhatTryingEveryTopicSays(t *testing.T) {
	var filters [][]byte
	for _, s := range words([]string{"", "a", "$x", "+", "#"}, 3) {
		if ValidFilter([]byte(s)) {
			filters = append(filters, []byte(s))
		}
	}
	var topics []string
	for _, s := range words([]string{"", "a", "$x", "b"}, 4) {
		if ValidTopic([]byte(s)) {
			topics = append(topics, s)
		}
	}
	matched := make([][]bool, len(filters))
	for i, f := range filters {
		matched[i] = make([]bool, len(topics))
		for j, topic := range topics {
			matched[i][j] = MatchFilter(f, []byte(topic))
			if want := naiveMatch(string(f), topic); matched[i][j] != want {
				t.Fatalf("MatchFilter(%q, %q) = %v", f, topic, !want)
			}
		}
	}
	for i, outer := range filters {
		for j, inner := range filters {
			want := true
			for k := range topics {
				if matched[j][k] && !matched[i][k] {
					want = false
					break
				}
			}
			if got := FilterCovers(outer, inner); got != want {
				t.Errorf("FilterCovers(%q, %q) = %v, want %v", outer, inner, got, want)
			}
		}
	}
}

func FuzzMatchFilter(f *testing.F) {
	f.Add("a/+/#", "a/b/c")
	f.Add("#", "$SYS/a")
	f.Fuzz(func(t *testing.T, filter, topic string) {
		if !ValidFilter([]byte(filter)) || !ValidTopic([]byte(topic)) {
			return
		}
		if got, want := MatchFilter([]byte(filter), []byte(topic)), naiveMatch(filter, topic); got != want {
			t.Errorf("MatchFilter(%q, %q) = %v", filter, topic, got)
		}
		if FilterCovers([]byte(filter), []byte(topic)) != naiveMatch(filter, topic) {
			t.Errorf("FilterCovers(%q, %q) is not MatchFilter", filter, topic)
		}
	})
}
