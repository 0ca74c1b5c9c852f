package rules

import "github.com/milepost-io/milepost/ingest/civil"

// nextWake is when the vehicle has to be woken for what time will bring: the next day on which an item
// can change (S30), the next full hour for rules that read ages (S11). It is 0 when nothing will, or when
// the timer armed already goes off no later: that wake finds nothing due and arms again.
func (s *Step) nextWake() int64 {
	v := &s.v
	v.NextHour = 0
	if s.prog.anyHourly(v.applies) {
		v.NextHour = (civil.FloorDiv(s.in.now, hour) + 1) * hour
	}
	next := v.NextDay
	if next == 0 || (v.NextHour != 0 && v.NextHour < next) {
		next = v.NextHour
	}
	if next == 0 || (v.Armed > s.in.now && v.Armed <= next) {
		return 0
	}
	v.Armed = next
	return next
}
