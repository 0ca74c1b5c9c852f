package plan

import (
	"encoding/binary"
	"math"
)

// Evaluate compares every item with its readings, moves the states and appends the changes to out, in the
// order in which they leave (S7): cancelled, done, then rises, overdue before due before soon, each in
// plan order. p is nil for a vehicle without a plan. It is called at most once in a step (S32).
func (s *State) Evaluate(p *Plan, m Moment, out []Change) ([]Change, Horizon) {
	start := len(out)
	far := Horizon{KM: math.MaxInt64, Hours: math.MaxInt64, Day: math.MaxInt32}
	if p != nil {
		for i := range p.Items {
			out = s.evaluateItem(p, i, m, out, &far)
		}
	}
	out = s.cancelGone(p, m, out)
	inOrder(out[start:])
	return out, far
}

// Quiet reports that an evaluation with the counters as they are, today and no cause changes nothing.
func (h Horizon) Quiet(c *Core, today Day) bool {
	return today < h.Day &&
		(!c.Odometer.Known || c.Odometer.Value < h.KM) &&
		(!c.EngineHours.Known || c.EngineHours.Value < h.Hours)
}

func (s *State) evaluateItem(p *Plan, i int, m Moment, out []Change, far *Horizon) []Change {
	it, st := &p.Items[i], s.item(p, i)
	st.renew(it, m)
	v := s.look(it, st, m, 0)
	v.firstSight(st, p.NoHistory)

	change := Change{Item: i, Key: it.Key}
	if m.Serviced != 0 && s.becameBaseline(it, st, m, &v) { // S34
		if st.Level != OK {
			out = append(out, st.emit(change, Done, OK))
		}
		st.AssumedN = [dims]uint32{} // the item is counted from what was done, no longer from what was assumed
		v.assumed = st.AssumedN
	}
	v.find()
	level := v.worst()
	switch {
	case level > st.Level: // S32
		if st.Level == OK {
			st.adopt(v.baseline())
		}
		out = append(out, st.emit(change, Rose, level))
	case level < st.Level && m.Cause != NoCause: // S36
		out = append(out, st.emit(change, Cancelled, level))
	}
	v.extend(far, st.Level)
	return out
}

// becameBaseline reports that the service of this step is what the item is now counted from (S34).
func (s *State) becameBaseline(it *Item, st *ItemState, m Moment, v *sight) bool {
	var served *Record
	for i := range s.Services {
		if r := &s.Services[i]; r.Item == it.Key && r.Seq == m.Serviced {
			served = r
		}
	}
	if served == nil || it.rule.anchor == LastService {
		return served != nil && served == v.base // S35
	}
	before := s.look(it, st, m, m.Serviced)
	return before.satisfiedBy(served) >= before.next()
}

// firstSight is S31: a dimension that is overdue when it is evaluated for the first time, without any
// service record, has its skipped points assumed done.
func (v *sight) firstSight(st *ItemState, noHistory bool) {
	for d := range Dim(dims) {
		bit := uint8(1) << d
		if v.seen&bit != 0 || !v.hasRead[d] {
			continue
		}
		due, ok := v.due(d)
		if !ok {
			continue
		}
		st.Seen |= bit
		if v.base != nil || noHistory || v.level(d, due) != Overdue {
			continue
		}
		if v.rule.every[d] == 0 {
			st.Left |= bit
		} else {
			st.AssumedN[d] = uint32(v.countTo(d, v.read[d]) + 1)
		}
	}
	v.seen, v.left, v.assumed = st.Seen, st.Left, st.AssumedN
}

// worst is the level of the item: that of its worst dimension (S30).
func (v *sight) worst() Level {
	level := OK
	for d := range Dim(dims) {
		if v.counts[d] && v.hasRead[d] {
			level = max(level, v.level(d, v.at[d]))
		}
	}
	return level
}

// extend brings the horizon to where a reading alone would lift the item above its level.
func (v *sight) extend(far *Horizon, level Level) {
	for d := range Dim(dims) {
		if v.rule.first[d] == 0 {
			continue
		}
		next := int64(math.MaxInt64)
		if !v.hasRead[d] {
			next = math.MinInt64 // its first reading may settle a service (S33) and is looked at (S31)
		} else if v.counts[d] {
			next = v.crossing(d, v.at[d], level)
		}
		switch d {
		case KM:
			far.KM = min(far.KM, next)
		case Date:
			far.Day = Day(min(int64(far.Day), next))
		case Hours:
			far.Hours = min(far.Hours, next)
		}
	}
}

// crossing is the smallest reading at which the dimension alone is worse than level.
func (v *sight) crossing(d Dim, due int64, level Level) int64 {
	stage := v.stage()
	next := int64(math.MaxInt64)
	for l, at := range [levels]int64{Soon: due - v.rule.soon[stage][d], Due: due, Overdue: due + v.rule.overdue[stage][d]} {
		if Level(l) > level && at > v.read[d] {
			next = min(next, at)
		}
	}
	return next
}

// baseline is what a new episode of the item is counted from (S37).
func (v *sight) baseline() Baseline {
	switch {
	case v.rule.anchor == FixedPoints:
		return Baseline{Kind: BaseOrigin, N: uint32(1 + v.satisfied)}
	case v.base != nil:
		return Baseline{Kind: BaseService, Time: v.base.Time}
	}
	return Baseline{Kind: BaseOrigin, N: 1}
}

// Append appends a canonical encoding of the baseline, to be hashed into ids.
func (b Baseline) Append(dst []byte) []byte {
	dst = append(dst, byte(b.Kind))
	dst = binary.BigEndian.AppendUint32(dst, b.N)
	return binary.BigEndian.AppendUint64(dst, uint64(b.Time))
}

// cancelGone makes items that left the plan ok (S36).
func (s *State) cancelGone(p *Plan, m Moment, out []Change) []Change {
	if m.Cause == NoCause {
		return out
	}
	for i := range s.Items {
		if st := &s.Items[i]; st.Level != OK && p.Find(st.Key) < 0 {
			out = append(out, st.emit(Change{Item: -1, Key: st.Key}, Cancelled, OK))
		}
	}
	return out
}

// inOrder sorts by S7 and keeps the order of the plan within a kind and level (E2: stable).
func inOrder(changes []Change) {
	for i := 1; i < len(changes); i++ {
		for j := i; j > 0 && changes[j].rank() < changes[j-1].rank(); j-- {
			changes[j], changes[j-1] = changes[j-1], changes[j]
		}
	}
}

func (c *Change) rank() int {
	if c.Kind == Rose {
		return int(Rose) + int(Overdue-c.To)
	}
	return int(c.Kind)
}
