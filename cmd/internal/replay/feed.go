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

// Feed applies a whole input: a file of events, "-" for in, or "journal:DIR" with the data folder of an
// engine, running or not. It returns how many records there were.
func Feed(ctx context.Context, r *Replay, input string, in io.Reader, progress func(int)) (int, error) {
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
		return n, feedJournal(dir, take)
	}
	src, err := openFile(input, in)
	if err != nil {
		return 0, err
	}
	defer src.Close()
	for {
		rec, err := src.Next()
		if errors.Is(err, io.EOF) {
			return n, nil
		}
		if err != nil {
			return n, err
		}
		if err := take(&rec); err != nil {
			return n, err
		}
	}
}

func openFile(input string, in io.Reader) (*file.Reader, error) {
	if input == "-" {
		return file.NewReader(in), nil
	}
	return file.Open(input)
}

// feedJournal reads the events of a kept journal; what the engine itself appended is not input.
func feedJournal(dir string, take func(*ingest.Record) error) error {
	j, err := journal.OpenReadOnly(filepath.Join(dir, "journal"))
	if err != nil {
		return err
	}
	defer j.Close()
	for {
		p, _, rec, err := j.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if rec.Kind != log.Event {
			continue
		}
		err = take(&ingest.Record{
			Key: rec.Key, Party: p.Stream == log.Notices, Types: ingest.Types(rec.Types), Oversize: rec.Oversize, Arrival: rec.Arrival,
			Source: string(rec.Source), Topic: string(rec.Topic), Origin: string(rec.Origin), Seq: rec.Seq, Codec: string(rec.Codec), Payload: rec.Payload,
		})
		if err != nil {
			return err
		}
	}
}
