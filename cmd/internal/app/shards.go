package app

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"path/filepath"

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

// JournalDir is the folder of the log in a data folder, StoreDir that of a partition's store.
func JournalDir(data string) string { return filepath.Join(data, journalDir) }

// StoreDir is the folder of a partition's store in a data folder.
func StoreDir(data string, p log.Partition) string {
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

func (c *Core) openShards() error {
	logger := slog.New(zerolog.NewSlogHandler(c.log))
	parts := c.parts()
	guard, err := state.OpenGuard(c.opt.FS, c.opt.Data, c.journal.ID())
	if err != nil {
		return err
	}
	c.closers = append(c.closers, guard.Close)
	for _, p := range parts {
		store, err := state.OpenStore(state.StoreOptions{Dir: StoreDir(c.opt.Data, p), FS: c.opt.FS, Cache: cmp.Or(c.opt.Cache, storeCache), Logger: logger})
		if err != nil {
			return c.adviseStore(p, err)
		}
		c.closers = append(c.closers, store.Close)
		events, notices, err := replay.NewSteps(nil)
		if err != nil {
			return err
		}
		o := state.ShardOptions{
			Log: c.journal, Store: store, Step: events, Stage: p.Stream, Shard: p.Shard, Now: c.clock.Now, Build: c.opt.Build,
			Memory: c.opt.Memory / int64(len(parts)), Interval: c.opt.WriteBack, TickEvery: c.opt.Tick, IdleTickEvery: c.opt.IdleTick,
			Hurry: c.read.Waiting, Logger: logger.With("shard", fmt.Sprintf("%s-%d", p.Stream, p.Shard)),
			Guard: guard, Retention: c.retention(), Live: c.loadRows, Feed: c.feed, FeedSpaces: fedSpaces(),
		}
		if p.Stream == log.Notices {
			o.Step = notices
		}
		s, err := state.NewShard(o)
		if err != nil {
			return c.adviseStore(p, err)
		}
		c.shards = append(c.shards, &shard{Shard: s, part: p, store: store})
	}
	return nil
}

// retention says which rows go when they are old: what is to be sent or shown as open goes by itself.
func (c *Core) retention() (rs []state.Retention) {
	if keep := c.opt.KeepTimeline; keep > 0 {
		rs = append(rs, state.Retention{Space: state.RowTimeline, Keep: keep})
	}
	if keep := c.opt.KeepDead; keep > 0 {
		rs = append(rs, state.Retention{Space: state.RowDead, Keep: keep, Made: deadMade})
	}
	return rs
}

func (c *Core) runShards(ctx context.Context) error {
	fs := make([]func(context.Context) error, len(c.shards))
	for i, s := range c.shards {
		fs[i] = func(ctx context.Context) error { return c.adviseStore(s.part, s.Run(ctx)) }
	}
	return all(ctx, fs...)
}

// waitLive returns when every shard of a stream has applied its own start.
func (c *Core) waitLive(ctx context.Context, stream log.Stream) error {
	for _, s := range c.shards {
		if s.part.Stream != stream {
			continue
		}
		select {
		case <-s.Live():
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// waitApplied returns when the shards of a stream have applied all that their partitions hold now.
func (c *Core) waitApplied(ctx context.Context, stream log.Stream) error {
	for _, s := range c.shards {
		if s.part.Stream != stream {
			continue
		}
		_, next := c.journal.Range(s.part)
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
func (c *Core) of(stream log.Stream, key []byte) *shard {
	i := int(log.ShardOf(key, c.journal.Shards(stream)))
	if stream == log.Notices {
		i += c.journal.Shards(log.Events)
	}
	return c.shards[i]
}

// fedSpaces are the rows that the process follows: what is to be sent, shown, and looked at.
func fedSpaces() []state.Space { return []state.Space{state.RowOutbox, state.RowView, state.RowDead} }

// loadRows takes what a shard holds when it goes live.
func (c *Core) loadRows(v state.View) {
	for _, space := range fedSpaces() {
		err := v.Rows(space, "", func(key string, value []byte) bool {
			c.feedRow(&state.RowOp{Space: space, Key: key, Value: value})
			return true
		})
		if err != nil {
			c.log.Error().Err(err).Msg("cannot read the rows of a shard: the console is incomplete until the next start")
		}
	}
}

func (c *Core) feed(ops []state.RowOp) {
	for i := range ops {
		c.feedRow(&ops[i])
	}
}

func (c *Core) feedRow(op *state.RowOp) {
	switch op.Space {
	case state.RowOutbox:
		if op.Delete {
			c.disp.Remove([]byte(op.Key))
		} else {
			c.disp.Put([]byte(op.Key), op.Value)
		}
	case state.RowDead:
		if op.Delete {
			c.dead.Add(-1)
		} else {
			c.dead.Add(1)
		}
	case state.RowView:
		if op.Delete {
			c.read.Apply(op.Key, nil)
		} else {
			c.read.Apply(op.Key, op.Value)
		}
	}
}

// scanOutbox reads the outbox rows of all notify shards, for a dispatcher whose queue was full. A shard may
// have applied records that are not durable yet; their rows are not told before they are (E4).
func (c *Core) scanOutbox(ctx context.Context, prefix []byte, yield func(key, value []byte) bool) error {
	for _, s := range c.shards {
		if s.part.Stream != log.Notices {
			continue
		}
		var rows []state.RowOp
		var end log.Offset
		err := c.view(ctx, s, func(v state.View) error {
			end = v.Position()
			return v.Rows(state.RowOutbox, string(prefix), func(key string, value []byte) bool {
				rows = append(rows, state.RowOp{Key: key, Value: append([]byte{}, value...)})
				return len(rows) < scanMost
			})
		})
		if err != nil {
			return err
		}
		if err := c.journal.WaitDurable(ctx, s.part, end); err != nil {
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
func (c *Core) view(ctx context.Context, s *shard, fn func(state.View) error) error {
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
