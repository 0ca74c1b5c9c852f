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

// Source is recorded events, in the order of their arrival.
type Source interface {
	// Next returns the next record, valid until the call after, with its arrival; io.EOF at the end.
	Next(ctx context.Context) (ingest.Record, error)
}

// Feed applies a whole input: a file of events, or "journal:DIR" with the data folder of an engine,
// running or not. It returns how many records there were.
func Feed(ctx context.Context, r *Replay, input string, progress func(int)) (int, error) {
	if dir, ok := strings.CutPrefix(input, "journal:"); ok {
		f := feed{r: r, progress: progress}
		err := feedJournal(dir, func(rec *ingest.Record) error { return f.take(ctx, rec) })
		return f.n, err
	}
	src, err := file.Open(input)
	if err != nil {
		return 0, err
	}
	defer src.Close()
	return FeedFrom(ctx, r, fileSource{src}, progress)
}

// FeedFrom applies a whole source and returns how many records there were.
func FeedFrom(ctx context.Context, r *Replay, src Source, progress func(int)) (int, error) {
	f := feed{r: r, progress: progress}
	for {
		rec, err := src.Next(ctx)
		if errors.Is(err, io.EOF) {
			return f.n, nil
		}
		if err == nil {
			err = f.take(ctx, &rec)
		}
		if err != nil {
			return f.n, err
		}
	}
}

type fileSource struct{ *file.Reader }

func (s fileSource) Next(context.Context) (ingest.Record, error) { return s.Reader.Next() }

// feed counts what is applied.
type feed struct {
	r        *Replay
	progress func(int)
	n        int
}

func (f *feed) take(ctx context.Context, rec *ingest.Record) error {
	if f.n++; f.n%progressEvery == 0 {
		f.progress(f.n)
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return f.r.Apply(rec)
}

// feedJournal reads the events of a kept journal, in the order of their arrival; what the engine itself
// appended is not input.
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
		if e.Record.Kind != log.Event {
			continue
		}
		window.add(Recorded(&e))
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

// Recorded is an event of a journal as input for a replay on any number of shards. Its origin is told apart
// by the partition it stands in: a redelivery is told within one (S5), and in a replay partitions meet in
// another order than their source had.
func Recorded(e *journal.Entry) ingest.Record {
	rec := &e.Record
	out := ingest.Record{
		Key: bytes.Clone(rec.Key), Party: e.Partition.Stream == log.Notices, Types: ingest.Types(rec.Types), Oversize: rec.Oversize,
		Arrival: rec.Arrival, Source: string(rec.Source), Topic: string(rec.Topic), Seq: rec.Seq, Rising: rec.Rising,
		Codec: string(rec.Codec), Payload: bytes.Clone(rec.Payload),
	}
	if len(rec.Origin) > 0 {
		out.Origin = fmt.Sprintf("%s/%d/%s", e.Partition.Stream, e.Partition.Shard, rec.Origin)
	}
	return out
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
