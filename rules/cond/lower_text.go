package cond

import "bytes"

// lowerValue lowers a text, a fact, or a choice between such: what has its type at run time.
func lowerValue(n *node) value {
	switch n.op {
	case opText:
		v := &Fact{Kind: String, Str: []byte(n.text)}
		return func(*Frame) *Fact { return v }
	case opFact:
		i := n.slot
		return func(f *Frame) *Fact { return &f.Facts[i] }
	}
	return lowerChoice(n.args[0], lowerValue(n.args[1]), lowerValue(n.args[2]), nil)
}

// lowerValueComparison compares texts and facts. Different types, and types that do not compare, are
// unknown (S10).
func lowerValueComparison(o op, x, y *node) truth {
	if x.op == opFact && y.op == opText && o == opEqual {
		return lowerFactIs(x.slot, y.text)
	}
	a, b := lowerValue(x), lowerValue(y)
	if o == opEqual || o == opNotEqual {
		sign := Of(o == opEqual)
		return func(f *Frame) Tri { return sign * equalValues(a(f), b(f)) }
	}
	test := numberTest(o)
	return func(f *Frame) Tri {
		c, ok := compareValues(a(f), b(f))
		if !ok {
			return Unknown
		}
		return test(float64(c), 0)
	}
}

func lowerFactIs(i int, text string) truth {
	return func(f *Frame) Tri {
		v := &f.Facts[i]
		if v.Kind != String {
			return Unknown
		}
		return Of(string(v.Str) == text)
	}
}

func equalValues(a, b *Fact) Tri {
	if a == nil || b == nil || a.Kind != b.Kind {
		return Unknown
	}
	switch a.Kind {
	case Number, Bool:
		return Of(a.Num == b.Num)
	case String:
		return Of(bytes.Equal(a.Str, b.Str))
	default:
		return Unknown
	}
}

func compareValues(a, b *Fact) (order int, ok bool) {
	if a == nil || b == nil || a.Kind != b.Kind {
		return 0, false
	}
	switch a.Kind {
	case Number:
		switch {
		case a.Num < b.Num:
			return -1, true
		case a.Num > b.Num:
			return 1, true
		default:
			return 0, true
		}
	case String:
		return bytes.Compare(a.Str, b.Str), true
	default:
		return 0, false
	}
}

// lowerTextTest is startsWith, endsWith or contains.
func lowerTextTest(n *node) truth {
	x, y := lowerValue(n.args[0]), lowerValue(n.args[1])
	test := bytes.Contains
	switch n.op {
	case opStartsWith:
		test = bytes.HasPrefix
	case opEndsWith:
		test = bytes.HasSuffix
	}
	return func(f *Frame) Tri {
		a, b := x(f), y(f)
		if a == nil || b == nil || a.Kind != String || b.Kind != String {
			return Unknown
		}
		return Of(test(a.Str, b.Str))
	}
}

// lowerIn is membership in a list of literals or in a set.
func lowerIn(n *node) truth {
	left, rest := n.args[0], n.args[1:]
	switch {
	case n.op == opInSet:
		return lowerInSet(lowerValue(left), rest[0])
	case rest[0].typ == typeNumber:
		list := make([]float64, len(rest))
		for i, e := range rest {
			list[i] = e.num
		}
		return lowerInNumbers(lowerNumber(left), list)
	default:
		list := make([]string, len(rest))
		for i, e := range rest {
			list[i] = e.text
		}
		return lowerInTexts(lowerValue(left), list)
	}
}

func lowerInNumbers(x number, list []float64) truth {
	return func(f *Frame) Tri {
		v := x(f)
		if v != v {
			return Unknown
		}
		for _, c := range list {
			if v == c {
				return True
			}
		}
		return False
	}
}

func lowerInTexts(x value, list []string) truth {
	return func(f *Frame) Tri {
		v := x(f)
		if v == nil || v.Kind != String {
			return Unknown
		}
		for _, c := range list {
			if string(v.Str) == c {
				return True
			}
		}
		return False
	}
}

func lowerInSet(x value, set *node) truth {
	slot, hold := set.slot, set.hold
	return func(f *Frame) Tri {
		v := x(f)
		if v == nil || v.Kind != String || !f.Samples[slot].holds(f.Now, hold) {
			return Unknown
		}
		return Of(f.Sets[slot].Has(v.Str))
	}
}

// lowerDTC is dtc(glob): a present code matches (S19).
func lowerDTC(n *node) truth {
	slot, hold, glob := n.slot, n.hold, n.glob
	return func(f *Frame) Tri {
		if !f.Samples[slot].holds(f.Now, hold) {
			return Unknown
		}
		return Of(glob.anyMatch(f.Sets[slot]))
	}
}
