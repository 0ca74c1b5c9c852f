package state

import (
	"bytes"
	"cmp"
	"math"
	"slices"
)

// timer is a due time of a document's entry. It counts only while the document is armed for that very
// time: what a later call made of it is not looked for in the heap.
type timer struct {
	due int64
	doc int32
}

// timerHeap is a 4-ary heap: the first is the least by (due, key, sub).
type timerHeap struct {
	items []timer
	less  func(a, b timer) bool
}

func (h *timerHeap) push(t timer) {
	h.items = append(h.items, t)
	i := len(h.items) - 1
	for i > 0 {
		p := (i - 1) / 4
		if !h.less(t, h.items[p]) {
			break
		}
		h.items[i] = h.items[p]
		i = p
	}
	h.items[i] = t
}

func (h *timerHeap) pop() timer {
	top := h.items[0]
	last := h.items[len(h.items)-1]
	h.items = h.items[:len(h.items)-1]
	if n := len(h.items); n > 0 {
		i := 0
		for {
			c := 4*i + 1
			if c >= n {
				break
			}
			for j := c + 1; j < min(c+4, n); j++ {
				if h.less(h.items[j], h.items[c]) {
					c = j
				}
			}
			if !h.less(h.items[c], last) {
				break
			}
			h.items[i] = h.items[c]
			i = c
		}
		h.items[i] = last
	}
	return top
}

func (m *Machine) timerLess(a, b timer) bool {
	if a.due != b.due {
		return a.due < b.due
	}
	x, y := m.cache.docs.at(a.doc), m.cache.docs.at(b.doc)
	if x.key != y.key {
		return bytes.Compare(m.cache.keyName(x.key), m.cache.keyName(y.key)) < 0
	}
	return bytes.Compare(m.cache.subName(x), m.cache.subName(y)) < 0
}

// arm enters a timer that a committed call set.
func (m *Machine) arm(t timer) {
	d := m.cache.docs.at(t.doc)
	if d.armed != t.due {
		return // set again or deleted by the same call
	}
	m.enter(t)
	if m.opt.Backing != nil {
		d.pins++
		m.wb.armed = append(m.wb.armed, t)
	}
}

func (m *Machine) enter(t timer) {
	d := m.cache.docs.at(t.doc)
	d.pins++
	m.timers.push(t)
	k := m.cache.keys.at(d.key)
	k.minDue = min(k.minDue, t.due)
}

// release gives back what a timer or list held of an entry.
func (m *Machine) release(i int32) {
	d := m.cache.docs.at(i)
	if d.pins--; d.pins > 0 {
		return
	}
	if d.state == cold || d.state == gone && m.opt.Backing == nil {
		m.cache.drop(i)
	}
}

// runOverdue runs at most MaxTimers of the timers that are due, in (due, key, sub) order. What is stale is
// not counted: how many stale timers there are depends on what was reopened, not on the log.
func (m *Machine) runOverdue() {
	m.overdue = false
	for n := 0; m.err == nil && len(m.timers.items) > 0; {
		t := m.timers.items[0]
		if t.due > m.clock {
			return
		}
		if m.stale(t) {
			m.release(m.timers.pop().doc)
			continue
		}
		if n == m.opt.MaxTimers {
			m.overdue, m.heldAt = true, t.due
			return
		}
		n++
		m.timers.pop()
		m.fire(t)
		m.release(t.doc)
	}
}

// stale reports whether a timer does not count any more; it loads the document to know.
func (m *Machine) stale(t timer) bool {
	d := m.cache.docs.at(t.doc)
	if d.armed > t.due { // of a cold document a lower bound: enough here
		return true
	}
	if d.state == cold || d.state == loading {
		if !m.loadOutside(t.doc) {
			return true
		}
	}
	return d.armed != t.due
}

// loadOutside is load between step calls.
func (m *Machine) loadOutside(i int32) (ok bool) {
	defer func() {
		if r := recover(); r != nil {
			f, is := r.(storeFailure)
			if !is {
				panic(r)
			}
			_ = m.fail(f.err)
		}
	}()
	m.load(i)
	return true
}

// fire wakes the document of a timer that counts. The entry is pinned by the caller.
func (m *Machine) fire(t timer) {
	d := m.cache.docs.at(t.doc)
	d.hot = true
	key, sub := m.cache.keyName(d.key), m.cache.subName(d)
	m.activate(key)
	if d.armed != t.due {
		return // the activation has seen to it
	}
	m.soil(t.doc)
	d.armed = 0
	m.wake(callTimer, key, sub, t.due)
}

// runKeyTimers runs all timers of a key that are due by now, in due order, before the key's record (S3).
func (m *Machine) runKeyTimers(key []byte, now int64) {
	for m.err == nil {
		k, _ := m.cache.key(key)
		if k == none || m.cache.keys.at(k).minDue > now {
			return
		}
		due := m.keyTimers(k, now)
		if len(due) == 0 {
			return
		}
		for _, t := range due {
			if m.err == nil && !m.stale(t) {
				m.fire(t)
			}
			m.release(t.doc)
		}
	}
}

// keyTimers collects and pins the timers of a key due by now, and makes the key's bound exact for the rest.
func (m *Machine) keyTimers(k int32, now int64) []timer {
	m.due = m.due[:0]
	entry := m.cache.keys.at(k)
	entry.minDue = math.MaxInt64
	for i := entry.first; i != none; i = m.cache.docs.at(i).next {
		d := m.cache.docs.at(i)
		if d.armed == 0 {
			continue
		}
		if d.armed <= now && (d.state == cold || d.state == loading) && !m.loadOutside(i) {
			break
		}
		switch {
		case d.armed == 0:
		case d.armed <= now:
			d.pins++
			m.due = append(m.due, timer{due: d.armed, doc: i})
		default:
			entry.minDue = min(entry.minDue, d.armed)
		}
	}
	slices.SortFunc(m.due, func(a, b timer) int {
		if c := cmp.Compare(a.due, b.due); c != 0 {
			return c
		}
		return bytes.Compare(m.cache.subName(m.cache.docs.at(a.doc)), m.cache.subName(m.cache.docs.at(b.doc)))
	})
	return m.due
}

// runSubTimer runs the timer of one document while it is due by now, before a notice about it.
func (m *Machine) runSubTimer(key, sub []byte, now int64) {
	for m.err == nil {
		k, _ := m.cache.key(key)
		if k == none || m.cache.keys.at(k).minDue > now {
			return
		}
		i, _ := m.cache.doc(k, sub)
		if i == none {
			return
		}
		d := m.cache.docs.at(i)
		t := timer{due: d.armed, doc: i}
		if d.armed == 0 || d.armed > now {
			return
		}
		d.pins++
		if !m.stale(t) {
			m.fire(t)
		}
		m.release(i)
	}
}
