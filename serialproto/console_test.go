package serialproto

import (
	"bytes"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestAppendPrintable(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"", ""},
		{"plain text, 21 °C", "plain text, 21 °C"},
		{"one line\r\n", "one line"},
		{"one line\n", "one line"},
		{"\n\n", `\n`},
		{"50%\r100%\r\n", `50%\r100%`},
		{"\x1b[31mred\x1b[0m", `\x1b[31mred\x1b[0m`},
		{"a\tb\x00\x07\x7f", `a\tb\x00\a\x7f`},
		{"C:\\dir \"quoted\" 'single'", "C:\\dir \"quoted\" 'single'"},
		{"\xff\xc3", `\xff\xc3`},
		{"\xed\xa0\x80", `\xed\xa0\x80`},
		{"\u009b\u0085", `\u009b\u0085`},
		{"\u202etxt\u200b\ufeff\u2028", `\u202etxt\u200b\ufeff\u2028`},
		{"\U000e0001", `\U000e0001`},
		{"\ufffd", "\ufffd"},
		{"日本語 🙂", "日本語 🙂"},
	} {
		if got := string(AppendPrintable([]byte("> "), []byte(c.text))); got != "> "+c.want {
			t.Errorf("AppendPrintable(%q) gives %q, want %q", c.text, got[2:], c.want)
		}
	}
}

func FuzzAppendPrintable(f *testing.F) {
	f.Add([]byte("\x1b[0;32mI (29) boot\x1b[0m\r\n\x80\u202e"))
	f.Fuzz(func(t *testing.T, text []byte) {
		got := AppendPrintable(nil, text)
		if !utf8.Valid(got) || bytes.ContainsFunc(got, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("AppendPrintable(%q) gives %q", text, got)
		}
	})
}

func TestTextLen(t *testing.T) {
	for _, c := range []struct {
		b  string
		n  int
		ok bool
	}{
		{"", 0, true},
		{"a\r\n\t\x1b[0m~ ", 10, true},
		{"a\x00", 1, false},
		{"a\x08", 1, false},
		{"a\x0b", 1, false},
		{"a\x1f", 1, false},
		{"a\x7f", 1, false},
		{"é€🙂", 9, true},
		{"a\xc3", 1, true},
		{"a\xe2\x82", 1, true},
		{"a\xf0\x9f\x99", 1, true},
		{"a\xe2\x82b", 1, false},
		{"a\x80", 1, false},
		{"a\xc0\xaf", 1, false},         // overlong
		{"a\xed\xa0\x80", 1, false},     // a surrogate
		{"a\xf4\x90\x80\x80", 1, false}, // beyond Unicode
		{"a\u0080", 1, false},
		{"a\u009f", 1, false},
		{"a\u00a0", 3, true},
		{"a\ufffd", 4, true},
	} {
		if n, ok := textLen([]byte(c.b)); n != c.n || ok != c.ok {
			t.Errorf("textLen(%q) is %d, %v, want %d, %v", c.b, n, ok, c.n, c.ok)
		}
	}
}
