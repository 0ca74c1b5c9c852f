package strictyaml

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
)

// MaxSize is how many bytes a file may have.
const MaxSize = 1 << 20

// Reader reads files and collects every mistake on the way. The zero value is ready; a Reader is not for
// concurrent use.
type Reader struct {
	// Problems found so far, in the order found.
	Problems Problems
}

// Err is the problems found so far, sorted by place, as an error: nil when there is none.
func (r *Reader) Err() error { return r.Problems.Err() }

// At notes a mistake where a value stands. The result, for its Nearest to be set, holds until the next call.
func (r *Reader) At(n *Node, message, expected string) *Problem {
	return r.note(n.file, n.line, n.col, message, expected)
}

// Within notes a mistake at a place inside the text of n, line and column from 1 and in characters. Where
// the file has that text folded or escaped, it is noted at n, and the message says which place is meant.
func (r *Reader) Within(n *Node, line, column int, what, message, expected string) *Problem {
	if fileLine, fileCol, ok := n.within(line, column); ok {
		return r.note(n.file, fileLine, fileCol, what+": "+message, expected)
	}
	return r.At(n, fmt.Sprintf("%s, line %d column %d: %s", what, line, column, message), expected)
}

// note notes a mistake at a place of a file; line 0 is the file as a whole.
func (r *Reader) note(f *file, line, col int, message, expected string) *Problem {
	p := Problem{File: f.name, Message: message, Expected: expected}
	if line >= 1 && line <= len(f.lines) {
		p.Line, p.Column, p.Text = line, max(1, min(col, len(f.characters(line))+1)), f.lines[line-1]
	}
	r.Problems = append(r.Problems, p)
	return &r.Problems[len(r.Problems)-1]
}

// Parse reads the text of a file, whose name stands in problems. It returns nil when the file holds nothing
// and when it cannot be read at all, which is then among the problems.
func (r *Reader) Parse(name, text string) (root *Node) {
	f := newFile(name, text)
	defer func() {
		if p := recover(); p != nil { // the parser's, on hostile input: a bad file, not the end of the process
			r.note(f, 0, 0, fmt.Sprintf("cannot be parsed: %v", p), "YAML or JSON")
			root = nil
		}
	}()
	if !r.plain(f) {
		return nil
	}
	tokens := lexer.Tokenize(f.text + "\n") // without an end of the line, the lexer drops a tag at the end
	if t, message, expected := refuse(tokens); t != nil {
		r.note(f, t.Position.Line, t.Position.Column, message, expected)
		return nil
	}
	// Keys that stand twice are refused by fields, which goes on to the next mistake.
	tree, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		r.syntax(f, err)
		return nil
	}
	for _, doc := range tree.Docs {
		if doc.Body == nil || doc.Body.Type() == ast.NullType {
			continue
		}
		if root != nil {
			line, col := place(doc.Body)
			r.note(f, line, col, "a second YAML document", "one document a file")
			break
		}
		root = r.convert(f, doc.Body, 0)
	}
	return root
}

// plain refuses what is no text of a bounded size.
func (r *Reader) plain(f *file) bool {
	if len(f.text) > MaxSize {
		r.note(f, 0, 0, fmt.Sprintf("the file has %d bytes", len(f.text)), fmt.Sprintf("at most %d", MaxSize))
		return false
	}
	for i, line := range f.lines {
		col := 0
		for at, c := range line {
			col++
			_, size := utf8.DecodeRuneInString(line[at:])
			switch {
			case c == utf8.RuneError && size == 1:
				r.note(f, i+1, col, fmt.Sprintf("the byte %#02x is no UTF-8", line[at]), "text in UTF-8").Text = printable(line)
				return false
			case isControl(c):
				r.note(f, i+1, col, fmt.Sprintf("the control character %U", c), "text").Text = printable(line)
				return false
			}
		}
	}
	return true
}

func isControl(c rune) bool { return unicode.IsControl(c) && c != '\t' }

// printable keeps what a terminal would obey out of a message, a character for a character.
func printable(line string) string {
	return strings.Map(func(c rune) rune {
		if isControl(c) {
			return utf8.RuneError
		}
		return c
	}, line)
}

// syntax notes what the YAML parser refused.
func (r *Reader) syntax(f *file, err error) {
	var se *yaml.SyntaxError
	if errors.As(err, &se) && se.Token != nil && se.Token.Position != nil {
		r.note(f, se.Token.Position.Line, se.Token.Position.Column, se.Message, "")
		return
	}
	message, _, _ := strings.Cut(err.Error(), "\n")
	r.note(f, 0, 0, message, "YAML or JSON")
}
