package replay

import (
	"math/rand/v2"
	"testing"

	"github.com/milepost-io/milepost/ingest"
)

// Records leave the window by arrival; equal arrivals stay in the journal's order.
func TestWindowOrder(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	var w arrivals
	for i := range 1000 {
		w.add(ingest.Record{Arrival: int64(rng.IntN(100)), Seq: uint64(i)})
	}
	last := w.first()
	for len(w.recs) > 0 {
		r := w.first()
		if r.Arrival < last.Arrival || r.Arrival == last.Arrival && r.Seq < last.Seq {
			t.Fatalf("(%d, %d) after (%d, %d)", r.Arrival, r.Seq, last.Arrival, last.Seq)
		}
		last = r
	}
}
