package kafka

import "sync"

// ledger knows what of one partition is durable: offsets handed to the Sink in order, and the answers,
// which may come in any. It is an ingest.Acker. Safe for concurrent use.
type ledger struct {
	mu      sync.Mutex
	pending []handed // by id, from first on
	first   uint64
	durable int64 // every record below is durable
	failed  error
	// settled is told when nothing is pending any more, or never will be.
	settled chan<- struct{}
}

type handed struct {
	next  int64 // the offset behind it
	acked bool
}

// begin sets where the partition begins.
func (l *ledger) begin(offset int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.durable = offset
}

// hand notes that records up to next are about to be handed over, and returns their id.
func (l *ledger) hand(next int64) uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pending = append(l.pending, handed{next: next})
	return l.first + uint64(len(l.pending)) - 1
}

// skip notes that up to next there is nothing to hand over.
func (l *ledger) skip(next int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := len(l.pending); n > 0 {
		l.pending[n-1].next = max(next, l.pending[n-1].next)
	} else {
		l.durable = max(l.durable, next)
	}
}

// Acked implements ingest.Acker. After a failure nothing more counts as durable.
func (l *ledger) Acked(id uint64, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil && l.failed == nil {
		l.failed = err
	}
	if i := int(id - l.first); l.failed == nil && i < len(l.pending) {
		l.pending[i].acked = true
		l.advance()
	}
	if l.failed != nil || len(l.pending) == 0 {
		select {
		case l.settled <- struct{}{}:
		default:
		}
	}
}

// advance moves durable over what was answered without a gap.
func (l *ledger) advance() {
	n := 0
	for n < len(l.pending) && l.pending[n].acked {
		l.durable = l.pending[n].next
		n++
	}
	l.first += uint64(n)
	l.pending = l.pending[:copy(l.pending, l.pending[n:])]
}

// state returns the offset below which everything is durable, and whether nothing is left to wait for.
func (l *ledger) state() (durable int64, idle bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.durable, l.failed != nil || len(l.pending) == 0, l.failed
}
