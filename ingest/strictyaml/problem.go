package strictyaml

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Problem is one mistake in a file, at the place where it stands.
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
		text, column := excerpt(p.Text, p.Column)
		fmt.Fprintf(&b, "%s:%d:%d: %s", p.File, p.Line, p.Column, p.Message)
		fmt.Fprintf(&b, "\n%5d | %s\n      | %s^", p.Line, text, caretPad(text, column))
	}
	if p.Expected != "" {
		b.WriteString("\n        expected " + p.Expected)
	}
	if p.Nearest != "" {
		fmt.Fprintf(&b, "\n        did you mean %q?", p.Nearest)
	}
	return b.String()
}

// maxExcerpt is how many characters of a line are shown: a file may be one line of a megabyte.
const maxExcerpt = 160

// excerpt is the part of a long line around a column, and the column in it.
func excerpt(line string, column int) (string, int) {
	runes := []rune(line)
	if len(runes) <= maxExcerpt {
		return line, column
	}
	from := max(0, min(column-maxExcerpt/2, len(runes)-maxExcerpt))
	to := min(len(runes), from+maxExcerpt)
	out := slices.Clone(runes[from:to])
	if from > 0 {
		out[0] = '…'
	}
	if to < len(runes) {
		out[len(out)-1] = '…'
	}
	return string(out), column - from
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
		case r >= 0x1100 && r != '…': // drawn two cells wide by terminals (CJK)
			b.WriteString("  ")
		default:
			b.WriteByte(' ')
		}
	}
	return b.String()
}

// Problems are all the mistakes found in some files.
type Problems []Problem

// maxListed bounds the text of an error: the first mistakes are the ones that get mended.
const maxListed = 100

// Error lists the problems, each as its String.
func (ps Problems) Error() string {
	var b strings.Builder
	for i, p := range ps {
		if i > 0 {
			b.WriteByte('\n')
		}
		if i == maxListed {
			fmt.Fprintf(&b, "and %d more", len(ps)-i)
			break
		}
		b.WriteString(p.String())
	}
	return b.String()
}

// Err sorts ps by file, line and column (what stands at one place keeps its order) and returns it as an
// error: nil when there is none.
func (ps Problems) Err() error {
	if len(ps) == 0 {
		return nil
	}
	slices.SortStableFunc(ps, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return ps
}
