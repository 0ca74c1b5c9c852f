package plan

// PowerOn tells both counters that ignition or engine_on went from false to true (S24); before Observe of
// the same record.
func (c *Core) PowerOn() {
	c.Odometer.Run.Powered = c.Odometer.Run.Count > 0
	c.EngineHours.Run.Powered = c.EngineHours.Run.Count > 0
}

// Observe judges a sample that is not late and applies what follows from it to records and items: the
// check of odometers told before k was known (S33), the offset of a replaced instrument (S24), a new
// first sight after a jump (S22).
func (s *State) Observe(m Measure, sm Sample) Verdict {
	c, days := s.measure(m)
	v := min(max(sm.Raw+c.Offset, -limit), limit)
	out := c.judge(scaleOf(m), v, sm.E)
	if out.Fate != Accepted {
		return out
	}
	c.closeDay(days, sm.Zone.DayOf(sm.E), out)
	if !out.WasKnown {
		s.settlePending(m, sm.Zone.DayOf(sm.Now))
	}
	switch out.Cause {
	case CauseReplaced:
		s.shiftRecords(m, out.FirstAt, c.Shifts[len(c.Shifts)-1].Add)
	case CauseJump:
		s.forgetSight(dimOf(m))
	}
	return out
}

// Set is an operator's decision: k = value from now on, suspects are dropped, what was first seen at the
// value before is first seen again. Evaluate with CauseSet.
func (s *State) Set(m Measure, value, now int64, z Zone) {
	c, days := s.measure(m)
	before := Verdict{Before: c.Value, WasKnown: c.Known}
	c.accept(scaleOf(m), min(max(value, 0), limit), now)
	c.closeDay(days, z.DayOf(now), before)
	if !before.WasKnown {
		s.settlePending(m, z.DayOf(now))
	}
	s.forgetSight(dimOf(m))
}

func (s *State) measure(m Measure) (*Counter, *[]DayValue) {
	if m == EngineHours {
		return &s.Core.EngineHours, &s.HourDays
	}
	return &s.Core.Odometer, &s.Days
}

func dimOf(m Measure) Dim {
	if m == EngineHours {
		return Hours
	}
	return KM
}

const historyDays = 35

// closeDay keeps the value before as the end of its day when a later day begins (S33). A day before the
// current one (the zone has changed) does not begin.
func (c *Counter) closeDay(days *[]DayValue, day Day, was Verdict) {
	if !was.WasKnown {
		c.Day = day
		return
	}
	if day <= c.Day {
		return
	}
	list := *days
	// Of what ended 35 or more days ago the newest still says how k stood.
	old := 0
	for old+1 < len(list) && list[old+1].Day() <= day-historyDays {
		old++
	}
	old = max(old, len(list)-(MaxDays-1))
	list = append(list[:0], list[old:]...)
	*days = append(list, dayValue(c.Day, was.Before))
	c.Day = day
}

// standing is k as it stood at the end of a local day, the d of S33.
func (c *Counter) standing(days []DayValue, day, today Day) (int64, bool) {
	if !c.Known || day < today-historyDays {
		return 0, false
	}
	if day >= c.Day {
		return c.Value, true
	}
	for i := len(days) - 1; i >= 0; i-- {
		if days[i].Day() <= day {
			return days[i].Value(), true
		}
	}
	return 0, false
}
