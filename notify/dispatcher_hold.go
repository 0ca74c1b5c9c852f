package notify

import "time"

// hold is why a destination sends nothing on an operator's word: one of its own, one of all, or both.
// A held destination starts no call, no retry and no probe, gives nothing up and lets nothing expire; its
// entries stay in the outbox. Calls under way end as they end.
type hold struct {
	own, all bool
	// until is when it was released last, Unix ms on the engine's clock. An entry from before has its
	// whole horizon from then on: the time it was held does not count against it.
	until int64
}

func (h hold) held() bool { return h.own || h.all }

// Hold stops sending to an endpoint, or to every one with name "". When it returns no call will be started
// any more. It may be called before and during Run, and for an endpoint that is held already. It is memory
// alone: whoever holds keeps it durable, and holds again before the next Run.
func (d *Dispatcher) Hold(name string) {
	for _, t := range d.named(name, func() { d.hold.all = true }) {
		t.mu.Lock()
		if name == "" {
			t.hold.all = true
		} else {
			t.hold.own = true
		}
		t.mu.Unlock()
	}
}

// Release lets an endpoint send again, or with name "" every one that is not held by itself. at is when
// that was decided, Unix ms on the engine's clock: a release of an earlier run is told again before Run, so
// that what was held then is not taken for too old.
func (d *Dispatcher) Release(name string, at int64) {
	ts := d.named(name, func() {
		d.hold.all = false
		d.hold.until = max(d.hold.until, at)
	})
	for _, t := range ts {
		t.release(name == "", at)
	}
}

// named returns the queues that a name means. For all of them it calls every with d.mu held, so that
// one made later has what they have.
func (d *Dispatcher) named(name string, every func()) []*destination {
	if name != "" {
		return []*destination{d.destination(name)}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	every()
	ts := make([]*destination, 0, len(d.to))
	for _, t := range d.to {
		ts = append(ts, t)
	}
	return ts
}

// Known reports whether an endpoint is configured or has entries left.
func (d *Dispatcher) Known(name string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.to[name] != nil
}

func (t *destination) release(all bool, at int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if all {
		t.hold.all = false
	} else {
		t.hold.own = false
	}
	t.hold.until = max(t.hold.until, at)
	now := time.Now()
	for _, it := range t.q.items {
		if !it.ended {
			it.deadline = t.deadline(it.e, now)
		}
	}
	t.q.restart(now)
	t.nudge()
}

// deadline is when an entry expires, t.mu held.
func (t *destination) deadline(e *Entry, now time.Time) time.Time {
	horizon := t.opt.OwnerHorizon
	if e.Audience == Dealer {
		horizon = t.opt.DealerHorizon
	}
	age := time.Duration(max(t.opt.Clock()-max(e.Released, t.hold.until), 0)) * time.Millisecond
	return now.Add(horizon - age)
}
