package cond

import (
	"math"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
)

// operatorOf returns the operator of conditions that cel-go calls name.
func operatorOf(name string) (o op, ok bool) {
	switch name {
	case operators.LogicalAnd:
		return opAnd, true
	case operators.LogicalOr:
		return opOr, true
	case operators.LogicalNot:
		return opNot, true
	case operators.Conditional:
		return opCond, true
	case operators.Equals:
		return opEqual, true
	case operators.NotEquals:
		return opNotEqual, true
	case operators.Less:
		return opLess, true
	case operators.LessEquals:
		return opLessEqual, true
	case operators.Greater:
		return opGreater, true
	case operators.GreaterEquals:
		return opGreaterEqual, true
	case operators.Add:
		return opAdd, true
	case operators.Subtract:
		return opSubtract, true
	case operators.Multiply:
		return opMultiply, true
	case operators.Divide:
		return opDivide, true
	case operators.Negate:
		return opNegate, true
	case operators.In:
		return opInList, true
	default:
		return "", false
	}
}

// isInfix reports whether a call is written between or after its operands, so that it begins with them.
func isInfix(c ast.CallExpr) bool {
	switch c.FunctionName() {
	case operators.LogicalNot, operators.Negate:
		return false
	case operators.Modulo, operators.Index:
		return true
	}
	_, ok := operatorOf(c.FunctionName())
	return ok
}

func (b *binder) call(e ast.Expr) *node {
	c := e.AsCall()
	o, ok := operatorOf(c.FunctionName())
	if !ok || c.IsMemberFunction() {
		return b.function(e)
	}
	n := &node{op: o, typ: typeBool, pos: b.start(e), at: b.offset(e)}
	if o == opInList {
		return b.in(n, c)
	}
	for _, a := range c.Args() {
		n.args = append(n.args, b.bind(a))
	}
	switch o {
	case opAnd, opOr:
		return b.logic(n)
	case opNot:
		b.wantBool(n.args[0], n)
		return n
	case opCond:
		return b.choice(n)
	case opEqual, opNotEqual:
		return b.equality(n)
	case opLess, opLessEqual, opGreater, opGreaterEqual:
		return b.order(n)
	default:
		return b.arithmetic(n)
	}
}

// logic flattens chains: Kleene's && and || are associative, and cel-go balances long ones anyway.
func (b *binder) logic(n *node) *node {
	var flat []*node
	for _, a := range n.args {
		b.wantBool(a, n)
		if a.op == n.op {
			flat = append(flat, a.args...)
		} else {
			flat = append(flat, a)
		}
	}
	n.args = flat
	return n
}

// choice is c ? a : b; its type is that of its branches, where a fact takes the type of the other one.
func (b *binder) choice(n *node) *node {
	b.wantBool(n.args[0], n)
	x, y := n.args[1], n.args[2]
	b.wantValue(x, n)
	b.wantValue(y, n)
	switch {
	case x.typ == y.typ || y.typ == typeFact:
		n.typ = x.typ
	case x.typ == typeFact:
		n.typ = y.typ
	default:
		b.fail(n.at, "the branches of ?: are %s and %s, expected the same of both", x.typ, y.typ)
	}
	return n
}

func (b *binder) equality(n *node) *node {
	x, y := n.args[0], n.args[1]
	b.wantValue(x, n)
	b.wantValue(y, n)
	if x.typ != y.typ && x.typ != typeFact && y.typ != typeFact {
		b.fail(n.at, "%s compares %s with %s", n.op, x.typ, y.typ)
	}
	return n
}

// order compares numbers, or texts by their bytes, which is the order of ISO dates.
func (b *binder) order(n *node) *node {
	b.equality(n)
	for _, a := range n.args {
		if a.typ == typeBool {
			b.fail(n.at, "%s compares numbers or texts, found %s", n.op, a.typ)
		}
	}
	return n
}

func (b *binder) arithmetic(n *node) *node {
	n.typ = typeNumber
	constant := true
	for _, a := range n.args {
		if a.typ != typeNumber && a.typ != typeFact {
			b.fail(a.pos, "%s needs numbers, found %s", sign(n.op), b.describe(a))
		}
		constant = constant && a.op == opNumber
	}
	if n.op == opDivide && n.args[1].op == opNumber && n.args[1].num == 0 {
		b.fail(n.at, "division by zero")
	}
	if !constant {
		return n
	}
	v := fold(n)
	if math.IsInf(v, 0) || math.IsNaN(v) {
		b.fail(n.at, "the result is out of range")
	}
	return &node{op: opNumber, typ: typeNumber, pos: n.pos, at: n.at, num: v + 0}
}

// fold computes an operation on literals.
func fold(n *node) float64 {
	x := n.args[0].num
	if n.op == opNegate {
		return -x
	}
	y := n.args[1].num
	switch n.op {
	case opAdd:
		return x + y
	case opSubtract:
		return x - y
	case opMultiply:
		return x * y
	default:
		return x / y
	}
}

// sign is an operator as it is written.
func sign(o op) op {
	if o == opNegate {
		return "-"
	}
	return o
}

// in is `x in [literals]` or `x in set`.
func (b *binder) in(n *node, c ast.CallExpr) *node {
	left, right := b.bind(c.Args()[0]), c.Args()[1]
	b.wantValue(left, n)
	n.args = []*node{left}
	if right.Kind() == ast.ListKind {
		return b.inList(n, right)
	}
	set := b.bind(right)
	if set.typ != typeSet {
		b.fail(set.pos, "`in` needs a list of literals or a set of names on its right, found %s", b.describe(set))
	}
	if left.typ != typeText && left.typ != typeFact {
		b.fail(left.pos, "`%s` holds names, found %s", set.text, b.describe(left))
	}
	n.op, n.args = opInSet, []*node{left, set}
	return n
}

func (b *binder) inList(n *node, list ast.Expr) *node {
	left, elements := n.args[0], list.AsList().Elements()
	if len(elements) == 0 {
		b.fail(b.start(list), "the list is empty")
	}
	for _, e := range elements {
		el := b.bind(e)
		if el.op != opNumber && el.op != opText {
			b.fail(el.pos, "a list holds numbers or texts as literals, found %s", b.describe(el))
		}
		if first := n.args[min(1, len(n.args)-1)]; len(n.args) > 1 && el.typ != first.typ {
			b.fail(el.pos, "the list mixes %s and %s", first.typ, el.typ)
		}
		if left.typ != typeFact && left.typ != el.typ {
			b.fail(el.pos, "`in` compares %s with %s", left.typ, el.typ)
		}
		n.args = append(n.args, el)
	}
	return n
}

// wantBool refuses an operand of parent that cannot be true or false.
func (b *binder) wantBool(n, parent *node) {
	if n.typ == typeBool || n.typ == typeFact {
		return
	}
	hint := ""
	switch {
	case n.op == opSignal && n.typ == typeNumber:
		hint = ": compare it, as in " + n.text + " > 0"
	case n.typ == typeSet:
		hint = `: ask "name" in ` + n.text
	}
	b.fail(n.pos, "%s needs true or false, found %s%s", parentName(parent), b.describe(n), hint)
}

// wantValue refuses a set where a value is needed.
func (b *binder) wantValue(n, parent *node) {
	if n.typ == typeSet {
		b.fail(n.pos, "%s needs a value, found %s: ask \"name\" in %s", parentName(parent), b.describe(n), n.text)
	}
}

func parentName(n *node) string {
	switch {
	case n == nil:
		return "the condition"
	case n.op == opCond:
		return "?:"
	default:
		return string(n.op)
	}
}

// describe names a node in a message by its name, if it has one, and its type.
func (b *binder) describe(n *node) string {
	if n.op == opSignal || n.op == opFact {
		return "`" + n.text + "`, " + n.typ.String()
	}
	return n.typ.String()
}
