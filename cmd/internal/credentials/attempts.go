package credentials

import (
	"net/netip"
	"sync"
	"time"
)

const (
	// attemptsPerMinute is how many wrong tokens an address may show in a minute before it is answered
	// 429 until the minute has passed.
	attemptsPerMinute = 20
	// attemptsKept bounds the addresses counted in a minute; further ones are not slowed down.
	attemptsKept = 10_000
)

// attempts counts wrong tokens by address.
type attempts struct {
	mu     sync.Mutex
	minute int64 // Unix minutes that failed counts
	failed map[netip.Addr]int
}

// wait is how long an address has to wait before it may try again; 0: not at all.
func (a *attempts) wait(from netip.Addr, now time.Time) time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.turn(now)
	if a.failed[network(from)] < attemptsPerMinute {
		return 0
	}
	return time.Unix((a.minute+1)*60, 0).Sub(now)
}

// fail counts a wrong token.
func (a *attempts) fail(from netip.Addr, now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.turn(now)
	from = network(from)
	if _, known := a.failed[from]; known || len(a.failed) < attemptsKept {
		a.failed[from]++
	}
}

func (a *attempts) turn(now time.Time) {
	if m := now.Unix() / 60; m != a.minute || a.failed == nil {
		a.minute, a.failed = m, map[netip.Addr]int{}
	}
}

// network is what one party has: an IPv4 address, 64 bits of an IPv6 one.
func network(a netip.Addr) netip.Addr {
	a = a.Unmap()
	if a.Is4() {
		return a
	}
	if p, err := a.WithZone("").Prefix(64); err == nil {
		return p.Addr()
	}
	return a
}
