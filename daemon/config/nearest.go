package config

import "strings"

// nearest finds the name that a misspelt word most likely means: one that it
// begins or ends, or one at most two edits away. "" if there is none.
func nearest(word string, names []string) string {
	word = strings.ToLower(strings.ReplaceAll(word, "-", "_"))
	best, least := "", 3
	for _, name := range names {
		edits := distance(word, name)
		if edits < least && edits < len(name) {
			best, least = name, edits
		}
	}
	if best != "" || len(word) < 2 || len(word) > 40 {
		return best
	}
	for _, name := range names {
		if strings.HasPrefix(name, word) || strings.HasSuffix(name, word) || strings.HasPrefix(word, name) {
			return name
		}
	}
	return ""
}

// distance counts the edits that make one word of the other: a byte inserted, left
// out or changed, or two neighbours exchanged. Words that differ much in length are
// not compared.
func distance(a, b string) int {
	if len(a) > len(b)+2 || len(b) > len(a)+2 {
		return len(a) + len(b)
	}
	edits := make([][]int, len(a)+1) // [i][j]: from a[:i] to b[:j]
	for i := range edits {
		edits[i] = make([]int, len(b)+1)
		for j := range edits[i] {
			if i == 0 || j == 0 {
				edits[i][j] = i + j
				continue
			}
			changed := edits[i-1][j-1]
			if a[i-1] != b[j-1] {
				changed++
			}
			edits[i][j] = min(changed, edits[i-1][j]+1, edits[i][j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				edits[i][j] = min(edits[i][j], edits[i-2][j-2]+1)
			}
		}
	}
	return edits[len(a)][len(b)]
}
