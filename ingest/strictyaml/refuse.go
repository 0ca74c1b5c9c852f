package strictyaml

import (
	"fmt"

	"github.com/goccy/go-yaml/token"
)

// maxDepth bounds the nesting of lists and maps, maxKeys the keys of one map: the parser recurses into the
// one, where a stack that overflows ends the process, and takes time quadratic in the other.
const (
	maxDepth = 32
	maxKeys  = 10_000
)

// refuse returns the first token that does not belong into a file, or at which it exceeds a bound, with what
// to say about it; nil when there is none. It sees the tokens before the parser does.
func refuse(tokens token.Tokens) (at *token.Token, message, expected string) {
	var open levels
	line := 0
	for _, t := range tokens {
		if message, expected := refused(t.Type); message != "" {
			return t, message, expected
		}
		if t.Type == token.CommentType {
			continue
		}
		open.see(t, t.Position.Line > line)
		line = t.Position.Line
		switch {
		case len(open) > maxDepth+1: // a scalar below its key counts one
			return t, "nested too deep", fmt.Sprintf("at most %d levels", maxDepth)
		case len(open) > 0 && open[len(open)-1].keys > maxKeys:
			return t, "too many keys in a map", fmt.Sprintf("at most %d", maxKeys)
		}
	}
	return nil, "", ""
}

// refused says what is wrong with a kind of token, "" when nothing is.
func refused(t token.Type) (message, expected string) {
	const plain = "a plain value, list or map; text that begins with %s stands in quotes"
	switch t {
	case token.AnchorType:
		return "anchors are not allowed", fmt.Sprintf(plain, "&")
	case token.AliasType:
		return "aliases are not allowed", fmt.Sprintf(plain, "*")
	case token.TagType:
		return "tags are not allowed", fmt.Sprintf(plain, "!")
	case token.MergeKeyType:
		return "merge keys are not allowed", "each key in its place"
	case token.MappingKeyType:
		return "keys marked with ? are not allowed", "key: value"
	case token.DirectiveType:
		return "directives are not allowed", fmt.Sprintf(plain, "%")
	}
	return "", ""
}

// levels are the lists and maps that are open at a token, as far as it can be told without parsing.
type levels []level

type level struct {
	flow   bool // in brackets
	column int  // where a block begins
	keys   int
}

// see takes the next token; first says that it is the first of its line.
func (ls *levels) see(t *token.Token, first bool) {
	top := func() *level { return &(*ls)[len(*ls)-1] }
	column := t.Position.Column
	switch {
	case t.Type == token.SequenceStartType || t.Type == token.MappingStartType:
		*ls = append(*ls, level{flow: true})
	case t.Type == token.SequenceEndType || t.Type == token.MappingEndType:
		if len(*ls) > 0 && top().flow {
			*ls = (*ls)[:len(*ls)-1]
		}
	case len(*ls) > 0 && top().flow:
		// columns mean nothing in brackets
	case t.Type == token.SequenceEntryType || first:
		entry := t.Type == token.SequenceEntryType // a new entry is a new map
		for len(*ls) > 0 && (top().column > column || entry && top().column == column) {
			*ls = (*ls)[:len(*ls)-1]
		}
		if len(*ls) == 0 || top().column < column {
			*ls = append(*ls, level{column: column})
		}
	}
	if t.Type == token.MappingValueType && len(*ls) > 0 {
		top().keys++
	}
}
