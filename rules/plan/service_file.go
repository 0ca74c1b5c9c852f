package plan

import "slices"

// AddService files a service: its odometer and hours are settled (S33), then each of its items gets a
// record, then a reset moves the offset (S24). It moves neither k nor a level: Evaluate follows, with
// Moment.Serviced, and CauseReset if there was a Reset.
func (s *State) AddService(sv Service) Filed {
	s.Seq++
	today := sv.Zone.DayOf(sv.Now)
	out := Filed{Seq: s.Seq, Day: sv.Zone.DayOf(sv.Time)}
	out.KM = s.hear(Odometer, sv.KM, sv.Time, out.Day, today)
	out.Hours = s.hear(EngineHours, sv.Hours, sv.Time, out.Day, today)
	r := Record{Time: sv.Time, Day: out.Day, Seq: out.Seq}
	r.set(Odometer, out.KM)
	r.set(EngineHours, out.Hours)
	for i, key := range sv.Items {
		r.Item = key
		if !slices.Contains(sv.Items[:i], key) && !s.file(r) { // items and codes may both name it
			out.Dropped++
		}
	}
	if sv.Reset.Set && sv.Reset.From != sv.Reset.To {
		// The record's own odometer and those before it are on the old scale.
		s.Core.Odometer.shift(sv.Time+1, sv.Reset.From-sv.Reset.To)
	}
	if sv.Reset.Set {
		s.Core.Odometer.Run = Run{}
	}
	return out
}

// hear puts what a service told on the scale of k and settles it.
func (s *State) hear(m Measure, told Told, time int64, day, today Day) Settled {
	c, days := s.measure(m)
	if told.Set {
		told.Value = min(max(told.Value+c.offsetAt(time), -limit), limit)
	}
	if !c.Known && told.Set && (!c.HasServiceMax || told.Value > c.ServiceMax) { // S20
		c.ServiceMax, c.HasServiceMax = told.Value, true
	}
	return c.settle(*days, scaleOf(m).allow, told, day, today)
}

// settle is S33: what is absent or further than limit from where k stood is taken from k.
func (c *Counter) settle(days []DayValue, limit int64, told Told, day, today Day) Settled {
	if !c.Known {
		return Settled{Value: told.Value, Known: told.Set, Pending: true}
	}
	d, known := c.standing(days, day, today)
	plausible := told.Set && told.Value <= c.Value+limit
	if known && (told.Value > d+limit || told.Value < d-limit) {
		plausible = false
	}
	switch {
	case plausible:
		return Settled{Value: told.Value, Known: true}
	case known:
		return Settled{Value: d, Known: true, Derived: true}
	}
	return Settled{Value: c.Value, Known: true, Derived: true}
}

// settlePending checks what was told while k was unknown, now that it has come (S33).
func (s *State) settlePending(m Measure, today Day) {
	c, days := s.measure(m)
	for i := range s.Services {
		r := &s.Services[i]
		if v := r.get(m); v.Pending {
			told := Told{Value: v.Value, Set: v.Known}
			r.set(m, c.settle(*days, scaleOf(m).allow, told, r.Day, today))
		}
	}
}

// shiftRecords gives the offset of a replaced instrument to services at or after its first sample (S24).
// What was derived from k never was on the new instrument's scale.
func (s *State) shiftRecords(m Measure, from, add int64) {
	for i := range s.Services {
		r := &s.Services[i]
		if v := r.get(m); r.Time >= from && v.Known && !v.Derived {
			v.Value += add
			r.set(m, v)
		}
	}
}

func (r *Record) get(m Measure) Settled {
	v, f := r.KM, r.Flags
	if m == EngineHours {
		v, f = r.Hours, r.Flags>>hoursShift
	}
	return Settled{Value: v, Known: f&HasKM != 0, Derived: f&KMDerived != 0, Pending: f&KMPending != 0}
}

func (r *Record) set(m Measure, v Settled) {
	var f RecordFlags
	if v.Known {
		f |= HasKM
	}
	if v.Derived {
		f |= KMDerived
	}
	if v.Pending {
		f |= KMPending
	}
	const mask = HasKM | KMDerived | KMPending
	if m == EngineHours {
		r.Hours, r.Flags = v.Value, r.Flags&^(mask<<hoursShift)|f<<hoursShift
		return
	}
	r.KM, r.Flags = v.Value, r.Flags&^mask|f
}
