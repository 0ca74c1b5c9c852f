package state

import "time"

// expiring is how far a round through the rows of a space has come.
type expiring struct {
	day  int64  // rows made before it go; the rounds of the days before are over
	from []byte // of the next portion; nil between rounds
}

// expire has the next portion of old rows deleted: one each TickEvery, and a round a day.
func (r *run) expire() {
	if !r.isLive || len(r.rounds) == 0 || r.expiries.busy || time.Since(r.lastExpiry) < r.opt.TickEvery {
		return
	}
	r.lastExpiry = time.Now()
	for range r.rounds {
		keep, at := &r.opt.Retention[r.round], &r.rounds[r.round]
		day := at.day
		if at.from == nil {
			day = (r.m.Clock() - keep.Keep.Milliseconds()) / dayMillis
		}
		x := expiry{Retention: *keep, from: at.from, below: r.m.offsetOfDay(day), until: day * dayMillis}
		if at.from == nil && (day <= at.day || x.below == 0 && x.Made == nil) {
			r.round = (r.round + 1) % len(r.rounds)
			continue
		}
		if at.from == nil {
			x.from = appendRowKey(nil, x.Space, "")
			at.day, at.from = day, x.from
		}
		r.expiries.ask(x)
		return
	}
}

// expired tells of the rows that are gone, but for those that have changed since.
func (r *run) expired(e expired) error {
	r.expiries.busy = false
	if e.err != nil {
		return r.wrap("delete old rows", e.err)
	}
	space := r.opt.Retention[r.round].Space
	r.rounds[r.round].from = e.next
	if e.next == nil {
		r.round = (r.round + 1) % len(r.rounds)
	}
	if r.opt.Feed == nil || !r.spaces[space] {
		return nil
	}
	var ops []RowOp
	for _, key := range e.gone {
		if !r.m.rows.changed(space, key) {
			ops = append(ops, RowOp{Space: space, Key: key, Delete: true})
		}
	}
	if len(ops) > 0 {
		r.opt.Feed(ops)
	}
	return nil
}
