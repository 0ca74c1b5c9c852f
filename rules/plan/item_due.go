package plan

import "math"

// A sight is an item of a vehicle at a moment: everything its due points follow from.
type sight struct {
	rule *itemRule
	// origin is where fixed points and the first interval count from, read what the counters and the
	// calendar show; per dimension, if known.
	origin, read       [dims]int64
	hasOrigin, hasRead [dims]bool
	base               *Record // the greatest record, nil without
	satisfied          int64   // fixed points: the occurrences that services satisfy
	assumed            [dims]uint32
	seen, left         uint8
	// at are the due points, where counts says that there is one: of the last find.
	at     [dims]int64
	counts [dims]bool
}

// look gathers an item's sight. without leaves the records of one service out (0: none).
func (s *State) look(it *Item, st *ItemState, m Moment, without uint32) sight {
	v := sight{
		rule:      &it.rule,
		hasOrigin: [dims]bool{true, m.InService != NoDay, true},
		origin:    [dims]int64{Date: int64(m.InService)},
		hasRead:   [dims]bool{s.Core.Odometer.Known, true, s.Core.EngineHours.Known},
		read:      [dims]int64{s.Core.Odometer.Value, int64(m.Today), s.Core.EngineHours.Value},
		assumed:   st.AssumedN,
		seen:      st.Seen,
		left:      st.Left,
	}
	for i := range s.Services {
		r := &s.Services[i]
		if r.Item != it.Key || r.Seq == without {
			continue
		}
		if v.base == nil || v.base.before(r) {
			v.base = r
		}
		if it.rule.anchor == FixedPoints {
			v.satisfied = max(v.satisfied, v.satisfiedBy(r))
		}
	}
	return v
}

// point is fixed point n ≥ 1 in a dimension: first + (n−1)·every from the origin (S29).
func (v *sight) point(d Dim, n int64) (int64, bool) {
	if !v.hasOrigin[d] || v.rule.first[d] == 0 || n > 1 && v.rule.every[d] == 0 {
		return 0, false
	}
	return step(d, v.origin[d], v.rule.first[d]+(n-1)*v.rule.every[d]), true
}

// step goes an interval on from a baseline; months are always counted from the baseline itself.
func step(d Dim, from, interval int64) int64 {
	if d == Date {
		return int64(Day(from).AddMonths(int(min(interval, maxSpanMonths))))
	}
	return from + interval
}

// maxSpanMonths keeps dates within a Day; what is 10,000 years off is as good as never due.
const maxSpanMonths = 120_000

// satisfiedBy is the number of the last fixed point that a service satisfies; all before are too (S29).
func (v *sight) satisfiedBy(r *Record) int64 {
	at := r.byDim()
	n := int64(0)
	for d := range Dim(dims) {
		if at[d].Known {
			n = max(n, v.lastWithin(d, at[d].Value))
		}
	}
	return n
}

// lastWithin is the greatest n whose point lies at most `early` beyond a value.
func (v *sight) lastWithin(d Dim, value int64) int64 {
	first, ok := v.point(d, 1)
	if !ok {
		return 0
	}
	n := int64(0)
	if first <= value+v.rule.early[stageFirst][d] {
		n = 1
	}
	if v.rule.every[d] != 0 {
		if m := v.countTo(d, value+v.rule.early[stageEvery][d]); m >= 2 {
			n = m
		}
	}
	return n
}

// countTo is how many points lie at or below a value; the dimension has `every`.
func (v *sight) countTo(d Dim, value int64) int64 {
	first, every := v.rule.first[d], v.rule.every[d]
	gone := value - v.origin[d]
	if d == Date {
		// Within a month at most one point more or less: the day of the month decides.
		gone = Day(v.origin[d]).monthsTo(Day(value))
	}
	n := int64(0)
	if gone >= first {
		n = 1 + (gone-first)/every
	}
	if p, _ := v.point(d, max(n, 1)); n > 0 && p > value {
		n--
	}
	return n
}

func (r *Record) byDim() [dims]Settled {
	return [dims]Settled{r.get(Odometer), {Value: int64(r.Day), Known: true}, r.get(EngineHours)}
}

// stage says which interval runs (S28): that of `first` until a service has ended it.
func (v *sight) stage() int {
	if v.rule.anchor == FixedPoints && v.satisfied > 0 || v.rule.anchor == LastService && v.base != nil {
		return stageEvery
	}
	return stageFirst
}

// pointOf is the number of the fixed point that a dimension is at: the smallest that no service satisfies,
// or the one that first sight chose where that lies beyond (S29, S31).
func (v *sight) pointOf(d Dim) int64 { return max(v.satisfied+1, int64(v.assumed[d])) }

// next is the number of the smallest fixed point that a dimension of the item is at (S34).
func (v *sight) next() int64 {
	n := int64(math.MaxInt64)
	for d := range Dim(dims) {
		if _, ok := v.due(d); ok && v.hasRead[d] {
			n = min(n, v.pointOf(d))
		}
	}
	if n == math.MaxInt64 {
		return v.satisfied + 1
	}
	return n
}

// assumes reports that the due point of a dimension is the one that first sight chose.
func (v *sight) assumes(d Dim) bool {
	if v.rule.anchor == FixedPoints {
		return int64(v.assumed[d]) > v.satisfied
	}
	return v.base == nil && v.assumed[d] > 0
}

// due is the due point of a dimension, and whether it has one.
func (v *sight) due(d Dim) (int64, bool) {
	if v.rule.anchor == FixedPoints || v.base == nil {
		if v.left&(1<<d) != 0 {
			return 0, false
		}
		return v.point(d, v.pointOf(d))
	}
	at := v.base.byDim()[d]
	if !at.Known || v.rule.every[d] == 0 {
		return 0, false // S28: ends with the first service
	}
	return step(d, at.Value, v.rule.every[d]), true
}

// find settles the due points, when first sight has.
func (v *sight) find() {
	for d := range Dim(dims) {
		v.at[d], v.counts[d] = v.due(d)
	}
}

// level is S30 for one dimension with a reading.
func (v *sight) level(d Dim, due int64) Level {
	return v.rule.level(v.stage(), d, due-v.read[d])
}

func (r *itemRule) level(stage int, d Dim, rest int64) Level {
	switch {
	case rest <= -r.overdue[stage][d]:
		return Overdue
	case rest <= 0:
		return Due
	case rest <= r.soon[stage][d]:
		return Soon
	}
	return OK
}
