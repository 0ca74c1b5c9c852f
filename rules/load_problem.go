package rules

import (
	"fmt"
	"sort"
	"strings"
)

// Problem is one mistake in a rule file, at the place where it stands.
type Problem struct {
	File string
	// Line and Column count from 1; the column counts characters. Line 0 is the file as a whole.
	Line, Column int
	// Text is the line itself.
	Text string
	// Message says what was found, Expected what would be right ("" where the message says it all).
	Message, Expected string
	// Nearest is the valid name closest to the one found, or "".
	Nearest string
}

// String is "file:line:column: message", the line with a caret under the column, and what was expected.
func (p Problem) String() string {
	var b strings.Builder
	if p.Line == 0 {
		fmt.Fprintf(&b, "%s: %s", p.File, p.Message)
	} else {
		fmt.Fprintf(&b, "%s:%d:%d: %s", p.File, p.Line, p.Column, p.Message)
		fmt.Fprintf(&b, "\n%5d | %s\n      | %s^", p.Line, p.Text, caretPad(p.Text, p.Column))
	}
	if p.Expected != "" {
		b.WriteString("\n        expected " + p.Expected)
	}
	if p.Nearest != "" {
		fmt.Fprintf(&b, "\n        did you mean %q?", p.Nearest)
	}
	return b.String()
}

// caretPad is the white space that puts a caret under a column; tabs stay tabs, so that it lines up.
func caretPad(line string, column int) string {
	var b strings.Builder
	n := 1
	for _, r := range line {
		if n++; n > column {
			break
		}
		switch {
		case r == '\t':
			b.WriteByte('\t')
		case r >= 0x1100: // drawn two cells wide by terminals (CJK)
			b.WriteString("  ")
		default:
			b.WriteByte(' ')
		}
	}
	return b.String()
}

// Problems are all the mistakes of a rules folder, in the order of files and lines.
type Problems []Problem

// Error lists every problem.
func (ps Problems) Error() string {
	var b strings.Builder
	for i, p := range ps {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(p.String())
	}
	return b.String()
}

// err is ps as an error: nil when there is none.
func (ps Problems) err() error {
	if len(ps) == 0 {
		return nil
	}
	return ps
}

// sortByPlace orders problems by file, line and column; what stands at one place keeps its order.
func (ps Problems) sortByPlace() {
	sort.SliceStable(ps, func(i, j int) bool {
		a, b := ps[i], ps[j]
		if a.File != b.File {
			return a.File < b.File
		}
		if a.Line != b.Line {
			return a.Line < b.Line
		}
		return a.Column < b.Column
	})
}

// nearest is the name closest to s, or "" when none is close enough to be meant.
func nearest(s string, names []string) string {
	best, bestDistance := "", max(1, min(3, len(s)/3))+1
	for _, n := range names {
		if d := editDistance(strings.ToLower(s), strings.ToLower(n)); d < bestDistance {
			best, bestDistance = n, d
		}
	}
	return best
}

// editDistance is the least number of characters to insert, delete or change (Levenshtein).
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		diagonal := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			change := diagonal
			if a[i-1] != b[j-1] {
				change++
			}
			diagonal = row[j]
			row[j] = min(change, row[j]+1, row[j-1]+1)
		}
	}
	return row[len(b)]
}
