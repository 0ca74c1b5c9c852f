package cond

// lowerComparison lowers == != < <= > >= by the types of its operands; a fact takes the other one's.
func lowerComparison(n *node) truth {
	x, y := n.args[0], n.args[1]
	switch {
	case x.typ == typeNumber || y.typ == typeNumber:
		return lowerNumberComparison(n.op, x, y)
	case x.typ == typeBool || y.typ == typeBool:
		return lowerBoolEquality(n.op, lowerBool(x), lowerBool(y))
	default:
		return lowerValueComparison(n.op, x, y)
	}
}

// lowerBoolEquality: with Unknown as 0 and True and False as 1 and -1, equality is the product.
func lowerBoolEquality(o op, x, y truth) truth {
	if o == opEqual {
		return func(f *Frame) Tri { return x(f) * y(f) }
	}
	return func(f *Frame) Tri { return -x(f) * y(f) }
}

// mirrored is the comparison with its operands swapped.
func (o op) mirrored() op {
	switch o {
	case opLess:
		return opGreater
	case opLessEqual:
		return opGreaterEqual
	case opGreater:
		return opLess
	case opGreaterEqual:
		return opLessEqual
	default:
		return o
	}
}

func lowerNumberComparison(o op, x, y *node) truth {
	if x.op == opNumber && y.op != opNumber {
		o, x, y = o.mirrored(), y, x
	}
	if y.op == opNumber && x.op == opSignal {
		return lowerThreshold(o, x, y.num)
	}
	a, b, test := lowerNumber(x), lowerNumber(y), numberTest(o)
	return func(f *Frame) Tri { return test(a(f), b(f)) }
}

// numberTest returns a comparison in which NaN is unknown: NaN compares false with everything, so that
// neither the comparison nor its opposite holds.
func numberTest(o op) func(a, b float64) Tri {
	switch o {
	case opEqual:
		return equal
	case opNotEqual:
		return func(a, b float64) Tri { return equal(a, b).Not() }
	case opLess:
		return func(a, b float64) Tri { return greater(b, a) }
	case opLessEqual:
		return func(a, b float64) Tri { return greater(a, b).Not() }
	case opGreater:
		return greater
	default:
		return func(a, b float64) Tri { return greater(b, a).Not() }
	}
}

func equal(a, b float64) Tri {
	switch {
	case a == b:
		return True
	case a < b, a > b:
		return False
	default:
		return Unknown
	}
}

func greater(a, b float64) Tri {
	switch {
	case a > b:
		return True
	case a <= b:
		return False
	default:
		return Unknown
	}
}

// lowerThreshold is the most common shape, a signal beside a literal, in one closure.
func lowerThreshold(o op, n *node, c float64) truth {
	slot, hold := n.slot, n.hold
	switch o {
	case opEqual:
		return func(f *Frame) Tri {
			s := &f.Samples[slot]
			if !s.holds(f.Now, hold) {
				return Unknown
			}
			return Of(s.V == c)
		}
	case opNotEqual:
		return func(f *Frame) Tri {
			s := &f.Samples[slot]
			if !s.holds(f.Now, hold) {
				return Unknown
			}
			return Of(s.V != c)
		}
	case opLess:
		return func(f *Frame) Tri {
			s := &f.Samples[slot]
			if !s.holds(f.Now, hold) {
				return Unknown
			}
			return Of(s.V < c)
		}
	case opLessEqual:
		return func(f *Frame) Tri {
			s := &f.Samples[slot]
			if !s.holds(f.Now, hold) {
				return Unknown
			}
			return Of(s.V <= c)
		}
	case opGreater:
		return func(f *Frame) Tri {
			s := &f.Samples[slot]
			if !s.holds(f.Now, hold) {
				return Unknown
			}
			return Of(s.V > c)
		}
	default:
		return func(f *Frame) Tri {
			s := &f.Samples[slot]
			if !s.holds(f.Now, hold) {
				return Unknown
			}
			return Of(s.V >= c)
		}
	}
}
