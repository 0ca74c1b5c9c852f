package app

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/rs/zerolog"

	"github.com/milepost-io/milepost/cmd/internal/replay"
	"github.com/milepost-io/milepost/notify"
	"github.com/milepost-io/milepost/state"
	"github.com/milepost-io/milepost/state/log"
)

// shard is one partition with its store.
type shard struct {
	*state.Shard
	part  log.Partition
	store *state.Store
}

// storeCache is the memory of one shard's store for blocks and memtables.
const storeCache = 32 << 20

// storeDir is the folder of a partition's store in a data folder.
func storeDir(data string, p log.Partition) string {
	return filepath.Join(data, stateDir, fmt.Sprintf("%s-%02d", p.Stream, p.Shard))
}

// partitions are all partitions, events first.
func partitions(events, notices int) []log.Partition {
	var out []log.Partition
	for i := range events {
		out = append(out, log.Partition{Stream: log.Events, Shard: uint16(i)})
	}
	for i := range notices {
		out = append(out, log.Partition{Stream: log.Notices, Shard: uint16(i)})
	}
	return out
}

func (e *Engine) openShards() error {
	logger := slog.New(zerolog.NewSlogHandler(e.log))
	for _, p := range partitions(e.journal.Shards(log.Events), e.journal.Shards(log.Notices)) {
		store, err := state.OpenStore(state.StoreOptions{Dir: storeDir(e.cfg.Data, p), Cache: storeCache, Logger: logger})
		if err != nil {
			return err
		}
		e.closers = append(e.closers, store.Close)
		events, notices, err := replay.NewSteps(nil)
		if err != nil {
			return err
		}
		o := state.ShardOptions{
			Log: e.journal, Store: store, Step: events, Stage: p.Stream, Shard: p.Shard, Now: e.clock.Now, Build: e.opt.Build,
			Memory: int64(e.cfg.Memory) / int64(2*e.cfg.Shards), Interval: time.Duration(e.cfg.WriteBack), TickEvery: e.opt.Tick,
			Hurry: e.read.Waiting, Logger: logger.With("shard", fmt.Sprintf("%s-%d", p.Stream, p.Shard)),
			Live: e.loadRows, Feed: e.feed, FeedSpaces: fedSpaces(),
		}
		if p.Stream == log.Notices {
			o.Step = notices
		}
		s, err := state.NewShard(o)
		if err != nil {
			return err
		}
		e.shards = append(e.shards, &shard{Shard: s, part: p, store: store})
	}
	return nil
}

func (e *Engine) runShards(ctx context.Context) error {
	fs := make([]func(context.Context) error, len(e.shards))
	for i, s := range e.shards {
		fs[i] = s.Run
	}
	return all(ctx, fs...)
}

// waitLive returns when every shard has applied its own start, and every notice that the rules shards
// made up to theirs has been applied (E13).
func (e *Engine) waitLive(ctx context.Context) error {
	for _, s := range e.shards {
		select {
		case <-s.Live():
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return e.waitApplied(ctx, log.Notices)
}

// waitApplied returns when the shards of a stream have applied all that their partitions hold now.
func (e *Engine) waitApplied(ctx context.Context, stream log.Stream) error {
	for _, s := range e.shards {
		if s.part.Stream != stream {
			continue
		}
		_, next := e.journal.Range(s.part)
		if err := s.WaitApplied(ctx, next); err != nil {
			if cause := context.Cause(ctx); cause != nil {
				return cause
			}
			return err
		}
	}
	return nil
}

// of is the shard of a key.
func (e *Engine) of(stream log.Stream, key []byte) *shard {
	i := int(log.ShardOf(key, e.journal.Shards(stream)))
	if stream == log.Notices {
		i += e.journal.Shards(log.Events)
	}
	return e.shards[i]
}

// fedSpaces are the rows that the process follows: what is to be sent, shown, and looked at.
func fedSpaces() []state.Space { return []state.Space{state.RowOutbox, state.RowView, state.RowDead} }

// loadRows takes what a shard holds when it goes live.
func (e *Engine) loadRows(v state.View) {
	for _, space := range fedSpaces() {
		err := v.Rows(space, "", func(key string, value []byte) bool {
			e.feedRow(&state.RowOp{Space: space, Key: key, Value: value})
			return true
		})
		if err != nil {
			e.log.Error().Err(err).Msg("cannot read the rows of a shard: the console is incomplete until the next start")
		}
	}
}

func (e *Engine) feed(ops []state.RowOp) {
	for i := range ops {
		e.feedRow(&ops[i])
	}
}

func (e *Engine) feedRow(op *state.RowOp) {
	switch op.Space {
	case state.RowOutbox:
		if op.Delete {
			e.disp.Remove([]byte(op.Key))
		} else {
			e.disp.Put([]byte(op.Key), op.Value)
		}
	case state.RowDead:
		if op.Delete {
			e.dead.Add(-1)
		} else {
			e.dead.Add(1)
		}
	case state.RowView:
		if op.Delete {
			e.read.Apply(op.Key, nil)
		} else {
			e.read.Apply(op.Key, op.Value)
		}
	}
}

// scanOutbox reads the outbox rows of all notify shards, for a dispatcher whose queue was full. A shard may
// have applied records that are not durable yet; their rows are not told before they are (E4).
func (e *Engine) scanOutbox(ctx context.Context, prefix []byte, yield func(key, value []byte) bool) error {
	for _, s := range e.shards {
		if s.part.Stream != log.Notices {
			continue
		}
		var rows []state.RowOp
		var end log.Offset
		err := e.view(ctx, s, func(v state.View) error {
			end = v.Position()
			return v.Rows(state.RowOutbox, string(prefix), func(key string, value []byte) bool {
				rows = append(rows, state.RowOp{Key: key, Value: append([]byte{}, value...)})
				return len(rows) < scanMost
			})
		})
		if err != nil {
			return err
		}
		if err := e.journal.WaitDurable(ctx, s.part, end); err != nil {
			return err
		}
		for i := range rows {
			if !yield([]byte(rows[i].Key), rows[i].Value) {
				return nil
			}
		}
	}
	return nil
}

// scanMost bounds the rows of one shard held by a scan; the dispatcher scans again when it has room.
const scanMost = 100_000

// view runs a read between two records of a shard.
func (e *Engine) view(ctx context.Context, s *shard, fn func(state.View) error) error {
	var err error
	return errorsFirst(s.Query(ctx, func(v state.View) { err = fn(v) }), &err)
}

func errorsFirst(err error, second *error) error {
	if err != nil {
		return err
	}
	return *second
}

// appendResult implements notify.Results: how an entry ended becomes a record.
type appendResult struct{ *intake }

// Append implements notify.Results.
func (a appendResult) Append(_ context.Context, party string, payload []byte) error {
	key := []byte(party)
	p := log.Partition{Stream: log.Notices, Shard: log.ShardOf(key, a.log.Shards(log.Notices))}
	_, err := a.append(p, &log.Record{Kind: log.Result, Key: key, Payload: payload}, log.Ack{})
	return err
}

var _ notify.Results = appendResult{}
