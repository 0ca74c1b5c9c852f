package plan

// item finds the state of item i of the plan or makes one, and puts it in the plan's order: when the plan
// is gone, its items are still cancelled in that order (S7). The items before i have been put in place, so
// what is in no plan any more stands behind, the longer gone the further.
func (s *State) item(p *Plan, i int) *ItemState {
	key := p.Items[i].Key
	at := i
	for at < len(s.Items) && s.Items[at].Key != key {
		at++
	}
	if at == len(s.Items) {
		s.makeRoom(p)
		at = len(s.Items)
		s.Items = append(s.Items, ItemState{Key: key, InService: NoDay})
	}
	if at > i {
		st := s.Items[at]
		copy(s.Items[i+1:at+1], s.Items[i:at])
		s.Items[i] = st
	}
	return &s.Items[i]
}

// makeRoom forgets the item that is gone longest, when there is no room for one more: at most MaxItems are
// in the plan.
func (s *State) makeRoom(p *Plan) {
	if len(s.Items) < MaxStates {
		return
	}
	for i := len(s.Items) - 1; i >= 0; i-- {
		if p.Find(s.Items[i].Key) < 0 && s.Items[i].Level == OK {
			s.Items = append(s.Items[:i], s.Items[i+1:]...)
			return
		}
	}
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
