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

// distance is the Levenshtein distance of two words: the insertions, deletions
// and substitutions of one byte that make one of the other. Words that differ
// much in length are not compared.
func distance(a, b string) int {
	if len(a) > len(b)+2 || len(b) > len(a)+2 {
		return len(a) + len(b)
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
