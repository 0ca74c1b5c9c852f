package app

import (
	"sync"
	"time"
)

// Clock is the engine's one source of time (E9, E18): Unix milliseconds that never go back. It runs on
// the monotonic clock from an anchor and is slewed towards the wall clock, never set. Safe for
// concurrent use.
type Clock struct {
	mu     sync.Mutex
	now    func() time.Time
	last   time.Time // carries the monotonic reading
	ms     float64
	scale  float64
	follow bool // slew towards the wall
}

// maxSlew is how much faster or slower than real time the clock may run to meet the wall clock again.
const maxSlew = 0.01

// WallClock follows the wall clock, starting no earlier than floor (Unix ms), so that a restart never
// stamps a record before one that is already in the log.
func WallClock(now func() time.Time, floor int64) *Clock {
	t := now()
	return &Clock{now: now, last: t, ms: float64(max(t.UnixMilli(), floor)), scale: 1, follow: true}
}

// ScaledClock runs scale times as fast as real time from start (Unix ms). Only the demo has one.
func ScaledClock(now func() time.Time, start int64, scale float64) *Clock {
	return &Clock{now: now, last: now(), ms: float64(start), scale: scale}
}

// Now is the engine's time in Unix milliseconds.
func (c *Clock) Now() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.now()
	step := float64(t.Sub(c.last)) / 1e6
	if step <= 0 {
		return int64(c.ms)
	}
	c.last = t
	c.ms += step * c.scale
	if c.follow {
		gap := float64(t.UnixMilli()) - c.ms
		limit := step * maxSlew
		c.ms += min(max(gap, -limit), limit)
	}
	return int64(c.ms)
}

// Time is Now as a time.Time in UTC.
func (c *Clock) Time() time.Time { return time.UnixMilli(c.Now()).UTC() }

// Real turns a span of the engine's time into real time.
func (c *Clock) Real(d time.Duration) time.Duration { return time.Duration(float64(d) / c.scale) }
