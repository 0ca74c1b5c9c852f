package cond

// Bounds of one condition (E11).
const (
	MaxLength = 8 << 10 // bytes of text
	MaxNodes  = 500     // of the syntax tree
	MaxDepth  = 32      // nesting
	MaxCost   = 4000    // Cost
)

// Cond is a compiled condition. It is immutable and safe for concurrent use, each caller with its own
// Frame.
type Cond struct {
	src     string
	meaning string
	eval    func(*Frame) Tri
	reads   reads
	cost    int
}

type reads struct {
	signals, facts, items []int
	age, days             bool
}

// Compile checks a condition and lowers it. The error is an *Error with the place of the mistake.
func Compile(env *Env, src string) (*Cond, error) { panic("not built yet") }

// Eval evaluates the condition. It does not allocate, reads nothing but the frame and is deterministic
// (E2). The frame must come from the Env's NewFrame, made after the condition was compiled.
func (c *Cond) Eval(f *Frame) Tri { return c.eval(f) }

// Source is the text as it was given.
func (c *Cond) Source() string { return c.src }

// Meaning is the canonical form: equal for two texts that differ in what cannot change the result (white
// space, parentheses, quotes, comments, 5 and 5.0, 60*60 and 3600), stable across builds (S48).
func (c *Cond) Meaning() string { return c.meaning }

// Signals are the slots whose new samples may change the result, ascending (S11). km_since reads the
// odometer.
func (c *Cond) Signals() []int { return c.reads.signals }

// Facts are the indices of the facts read, ascending.
func (c *Cond) Facts() []int { return c.reads.facts }

// Items are the indices of the items read by km_since and days_since, ascending.
func (c *Cond) Items() []int { return c.reads.items }

// Hourly reports whether time alone may change the result by the use of age or days_since: such rules
// are evaluated at every full hour too (S11).
func (c *Cond) Hourly() bool { return c.reads.age || c.reads.days }

// Cost bounds the work of one Eval, in units of about one comparison of a signal with a number.
func (c *Cond) Cost() int { return c.cost }
