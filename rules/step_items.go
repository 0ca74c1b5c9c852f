package rules

import (
	"bytes"
	"encoding/binary"

	"github.com/milepost-io/milepost/ingest"
	"github.com/milepost-io/milepost/rules/plan"
)

// runCounters judges the odometer and engine hours of a record (S20…S26).
func (s *Step) runCounters(e int64) {
	for i := range s.ev.Samples {
		switch x := &s.ev.Samples[i]; x.Signal {
		case s.rules.odometer:
			if e >= s.v.OdometerAt {
				s.v.OdometerAt = e
				s.observe(plan.Odometer, x, plan.Metres(x.V), e, &s.v.Odometer)
			}
		case s.rules.hours:
			if e >= s.v.HoursAt {
				s.v.HoursAt = e
				s.observe(plan.EngineHours, x, plan.MilliHours(x.V), e, &s.v.EngineHours)
			}
		}
	}
}

// observe judges one reading; only an accepted one is a sample for the conditions (S25).
func (s *Step) observe(m plan.Measure, x *ingest.Sample, raw, e int64, c *plan.Counter) {
	zone := s.zone()
	if !ordinary(c, raw, zone.DayOf(e)) {
		s.loadCold()
	}
	st := s.planState()
	verdict := st.Observe(m, plan.Sample{Raw: raw, E: e, Now: s.in.now, Zone: zone})
	s.v.items = st.Items
	switch verdict.Fate {
	case plan.Accepted:
		s.setSlot(x.Signal, s.prog.catalogue.Signal(x.Signal).ID, plan.Units(verdict.After), e)
	case plan.Suspected:
		s.note(TimelineEntry{Kind: "suspect", Signal: s.prog.catalogue.Signal(x.Signal).Name, Reason: verdict.Suspect.String(), Value: &x.V})
	}
	if verdict.Cause != plan.NoCause || (verdict.Fate == plan.Accepted && !verdict.WasKnown) {
		s.loadFacts() // the readings of services on file may have moved with it
	}
	if verdict.Cause != plan.NoCause {
		if s.in.cause == plan.NoCause { // of two counters in one record the first names the reason
			s.in.cause = verdict.Cause
		}
		s.decided(m, verdict)
	} else if verdict.Fate == plan.Accepted && verdict.Suspect != plan.NotSuspect {
		s.note(TimelineEntry{Kind: "odometer", Signal: s.prog.catalogue.Signal(x.Signal).Name, Reason: verdict.Suspect.String(), Value: &x.V})
	}
}

// ordinary reports whether a reading goes on from the one before on the same day, so that neither the
// closed days nor the records are needed to judge it.
func ordinary(c *plan.Counter, raw int64, day plan.Day) bool {
	v := raw + c.Offset
	return c.Known && c.Run.Count == 0 && day == c.Day && v >= c.Value && v <= c.Value+50_000
}

// decided makes the event of a decision about the odometer (S7).
func (s *Step) decided(m plan.Measure, d plan.Verdict) {
	cause := d.Cause.String()
	detail := map[string]any{"from_km": plan.Units(d.Before), "to_km": plan.Units(d.After), "samples": d.Samples}
	name := "engine_hours"
	if m == plan.Odometer {
		name = "odometer"
		s.in.odometer = append(s.in.odometer, Event{
			ID:       newID("odometer").bytes(s.identity()).text(cause).int(s.in.at).int(d.First).int(d.After).id(prefixEvent),
			Type:     "milepost.odometer." + cause,
			Time:     s.in.at,
			Version:  s.rules.version,
			Evidence: s.readings(nil),
			Detail:   detail,
		})
	}
	s.in.stateChanged = true
	s.note(TimelineEntry{Kind: "odometer", Signal: name, Reason: cause, Detail: detail})
}

// planState lends the vehicle to the plan package; the cold parts are there after loadCold.
func (s *Step) planState() *plan.State {
	s.state.Core, s.state.Items = &s.v.Core, s.v.items
	return &s.state
}

// loadCold brings in the closed days and the service records.
func (s *Step) loadCold() {
	if s.in.cold {
		return
	}
	s.in.cold = true
	st := &s.state
	st.Days, st.HourDays, st.Services = st.Days[:0], st.HourDays[:0], st.Services[:0]
	var err error
	if b := s.in.docs.View(s.sub.days); len(b) >= 8 {
		n, m := binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[4:])
		if b, err = take(&st.Days, n, b[8:]); err == nil {
			_, err = take(&st.HourDays, m, b)
		}
	}
	if b := s.in.docs.View(s.sub.records); err == nil && b != nil {
		_, err = take(&st.Services, uint32(len(b)/recordSize), b)
	}
	if err != nil {
		panic(err)
	}
}

// storeCold writes the closed days and the service records back where they changed.
func (s *Step) storeCold() {
	if !s.in.cold {
		return
	}
	st := &s.state
	b := binary.LittleEndian.AppendUint32(s.buf[:0], uint32(len(st.Days)))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(st.HourDays)))
	b = append(append(b, bytesOf(st.Days)...), bytesOf(st.HourDays)...)
	s.buf = b
	if len(b) > 8 && !bytes.Equal(b, s.in.docs.View(s.sub.days)) {
		s.in.c.Put(s.sub.days, b)
	}
	if r := bytesOf(st.Services); len(r) > 0 && !bytes.Equal(r, s.in.docs.View(s.sub.records)) {
		s.in.c.Put(s.sub.records, r)
	}
}

// today is the day that has started by the clock (S30), cached until the next one starts.
func (s *Step) today() plan.Day {
	if s.in.now >= s.v.TodayEnds {
		s.v.Today, s.v.TodayEnds = s.zone().Today(s.in.now, s.prog.Policy.DayStartsMin)
	}
	return s.v.Today
}

// plan is the vehicle's plan, or nil.
func (s *Step) plan() *Plan { return s.prog.planByKey[s.v.PlanKey] }

// runItems evaluates the maintenance items, unless nothing can have changed since the last time (S30).
func (s *Step) runItems() {
	today := s.today()
	if !s.in.evaluate && s.in.cause == plan.NoCause && s.v.Horizon.Quiet(&s.v.Core, today) {
		return
	}
	s.loadCold()
	p := s.plan()
	var rules *plan.Plan
	if p != nil {
		rules = p.Plan
	}
	s.itemsBefore = append(s.itemsBefore[:0], s.v.items...)
	st := s.planState()
	s.changes, s.v.Horizon = st.Evaluate(rules, s.moment(today), s.changes[:0])
	s.v.items = st.Items
	s.v.NextDay = 0
	if d := s.v.Horizon.Day; d != plan.NoDay {
		s.v.NextDay = max(s.zone().Start(d, s.prog.Policy.DayStartsMin), s.v.TodayEnds)
	}
	if p != nil {
		s.noteAssumed(p, s.itemsBefore)
	}
	if len(s.changes) > 0 {
		s.in.stateChanged = true
		s.reminders(p, s.changes)
	}
}

func (s *Step) moment(today plan.Day) plan.Moment {
	return plan.Moment{Today: today, InService: s.v.InService, Serviced: s.in.serviced, Cause: s.in.cause}
}
