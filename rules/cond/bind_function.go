package cond

import (
	"slices"
	"strings"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
)

// usage shows how a function of this version is written, "" for any other name.
func usage(name string) string {
	switch op(name) {
	case opHas:
		return "has(vehicle.x)"
	case opDTC:
		return "dtc('P03*')"
	case opKnown, opAge, opChanged:
		return name + "(signal)"
	case opKMSince, opDaysSince:
		return name + "('item')"
	default:
		return ""
	}
}

// functionNames and methodNames are the names there are, for suggestions.
func functionNames() []string {
	return []string{"age", "changed", "days_since", "dtc", "has", "km_since", "known"}
}

func methodNames() []string { return []string{"contains", "endsWith", "startsWith"} }

// isLater reports whether a function belongs to the language but not to this version.
func isLater(name string) bool {
	switch strings.TrimSuffix(name, "_over") {
	case "avg", "count", "delta", "max", "min", "slope", "dtc_count":
		return true
	default:
		return false
	}
}

// function binds a call by name.
func (b *binder) function(e ast.Expr) *node {
	c := e.AsCall()
	name, pos := c.FunctionName(), b.nameOf(e)
	switch {
	case name == operators.Modulo:
		b.fail(b.offset(e), "%% is not part of conditions: numbers are doubles")
	case name == operators.Index:
		b.fail(b.offset(e), "[…] is not part of conditions: write a fact as vehicle.a.b")
	case c.IsMemberFunction():
		return b.method(e)
	case isLater(name):
		b.fail(pos, "`%s` is not in this version", name)
	case usage(name) == "":
		if _, ok := b.env.slots[name]; ok {
			b.fail(pos, "`%s` is a signal, not a function", name)
		}
		b.failNear(pos, name, functionNames(), "unknown function `%s`", name)
	case len(c.Args()) != 1:
		b.fail(pos, "`%s` takes one argument: %s", name, usage(name))
	}
	arg := c.Args()[0]
	if b.nodes++; b.nodes > MaxNodes {
		b.fail(pos, "the condition has more than %d parts", MaxNodes)
	}
	n := &node{op: op(name), pos: pos, at: pos}
	switch n.op {
	case opKnown:
		return b.known(n, arg)
	case opAge, opChanged:
		return b.aboutSample(n, arg)
	case opDTC:
		return b.dtc(n, arg)
	default:
		return b.since(n, arg)
	}
}

func (b *binder) known(n *node, arg ast.Expr) *node {
	n.typ = typeBool
	a := b.bind(arg)
	switch a.op {
	case opSignal, opFact, opKMSince, opDaysSince:
	default:
		b.fail(a.pos, "known() asks about a signal, a fact, km_since or days_since, found %s", b.describe(a))
	}
	n.args = []*node{a}
	return n
}

// aboutSample is age or changed: they look at the newest sample itself, whether or not it still holds.
func (b *binder) aboutSample(n *node, arg ast.Expr) *node {
	a := b.bind(arg)
	if a.op != opSignal {
		b.fail(a.pos, "%s() asks about a signal, found %s", n.op, b.describe(a))
	}
	n.args = []*node{a}
	if n.op == opChanged {
		n.typ = typeBool
		return n
	}
	n.typ = typeNumber
	b.reads.hourly = true
	return n
}

func (b *binder) dtc(n *node, arg ast.Expr) *node {
	n.typ, n.text = typeBool, b.textArgument(n, arg)
	glob, err := CompileGlob(n.text)
	if err != nil {
		b.fail(b.start(arg), "%s", err)
	}
	n.glob = glob
	slot, ok := b.env.slots[signalDTCs]
	if !ok || b.env.signals[slot].Kind != SetSignal {
		b.fail(n.pos, "the catalogue has no signal `%s` that is a set", signalDTCs)
	}
	s := b.signal(slot, n.pos)
	n.slot, n.hold = s.slot, s.hold
	return n
}

// since is km_since or days_since. What it counts from is an item's baseline; what km_since counts to is
// the odometer, so that a new odometer evaluates the rule.
func (b *binder) since(n *node, arg ast.Expr) *node {
	n.typ, n.text = typeNumber, b.textArgument(n, arg)
	if n.text == "" {
		b.fail(b.start(arg), "the item is empty")
	}
	if b.env.known != nil && !slices.Contains(b.env.known, n.text) {
		b.failNear(b.start(arg), n.text, b.env.known, "unknown item `%s`", n.text)
	}
	n.slot = b.env.items.of(n.text)
	if n.op == opDaysSince {
		b.reads.daysOf = append(b.reads.daysOf, n.slot)
		b.reads.hourly = true
		return n
	}
	b.reads.kmOf = append(b.reads.kmOf, n.slot)
	if slot, ok := b.env.slots[signalOdometer]; ok {
		b.reads.signals = append(b.reads.signals, slot)
	}
	return n
}

func (b *binder) textArgument(n *node, arg ast.Expr) string {
	a := b.bind(arg)
	if a.op != opText {
		b.fail(a.pos, "`%s` takes a text: %s", n.op, usage(string(n.op)))
	}
	return a.text
}

// method is startsWith, endsWith or contains.
func (b *binder) method(e ast.Expr) *node {
	c := e.AsCall()
	name, pos := c.FunctionName(), b.nameOf(e)
	if !slices.Contains(methodNames(), name) {
		b.failNear(pos, name, methodNames(), "unknown function `%s`", name)
	}
	if len(c.Args()) != 1 {
		b.fail(pos, "`%s` takes one argument: vehicle.x.%s('text')", name, name)
	}
	n := &node{op: op(name), typ: typeBool, pos: b.start(e), at: pos}
	for _, operand := range []ast.Expr{c.Target(), c.Args()[0]} {
		a := b.bind(operand)
		if a.typ != typeText && a.typ != typeFact {
			b.fail(a.pos, "`%s` is about texts, found %s", name, b.describe(a))
		}
		n.args = append(n.args, a)
	}
	return n
}
