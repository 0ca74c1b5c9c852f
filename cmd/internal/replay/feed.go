package replay

import (
	"bytes"
	"container/heap"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/milepost-io/milepost/ingest"
	"github.com/milepost-io/milepost/ingest/file"
	"github.com/milepost-io/milepost/state/log"
	"github.com/milepost-io/milepost/state/log/journal"
)

// progressEvery is how many records pass between two calls of progress.
const progressEvery = 1 << 14

// Feed applies a whole input: a file of events, or "journal:DIR" with the data folder of an engine,
// running or not. It returns how many records there were.
func Feed(ctx context.Context, r *Replay, input string, progress func(int)) (int, error) {
	n := 0
	take := func(rec *ingest.Record) error {
		if n++; n%progressEvery == 0 {
			progress(n)
			if err := ctx.Err(); err != nil {
				return err
			}
		}
		return r.Apply(rec)
	}
	if dir, ok := strings.CutPrefix(input, "journal:"); ok {
		err := feedJournal(dir, take)
		return n, err
	}
	src, err := file.Open(input)
	if err != nil {
		return 0, err
	}
	defer src.Close()
	for {
		rec, err := src.Next()
		if errors.Is(err, io.EOF) {
			return n, nil
		}
		if err == nil {
			err = take(&rec)
		}
		if err != nil {
			return n, err
		}
	}
}

// feedJournal reads the events of a kept journal, in the order of their arrival; what the engine itself
// appended is not input. An origin is told apart by the partition it stands in: a redelivery is told
// within one (S5), and partitions meet here in another order than their source had.
func feedJournal(dir string, take func(*ingest.Record) error) error {
	a, err := journal.OpenReadOnly(nil, filepath.Join(dir, "journal"))
	if err != nil {
		return err
	}
	var window arrivals
	for e, err := range a.All() {
		if err != nil {
			return err
		}
		rec := &e.Record
		if rec.Kind != log.Event {
			continue
		}
		window.add(ingest.Record{
			Key: bytes.Clone(rec.Key), Party: e.Partition.Stream == log.Notices, Types: ingest.Types(rec.Types), Oversize: rec.Oversize,
			Arrival: rec.Arrival, Source: string(rec.Source), Topic: string(rec.Topic), Origin: originIn(e.Partition, rec.Origin), Seq: rec.Seq, Rising: rec.Rising,
			Codec: string(rec.Codec), Payload: bytes.Clone(rec.Payload),
		})
		for len(window.recs) > reorder {
			if err := take(window.first()); err != nil {
				return err
			}
		}
	}
	for len(window.recs) > 0 {
		if err := take(window.first()); err != nil {
			return err
		}
	}
	return nil
}

// originIn names an origin within a partition; a record without an origin stays so.
func originIn(p log.Partition, origin []byte) string {
	if len(origin) == 0 {
		return ""
	}
	return fmt.Sprintf("%s/%d/%s", p.Stream, p.Shard, origin)
}

// reorder is how many records are held back: more than one group of the journal holds, within which
// partitions follow each other whatever the arrival of their records.
const reorder = 1 << 15

// arrivals is a heap of records by arrival, then by their order in the journal.
type arrivals struct {
	recs []arrived
	n    uint64
}

type arrived struct {
	ingest.Record
	n uint64
}

func (h *arrivals) add(r ingest.Record) {
	h.n++
	heap.Push(h, arrived{r, h.n})
}

func (h *arrivals) first() *ingest.Record {
	r := heap.Pop(h).(arrived)
	return &r.Record
}

// Len, Less, Swap, Push and Pop implement heap.Interface.
func (h *arrivals) Len() int { return len(h.recs) }
func (h *arrivals) Less(i, j int) bool {
	a, b := &h.recs[i], &h.recs[j]
	return a.Arrival < b.Arrival || a.Arrival == b.Arrival && a.n < b.n
}
func (h *arrivals) Swap(i, j int) { h.recs[i], h.recs[j] = h.recs[j], h.recs[i] }
func (h *arrivals) Push(x any)    { h.recs = append(h.recs, x.(arrived)) }
func (h *arrivals) Pop() any {
	last := len(h.recs) - 1
	x := h.recs[last]
	h.recs[last] = arrived{}
	h.recs = h.recs[:last]
	return x
}
