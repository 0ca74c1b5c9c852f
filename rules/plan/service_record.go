package plan

// before orders records as S28 does: by time, then by order of application (in which arrivals never
// fall, S3).
func (r *Record) before(o *Record) bool {
	return r.Time < o.Time || r.Time == o.Time && r.Seq < o.Seq
}

// Baseline is the record of an item greatest by (time, order of application).
func (s *State) Baseline(key ItemKey) (Record, bool) {
	if r := s.baseline(key); r != nil {
		return *r, true
	}
	return Record{}, false
}

func (s *State) baseline(key ItemKey) *Record {
	var best *Record
	for i := range s.Services {
		if r := &s.Services[i]; r.Item == key && (best == nil || best.before(r)) {
			best = r
		}
	}
	return best
}

// file adds a record; false: no room for one more item.
//
// What can still matter of an item is its greatest record (S28) and, for fixed points, the greatest
// odometer, date and hours of any (S29: each satisfies on its own). So beyond MaxRecords the two oldest
// are merged, keeping the greatest of each. Exact, but that a later correction (S24's offset, the check when
// k comes) treats what was merged as one. The record added last is never merged with another in the same step.
func (s *State) file(r Record) bool {
	items, mine := 0, 0
	for i := range s.Services {
		o := &s.Services[i]
		if o.Item == r.Item {
			mine++
		}
		if s.firstOf(o.Item) == i {
			items++
		}
	}
	if mine == 0 && items >= MaxItems {
		return false
	}
	if mine >= MaxRecords {
		s.mergeOldest(r.Item)
	}
	s.Services = append(s.Services, r)
	return true
}

func (s *State) firstOf(key ItemKey) int {
	for i := range s.Services {
		if s.Services[i].Item == key {
			return i
		}
	}
	return -1
}

func (s *State) mergeOldest(key ItemKey) {
	oldest, next := -1, -1
	for i := range s.Services {
		r := &s.Services[i]
		switch {
		case r.Item != key:
		case oldest < 0 || r.before(&s.Services[oldest]):
			oldest, next = i, oldest
		case next < 0 || r.before(&s.Services[next]):
			next = i
		}
	}
	s.Services[next].merge(&s.Services[oldest])
	s.Services = append(s.Services[:oldest], s.Services[oldest+1:]...)
}

// merge folds an older record, whose date is not greater either, into r.
func (r *Record) merge(old *Record) {
	for _, m := range [...]Measure{Odometer, EngineHours} {
		a, b := r.get(m), old.get(m)
		pending := a.Pending || b.Pending
		if !a.Known || b.Known && b.Value > a.Value {
			a = b
		}
		a.Pending = pending
		r.set(m, a)
	}
	r.Flags |= Merged
}
