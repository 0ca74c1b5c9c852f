package cond

import (
	"math"
	"slices"
	"strings"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/types"

	"github.com/milepost-io/milepost/ingest/nearest"
)

// binder turns a syntax tree into nodes: it resolves names, gives every node its type and refuses what is
// not of this language, with its place. It fails by panicking with an *Error, which bind recovers, so
// that the rules of the language read without error plumbing.
type binder struct {
	env   *Env
	tree  *ast.AST
	src   []rune
	nodes int
	reads reads
}

// bind binds a whole condition, which must be true or false.
func bind(env *Env, tree *ast.AST, src string) (n *node, r reads, err *Error) {
	b := &binder{env: env, tree: tree, src: []rune(src)}
	defer func() {
		switch p := recover().(type) {
		case nil:
		case *Error:
			err = p
		default:
			panic(p)
		}
	}()
	n = b.bind(tree.Expr())
	b.wantBool(n, nil)
	return n, b.reads.sorted(), nil
}

// fail ends the binding with a message about the place pos.
func (b *binder) fail(pos int, format string, args ...any) {
	panic(errorAt(b.src, pos, "", format, args...))
}

// failNear is fail for an unknown name.
func (b *binder) failNear(pos int, name string, candidates []string, format string, args ...any) {
	panic(errorAt(b.src, pos, nearest.Word(name, candidates), format, args...))
}

func (b *binder) bind(e ast.Expr) *node {
	if b.nodes++; b.nodes > MaxNodes {
		b.fail(b.start(e), "the condition has more than %d parts", MaxNodes)
	}
	switch e.Kind() {
	case ast.LiteralKind:
		return b.literal(e)
	case ast.IdentKind:
		return b.ident(e)
	case ast.SelectKind:
		return b.fact(e)
	case ast.CallKind:
		return b.call(e)
	case ast.ListKind:
		b.fail(b.start(e), "a list stands only on the right of `in`")
	case ast.MapKind, ast.StructKind:
		b.fail(b.start(e), "{…} is not part of conditions")
	}
	b.fail(b.start(e), "this is not part of conditions")
	return nil
}

func (b *binder) literal(e ast.Expr) *node {
	n := &node{pos: b.start(e), at: b.start(e)}
	switch v := e.AsLiteral().(type) {
	case types.Double:
		n.op, n.typ, n.num = opNumber, typeNumber, float64(v)+0 // -0 is 0
		if math.IsInf(n.num, 0) {
			b.fail(n.pos, "the number is out of range")
		}
	case types.Bool:
		n.op, n.typ = opBool, typeBool
		if v {
			n.num = 1
		}
	case types.String:
		n.op, n.typ, n.text = opText, typeText, string(v)
	case types.Uint:
		b.fail(n.pos, "write the number without u: every number is a double")
	case types.Null:
		b.fail(n.pos, "null is not part of conditions: ask has(vehicle.x) or known(x)")
	default:
		b.fail(n.pos, "a literal of type %s is not part of conditions", v.Type().TypeName())
	}
	return n
}

// ident is a bare name: a signal.
func (b *binder) ident(e ast.Expr) *node {
	name, pos := e.AsIdent(), b.start(e)
	slot, ok := b.env.slots[name]
	if !ok {
		b.unknownName(pos, name)
	}
	return b.signal(slot, pos)
}

func (b *binder) unknownName(pos int, name string) {
	switch {
	case name == vehicleRoot:
		b.fail(pos, "`vehicle` alone is not a value: name a fact of the profile, as in vehicle.model")
	case name == serviceRoot:
		b.fail(pos, "`service` alone is not a value: name %s", strings.Join(serviceFacts(), " or "))
	case name == ownerRoot:
		b.fail(pos, "`owner` belongs to policy and segments, not to conditions")
	case usage(name) != "":
		b.fail(pos, "`%s` is a function: write %s", name, usage(name))
	}
	b.failNear(pos, name, b.names(), "unknown signal `%s`", name)
}

// names are what a bare name can be, for suggestions.
func (b *binder) names() []string {
	names := make([]string, 0, len(b.env.signals)+2)
	for _, s := range b.env.signals {
		names = append(names, s.Name)
	}
	return append(names, vehicleRoot, serviceRoot)
}

func (b *binder) signal(slot, pos int) *node {
	s := b.env.signals[slot]
	b.reads.signals = append(b.reads.signals, slot)
	n := &node{op: opSignal, pos: pos, at: pos, text: s.Name, slot: slot, hold: s.HoldMS}
	if n.hold == 0 {
		n.hold = math.MaxInt64
	}
	n.typ = [...]typ{NumberSignal: typeNumber, BoolSignal: typeBool, SetSignal: typeSet}[s.Kind]
	return n
}

// fact is a dotted path under vehicle or service, or has() of one.
func (b *binder) fact(e ast.Expr) *node {
	sel, pos := e.AsSelect(), b.start(e)
	path := []string{sel.FieldName()}
	root := sel.Operand()
	for ; root.Kind() == ast.SelectKind; root = root.AsSelect().Operand() {
		path = append(path, root.AsSelect().FieldName())
	}
	if root.Kind() != ast.IdentKind {
		b.fail(pos, "only vehicle and service have members")
	}
	path = append(path, root.AsIdent())
	slices.Reverse(path)
	name := strings.Join(path, ".")
	n := &node{op: opFact, typ: typeFact, pos: pos, at: pos, text: name}
	switch path[0] {
	case vehicleRoot:
	case serviceRoot:
		n.typ = typeNumber
		if !slices.Contains(serviceFacts(), name) {
			b.failNear(pos, name, serviceFacts(), "unknown fact `%s`", name)
		}
	default:
		if _, ok := b.env.slots[path[0]]; ok {
			b.fail(pos, "`%s` is a signal and has no members", path[0])
		}
		b.unknownName(pos, path[0])
	}
	n.slot = b.env.facts.of(name)
	b.reads.facts = append(b.reads.facts, n.slot)
	if sel.IsTestOnly() {
		return &node{op: opHas, typ: typeBool, pos: pos, at: pos, args: []*node{n}}
	}
	return n
}

// start is where an expression begins: cel-go keeps the place of an operator, a dot or a parenthesis.
func (b *binder) start(e ast.Expr) int {
	switch e.Kind() {
	case ast.SelectKind:
		return b.start(e.AsSelect().Operand())
	case ast.CallKind:
		c := e.AsCall()
		switch {
		case c.IsMemberFunction():
			return b.start(c.Target())
		case isInfix(c):
			return b.start(c.Args()[0])
		default:
			return b.nameOf(e)
		}
	}
	return b.offset(e)
}

func (b *binder) offset(e ast.Expr) int {
	r, _ := b.tree.SourceInfo().GetOffsetRange(e.ID())
	return int(r.Start)
}

// nameOf is where the name of a called function stands, before its parenthesis; of an operator, itself.
func (b *binder) nameOf(e ast.Expr) int {
	paren := b.offset(e)
	name := []rune(e.AsCall().FunctionName())
	end := min(paren, len(b.src))
	for end > 0 && strings.ContainsRune(" \t\r\n", b.src[end-1]) {
		end--
	}
	if begin := end - len(name); begin >= 0 && slices.Equal(b.src[begin:end], name) {
		return begin
	}
	return paren
}
