package cond

import "math"

// lowerNumber lowers a node that is a number, or a fact that is asked to be. The results are finite or
// NaN: what overflows, and what is divided by zero, is unknown (S10).
func lowerNumber(n *node) number {
	slot, hold := n.slot, n.hold
	switch n.op {
	case opNumber:
		v := n.num
		return func(*Frame) float64 { return v }
	case opSignal:
		return func(f *Frame) float64 {
			s := &f.Samples[slot]
			if !s.holds(f.Now, hold) {
				return math.NaN()
			}
			return s.V
		}
	case opFact:
		return func(f *Frame) float64 {
			v := &f.Facts[slot]
			if v.Kind != Number {
				return math.NaN()
			}
			return v.Num
		}
	case opAge:
		return lowerAge(n)
	case opKMSince:
		return func(f *Frame) float64 { return f.KMSince[slot] }
	case opDaysSince:
		return func(f *Frame) float64 { return f.DaysSince[slot] }
	case opCond:
		return lowerChoice(n.args[0], lowerNumber(n.args[1]), lowerNumber(n.args[2]), math.NaN())
	case opNegate:
		x := lowerNumber(n.args[0])
		return func(f *Frame) float64 { return -x(f) }
	}
	return lowerArithmetic(n.op, lowerNumber(n.args[0]), lowerNumber(n.args[1]))
}

// lowerArithmetic lowers + - * /. The conversion of the product forbids the compiler to fuse it with what
// follows, finite included (E2).
func lowerArithmetic(o op, x, y number) number {
	switch o {
	case opAdd:
		return func(f *Frame) float64 { return finite(x(f) + y(f)) }
	case opSubtract:
		return func(f *Frame) float64 { return finite(x(f) - y(f)) }
	case opMultiply:
		return func(f *Frame) float64 { return finite(float64(x(f) * y(f))) }
	case opDivide:
		return func(f *Frame) float64 { return finite(x(f) / y(f)) }
	}
	panic("cond: lowerArithmetic of " + string(o))
}

// finite makes an infinity NaN.
func finite(v float64) float64 {
	if v-v != 0 {
		return math.NaN()
	}
	return v
}

// lowerAge is the age of the newest sample in seconds, whether or not it still holds.
func lowerAge(n *node) number {
	slot := n.args[0].slot
	return func(f *Frame) float64 {
		s := &f.Samples[slot]
		if !s.Seen {
			return math.NaN()
		}
		return float64(f.Now-s.At) / 1000
	}
}
