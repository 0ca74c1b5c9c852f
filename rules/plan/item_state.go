package plan

// item finds an item's state or makes one. Beyond MaxStates the oldest state of an item that is in no plan
// of the vehicle any more makes room: at most MaxItems are in the plan.
func (s *State) item(p *Plan, key ItemKey) *ItemState {
	for i := range s.Items {
		if s.Items[i].Key == key {
			return &s.Items[i]
		}
	}
	if len(s.Items) >= MaxStates {
		for i := range s.Items {
			if p.Find(s.Items[i].Key) < 0 && s.Items[i].Level == OK {
				s.Items = append(s.Items[:i], s.Items[i+1:]...)
				break
			}
		}
	}
	s.Items = append(s.Items, ItemState{Key: key, InService: NoDay})
	return &s.Items[len(s.Items)-1]
}

// renew has the item first-seen again when first, every or in_service changed (S31). in_service becoming
// known or unknown is no change: there is nothing that had been seen with another one.
func (st *ItemState) renew(it *Item, m Moment) {
	changed := st.Meaning != 0 && st.Meaning != it.rule.meaning
	if m.InService != NoDay {
		changed = changed || st.InService != NoDay && st.InService != m.InService
		st.InService = m.InService
	}
	st.Meaning = it.rule.meaning
	if changed {
		st.Seen, st.Left, st.AssumedN = 0, 0, [dims]uint32{}
	}
}

// forgetSight has a dimension of the items without a service record first-seen again (S22).
func (s *State) forgetSight(d Dim) {
	for i := range s.Items {
		st := &s.Items[i]
		if s.baseline(st.Key) == nil {
			st.Seen &^= 1 << d
			st.Left &^= 1 << d
			st.AssumedN[d] = 0
		}
	}
}

// adopt takes the baseline of a first rise (S37). Cancels is never set back, so that (Base, Cancels) never
// comes twice even when an edit of the plan leads back to a baseline: each step to another one that is not
// simply the next counts as a cancellation.
func (st *ItemState) adopt(b Baseline) {
	if b == st.Base {
		return
	}
	onward := st.Base.Kind == BaseNone ||
		st.Base.Kind == BaseOrigin && b.Kind == BaseService ||
		st.Base.Kind == b.Kind && (b.Time > st.Base.Time || b.N > st.Base.N)
	if !onward {
		st.Cancels++
	}
	st.Base, st.Emitted = b, 0
}

// emit moves the state and returns the change. What was emitted under the same names before is marked.
func (st *ItemState) emit(c Change, kind ChangeKind, to Level) Change {
	c.Kind, c.From, c.To = kind, st.Level, to
	c.Base, c.Cancels = st.Base, st.Cancels
	bit := uint8(1) << kind
	if kind == Rose {
		bit <<= to - Soon
	}
	c.Repeat = st.Emitted&bit != 0
	st.Emitted |= bit
	st.Level = to
	if kind == Cancelled {
		st.Cancels++
		st.Emitted = 0
	}
	return c
}
