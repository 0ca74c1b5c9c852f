package plan

// scale holds the constants of S20…S24 in the units of a counter (S26).
type scale struct {
	allow  int64 // what may be covered in a day
	slack  int64 // how far below k a sample may lie; the growth a run needs
	grown  int64 // the growth a replaced counter must show
	step   int64 // a rise above which a spike may undo it
	margin int64 // below the greatest service odometer
	miles  bool  // the unit may be mistaken
}

func scaleOf(m Measure) scale {
	if m == EngineHours {
		return scale{allow: 24 * hour, slack: hour / 10, grown: hour / 2, step: 5 * hour, margin: 10 * hour}
	}
	return scale{allow: 2000 * kilometre, slack: kilometre, grown: 5 * kilometre, step: 50 * kilometre, margin: 100 * kilometre, miles: true}
}

const (
	runLength   = 3
	runTime     = 10 * minuteMS
	replaceTime = dayMS
	cycleGap    = 30 * minuteMS
	cycles      = 2
	// limit bounds values with their offset, so that products stay within 64 bits.
	limit = 4 * maxKM
	// maxSpan keeps allow·days within 64 bits; nothing that lasts a century depends on the difference.
	maxSpan = 100 * 366 * dayMS
)

// within reports rise ≤ base + perDay · days; the days from at to e are not rounded, at least leastMS.
// Values lie within ±limit and spans within maxSpan, so both products stay below 7·10^18.
func within(rise, base, perDay, at, e, leastMS int64) bool {
	span := min(max(e-at, leastMS), maxSpan)
	return (rise-base)*dayMS <= perDay*span
}

// allows reports v ≤ from + allow, with the days from at (S20).
func (sc scale) allows(from, v, at, e int64) bool {
	return within(v-from, 0, sc.allow, at, e, dayMS)
}

// judge decides on a value that is not late and moves the counter.
func (c *Counter) judge(sc scale, v, e int64) Verdict {
	out := Verdict{Before: c.Value, WasKnown: c.Known}
	if v == 0 || v < 0 && !c.Known { // S20
		out.Fate, out.After = Ignored, c.Value
		return out
	}
	out.Suspect = c.suspect(sc, v, e)
	switch out.Suspect {
	case NotSuspect:
		if c.Known {
			v = max(v, c.Value) // S21
		}
		c.accept(sc, v, e)
	default:
		c.UnitMode = c.UnitMode || out.Suspect == Unit
		c.Run.add(sc, out.Suspect, v, e, c.allowFrom())
		out.Cause, out.Fate = c.complete(sc)
		if out.Fate == Accepted {
			out.First, out.FirstAt, out.Samples = c.Run.First, c.Run.FirstAt, int(c.Run.Count)
			if out.Cause == CauseReplaced {
				v = c.replace()
			}
			c.accept(sc, v, e)
		}
	}
	out.After = c.Value
	return out
}

// suspect says what speaks against v: S20, the exception of S21, S23, S22.
func (c *Counter) suspect(sc scale, v, e int64) Suspect {
	switch {
	case !c.Known && c.HasServiceMax && v < c.ServiceMax-sc.margin:
		return BelowService
	case !c.Known:
		return NotSuspect
	case sc.miles && c.looksLikeMiles(sc, v, e):
		return Unit
	case v < c.Value-sc.slack:
		return Fall
	case !sc.allows(c.Value, v, c.At, e):
		return Jump
	}
	return NotSuspect
}

// looksLikeMiles is the exception of S21: kilometres multiplied by 1.609344 once more.
func (c *Counter) looksLikeMiles(sc scale, v, e int64) bool {
	const mile = 1_609_344 // millionths of a kilometre
	if c.UnitMode && v*1_000_000 >= (c.Value-sc.slack)*mile {
		return true
	}
	far := !within(v-c.Value, sc.step, sc.allow, c.At, e, 0)
	// v/k within 0.5 % of 1.609344, in hundred-millionths.
	return far && v*100_000_000 >= c.Value*(mile*100-mile/2) && v*100_000_000 <= c.Value*(mile*100+mile/2)
}

// accept makes v the accepted value. Whatever was suspected is discarded (S25), and as values that look
// like miles are never accepted, v is the smaller one that ends UnitMode (S21).
func (c *Counter) accept(sc scale, v, e int64) {
	if c.Known && v-c.Value > sc.step {
		c.StepFrom, c.HasStep = c.Value, true
	}
	c.Value, c.At, c.Known = v, e, true
	c.Run, c.UnitMode = Run{}, false
}

// allowFrom is the time from which `allow` counts its days: e_k, and before there is a k the previous
// sample of the run.
func (c *Counter) allowFrom() int64 {
	if c.Known {
		return c.At
	}
	return c.Run.PrevAt
}
