package plan

type itemRule struct{}

// Resolve checks the plan, fills keys and defaults (S30, S42) and returns what is wrong with it, in order.
func (p *Plan) Resolve() []Problem { panic("not built yet") }

// CheckKeys reports ids of different plans that share a key.
// ItemsFor appends the indexes of the items that an operation code means.
func (p *Plan) ItemsFor(code string, to []int) []int { panic("not built yet") }

// Find is the index of the item with that key, -1 if none.
func (p *Plan) Find(key ItemKey) int { panic("not built yet") }

// Glob reports whether s matches pattern; * is any run of characters, ? any one.
func Glob(pattern, s string) bool { panic("not built yet") }

// PowerOn tells both counters that ignition or engine_on went from false to true; before Observe of the
// same record.
func (c *Core) PowerOn() { panic("not built yet") }

// Observe judges a sample that is not late.
func (s *State) Observe(m Measure, sm Sample) Verdict { panic("not built yet") }

// Set is an operator's decision: k = value from now on, suspects are dropped. Evaluate with CauseSet.
func (s *State) Set(m Measure, value, now int64, z Zone) { panic("not built yet") }

// AddService files a service. Evaluate with Moment.Serviced, and CauseReset if it had a Reset.
func (s *State) AddService(sv Service) Filed { panic("not built yet") }

// Baseline is the record of an item greatest by (time, order of application).
func (s *State) Baseline(key ItemKey) (Record, bool) { panic("not built yet") }

// Evaluate compares every item with its readings, moves the states and appends the changes to out, in the
// order in which they leave (S7): cancelled, done, then rises, overdue before due before soon, each in plan order. p is nil for a
// vehicle without a plan.
func (s *State) Evaluate(p *Plan, m Moment, out []Change) ([]Change, Horizon) { panic("not built yet") }

// Status is item i of the plan as it stands, without changing anything; after Evaluate.
func (s *State) Status(p *Plan, i int, m Moment) Status { panic("not built yet") }

// Quiet reports that an evaluation with the counters as they are, today and no cause changes nothing.
func (h Horizon) Quiet(c *Core, today Day) bool { panic("not built yet") }

// Append appends a canonical encoding of the baseline, to be hashed into ids.
func (b Baseline) Append(dst []byte) []byte { panic("not built yet") }
