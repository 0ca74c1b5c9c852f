package rules

import (
	"errors"
	"fmt"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// nodeKind is what a value in a rule file is.
type nodeKind uint8

const (
	nullNode nodeKind = iota
	textNode
	intNode
	floatNode
	boolNode
	listNode
	mapNode
)

// String names the kind as a person would.
func (k nodeKind) String() string {
	return [...]string{"nothing", "text", "a whole number", "a number", "true or false", "a list", "a map"}[k]
}

// node is a value of a rule file with its place: the one form in which the loader sees YAML and JSON.
type node struct {
	kind      nodeKind
	line, col int
	// text of a scalar. textCol is the column of its first character (past an opening quote), 0 when
	// the text does not stand on one line as it is (folded, escaped). A block keeps its lines: the first
	// is the file's line blockLine.
	text               string
	textCol, blockLine int
	items              []*node
	fields             []field
}

// field is one entry of a map.
type field struct {
	name      string
	line, col int
	value     *node
}

// source is one file being loaded.
type source struct {
	file  File
	lines []string
}

// parseYAML turns a file into its node; nil when it does not parse or is empty.
func (l *loader) parseYAML(src *source) (root *node) {
	defer func() {
		if r := recover(); r != nil { // the parser's, on hostile input: a bad file, not the end of the process
			l.problem(src, 0, 0, fmt.Sprintf("cannot be parsed: %v", r), "YAML or JSON")
			root = nil
		}
	}()
	tree, err := parser.ParseBytes([]byte(src.file.Content), 0)
	if err != nil {
		l.syntax(src, err)
		return nil
	}
	for _, doc := range tree.Docs {
		if doc.Body == nil {
			continue
		}
		if root != nil {
			if second := l.convert(src, doc.Body, 0); second != nil {
				l.problem(src, second.line, second.col, "a second YAML document", "one document a file")
			}
			break
		}
		root = l.convert(src, doc.Body, 0)
	}
	return root
}

// syntax reports what the YAML parser refused.
func (l *loader) syntax(src *source, err error) {
	var se *yaml.SyntaxError
	if errors.As(err, &se) && se.Token != nil && se.Token.Position != nil {
		l.problem(src, se.Token.Position.Line, se.Token.Position.Column, se.Message, "")
		return
	}
	l.problem(src, 0, 0, strings.SplitN(err.Error(), "\n", 2)[0], "YAML or JSON")
}

// maxDepth bounds the nesting of a rule file.
const maxDepth = 32

func (l *loader) convert(src *source, n ast.Node, depth int) *node {
	out := &node{}
	if t := n.GetToken(); t != nil && t.Position != nil {
		out.line, out.col = t.Position.Line, t.Position.Column
	}
	if depth > maxDepth {
		l.problem(src, out.line, out.col, "nested too deep", fmt.Sprintf("at most %d levels", maxDepth))
		return nil
	}
	switch n := n.(type) {
	case *ast.NullNode:
	case *ast.StringNode:
		out.kind, out.text, out.textCol = textNode, n.Value, textColumn(src, n.Token, n.Value)
	case *ast.LiteralNode:
		out.kind, out.text = textNode, n.Value.Value
		if n.Start != nil && strings.HasPrefix(n.Start.Value, "|") {
			out.blockLine = n.Start.Position.Line + 1
		}
	case *ast.IntegerNode:
		out.kind, out.text = intNode, fmt.Sprint(n.Value)
	case *ast.FloatNode:
		out.kind, out.text = floatNode, n.Token.Value
	case *ast.BoolNode:
		out.kind, out.text = boolNode, fmt.Sprint(n.Value)
	case *ast.MappingNode:
		out.kind = mapNode
		if n.Start != nil && n.IsFlowStyle {
			out.line, out.col = n.Start.Position.Line, n.Start.Position.Column
		}
		return l.convertFields(src, out, n.Values, n.IsFlowStyle, depth)
	case *ast.MappingValueNode:
		out.kind = mapNode
		return l.convertFields(src, out, []*ast.MappingValueNode{n}, n.IsFlowStyle, depth)
	case *ast.SequenceNode:
		out.kind = listNode
		for _, v := range n.Values {
			if item := l.convert(src, v, depth+1); item != nil {
				out.items = append(out.items, item)
			}
		}
	default: // anchors, aliases, tags, infinities: nothing a rule needs
		l.problem(src, out.line, out.col, fmt.Sprintf("%s is not taken in rule files", strings.ToLower(n.Type().String())), "a plain value, list or map")
		return nil
	}
	return out
}

func (l *loader) convertFields(src *source, out *node, values []*ast.MappingValueNode, flow bool, depth int) *node {
	for i, v := range values {
		key, ok := v.Key.(ast.Node)
		if !ok || key.GetToken() == nil {
			continue
		}
		pos := key.GetToken().Position
		if i == 0 && !flow {
			out.line, out.col = pos.Line, pos.Column // the parser says where the colon is
		}
		if _, merge := key.(*ast.MergeKeyNode); merge {
			l.problem(src, pos.Line, pos.Column, "merge keys are not taken in rule files", "each key in its place")
			continue
		}
		if value := l.convert(src, v.Value, depth+1); value != nil {
			name := key.GetToken().Value
			if value.kind == nullNode {
				value.line, value.col = pos.Line, pos.Column
			}
			out.fields = append(out.fields, field{name: name, line: pos.Line, col: pos.Column, value: value})
		}
	}
	return out
}

// textColumn is where a scalar's text begins on its line, or 0 when the line does not hold it as it is.
func textColumn(src *source, t *token.Token, text string) int {
	if t == nil || t.Position.Line < 1 || t.Position.Line > len(src.lines) {
		return 0
	}
	line := []rune(src.lines[t.Position.Line-1])
	at := t.Position.Column - 1
	if t.Type == token.SingleQuoteType || t.Type == token.DoubleQuoteType {
		at++
	}
	// The parser's column is off by one or two here and there.
	for _, d := range [...]int{0, -1, 1, -2, 2} {
		if k := at + d; text != "" && k >= 0 && k < len(line) && strings.HasPrefix(string(line[k:]), text) {
			return k + 1
		}
	}
	return 0
}
