package notify

import "time"

// BreakerOptions say when a destination is left alone. Zero fields take the defaults.
type BreakerOptions struct {
	// Failures in a row that open it; 5.
	Failures int
	// Calls within Window of which half or more failed open it too; 20 in 30 s.
	Calls  int
	Window time.Duration
	// OpenMin is how long it stays open before one probe is let through; each failed probe doubles that,
	// to OpenMax. 30 s to 5 min.
	OpenMin, OpenMax time.Duration
}

func (o BreakerOptions) withDefaults() BreakerOptions {
	def := func(v *int, d int) {
		if *v <= 0 {
			*v = d
		}
	}
	dur := func(v *time.Duration, d time.Duration) {
		if *v <= 0 {
			*v = d
		}
	}
	def(&o.Failures, 5)
	def(&o.Calls, 20)
	dur(&o.Window, 30*time.Second)
	dur(&o.OpenMin, 30*time.Second)
	dur(&o.OpenMax, 5*time.Minute)
	return o
}

// buckets divide a breaker's window.
const buckets = 10

// breaker keeps calls from a destination that fails. While it is open nothing is attempted, so nothing is
// counted against a message; then one call at a time probes. It is guarded by its destination's mutex.
type breaker struct {
	opt      BreakerOptions
	inARow   int
	counts   [buckets]bucket
	opened   bool
	until    time.Time     // when it may be probed
	open     time.Duration // how long it was opened for last
	probing  bool
	openings int
}

type bucket struct {
	slot      int64
	ok, wrong int
}

// allow reports whether a call may start; probe says that it decides about the breaker.
func (b *breaker) allow(now time.Time) (ok, probe bool) {
	if !b.opened {
		return true, false
	}
	if b.probing || now.Before(b.until) {
		return false, false
	}
	b.probing = true
	return true, true
}

// done tells how a call ended.
func (b *breaker) done(now time.Time, probe, ok bool) {
	switch {
	case probe && ok:
		*b = breaker{opt: b.opt, openings: b.openings}
	case probe:
		b.probing = false
		b.trip(now, min(2*b.open, b.opt.OpenMax))
	case b.opened: // begun before it opened
	default:
		b.count(now, ok)
	}
}

// forget takes a probe back that ended without an answer of the destination.
func (b *breaker) forget(probe bool) {
	if probe {
		b.probing = false
	}
}

func (b *breaker) count(now time.Time, ok bool) {
	slot := now.UnixNano() / int64(b.opt.Window/buckets)
	at := &b.counts[slot%buckets]
	if at.slot != slot {
		*at = bucket{slot: slot}
	}
	if ok {
		b.inARow = 0
		at.ok++
	} else {
		b.inARow++
		at.wrong++
	}
	calls, wrong := 0, 0
	for _, c := range b.counts {
		if slot-c.slot < buckets {
			calls += c.ok + c.wrong
			wrong += c.wrong
		}
	}
	if b.inARow >= b.opt.Failures || calls >= b.opt.Calls && 2*wrong >= calls {
		b.openings++
		b.trip(now, b.opt.OpenMin)
	}
}

func (b *breaker) trip(now time.Time, d time.Duration) {
	b.opened, b.open, b.until = true, d, now.Add(d)
}

// state names it for people.
func (b *breaker) state(now time.Time) string {
	switch {
	case !b.opened:
		return "closed"
	case now.Before(b.until):
		return "open"
	}
	return "half-open"
}
