package plan

// DimStatus is one dimension of an item.
type DimStatus struct {
	// Counts: it has a baseline, an interval and a reading. The rest is meaningless otherwise.
	Counts bool
	// Assumed: the due point was chosen at first sight (S31).
	Assumed bool
	// Due is metres, a Day or thousandths of an hour; Rest = Due − reading.
	Due, Rest int64
	Level     Level
}

// Status is an item as it stands.
type Status struct {
	// State is the level told; Level what the readings say (equal but where S32 holds a state up).
	State, Level Level
	Dims         [dims]DimStatus
	// Base and Cancels: of the running episode; while the item is ok, Base of the next.
	Base    Baseline
	Cancels uint32
}

// Status is item i of the plan as it stands, without changing anything; after an Evaluate with that plan.
func (s *State) Status(p *Plan, i int, m Moment) Status {
	it := &p.Items[i]
	st := ItemState{Key: it.Key, InService: NoDay}
	for j := range s.Items {
		if s.Items[j].Key == it.Key {
			st = s.Items[j]
		}
	}
	v := s.look(it, &st, m, 0)
	v.find()
	out := Status{State: st.Level, Level: v.worst(), Base: st.Base, Cancels: st.Cancels}
	if st.Level == OK {
		out.Base = v.baseline()
	}
	for d := range Dim(dims) {
		if !v.counts[d] || !v.hasRead[d] {
			continue
		}
		out.Dims[d] = DimStatus{
			Counts: true, Assumed: v.assumes(d),
			Due: v.at[d], Rest: v.at[d] - v.read[d], Level: v.level(d, v.at[d]),
		}
	}
	return out
}
