package cond

import "slices"

// Bounds of one condition (E11).
const (
	MaxLength = 8 << 10 // bytes of text
	MaxNodes  = 500     // names, literals, operators and calls
	MaxDepth  = 32      // nesting; chains of && and || do not nest
	MaxCost   = 4000    // Cost
)

// Cond is a compiled condition. It is immutable and safe for concurrent use, each caller with its own
// Frame.
type Cond struct {
	src     string
	meaning string
	eval    truth
	reads   reads
	cost    int
}

// reads is what an evaluation may look at: slots and indices, ascending once sorted.
type reads struct {
	signals, facts []int
	// kmOf and daysOf are the items that km_since and days_since name.
	kmOf, daysOf []int
	hourly       bool
}

func (r reads) sorted() reads {
	for _, s := range []*[]int{&r.signals, &r.facts, &r.kmOf, &r.daysOf} {
		slices.Sort(*s)
		*s = slices.Compact(*s)
	}
	return r
}

// Compile checks a condition and lowers it. The error is an *Error with the place of the mistake; the
// time it takes is bounded, whatever the text.
func Compile(env *Env, src string) (*Cond, error) {
	n, r, err := analyse(env, src)
	if err != nil {
		return nil, err
	}
	return &Cond{src: src, meaning: string(n.canonical(nil)), eval: lowerBool(n), reads: r, cost: n.cost()}, nil
}

// analyse is everything before the lowering: parse, bind, check against CEL, bound.
func analyse(env *Env, src string) (*node, reads, *Error) {
	tree, err := env.lang.parse(src)
	if err != nil {
		return nil, reads{}, err
	}
	n, r, err := bind(env, tree, src)
	if err != nil {
		return nil, reads{}, err
	}
	if err := env.lang.check(tree, src); err != nil {
		return nil, reads{}, err
	}
	if c := n.cost(); c > MaxCost {
		return nil, reads{}, errorAt(nil, 0, "", "the condition costs %d, at most %d is allowed", c, MaxCost)
	}
	return n, r, nil
}

// Eval evaluates the condition. It does not allocate, reads nothing but the frame and is deterministic
// (E2). The frame must come from the Env's NewFrame, made after the condition was compiled.
func (c *Cond) Eval(f *Frame) Tri { return c.eval(f) }

// Source is the text as it was given.
func (c *Cond) Source() string { return c.src }

// Meaning is the canonical form: equal for two texts that differ in what cannot change the result (white
// space, parentheses, quotes, comments, 5 and 5.0, 60*60 and 3600), stable across builds (S48).
func (c *Cond) Meaning() string { return c.meaning }

// Signals are the slots whose new samples may change the result, ascending (S11). dtc reads dtcs,
// km_since reads odometer.
func (c *Cond) Signals() []int { return c.reads.signals }

// Facts are the indices of the facts read, ascending.
func (c *Cond) Facts() []int { return c.reads.facts }

// KMOf are the indices of the items that km_since names, ascending: a service that moves the reading
// such an item is counted from may change the result.
func (c *Cond) KMOf() []int { return c.reads.kmOf }

// DaysOf are the indices of the items that days_since names, ascending: a service that moves the date
// such an item is counted from may change the result.
func (c *Cond) DaysOf() []int { return c.reads.daysOf }

// Hourly reports whether the condition uses age or days_since: its rule is evaluated at every full hour
// of the clock too (S11).
func (c *Cond) Hourly() bool { return c.reads.hourly }

// Cost bounds the work of one Eval, in units of about one comparison of a signal with a number.
func (c *Cond) Cost() int { return c.cost }
