package state

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/milepost-io/milepost/state/log"
)

// Retention says how long the rows of a space are kept: by the shard's clock and in whole UTC days, so that
// a row goes up to a day after its time.
type Retention struct {
	Space Space
	Keep  time.Duration
	// Made tells when a row that SetRow wrote was made, Unix ms; ok is false for one that AddRow wrote, whose
	// age the engine knows. nil: all rows of the space are AddRow's. It is called from another goroutine.
	Made func(key string, value []byte) (at int64, ok bool)
}

const dayMillis = 24 * 3_600_000

// dayMark says that the records below off were applied before the day began, by the shard's clock. The row
// key of AddRow holds the offset of its record: the marks turn that into an age.
type dayMark struct {
	day int64 // Unix days
	off log.Offset
}

// dayRow is a day mark's row: under the day (8, big-endian), the offset (8).
const dayRow Space = 'y'

// markDay notes the first record of a day. There is one mark a day, for as long as the store lives.
func (m *Machine) markDay(off log.Offset) {
	day := m.clock / dayMillis
	if n := len(m.days); n > 0 && day <= m.days[n-1].day || m.clock <= 0 || m.opt.Backing == nil {
		return
	}
	m.days = append(m.days, dayMark{day, off})
	m.rows.put(RowOp{
		Space: dayRow, Key: string(binary.BigEndian.AppendUint64(nil, uint64(day))),
		Value: binary.BigEndian.AppendUint64(nil, uint64(off)),
	})
}

// offsetOfDay is an offset below which every record was applied before the day.
func (m *Machine) offsetOfDay(day int64) log.Offset {
	for i := len(m.days) - 1; i >= 0; i-- {
		if m.days[i].day <= day {
			return m.days[i].off
		}
	}
	return 0
}

func (m *Machine) restoreDays() error {
	var bad error
	err := m.opt.Backing.Scan([]byte{byte(dayRow), '/'}, spaceEnd(byte(dayRow)), func(k, v []byte) bool {
		if len(k) != 2+8 || len(v) != 8 {
			bad = fmt.Errorf("day %x: %d bytes, expected 8", k, len(v))
			return false
		}
		m.days = append(m.days, dayMark{int64(binary.BigEndian.Uint64(k[2:])), log.Offset(binary.BigEndian.Uint64(v))})
		return true
	})
	if err == nil {
		err = bad
	}
	return err
}

// expiry is one portion of a round through the rows of a space.
type expiry struct {
	Retention
	from  []byte     // stored key to begin at
	below log.Offset // rows of records below it are old
	until int64      // rows made before it are, Unix ms
}

type expired struct {
	next []byte // where the next portion begins; nil: the round is over
	gone []string
	err  error
}

// expirePortion is how many rows are looked at in one portion: a few milliseconds.
const expirePortion = 4096

// expire deletes the old among the next rows. It is no part of a write-back and stands in no log: no step
// reads rows, and what a replay writes again is from its last seconds, which no retention reaches, or is
// found by the next round. It excludes commits, so that a row written anew is not taken for the old one.
func (s *Store) expire(x expiry) (e expired) {
	s.writing.Lock()
	defer s.writing.Unlock()
	b := s.newBatch(0)
	n := 0
	err := s.Scan(x.from, spaceEnd(byte(x.Space)), func(k, v []byte) bool {
		if n++; n > expirePortion {
			e.next = append(e.next, k...)
			return false
		}
		if key := string(k[2:]); x.old(key, v) {
			e.gone = append(e.gone, key)
			e.err = b.Delete(k)
		}
		return e.err == nil
	})
	if e.err == nil {
		e.err = err
	}
	if e.err == nil && len(e.gone) > 0 {
		e.err = s.apply(b)
	} else {
		_ = b.b.Close()
	}
	return e
}

func (x *expiry) old(key string, value []byte) bool {
	if x.Made != nil {
		if at, ok := x.Made(key, value); ok {
			return at < x.until
		}
	}
	off, ok := RowOffset(key)
	return ok && off < x.below
}
