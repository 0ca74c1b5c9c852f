package replay

import (
	"context"
	"errors"
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

// feedJournal reads the events of a kept journal; what the engine itself appended is not input.
func feedJournal(dir string, take func(*ingest.Record) error) error {
	a, err := journal.OpenReadOnly(nil, filepath.Join(dir, "journal"))
	if err != nil {
		return err
	}
	for e, err := range a.All() {
		if err != nil {
			return err
		}
		rec := &e.Record
		if rec.Kind != log.Event {
			continue
		}
		err = take(&ingest.Record{
			Key: rec.Key, Party: e.Partition.Stream == log.Notices, Types: ingest.Types(rec.Types), Oversize: rec.Oversize, Arrival: rec.Arrival,
			Source: string(rec.Source), Topic: string(rec.Topic), Origin: string(rec.Origin), Seq: rec.Seq, Codec: string(rec.Codec), Payload: rec.Payload,
		})
		if err != nil {
			return err
		}
	}
	return nil
}
