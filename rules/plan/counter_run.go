package plan

// add continues the run with a suspect, or starts a new one (S22).
func (r *Run) add(sc scale, kind Suspect, v, e, allowFrom int64) {
	if r.Count == 0 || r.Kind != kind || e <= r.PrevAt || v < r.Prev || !sc.allows(r.Prev, v, allowFrom, e) {
		*r = Run{First: v, Prev: v, FirstAt: e, PrevAt: e, Count: 1, Kind: kind}
		return
	}
	if r.Powered || e-r.PrevAt >= cycleGap { // S24
		r.Cycles++
	}
	r.Prev, r.PrevAt, r.Powered = v, e, false
	r.Count++
}

// spans reports a run of at least 3 samples that covers a time and has grown.
func (r *Run) spans(ms, growth int64) bool {
	return r.Count >= runLength && r.PrevAt-r.FirstAt >= ms && r.Prev-r.First >= growth
}

// complete says what the run amounts to. A run of unit suspects never amounts to anything.
func (c *Counter) complete(sc scale) (Cause, Fate) {
	r := &c.Run
	switch r.Kind {
	case BelowService:
		if r.spans(runTime, sc.slack) {
			return NoCause, Accepted
		}
	case Jump:
		if r.spans(runTime, sc.slack) {
			return CauseJump, Accepted
		}
	case Fall:
		// The run never falls, so its first value speaks for all of them (S23).
		if c.HasStep && r.First >= c.StepFrom-sc.slack && r.spans(runTime, sc.slack) {
			return CauseSpike, Accepted
		}
		if r.Cycles >= cycles && r.spans(replaceTime, sc.grown) {
			return CauseReplaced, Accepted
		}
	}
	return NoCause, Suspected
}

// replace goes on from k on the scale of the new instrument (S24) and returns the newest value on it.
func (c *Counter) replace() int64 {
	add := c.Value - c.Run.First
	c.shift(c.Run.FirstAt, add)
	return min(c.Run.Prev+add, limit)
}

// shift changes the offset: services from a time on are told on the new scale.
func (c *Counter) shift(from, add int64) {
	c.Offset += add
	n := len(c.Shifts)
	if oldest := c.Shifts[0]; oldest != (Shift{}) {
		c.ShiftBase += oldest.Add
	}
	copy(c.Shifts[:], c.Shifts[1:])
	c.Shifts[n-1] = Shift{From: from, Add: add}
}

// offsetAt is the offset of what a service told at a time.
func (c *Counter) offsetAt(time int64) int64 {
	sum := c.ShiftBase
	for _, s := range c.Shifts {
		if s != (Shift{}) && s.From <= time {
			sum += s.Add
		}
	}
	return sum
}
