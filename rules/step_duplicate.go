package rules

import (
	"encoding/binary"

	"github.com/milepost-io/milepost/ingest"
)

// seen reports whether a telemetry record is a duplicate and otherwise remembers it (S5). A record newer
// than L never is one.
func (v *vehicle) seen(ev *ingest.Event, payload []byte, e int64) bool {
	old := v.L != never && e <= v.L
	switch {
	case ev.HasSeq:
		return v.seenSeq(ev.Boot, ev.Seq, old)
	case ev.HasTime:
		return v.seenBytes(ingest.Fingerprint(payload), old)
	default:
		return false // told only by offset or key
	}
}

// seqWindow is how far below the highest seq of a boot a record is remembered.
const seqWindow = 64

func (v *vehicle) seenSeq(boot, seq uint64, old bool) bool {
	known := false
	switch {
	case v.Flags&seqKnown == 0 || boot != v.Boot:
		if old && v.Flags&seqKnown != 0 {
			return false // another boot, not newer: neither duplicate nor remembered
		}
	case seq > v.SeqHigh:
		v.SeqSeen = shiftSeen(v.SeqSeen, seq-v.SeqHigh)
		v.SeqHigh = seq
		return false
	case v.SeqHigh-seq > seqWindow:
		if old {
			return false
		}
	default:
		known = seq == v.SeqHigh || v.SeqSeen&(1<<(v.SeqHigh-seq-1)) != 0
		if !known {
			v.SeqSeen |= 1 << (v.SeqHigh - seq - 1)
			return false
		}
		if old {
			return true
		}
	}
	v.Flags |= seqKnown // the memory starts anew
	v.Boot, v.SeqHigh, v.SeqSeen = boot, seq, 0
	return false
}

// shiftSeen moves the window up by n; bit i stands for highest − 1 − i.
func shiftSeen(seen, n uint64) uint64 {
	if n > seqWindow {
		return 0
	}
	return seen<<n | 1<<(n-1)
}

func (v *vehicle) seenBytes(print uint64, old bool) bool {
	for _, p := range v.Prints {
		if p == print && old {
			return true
		}
	}
	v.Prints[v.PrintNext%uint64(len(v.Prints))] = print
	v.PrintNext++
	return false
}

// ringTypes are the types that have a ring in the document of that name.
const (
	ringSize  = 8
	ringBytes = 8 + ringSize*8 // next, fingerprints
)

// seenEvent reports whether an event of another type is one of the last 8 of its type with a time and
// the same bytes, and otherwise remembers it (S5).
func (s *Step) seenEvent(payload []byte) bool {
	if !s.ev.HasTime {
		return false
	}
	print := ingest.Fingerprint(payload)
	from := int(s.ev.Type) * ringBytes
	size := from + ringBytes
	if doc := s.in.docs.View(s.sub.ring); len(doc) >= size {
		for i := range ringSize {
			if binary.LittleEndian.Uint64(doc[from+8+i*8:]) == print {
				return true
			}
		}
		size = len(doc)
	} else {
		size = max(size, len(doc))
	}
	s.in.remembered = func() {
		ring := s.in.c.Resize(s.sub.ring, size)[from:]
		next := binary.LittleEndian.Uint64(ring)
		binary.LittleEndian.PutUint64(ring[8+next%ringSize*8:], print)
		binary.LittleEndian.PutUint64(ring, next+1)
	}
	return false
}

// remember takes an event that is no duplicate into the memory of its type.
func (s *Step) remember() {
	if s.in.remembered != nil {
		s.in.remembered()
	}
}
