package plan

import "unicode/utf8"

// Find is the index of the item with that key, -1 if none.
func (p *Plan) Find(key ItemKey) int {
	if p != nil {
		for i := range p.Items {
			if p.Items[i].Key == key {
				return i
			}
		}
	}
	return -1
}

// ItemsFor appends the indexes of the items that an operation code means.
func (p *Plan) ItemsFor(code string, to []int) []int {
	for i := range p.Items {
		for _, pattern := range p.Items[i].Codes {
			if Glob(pattern, code) {
				to = append(to, i)
				break
			}
		}
	}
	return to
}

// Glob reports whether s matches pattern as a whole; * is any run of characters, ? any one character.
// Nothing is special beside these two, case counts. The work is bounded by len(pattern) · len(s).
func Glob(pattern, s string) bool {
	// After a mismatch only the last * need be widened by one character.
	star, resume := -1, 0
	p, i := 0, 0
	for i < len(s) {
		_, width := utf8.DecodeRuneInString(s[i:])
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, resume = p, i
			p++
		case p < len(pattern) && pattern[p] == '?':
			p, i = p+1, i+width
		case p < len(pattern) && pattern[p] == s[i]:
			p, i = p+1, i+1
		case star >= 0:
			_, width = utf8.DecodeRuneInString(s[resume:])
			resume += width
			p, i = star+1, resume
		default:
			return false
		}
	}
	for p < len(pattern) && pattern[p] == '*' {
		p++
	}
	return p == len(pattern)
}
