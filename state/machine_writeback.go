package state

import (
	"fmt"

	"github.com/milepost-io/milepost/state/log"
)

// Backing is what a Machine needs of a store: reads of the last committed batch. All but Get are used by
// one goroutine at a time.
type Backing interface {
	// Get appends the value of a key to dst.
	Get(dst, key []byte) (value []byte, ok bool, err error)
	// Scan calls fn for the keys from lo up to below hi, in order, until it returns false. Key and value
	// are valid during the call.
	Scan(lo, hi []byte, fn func(key, value []byte) bool) error
	// Keys returns the next document keys (the Key of a record), at most max, whose stored keys are not
	// below from.
	Keys(from []byte, max int) ([][]byte, error)
}

// Batch takes the changes of one write-back. It copies what it is given.
type Batch interface {
	Set(key, value []byte) error
	Delete(key []byte) error
	DeleteRange(lo, hi []byte) error
}

const (
	// drainPerRecord is how many entries of a write-back under way are encoded with each record, so that
	// the shard never stops for it.
	drainPerRecord = 4
	evictPerRecord = 16
)

// writeBack is what has changed since the last one, and the one under way.
//
// Mark begins an epoch: what the documents, timers and rows are at this moment is what the batch will
// hold (E3), although it is encoded little by little while records go on being applied. A document that
// changes before its turn is encoded first (soil).
type writeBack struct {
	epoch      uint32 // the current epoch
	committed  uint32 // the last epoch whose batch is committed
	dirty      []int32
	armed      []timer // timers set in the current epoch; their entries are pinned
	dirtyBytes int64
	control    bool     // the control payload has changed
	stale      [][]byte // stored timers that do not count any more, to be deleted

	batch       Batch   // of the write-back under way; nil when there is none
	saving      []int32 // all of it until the commit: what the store may not hold
	savingNext  int
	savingArmed []timer
	savingRow   int
	err         error
	key, value  []byte
}

// soil notes that a document is about to change.
func (m *Machine) soil(i int32) {
	if m.opt.Backing == nil {
		return
	}
	w := &m.wb
	d := m.cache.docs.at(i)
	if d.epoch == w.epoch {
		return
	}
	if w.batch != nil && d.epoch == w.epoch-1 {
		m.save(d)
	}
	d.epoch, d.saved = w.epoch, false
	w.dirty = append(w.dirty, i)
	w.dirtyBytes += int64(d.n) + docHeader + int64(d.subLen) + int64(m.cache.keys.at(d.key).len) + 8
}

// save encodes a document of the epoch under way into the batch, once.
func (m *Machine) save(d *doc) {
	if d.saved {
		return
	}
	d.saved = true
	w := &m.wb
	w.key = appendDocKey(w.key[:0], m.cache.keyName(d.key), m.cache.subName(d))
	if d.state == live {
		w.value = appendDocValue(w.value[:0], d.armed, m.cache.body(d))
		w.note(w.batch.Set(w.key, w.value))
	} else {
		w.note(w.batch.Delete(w.key))
	}
}

func (w *writeBack) note(err error) {
	if w.err == nil {
		w.err = err
	}
}

// DirtyBytes estimates what a write-back would hold now.
func (m *Machine) DirtyBytes() int64 {
	return m.wb.dirtyBytes + int64(len(m.wb.armed))*48 + int64(len(m.rows.now.ops))*256
}

// Mark begins a write-back of the state at Position into b and returns that position. It must not be
// called before the last one was Committed.
func (m *Machine) Mark(b Batch) (log.Offset, error) {
	w := &m.wb
	if w.batch != nil {
		return 0, fmt.Errorf("state: write-back begun while that of epoch %d is under way", w.epoch-1)
	}
	p, err := m.encodePosition()
	if err != nil {
		return 0, err
	}
	w.epoch++
	w.batch = b
	w.dirty, w.saving = w.saving[:0], w.dirty
	w.armed, w.savingArmed = w.savingArmed[:0], w.armed
	w.savingNext, w.savingRow, w.dirtyBytes = 0, 0, 0
	m.rows.mark()

	w.note(b.DeleteRange(timerBound(minTime), timerBound(m.timerCursor())))
	for _, name := range w.stale { // before the timers that were armed since are set
		w.note(b.Delete(name))
	}
	w.stale = nil
	w.note(b.Set(positionKey(), p))
	if w.control {
		w.control = false
		w.note(b.Set(controlKey(), m.control))
	}
	return m.next, w.err
}

// timerCursor is a time before which no timer counts.
func (m *Machine) timerCursor() int64 {
	if at, ok := m.NextDue(); ok {
		return at
	}
	return m.clock + 1
}

// Drain encodes up to n entries of the write-back under way and reports whether its batch is complete.
func (m *Machine) Drain(n int) (done bool, err error) {
	m.drain(n)
	w := &m.wb
	return w.savingNext == len(w.saving) && len(w.savingArmed) == 0 && w.savingRow == len(m.rows.saving.ops), w.err
}

func (m *Machine) drain(n int) {
	w := &m.wb
	if w.batch == nil {
		return
	}
	for ; n > 0 && w.savingNext < len(w.saving); n-- {
		d := m.cache.docs.at(w.saving[w.savingNext])
		w.savingNext++
		if d.epoch == w.epoch-1 {
			m.save(d)
		}
	}
	for ; n > 0 && len(w.savingArmed) > 0; n-- {
		t := w.savingArmed[len(w.savingArmed)-1]
		w.savingArmed = w.savingArmed[:len(w.savingArmed)-1]
		d := m.cache.docs.at(t.doc)
		w.key = appendTimerKey(w.key[:0], t.due, m.cache.keyName(d.key), m.cache.subName(d))
		w.note(w.batch.Set(w.key, nil))
		m.release(t.doc)
	}
	for rows := &m.rows.saving; n > 0 && w.savingRow < len(rows.ops); n-- {
		i := w.savingRow
		w.savingRow++
		if !rows.current(i) {
			continue
		}
		op := rows.ops[i]
		w.key = appendRowKey(w.key[:0], op.Space, op.Key)
		if op.Delete {
			w.note(w.batch.Delete(w.key))
		} else {
			w.note(w.batch.Set(w.key, op.Value))
		}
	}
}

// Committed says that the complete batch of the last Mark is what Backing now reads. Its documents may be
// evicted from now on (E16).
func (m *Machine) Committed() {
	w := &m.wb
	w.committed = w.epoch - 1
	w.batch, w.saving = nil, w.saving[:0]
	w.savingNext = 0
	m.rows.saving = rowEpoch{}
}

// evict forgets clean documents while memory is over its bound. It looks at up to n entries.
func (m *Machine) evict(n int) {
	if m.opt.Memory == 0 || m.opt.Backing == nil {
		return
	}
	for ; n > 0 && m.cache.size() > m.opt.Memory; n-- {
		if m.hand++; m.hand >= m.cache.docs.next {
			m.hand = 0
		}
		d := m.cache.docs.at(m.hand)
		switch {
		case d.state != live && d.state != gone || d.epoch > m.wb.committed:
		case d.hot:
			d.hot = false
		case d.pins == 0:
			m.cache.drop(m.hand)
		case d.state == live:
			m.cache.clear(d, cold)
		}
	}
}
