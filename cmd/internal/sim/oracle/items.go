package oracle

import (
	"fmt"
	"math"
)

// Levels of an item, best first.
const (
	levelOK = iota
	levelSoon
	levelDue
	levelOverdue
)

var levelNames = []string{"ok", "soon", "due", "overdue"}

// Dimensions of an item.
const (
	dimKM = iota
	dimDate
	dimHours
	dimCount
)

// item is what is remembered of a maintenance item.
type item struct {
	level     int
	label     string // the baseline of its first rise (S37)
	interval  string // first and every, and the in_service last known: S31 starts again when they change
	inService string
	seen      [dimCount]bool
	floor     [dimCount]int // the assumed plan point, first + floor·every (S31); 0: none
	left      [dimCount]bool
}

func (it *item) unsee(meter string) {
	d := dimKM
	if meter == "engine_hours" {
		d = dimHours
	}
	it.seen[d], it.floor[d], it.left[d] = false, 0, false
}

// maintenance is S30 for all items of a vehicle: the events of one step in the order of S7.
func (s *step) maintenance() []*event {
	v := s.v
	p := v.plan()
	var cancelled, done []Item
	var cancelledKeys, doneKeys []reminder
	rises := map[int][]reminder{}
	inPlan := map[string]bool{}
	if p != nil {
		for i := range p.Items {
			t := &p.Items[i]
			inPlan[t.ID] = true
			it := v.items[t.ID]
			if it == nil {
				it = &item{}
				v.items[t.ID] = it
			}
			if s.becomesBaseline(p, t, it) {
				if it.level != levelOK { // S34
					done = append(done, Item{t.ID, levelNames[it.level]})
					doneKeys = append(doneKeys, reminder{t.ID, it.label, v.cancels[t.ID], "done"})
					s.done[t.ID+" "+it.label] = true
					it.level = levelOK
				}
				v.cancels[t.ID] = 0
				it.floor = [dimCount]int{} // the history is no longer assumed
				s.wasOK[t.ID] = true
			}
			level := v.level(p, t, it, s.clock)
			if level < it.level && s.reason() != "" { // S36
				cancelled = append(cancelled, Item{t.ID, levelNames[it.level]})
				cancelledKeys = append(cancelledKeys, v.cancel(t.ID, it))
				it.level = level
			}
			if level > it.level { // S32
				if it.level == levelOK {
					it.label = v.baselineLabel(p, t)
				}
				it.level = level
				rises[level] = append(rises[level], reminder{t.ID, it.label, v.cancels[t.ID], levelNames[level]})
			}
			if it.level == levelOK {
				s.wasOK[t.ID] = true
			}
		}
	}
	for _, id := range v.order {
		it := v.items[id]
		if inPlan[id] {
			continue
		}
		if it.level != levelOK { // gone from the plan (S36)
			cancelled = append(cancelled, Item{id, levelNames[it.level]})
			cancelledKeys = append(cancelledKeys, v.cancel(id, it))
			it.level = levelOK
		}
		s.wasOK[id] = true
	}
	v.order = nil
	if p != nil {
		for _, t := range p.Items {
			v.order = append(v.order, t.ID)
		}
	}
	var out []*event
	if len(cancelled) > 0 {
		out = append(out, s.reminderEvent("cancelled", cancelled, cancelledKeys, s.reason()))
	}
	if len(done) > 0 {
		out = append(out, s.reminderEvent("done", done, doneKeys, ""))
	}
	for level := levelOverdue; level >= levelSoon; level-- {
		if len(rises[level]) > 0 {
			out = append(out, s.riseEvent(p, level, rises[level]))
		}
	}
	return out
}

// cancel counts a cancellation (S37).
func (v *vehicle) cancel(id string, it *item) reminder {
	r := reminder{id, it.label, v.cancels[id], "cancelled"}
	v.cancels[id]++
	return r
}

// reason is why a level may fall in this step (S36).
func (s *step) reason() string {
	switch {
	case len(s.reasons) > 0:
		return s.reasons[0]
	case s.activation:
		return "plan_changed"
	case s.newProfile:
		return "profile_changed"
	}
	return ""
}

// becomesBaseline is S34.
func (s *step) becomesBaseline(p *plan, t *itemText, it *item) bool {
	v := s.v
	if s.service == nil || !s.service.items[t.ID] {
		return false
	}
	if p.Anchor != "plan" {
		return s.baselines[t.ID]
	}
	before := 0
	for _, sv := range v.services {
		if sv != s.service && sv.items[t.ID] {
			before = max(before, v.satisfied(p, t, sv))
		}
	}
	at := math.MaxInt
	for d := range dimCount {
		if _, known := v.now(d, s.clock); !known || it.left[d] {
			continue
		}
		if _, exists := v.planPoint(t, d, max(before, it.floor[d])); exists {
			at = min(at, max(before, it.floor[d]))
		}
	}
	if at == math.MaxInt {
		at = before
	}
	return v.satisfied(p, t, s.service) >= at+1
}

// servedOccurrences is how many plan points services have satisfied (S29).
func (v *vehicle) servedOccurrences(p *plan, t *itemText) int {
	n := 0
	for _, sv := range v.services {
		if sv.items[t.ID] {
			n = max(n, v.satisfied(p, t, sv))
		}
	}
	return n
}

// satisfied is how many occurrences one service satisfies: the last n within early of it in a dimension, and all
// before (S29). Occurrence n is planPoint(n-1).
func (v *vehicle) satisfied(p *plan, t *itemText, sv *service) int {
	best := 0
	for d := range dimCount {
		value, known := v.serviceValue(sv, d)
		if !known {
			continue
		}
		for n := 1; n < 100_000; n++ {
			point, exists := v.planPoint(t, d, n-1)
			if !exists || float64(point) > float64(value)+p.early(t, d, n > 1) {
				break
			}
			best = max(best, n)
		}
	}
	return best
}

func (v *vehicle) serviceValue(sv *service, d int) (int, bool) {
	switch d {
	case dimKM:
		x, known := v.reading(sv, odometerReading)
		return int(x), known
	case dimHours:
		x, known := v.reading(sv, hoursReading)
		return int(x), known
	}
	return sv.date, true
}

// baselineLabel is the baseline of S37.
func (v *vehicle) baselineLabel(p *plan, t *itemText) string {
	if p.Anchor == "plan" {
		if n := v.servedOccurrences(p, t); n > 0 {
			return fmt.Sprint("n=", 1+n)
		}
		return "origin"
	}
	if sv := v.lastService(t.ID); sv != nil {
		return fmt.Sprint(sv.time)
	}
	return "origin"
}

// dimension picks km, months or hours, in the units of due points; nil where absent.
func (d dims) dimension(dim int) *float64 {
	p, scale := d.KM, 1000.0
	switch dim {
	case dimDate:
		p, scale = d.Months, 1
	case dimHours:
		p = d.Hours
	}
	if p == nil {
		return nil
	}
	x := *p * scale
	return &x
}

// planPoint is first + n·every, from 0 km, in_service, 0 h; first is every where it lacks (S28, S29, S31).
func (v *vehicle) planPoint(t *itemText, d, n int) (int, bool) {
	first, every := t.First.dimension(d), t.Every.dimension(d)
	if first == nil {
		first = every
	}
	if first == nil || n > 0 && every == nil {
		return 0, false
	}
	sum := *first
	if n > 0 {
		sum += float64(n) * *every
	}
	if d != dimDate {
		return int(sum), true
	}
	origin, known := v.inService()
	if !known {
		return 0, false
	}
	return addMonths(origin, int(sum)), true
}

func (v *vehicle) inService() (int, bool) {
	text, _ := v.profile["in_service"].(string)
	var y, m, d int
	if n, err := fmt.Sscanf(text, "%d-%d-%d", &y, &m, &d); n != 3 || err != nil {
		return 0, false
	}
	return dayNumber(y, m, d), true
}

// level is the worst dimension's (S30), after first sight (S31).
func (v *vehicle) level(p *plan, t *itemText, it *item, clock int64) int {
	inService, _ := v.profile["in_service"].(string)
	interval := t.First.String() + t.Every.String()
	if it.interval != interval || it.inService != "" && inService != "" && it.inService != inService { // S31: again
		it.interval = interval
		it.seen, it.floor, it.left = [dimCount]bool{}, [dimCount]int{}, [dimCount]bool{}
	}
	if inService != "" {
		it.inService = inService
	}
	worst := levelOK
	sv := v.lastService(t.ID)
	served := sv != nil
	if p.Anchor == "plan" {
		served = v.servedOccurrences(p, t) > 0
	}
	for d := range dimCount {
		now, known := v.now(d, clock)
		due, exists := v.due(p, t, it, sv, d)
		if !known || !exists {
			continue
		}
		level := p.levelOf(t, d, served, due-now)
		if !it.seen[d] {
			it.seen[d] = true
			if sv == nil && level == levelOverdue && p.History != "never" {
				if due, exists = v.assume(t, it, d, now); !exists {
					continue
				}
				level = p.levelOf(t, d, false, due-now)
			}
		}
		worst = max(worst, level)
	}
	return worst
}

// now is the reading of a dimension.
func (v *vehicle) now(d int, clock int64) (int, bool) {
	switch d {
	case dimKM:
		return int(v.odometer.k), v.odometer.known
	case dimHours:
		return int(v.hours.k), v.hours.known
	}
	return v.today(clock), true
}

// due is S28 and S29.
func (v *vehicle) due(p *plan, t *itemText, it *item, sv *service, d int) (int, bool) {
	if it.left[d] && (sv == nil || p.Anchor == "plan") {
		return 0, false
	}
	if p.Anchor == "plan" {
		return v.planPoint(t, d, max(it.floor[d], v.servedOccurrences(p, t)))
	}
	if sv == nil {
		return v.planPoint(t, d, it.floor[d])
	}
	every := t.Every.dimension(d)
	base, known := v.serviceValue(sv, d)
	if every == nil || !known {
		return 0, false
	}
	if d == dimDate {
		return addMonths(base, int(*every)), true
	}
	return base + int(*every), true
}

// assume is S31: the first plan point strictly beyond the reading; without every the dimension is left out.
func (v *vehicle) assume(t *itemText, it *item, d, now int) (int, bool) {
	if t.Every.dimension(d) == nil {
		it.left[d] = true
		return 0, false
	}
	for n := 1; ; n++ {
		if point, _ := v.planPoint(t, d, n); point > now {
			it.floor[d] = n
			return point, true
		}
	}
}

// levelOf is S30: rest r against the thresholds.
func (p *plan) levelOf(t *itemText, d int, served bool, r int) int {
	rest := float64(r)
	switch {
	case rest <= -p.threshold(t, d, served, false):
		return levelOverdue
	case rest <= 0:
		return levelDue
	case rest <= p.threshold(t, d, served, true):
		return levelSoon
	}
	return levelOK
}

// threshold is remind.soon or remind.overdue of a dimension, else the defaults of S30.
func (p *plan) threshold(t *itemText, d int, served, soon bool) float64 {
	given := p.Remind.Overdue
	if soon {
		given = p.Remind.Soon
	}
	if x := given.thresholdOf(d); x != nil {
		return *x
	}
	if d == dimDate {
		interval := t.First.Months
		if served && t.Every.Months != nil || interval == nil {
			interval = t.Every.Months
		}
		days := *interval * 30
		if soon {
			return min(30, days/2)
		}
		return min(14, days/4)
	}
	every := t.Every.dimension(d)
	if every == nil {
		every = t.First.dimension(d)
	}
	if soon {
		return *every / 10
	}
	return *every / 20
}

func (d dims) thresholdOf(dim int) *float64 {
	if dim == dimDate {
		return d.Days
	}
	return d.dimension(dim)
}

// early is S29: remind.soon unless given.
func (p *plan) early(t *itemText, d int, served bool) float64 {
	if x := p.Early.thresholdOf(d); x != nil {
		return *x
	}
	return p.threshold(t, d, served, true)
}
