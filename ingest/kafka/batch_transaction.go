package kafka

import (
	"cmp"
	"encoding/binary"
	"slices"
)

// aborted are the aborted transactions of one partition in one answer: whose records come from which
// offset on. A producer's records are dropped from there to its abort marker.
type aborted struct {
	coming []abortedTxn // by first offset, not reached yet
	open   []int64      // producers within an aborted transaction
}

type abortedTxn struct{ producer, first int64 }

func (a *aborted) reset() { a.coming, a.open = a.coming[:0], a.open[:0] }

func (a *aborted) add(producer, first int64) {
	a.coming = append(a.coming, abortedTxn{producer, first})
}

// begin puts the list in order; brokers send it in none that is promised.
func (a *aborted) begin() {
	slices.SortFunc(a.coming, func(x, y abortedTxn) int { return cmp.Compare(x.first, y.first) })
}

// advance opens the transactions that begin within b. It is called for every batch, in order: an aborted
// transaction may have nothing left but its marker.
func (a *aborted) advance(b *batch) {
	for len(a.coming) > 0 && a.coming[0].first <= b.last {
		if !slices.Contains(a.open, a.coming[0].producer) {
			a.open = append(a.open, a.coming[0].producer)
		}
		a.coming = a.coming[1:]
	}
}

// drops reports whether the records of b are those of an aborted transaction.
func (a *aborted) drops(b *batch) bool {
	return b.transactional() && slices.Contains(a.open, b.producer)
}

// Control records: the key is a version and a type (2 bytes each).
const controlAbort = 0

// marker takes the records of a control batch: an abort ends its producer's transaction.
func (a *aborted) marker(b *batch, messages []message) {
	for _, m := range messages {
		if len(m.key) >= 4 && binary.BigEndian.Uint16(m.key[2:]) == controlAbort {
			if i := slices.Index(a.open, b.producer); i >= 0 {
				a.open = slices.Delete(a.open, i, i+1)
			}
		}
	}
}
