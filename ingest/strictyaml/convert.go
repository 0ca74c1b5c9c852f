package strictyaml

import (
	"fmt"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// convert turns what the parser made of a value into its Node; nil when it is refused.
func (r *Reader) convert(f *file, n ast.Node, depth int) *Node {
	out := &Node{file: f}
	out.line, out.col = place(n)
	if depth > maxDepth {
		r.At(out, "nested too deep", fmt.Sprintf("at most %d levels", maxDepth))
		return nil
	}
	switch n := n.(type) {
	case *ast.NullNode:
	case *ast.StringNode:
		out.Kind, out.Text, out.textCol = Text, n.Value, f.textColumn(n.Token, n.Value)
	case *ast.LiteralNode:
		out.Kind, out.Text = Text, n.Value.Value
		if n.Start != nil && strings.HasPrefix(n.Start.Value, "|") {
			out.blockLine = n.Start.Position.Line + 1
		}
	case *ast.IntegerNode:
		out.Kind, out.Text = Int, fmt.Sprint(n.Value)
	case *ast.FloatNode:
		out.Kind, out.Text = Float, n.Token.Value
	case *ast.BoolNode:
		out.Kind, out.Text = Bool, fmt.Sprint(n.Value)
	case *ast.MappingNode:
		r.convertFields(out, n.Values, depth)
	case *ast.MappingValueNode:
		r.convertFields(out, []*ast.MappingValueNode{n}, depth)
	case *ast.SequenceNode:
		out.Kind = List
		for _, v := range n.Values {
			if item := r.convert(f, v, depth+1); item != nil {
				out.Items = append(out.Items, item)
			}
		}
	default: // .inf and .nan; refuse has stopped the rest
		r.At(out, strings.ToLower(n.Type().String())+" is not allowed", "a plain value, list or map")
		return nil
	}
	return out
}

func (r *Reader) convertFields(out *Node, values []*ast.MappingValueNode, depth int) {
	out.Kind = Map
	first := make(map[string]*Node, len(values))
	for _, v := range values {
		key := &Node{Kind: Text, file: out.file}
		key.line, key.col = place(v.Key)
		if t := v.Key.GetToken(); t != nil {
			key.Text = t.Value
		}
		if before, twice := first[key.Text]; twice {
			r.At(key, fmt.Sprintf("key %q stands twice, first on line %d", key.Text, before.line), "")
			continue
		}
		first[key.Text] = key
		value := r.convert(out.file, v.Value, depth+1)
		if value == nil {
			continue
		}
		if value.Kind == Null { // the parser's place of nothing is somewhere behind the colon
			value.line, value.col = key.line, key.col
		}
		out.Fields = append(out.Fields, Field{Name: key.Text, Key: key, Value: value})
	}
}

// place is where a value begins. The parser's own place of a map is its first colon.
func place(n ast.Node) (line, col int) {
	t := n.GetToken()
	switch n := n.(type) {
	case *ast.MappingNode:
		if n.IsFlowStyle && n.Start != nil {
			t = n.Start
		} else if len(n.Values) > 0 {
			return place(n.Values[0])
		}
	case *ast.MappingValueNode:
		return place(n.Key)
	}
	if t == nil || t.Position == nil {
		return 0, 0
	}
	return t.Position.Line, t.Position.Column
}

// textColumn is where a scalar's text begins on its line, or 0 when the line does not hold it as it is.
func (f *file) textColumn(t *token.Token, text string) int {
	if t == nil || t.Position.Line < 1 || t.Position.Line > len(f.lines) {
		return 0
	}
	line, chars := f.characters(t.Position.Line), []rune(text)
	at := t.Position.Column - 1
	if t.Type == token.SingleQuoteType || t.Type == token.DoubleQuoteType {
		at++
	}
	// The parser's column is off by one or two here and there.
	for _, d := range [...]int{0, -1, 1, -2, 2} {
		if k := at + d; len(chars) > 0 && k >= 0 && k+len(chars) <= len(line) && slices.Equal(line[k:k+len(chars)], chars) {
			return k + 1
		}
	}
	return 0
}
