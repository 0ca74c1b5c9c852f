package cond

// A condition runs as closures: every node is a function of the frame that calls its operands'. The
// common shapes (a signal beside a literal, && and || of two) have closures of their own, so that a rule
// that does not match costs a few nanoseconds.
type (
	truth  func(*Frame) Tri
	number func(*Frame) float64 // NaN is unknown: inputs are finite (E7) and results are made so
	value  func(*Frame) *Fact   // nil is unknown
)

// lowerBool lowers a node that is true or false, or a fact that is asked to be.
func lowerBool(n *node) truth {
	switch n.op {
	case opBool:
		t := Of(n.num != 0)
		return func(*Frame) Tri { return t }
	case opSignal:
		return lowerBoolSignal(n)
	case opFact:
		return lowerBoolFact(n)
	case opAnd:
		return lowerAnd(lowerAll(n.args))
	case opOr:
		return lowerOr(lowerAll(n.args))
	case opNot:
		x := lowerBool(n.args[0])
		return func(f *Frame) Tri { return x(f).Not() }
	case opCond:
		return lowerChoice(n.args[0], lowerBool(n.args[1]), lowerBool(n.args[2]), Unknown)
	case opEqual, opNotEqual, opLess, opLessEqual, opGreater, opGreaterEqual:
		return lowerComparison(n)
	case opInList, opInSet:
		return lowerIn(n)
	case opStartsWith, opEndsWith, opContains:
		return lowerTextTest(n)
	case opHas, opKnown:
		return lowerKnown(n.args[0])
	case opChanged:
		slot := n.args[0].slot
		return func(f *Frame) Tri { return f.Samples[slot].Changed }
	case opDTC:
		return lowerDTC(n)
	}
	panic("cond: lowerBool of " + string(n.op))
}

func lowerAll(nodes []*node) []truth {
	out := make([]truth, len(nodes))
	for i, n := range nodes {
		out[i] = lowerBool(n)
	}
	return out
}

func lowerAnd(terms []truth) truth {
	if len(terms) == 2 {
		x, y := terms[0], terms[1]
		return func(f *Frame) Tri {
			t := x(f)
			if t == False {
				return False
			}
			return t.And(y(f))
		}
	}
	return func(f *Frame) Tri {
		t := True
		for _, x := range terms {
			if t = t.And(x(f)); t == False {
				return False
			}
		}
		return t
	}
}

func lowerOr(terms []truth) truth {
	if len(terms) == 2 {
		x, y := terms[0], terms[1]
		return func(f *Frame) Tri {
			t := x(f)
			if t == True {
				return True
			}
			return t.Or(y(f))
		}
	}
	return func(f *Frame) Tri {
		t := False
		for _, x := range terms {
			if t = t.Or(x(f)); t == True {
				return True
			}
		}
		return t
	}
}

// lowerChoice lowers c ? x : y; an unknown c makes it unknown, whatever that is for the type of x and y.
func lowerChoice[T any](c *node, x, y func(*Frame) T, unknown T) func(*Frame) T {
	test := lowerBool(c)
	return func(f *Frame) T {
		switch test(f) {
		case True:
			return x(f)
		case False:
			return y(f)
		default:
			return unknown
		}
	}
}

// holds reports whether the sample is known: seen, and not older than the signal holds (S9).
func (s *Sample) holds(now, hold int64) bool { return s.Seen && now-s.At <= hold }

func lowerBoolSignal(n *node) truth {
	slot, hold := n.slot, n.hold
	return func(f *Frame) Tri {
		s := &f.Samples[slot]
		if !s.holds(f.Now, hold) {
			return Unknown
		}
		return Of(s.V != 0)
	}
}

func lowerBoolFact(n *node) truth {
	i := n.slot
	return func(f *Frame) Tri {
		v := &f.Facts[i]
		if v.Kind != Bool {
			return Unknown
		}
		return Of(v.Num != 0)
	}
}

// lowerKnown is known(x) and has(x): never unknown.
func lowerKnown(n *node) truth {
	slot, hold := n.slot, n.hold
	switch n.op {
	case opSignal:
		return func(f *Frame) Tri { return Of(f.Samples[slot].holds(f.Now, hold)) }
	case opFact:
		return func(f *Frame) Tri { return Of(f.Facts[slot].Kind != Absent) }
	default:
		x := lowerNumber(n)
		return func(f *Frame) Tri {
			v := x(f)
			return Of(v == v)
		}
	}
}
