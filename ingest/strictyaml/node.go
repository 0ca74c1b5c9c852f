package strictyaml

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Kind is what a value is.
type Kind uint8

// The kinds of values.
const (
	Null Kind = iota
	Text
	Int
	Float
	Bool
	List
	Map
)

// String names the kind as a person would.
func (k Kind) String() string {
	return [...]string{"nothing", "text", "a whole number", "a number", "true or false", "a list", "a map"}[k]
}

// Node is a value with its place.
type Node struct {
	Kind Kind
	// Text of a scalar; a whole number is in decimal whatever the file has.
	Text string
	// Items of a list.
	Items []*Node
	// Fields of a map, in the order of the file; no name stands twice.
	Fields []Field

	file *file
	// line and col of the first character, from 1; col counts characters.
	line, col int
	// textCol is the column of the first character of Text (past an opening quote), 0 when Text does not
	// stand on one line as it is (folded, escaped). A block keeps its lines: the first is the file's line
	// blockLine.
	textCol, blockLine int
}

// Field is one entry of a map.
type Field struct {
	Name string
	// Key is the name with its place.
	Key   *Node
	Value *Node
}

// String shows a value in a message: a scalar as it stands, in quotes, the rest by kind.
func (n *Node) String() string {
	switch n.Kind {
	case Text, Int, Float, Bool:
		return strconv.Quote(n.Text)
	}
	return n.Kind.String()
}

// Place is where a value stands: "file:line:column".
func (n *Node) Place() string { return fmt.Sprintf("%s:%d:%d", n.file.name, n.line, n.col) }

// HasAny reports whether a map has one of the keys.
func (n *Node) HasAny(names []string) bool {
	return slices.ContainsFunc(n.Fields, func(f Field) bool { return slices.Contains(names, f.Name) })
}

// Find follows a dotted path of keys as far as it goes.
func (n *Node) Find(path string) *Node {
	name, rest, _ := strings.Cut(path, ".")
	for _, f := range n.Fields {
		if f.Name == name {
			if rest == "" {
				return f.Value
			}
			return f.Value.Find(rest)
		}
	}
	return n
}

// within is the place in the file of a place in the text of n, both from 1; ok is false where a folded or
// escaped text does not stand in the file as it is.
func (n *Node) within(line, col int) (fileLine, fileCol int, ok bool) {
	switch at := n.blockLine + line - 1; {
	case n.textCol > 0 && line <= 1:
		return n.line, n.textCol + col - 1, true
	case n.blockLine > 0 && at <= len(n.file.lines):
		lines := strings.Split(n.Text, "\n")
		before, _, ok := strings.Cut(n.file.lines[at-1], lines[min(line, len(lines))-1])
		return at, len([]rune(before)) + col, ok
	}
	return 0, 0, false
}

// file is a text being read, for the lines that problems show.
type file struct {
	name, text string
	lines      []string
	decoded    [][]rune // lines as characters, filled as they are asked for
}

// newFile takes a text as editors of all systems leave it: a byte order mark and carriage returns do not
// count.
func newFile(name, text string) *file {
	text = strings.ReplaceAll(strings.TrimPrefix(text, "\ufeff"), "\r\n", "\n")
	lines := strings.Split(text, "\n")
	return &file{name: name, text: text, lines: lines, decoded: make([][]rune, len(lines))}
}

// characters are those of a line, from 1. A file may be one long line with a hundred thousand values: it is
// decoded once.
func (f *file) characters(line int) []rune {
	if f.decoded[line-1] == nil {
		f.decoded[line-1] = []rune(f.lines[line-1])
	}
	return f.decoded[line-1]
}
