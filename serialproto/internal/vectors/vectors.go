// Package vectors reads the test vectors out of docs/protocol.md, so that the
// tests hold the code to the specification itself and not to a copy of it.
// Section 14 of that document describes the notation.
package vectors

import (
	"encoding/hex"
	"os"
	"strconv"
	"strings"
	"testing"
)

// Silence stands in a byte string for 100 ms in which nothing arrives.
const Silence = "~"

// Rows returns the cells of the rows whose id is letter and a number. It fails
// the test if there is none, or if ids are not counted from 1.
func Rows(t testing.TB, path, letter string) [][]string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("vectors: %v", err)
	}
	var rows [][]string
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(strings.TrimSpace(line), "|")
		if len(cells) < 4 {
			continue
		}
		cells = cells[1 : len(cells)-1]
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		if cells[0] == letter+strconv.Itoa(len(rows)+1) {
			rows = append(rows, cells)
		} else if n, ok := strings.CutPrefix(cells[0], letter); ok && isNumber(n) {
			t.Fatalf("vectors: %s: row %s comes after row %d", path, cells[0], len(rows))
		}
	}
	if len(rows) == 0 {
		t.Fatalf("vectors: %s has no table of %s rows", path, letter)
	}
	return rows
}

func isNumber(s string) bool {
	_, err := strconv.Atoi(s)
	return err == nil
}

// Bytes returns the byte string that s denotes.
func Bytes(t testing.TB, s string) []byte {
	t.Helper()
	if s == "-" {
		return nil
	}
	var b []byte
	for word := range strings.FieldsSeq(s) {
		digits, times, repeated := strings.Cut(word, "*")
		n := 1
		one, err := hex.DecodeString(digits)
		if err == nil && repeated {
			n, err = strconv.Atoi(times)
		}
		if err != nil || len(one) != 1 || n < 1 {
			t.Fatalf("vectors: %q in %q is no byte", word, s)
		}
		for range n {
			b = append(b, one[0])
		}
	}
	return b
}

// Bursts returns the byte strings between the silences in s.
func Bursts(t testing.TB, s string) [][]byte {
	t.Helper()
	var bursts [][]byte
	for part := range strings.SplitSeq(s, Silence) {
		if part = strings.TrimSpace(part); part == "" {
			part = "-"
		}
		bursts = append(bursts, Bytes(t, part))
	}
	return bursts
}
