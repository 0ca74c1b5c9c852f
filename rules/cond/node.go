package cond

import "strconv"

// typ is the static type of a node. A fact's type is known at run time only.
type typ uint8

const (
	typeNumber typ = iota
	typeBool
	typeText
	typeFact
	typeSet
)

func (t typ) String() string {
	switch t {
	case typeNumber:
		return "a number"
	case typeBool:
		return "true or false"
	case typeText:
		return "a text"
	case typeFact:
		return "a fact"
	default:
		return "a set of names"
	}
}

// op says what a node does; it is also its name in the canonical form, so it never changes (S48).
type op string

const (
	opNumber op = "number"
	opBool   op = "bool"
	opText   op = "text"
	opSignal op = "signal"
	opFact   op = "fact"

	opAnd  op = "&&"
	opOr   op = "||"
	opNot  op = "!"
	opCond op = "?"

	opEqual        op = "=="
	opNotEqual     op = "!="
	opLess         op = "<"
	opLessEqual    op = "<="
	opGreater      op = ">"
	opGreaterEqual op = ">="

	opAdd      op = "+"
	opSubtract op = "-"
	opMultiply op = "*"
	opDivide   op = "/"
	opNegate   op = "neg"

	opInList     op = "in"
	opInSet      op = "in-set"
	opStartsWith op = "startsWith"
	opEndsWith   op = "endsWith"
	opContains   op = "contains"

	opHas       op = "has"
	opKnown     op = "known"
	opAge       op = "age"
	opChanged   op = "changed"
	opDTC       op = "dtc"
	opKMSince   op = "km_since"
	opDaysSince op = "days_since"
)

// node is the bound tree: names resolved to slots, types known, constants folded, chains of && and ||
// flattened. It exists while a condition is compiled.
type node struct {
	op  op
	typ typ
	// pos is where the node begins and at where a message about it points (an operator), in characters
	// of the source.
	pos, at int
	args    []*node
	// num and text of a literal; text is also the name of a signal, fact or item, and a pattern.
	num  float64
	text string
	// slot of the signal, index of the fact or item.
	slot int
	// hold of the signal, in ms; never 0.
	hold int64
	glob Glob
}

// canonical appends the node as an S-expression.
func (n *node) canonical(b []byte) []byte {
	switch n.op {
	case opNumber:
		return strconv.AppendFloat(b, n.num, 'g', -1, 64)
	case opBool:
		return strconv.AppendBool(b, n.num != 0)
	case opText:
		return strconv.AppendQuoteToASCII(b, n.text)
	case opSignal, opFact:
		return append(b, n.text...)
	}
	b = append(b, '(')
	b = append(b, n.op...)
	if n.text != "" {
		b = append(b, ' ')
		b = strconv.AppendQuoteToASCII(b, n.text)
	}
	for _, a := range n.args {
		b = append(b, ' ')
		b = a.canonical(b)
	}
	return append(b, ')')
}

// Costs of what is dearer than a comparison: texts and sets are as long as the sender made them, within
// the bounds of a document.
const (
	costText = 4
	costFind = 32
	costGlob = 64
)

// cost bounds the work of evaluating the node, in comparisons.
func (n *node) cost() int {
	c := 1
	switch n.op {
	case opNumber, opBool, opText:
		return 0
	case opDTC:
		return costGlob
	case opInSet, opContains:
		c = costFind
	case opInList:
		return (len(n.args)-1)*n.elementCost() + n.args[0].cost()
	case opStartsWith, opEndsWith:
		c = costText
	case opEqual, opNotEqual, opLess, opLessEqual, opGreater, opGreaterEqual:
		c = n.elementCost()
	}
	for _, a := range n.args {
		c += a.cost()
	}
	return c
}

// elementCost is the cost of one comparison of the node's operands.
func (n *node) elementCost() int {
	for _, a := range n.args {
		if a.typ == typeNumber || a.typ == typeBool {
			return 1
		}
	}
	return costText
}
