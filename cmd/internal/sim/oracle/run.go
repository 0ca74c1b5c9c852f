package oracle

import (
	"fmt"
	"slices"
	"sort"
	"time"
)

// world is one backtest: one clock for the whole input (S1).
type world struct {
	set      *ruleSet
	oldRules []*rule
	clock    int64
	started  bool
	vehicles map[string]*vehicle
	vins     []string
	lines    []*Line
	messages []*message
	openings map[string][]*opening
	allOK    map[string]*okMoments
	closed   map[string]bool
	parties  map[string]map[string]any
	namedBy  map[string]map[string]any
	partyOf  map[string][]*record
	leads    int
	dayCache map[string]int64
	zones    map[string]*time.Location
	out      Outcomes
	fates    []string
	gone     map[string]bool // erased vehicles that have not come back (S47)
	named    int
	lives    map[string]int
}

// Run evaluates the whole input.
func Run(in Input) (Result, error) {
	catalogue, err := parseCatalogue(in.Catalogue)
	if err != nil {
		return Result{}, err
	}
	set, err := parseRules(in.Files, catalogue, in.Zone)
	if err != nil {
		return Result{}, err
	}
	w := &world{
		set: set, vehicles: map[string]*vehicle{}, openings: map[string][]*opening{}, allOK: map[string]*okMoments{}, closed: map[string]bool{},
		parties: map[string]map[string]any{}, namedBy: map[string]map[string]any{}, partyOf: map[string][]*record{},
		dayCache: map[string]int64{}, zones: map[string]*time.Location{}, gone: map[string]bool{}, lives: map[string]int{},
	}
	records := read(in.Lines, catalogue)
	for i := range len(records) + 1 {
		for _, r := range in.Reloads {
			if r.Before != i {
				continue
			}
			if err := w.reload(r.Files, catalogue, in.Zone); err != nil {
				return Result{}, err
			}
		}
		if i == len(records) {
			break
		}
		r := records[i]
		w.advance(r.arrival)
		fate := w.take(r)
		w.fates = append(w.fates, fate)
	}
	w.advance(max(w.clock, in.Until))
	return w.result(), nil
}

func (w *world) result() Result {
	res := Result{Outcomes: w.out, Vehicles: map[string]Vehicle{}, Fates: w.fates}
	for _, l := range w.lines {
		res.Lines = append(res.Lines, *l)
	}
	for _, vin := range w.vins {
		v := w.vehicles[vin]
		end := Vehicle{Odometer: v.odometer.k, HasOdometer: v.odometer.known, Items: map[string]string{}}
		for id, it := range v.items {
			end.Items[id] = levelNames[it.level]
		}
		res.Vehicles[vin] = end
	}
	return res
}

// advance moves the clock; all timers due by then run in due order, each with the clock at its due time (S1, S3).
func (w *world) advance(to int64) {
	if !w.started {
		w.started, w.clock = true, to
		return
	}
	for {
		due := to + 1
		for _, m := range w.messages {
			if !m.released && m.dropped == "" {
				due = min(due, max(m.release, w.clock))
			}
		}
		for _, vin := range w.vins {
			due = min(due, w.nextTimer(w.vehicles[vin], w.clock))
		}
		if due > to {
			break
		}
		w.release(due)
		for _, vin := range w.vins {
			if v := w.vehicles[vin]; w.nextTimer(v, w.clock) == due {
				w.timers(v, due)
			}
		}
		w.clock = due
	}
	w.clock = max(w.clock, to)
}

// nextTimer is the first full hour or start of a day after a moment.
func (w *world) nextTimer(v *vehicle, after int64) int64 {
	next := v.nextDay(after)
	if w.set.hasHourly {
		next = min(next, (after/hour+1)*hour)
	}
	return next
}

// nextDay is the first moment after which today is another day (S30): looked for minute by minute, so that whatever a
// zone's clock does is right.
func (v *vehicle) nextDay(after int64) int64 {
	key := fmt.Sprint(v.zone(), v.w.set.dayStarts, v.today(after))
	if at, known := v.w.dayCache[key]; known && at > after {
		return at
	}
	today := v.today(after)
	t := after / minute * minute
	for t += minute; v.today(t) <= today; t += minute {
		if v.today(t+hour) <= today {
			t += hour - minute
		}
	}
	v.w.dayCache[key] = t
	return t
}

// timers runs what is due for a vehicle at one moment, as one step.
func (w *world) timers(v *vehicle, at int64) {
	s := v.newStep(at, at)
	s.timer = true
	s.day = v.nextDay(at-1) == at
	s.hour = w.set.hasHourly && at%hour == 0
	w.finish(s)
}

// take applies one record: quarantine, duplicate, late, applied, in this order (S6).
func (w *world) take(r *record) string {
	if fate := w.erased(r); fate != "" {
		w.out.Applied++
		return fate
	}
	switch {
	case r.bad != "":
		w.out.Quarantined++
		return "quarantined: " + r.bad
	case r.kind == "party":
		return w.party(r)
	case r.kind == "service" && r.hasTime && r.time > r.arrival+day: // S33
		w.out.Quarantined++
		return "quarantined: service in the future"
	}
	v := w.vehicles[r.key]
	if v == nil {
		v = w.vehicle(r.key)
	}
	e, trusted := r.arrival, false
	if r.kind == "telemetry" {
		e, trusted = v.effective(r)
	}
	if v.duplicate(r, e) {
		w.out.Duplicate++
		return "duplicate"
	}
	s := v.newStep(r.arrival, e)
	if !w.apply(s, r, trusted) {
		w.out.Late++
		return "late"
	}
	w.out.Applied++
	w.finish(s)
	return fmt.Sprintf("applied e=%d trusted=%v", e, trusted)
}

// apply changes the vehicle; false: late (S4, S8).
func (w *world) apply(s *step, r *record, trusted bool) bool {
	v := s.v
	switch r.kind {
	case "telemetry":
		if trusted && (!v.hasL || s.e > v.l) {
			v.hasL, v.l = true, s.e
		}
		if !s.telemetry(r) {
			return false
		}
		if !v.hasTau || s.e > v.tau {
			v.hasTau, v.tau = true, s.e
		}
	case "vehicle":
		at := r.arrival
		if r.hasTime && r.time <= r.arrival+5*minute {
			at = r.time
		}
		if v.patched && at < v.profileAt {
			return false
		}
		v.patched, v.profileAt = true, at
		was, _ := v.profile["owner"].(string)
		s.patch(r)
		owner, _ := v.profile["owner"].(string)
		w.named++
		v.named = w.named
		if owner != "" {
			w.namedBy[owner] = v.profile
		}
		if was != owner {
			w.changeOwner(v)
		}
	case "service":
		at := r.arrival
		if r.hasTime {
			at = r.time
		}
		s.serve(r, at)
	}
	return true
}

// party merges what is said of a party, as S8 does for a vehicle (S46).
func (w *world) party(r *record) string {
	if r.hasTime {
		for _, old := range w.partyOf[r.key] {
			if old.bytes == r.bytes {
				w.out.Duplicate++
				return "duplicate"
			}
		}
		list := append(w.partyOf[r.key], r)
		w.partyOf[r.key] = list[max(0, len(list)-8):]
	}
	w.out.Applied++
	w.parties[r.key] = mergePatch(orEmpty(w.parties[r.key]), r.fields).(map[string]any)
	return "applied"
}

// finish makes the events of a step in the order of S7 and sends them.
func (w *world) finish(s *step) {
	v := s.v
	events := s.odometerEvents()
	if !s.timer || s.day {
		events = append(events, s.maintenance()...)
	}
	if s.activation {
		events = append(events, s.reload()...)
	}
	events = append(events, s.conditions()...)
	events = append(events, s.lead()...)
	w.noteOK(s)
	for _, e := range events {
		if e != nil {
			w.send(v, e, s.clock)
		}
	}
}

// noteOK remembers which items were ok in this step, for a moment too (S41).
func (w *world) noteOK(s *step) {
	if len(s.wasOK) == 0 {
		return
	}
	m := w.allOK[s.v.vin]
	if m == nil {
		m = &okMoments{}
		w.allOK[s.v.vin] = m
	}
	m.all = append(m.all, okMoment{s.wasOK, len(w.lines)})
}

// reload puts other rules in force: an activation evaluates items (S30) and ends alerts (S48).
func (w *world) reload(files []File, catalogue map[string]signal, zone string) error {
	set, err := parseRules(files, catalogue, zone)
	if err != nil {
		return err
	}
	w.oldRules = slices.Clone(w.set.rules)
	w.set = set
	vins := slices.Clone(w.vins)
	sort.Strings(vins)
	for _, vin := range vins {
		s := w.vehicles[vin].newStep(w.clock, w.clock)
		s.activation = true
		w.finish(s)
	}
	return nil
}
