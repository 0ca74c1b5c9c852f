package ingest

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// field is one key of a YAML mapping and its value.
type field struct {
	key   string
	value ast.Node
}

// fields returns the keys of a mapping in file order and refuses those not in known.
func (l *catalogueLoader) fields(n ast.Node, known []string, what string) ([]field, error) {
	m, ok := n.(ast.MapNode)
	if !ok {
		return nil, l.errorAt(n, "found %s, expected %s (keys %s)", kindOf(n), what, strings.Join(known, ", "))
	}
	var out []field
	for it := m.MapRange(); it.Next(); {
		key := it.Key().GetToken().Value
		if !slices.Contains(known, key) {
			return nil, l.errorAt(it.Key(), "unknown key %q of %s: expected one of %s%s", key, what,
				strings.Join(known, ", "), didYouMean(key, known))
		}
		out = append(out, field{key: key, value: it.Value()})
	}
	return out, nil
}

// errorAt is an error at a node: file:line:column, the message, the line and a caret under the column.
func (l *catalogueLoader) errorAt(n ast.Node, format string, args ...any) error {
	return l.errorAtToken(firstToken(n), fmt.Sprintf(format, args...))
}

// firstToken is where a node begins in the file; a mapping's own token is its first colon.
func firstToken(n ast.Node) *token.Token {
	if m, ok := n.(ast.MapNode); ok {
		if it := m.MapRange(); it.Next() {
			return it.Key().GetToken()
		}
	}
	return n.GetToken()
}

// wrap gives an error of the YAML library the form of errorAt.
func (l *catalogueLoader) wrap(err error) error {
	var at yaml.Error
	if errors.As(err, &at) && at.GetToken() != nil {
		msg := at.GetMessage()
		if t := (*yaml.TypeError)(nil); errors.As(err, &t) {
			msg = fmt.Sprintf("found %q, expected a %s", t.Token.Value, wordOf(t.DstType.Kind()))
		}
		return l.errorAtToken(at.GetToken(), msg)
	}
	return fmt.Errorf("%s: %w", l.file, err)
}

// wordOf names the type a value should have had as a person who writes YAML would.
func wordOf(k reflect.Kind) string {
	switch k {
	case reflect.Float64:
		return "number"
	case reflect.Slice:
		return "list"
	case reflect.Map:
		return "mapping"
	default:
		return k.String()
	}
}

func (l *catalogueLoader) errorAtToken(t *token.Token, msg string) error {
	line, column := t.Position.Line, t.Position.Column
	lines := strings.Split(string(l.content), "\n")
	if line < 1 || line > len(lines) {
		return fmt.Errorf("%s:%d:%d: %s", l.file, line, column, msg)
	}
	text := strings.TrimRight(lines[line-1], "\r")
	return fmt.Errorf("%s:%d:%d: %s\n%s\n%s^", l.file, line, column, msg, text, caretIndent(text, column))
}

// caretIndent fills the columns before the caret, tabs kept so that the caret stays under its column.
func caretIndent(text string, column int) string {
	var b strings.Builder
	for i, r := range []rune(text) {
		if i+1 >= column {
			break
		}
		if r == '\t' {
			b.WriteByte('\t')
		} else {
			b.WriteByte(' ')
		}
	}
	return b.String()
}
