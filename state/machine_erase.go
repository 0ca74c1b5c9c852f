package state

import (
	"context"

	"github.com/milepost-io/milepost/state/log"
)

// applyErased takes a record whose content is gone (S47): an event was received all the same and counts as
// applied (E5); of anything else nothing is left to do. A replay of a log that was blanked since, and the
// live run in which the record entered erased, come to the same counters.
func (m *Machine) applyErased(rec *log.Record) {
	if rec.Kind == log.Event {
		m.outcomes[Applied]++
		m.counters[counter{CountErased, ""}]++
	}
}

// CountErased is the counter of events that were applied as erased ones.
const CountErased = "erased"

// Erased reports whether the content of a notice was blanked in the log (S47). No id holds a zero byte.
func (n *Notice) Erased() bool { return len(n.Key) > 0 && n.Key[0] == 0 }

// staleTimers puts the stored timers named out of the store with the next write-back, but for those their
// documents are armed for. A timer stays in the store, under the name of its key, until its time has come,
// even when the document is gone or was armed for another time since: that does no harm but for the name. A
// timer that counts has an entry in memory.
func (m *Machine) staleTimers(names [][]byte) {
	for _, name := range names {
		due, key, sub, err := cutTimerKey(name)
		if err != nil {
			continue
		}
		if k, _ := m.cache.key(key); k != none {
			if i, _ := m.cache.doc(k, sub); i != none {
				d := m.cache.docs.at(i)
				if (d.state == cold || d.state == loading) && !m.loadOutside(i) {
					return // the shard is about to end
				}
				if d.state == live && d.armed == due {
					continue
				}
			}
		}
		m.wb.stale = append(m.wb.stale, name)
	}
}

// DropTimers takes the stored timers of the documents that match chooses out of the store, but for those that
// count. It returns when the shard has been told; a write-back later they are gone.
func (s *Shard) DropTimers(ctx context.Context, match func(key, sub []byte) bool) error {
	var names [][]byte
	err := s.opt.Store.Scan([]byte{timerSpace, '/'}, spaceEnd(timerSpace), func(name, _ []byte) bool {
		if _, key, sub, err := cutTimerKey(name); err == nil && match(key, sub) {
			names = append(names, append([]byte{}, name...))
		}
		return ctx.Err() == nil
	})
	if err == nil {
		err = ctx.Err()
	}
	if err != nil || len(names) == 0 {
		return s.wrap("drop timers", err)
	}
	return s.Query(ctx, func(View) { s.m.staleTimers(names) })
}
