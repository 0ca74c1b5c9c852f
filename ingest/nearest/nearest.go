// Package nearest turns a mistyped word and the words that are known into the one that was probably meant.
package nearest

import "strings"

// Word returns the candidate with the fewest edits from word (a byte inserted, deleted, replaced, or swapped
// with its neighbour: each is one slip of the hand; capitals do not matter), the first of equals. It returns
// "" when even that one differs in more than a third of word.
func Word(word string, candidates []string) string {
	word = strings.ToLower(word)
	best, limit := "", max(1, len(word)/3)+1
	for _, c := range candidates {
		if d := edits(word, strings.ToLower(c), limit); d < limit {
			best, limit = c, d
		}
	}
	return best
}

// edits counts the edits between a and b (optimal string alignment); it may stop and return limit when there
// are at least as many.
func edits(a, b string, limit int) int {
	if len(a)-len(b) >= limit || len(b)-len(a) >= limit {
		return limit
	}
	// Three rows of the table of distances between prefixes: the one before the last, the last, the current.
	older, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			replace := last[j-1]
			if a[i-1] != b[j-1] {
				replace++
			}
			row[j] = min(replace, last[j]+1, row[j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], older[j-2]+1)
			}
		}
		older, last, row = last, row, older
	}
	return last[len(b)]
}
