package rules

import (
	"bytes"
	"slices"

	"github.com/milepost-io/milepost/ingest"
	"github.com/milepost-io/milepost/rules/cond"
	"github.com/milepost-io/milepost/state"
)

const (
	minute = int64(60_000)
	hour   = 60 * minute
	day    = 24 * hour

	// trustedFrom is 2015-01-01, before which no car's clock is believed (S2).
	trustedFrom = int64(1_420_070_400_000)
	// clockSlack is how far ahead of its arrival a car's clock may be.
	clockSlack = 5 * minute
	// backSlack is how far behind the greatest trusted time.
	backSlack = 30 * day
	// gpsEpoch is the week rollover of GPS receivers: 1,024 weeks.
	gpsEpoch = 7168 * day
)

// effectiveTime is e of a telemetry record and whether its own time is trusted (S2).
func (v *vehicle) effectiveTime(ev *ingest.Event, arrival int64) (e int64, trusted bool) {
	if !ev.HasTime {
		return arrival, v.plausible(arrival, arrival)
	}
	if moved := ev.Time + gpsEpoch; moved >= arrival-day && moved <= arrival+day {
		return moved, true
	}
	if v.plausible(ev.Time, arrival) {
		return ev.Time, true
	}
	return arrival, false
}

func (v *vehicle) plausible(t, arrival int64) bool {
	return t >= trustedFrom && t <= arrival+clockSlack && (v.L == never || t >= v.L-backSlack)
}

// applyTelemetry takes the samples of a record into the vehicle (S4, S5, S9).
func (s *Step) applyTelemetry(payload []byte) state.Outcome {
	v := &s.v
	e, trusted := v.effectiveTime(&s.ev, s.in.now)
	if v.seen(&s.ev, payload, e) {
		return state.Duplicate
	}
	s.in.at = e
	if !trusted {
		s.in.count("clock", "untrusted", 1)
	}
	if trusted {
		v.L = max(v.L, e)
	}
	if len(s.ev.Samples)+len(s.ev.Sets) > 0 && s.allLate(e) {
		return state.Late
	}
	v.Tau = max(v.Tau, e)
	s.in.ruleTime = v.Tau
	for i := range s.ev.Samples {
		s.applySample(&s.ev.Samples[i], e)
	}
	for i := range s.ev.Sets {
		s.applySet(&s.ev.Sets[i], e)
	}
	s.runCounters(e)
	return state.Applied
}

// allLate reports whether every sample of the record is below the newest of its signal (S4).
func (s *Step) allLate(e int64) bool {
	for i := range s.ev.Samples {
		if !s.isLate(s.ev.Samples[i].Signal, e) {
			return false
		}
	}
	for i := range s.ev.Sets {
		if k := s.v.set(s.prog.catalogue.Signal(s.ev.Sets[i].Signal).ID); k < 0 || e >= s.v.sets[k].At {
			return false
		}
	}
	return true
}

func (s *Step) isLate(signal int, e int64) bool {
	switch signal {
	case s.rules.odometer:
		return e < s.v.OdometerAt
	case s.rules.hours:
		return e < s.v.HoursAt
	}
	sl := s.v.slot(s.prog.catalogue.Signal(signal).ID)
	return sl != nil && e < sl.At
}

// applySample takes a sample of a number or bool signal and marks the rules that read it.
func (s *Step) applySample(x *ingest.Sample, e int64) {
	if s.isLate(x.Signal, e) {
		return
	}
	switch x.Signal {
	case s.rules.odometer, s.rules.hours:
		return // accepted or not by runCounters
	}
	sig := s.prog.catalogue.Signal(x.Signal)
	if !sig.Stored && !s.prog.read[x.Signal] {
		return
	}
	s.setSlot(x.Signal, sig.ID, x.V, e)
}

// setSlot makes a value the newest of its signal.
func (s *Step) setSlot(signal int, id uint32, value float64, e int64) {
	sl := s.v.slot(id)
	if sl == nil {
		sl = s.v.addSlot(id)
	}
	if sl.Seen > 0 && sl.Value != value {
		s.in.markChanged(signal)
	}
	if value == 1 && sl.Seen > 0 && sl.Value == 0 && (signal == s.rules.ignition || signal == s.rules.engine) {
		s.v.PowerOn() // a cycle of S24
	}
	sl.Seen = min(sl.Seen+1, 2)
	sl.Value, sl.At = value, e
	s.due.addAll(s.prog.rulesOf[signal])
}

// maxCodes bounds a set, in bytes of its stored form (E11).
const maxCodes = 4096

// applySet takes the full content of a set signal (S19).
func (s *Step) applySet(x *ingest.Set, e int64) {
	v := &s.v
	id := s.prog.catalogue.Signal(x.Signal).ID
	k := v.set(id)
	if k < 0 {
		k = v.addSet(id)
	}
	if e < v.sets[k].At {
		return
	}
	slices.SortFunc(x.Codes, bytes.Compare)
	codes := cond.Codes(s.buf[:0])
	for i, code := range x.Codes {
		if i > 0 && bytes.Equal(code, x.Codes[i-1]) {
			continue
		}
		if len(codes)+len(code) >= maxCodes {
			s.in.count("left_out", "codes", len(x.Codes)-i)
			break
		}
		codes, _ = cond.AppendCode(codes, code)
	}
	s.buf = codes
	if !bytes.Equal(codes, v.codesOf(k)) {
		if v.sets[k].Seen > 0 {
			s.in.markChanged(x.Signal)
		}
		v.setCodes(k, codes)
	}
	v.sets[k].Seen = min(v.sets[k].Seen+1, 2)
	v.sets[k].At = e
	s.due.addAll(s.prog.rulesOf[x.Signal])
}
