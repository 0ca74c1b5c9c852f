package notify

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// destination is the queue, the breaker and the calls of one endpoint. Its goroutine is run; calls have
// one each.
type destination struct {
	opt     *DispatcherOptions
	name    string
	channel Channel // nil: not configured
	width   int     // calls at once
	wake    chan struct{}
	paused  *atomic.Bool // the dispatcher's

	mu       sync.Mutex
	q        queue
	breaker  breaker
	inFlight int
	disabled bool
	hold     hold
	// more: the store holds rows that are not in memory. missed: one was refused since the scan began.
	// removed: keys deleted since then.
	more, missed bool
	removed      map[string]bool
	stats        EndpointStatus
	// finishing are the items whose results are being appended, with what they were; ended is signalled
	// when one of them is through.
	finishing map[*item]*Entry
	ended     sync.Cond
	// sweepAt is when expired entries are looked for next.
	sweepAt time.Time
}

func newDestination(o *DispatcherOptions, name string, ch Channel, paused *atomic.Bool) *destination {
	width := o.Concurrency
	if w, ok := ch.(Wide); ok {
		width = w.Concurrency()
	}
	t := &destination{
		opt: o, name: name, channel: ch, width: width, wake: make(chan struct{}, 1), paused: paused,
		q: newQueue(o.OrderWait), breaker: breaker{opt: o.Breaker}, finishing: map[*item]*Entry{},
		more: o.Scan != nil, // what waits since before
	}
	t.ended.L = &t.mu
	return t
}

// nudge makes run look again.
func (t *destination) nudge() {
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

func (t *destination) put(key string, e *Entry) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.add(key, e)
}

// add takes an entry into memory if it fits, t.mu held. While the store holds others it is refused: the
// order of a vehicle would be lost.
func (t *destination) add(key string, e *Entry) {
	if t.q.items[key] != nil {
		return
	}
	if t.more || t.q.live >= t.opt.Queue {
		t.more, t.missed = true, true
		t.nudge()
		return
	}
	t.accept(key, e)
}

func (t *destination) accept(key string, e *Entry) {
	now := time.Now()
	t.q.add(&item{key: key, e: e, deadline: t.deadline(e, now)}, now)
	t.nudge()
}

func (t *destination) remove(key string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.removed != nil {
		t.removed[key] = true
	}
	t.q.remove(key, time.Now())
	t.nudge()
}

// run starts calls as their time comes, until ctx ends.
func (t *destination) run(r *running) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		t.rescan(r)
		t.expire(r)
		timer.Reset(t.startDue(r))
		select {
		case <-r.ctx.Done():
			return
		case <-t.wake:
		case <-timer.C:
		}
	}
}

// sweepEvery is how often expired entries are looked for, and how long run sleeps at most.
func (t *destination) sweepEvery() time.Duration {
	return min(time.Minute, t.opt.OwnerHorizon/10, t.opt.DealerHorizon/10)
}

// startDue starts what may start now and returns how long nothing more can.
func (t *destination) startDue(r *running) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	longest := t.sweepEvery()
	for r.ctx.Err() == nil {
		now := time.Now()
		it := t.q.first()
		switch {
		case it == nil:
			return longest
		case it.at.After(now):
			return min(it.at.Sub(now), longest)
		case t.paused.Load():
			return longest // Pause nudges
		case t.hold.held() || t.channel == nil || t.inFlight >= t.width:
			return longest // release, expiry, or the end of a call, comes first
		}
		if t.disabled {
			t.q.take()
			t.mu.Unlock()
			t.finish(r, it, Disabled, "the endpoint had answered 410 Gone")
			t.mu.Lock()
			continue
		}
		ok, probe := t.breaker.allow(now)
		if !ok {
			return min(max(t.breaker.until.Sub(now), time.Millisecond), longest)
		}
		t.q.take()
		it.attempts++
		t.stats.Attempts++
		t.inFlight++
		r.wg.Go(func() { t.call(r, it, probe) })
	}
	return longest
}

// call makes one attempt and deals with its answer.
func (t *destination) call(r *running, it *item, probe bool) {
	defer t.nudge()
	t.mu.Lock()
	if it.ended || t.hold.held() { // recalled or held since its turn came
		t.inFlight--
		it.attempts--
		t.stats.Attempts--
		t.breaker.forget(probe)
		t.q.giveBack(it, time.Now())
		t.mu.Unlock()
		return
	}
	e := it.e
	t.mu.Unlock()
	ctx, cancel := context.WithTimeout(r.calls, t.opt.Timeout)
	a := t.channel.Send(ctx, e)
	cancel()

	t.mu.Lock()
	t.inFlight--
	if a.Outcome == Retry && r.calls.Err() != nil { // we ended it, not the destination
		t.breaker.forget(probe)
		t.q.giveBack(it, time.Now())
		t.mu.Unlock()
		return
	}
	t.breaker.done(time.Now(), probe, a.Outcome != Retry)
	t.mu.Unlock()

	switch a.Outcome {
	case Accepted:
		t.finish(r, it, Delivered, a.Detail)
	case Refused:
		t.finish(r, it, Dead, a.Detail)
	case Gone:
		t.mu.Lock()
		t.disabled = true
		t.mu.Unlock()
		t.opt.Log.Warn().Str("endpoint", t.name).Msg("the endpoint answered 410 Gone and gets nothing more: mend or remove it, then requeue its dead letters")
		t.finish(r, it, Disabled, a.Detail)
	default:
		if t.expired(it) {
			t.finish(r, it, Expired, a.Detail)
			return
		}
		t.retry(it, a)
	}
}

// retry lets an entry be sent again after a random time, or after what the destination asked for.
func (t *destination) retry(it *item, a Answer) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stats.LastError = a.Detail
	limit := t.opt.RetryMax
	if n := it.attempts - 1; n < 32 && t.opt.RetryMin<<n > 0 {
		limit = min(limit, t.opt.RetryMin<<n)
	}
	wait := rand.N(limit + 1)
	if a.After > 0 {
		wait = max(wait, min(a.After, time.Hour))
	}
	t.q.giveBack(it, time.Now().Add(wait))
}

// finish appends the result of an entry and lets the next of its vehicle go.
func (t *destination) finish(r *running, it *item, v Verdict, detail string) {
	t.mu.Lock()
	if it.ended { // its row is gone: nobody waits for a result
		t.mu.Unlock()
		return
	}
	e := it.e
	t.finishing[it] = e
	t.mu.Unlock()
	res := Result{
		Endpoint: t.name, ID: e.ID, VIN: e.VIN, Result: v, Generation: t.opt.Generation,
		At: t.opt.Clock(), Attempts: it.attempts, Created: e.Created, Detail: detail,
	}
	if v != Delivered {
		res.Entry = e.Append(nil)
	}
	payload, err := json.Marshal(&res)
	if err == nil {
		err = t.opt.Results.Append(r.calls, e.Party, payload)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.finishing, it)
	t.ended.Broadcast()
	if err != nil { // the engine is ending; what was delivered is sent once more under its id
		t.q.giveBack(it, time.Now())
		r.fail(fmt.Errorf("record the result of %s at %s: %w", e.ID, t.name, err))
		return
	}
	switch v {
	case Delivered:
		t.stats.Delivered++
		t.stats.LastError = ""
	case Expired:
		t.stats.Expired++
	default:
		t.stats.Dead++
	}
	t.q.end(it, time.Now())
}

// expired reports whether an entry has been tried for too long.
func (t *destination) expired(it *item) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return !t.hold.held() && !time.Now().Before(it.deadline)
}

// expire gives up what has been tried for too long, whether it may be sent or not, but nothing that an
// operator holds.
func (t *destination) expire(r *running) {
	t.mu.Lock()
	now := time.Now()
	if t.hold.held() || now.Before(t.sweepAt) || t.paused.Load() {
		t.mu.Unlock()
		return
	}
	t.sweepAt = now.Add(t.sweepEvery())
	var late []*item
	for _, it := range t.q.heap {
		if !now.Before(it.deadline) {
			late = append(late, it)
		}
	}
	detail := cmp.Or(t.stats.LastError, "no attempt could be made")
	if t.channel == nil {
		detail = "the endpoint is not in the configuration"
	}
	for _, it := range late {
		t.q.pull(it)
	}
	t.mu.Unlock()
	for _, it := range late {
		t.finish(r, it, Expired, detail)
	}
}

func (t *destination) enable() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	was := t.disabled
	t.disabled = false
	t.nudge()
	return was
}

func (t *destination) status() EndpointStatus {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.stats
	s.Name, s.Configured, s.Disabled = t.name, t.channel != nil, t.disabled
	s.Held = t.hold.held()
	s.Breaker, s.Openings = t.breaker.state(time.Now()), t.breaker.openings
	s.Pending, s.More, s.InFlight = t.q.live, t.more, t.inFlight
	for _, it := range t.q.items {
		if !it.ended && (s.Oldest == 0 || it.e.Released < s.Oldest) {
			s.Oldest = it.e.Released
		}
	}
	return s
}
