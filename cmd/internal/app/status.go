package app

import (
	"context"
	"fmt"
	"sort"
	"syscall"
	"time"

	"github.com/milepost-io/milepost/notify"
	"github.com/milepost-io/milepost/notify/console"
	"github.com/milepost-io/milepost/rules"
	"github.com/milepost-io/milepost/state"
	"github.com/milepost-io/milepost/state/log"
)

func (c *Core) parts() []log.Partition {
	return partitions(c.journal.Shards(log.Events), c.journal.Shards(log.Notices))
}

// shardAt is the shard of a partition, nil when there is none.
func (c *Core) shardAt(p log.Partition) *shard {
	for _, s := range c.shards {
		if s.part == p {
			return s
		}
	}
	return nil
}

// Status implements Admin.
func (e *Engine) Status(ctx context.Context) (*Status, error) {
	st := &Status{
		Running: true, Ready: e.ready.Load(), Version: e.opt.Build, Source: e.cfg.Source, Data: e.cfg.Data, Started: &e.started,
		Clock: e.clock.Time(), Counts: map[string]int64{}, Sources: e.sourceStatus(), Outbox: e.disp.Status(), Held: e.read.Held(),
		DeadLetters: int(e.dead.Load()), Disk: e.diskStatus(), Holds: e.holds.list(),
	}
	// Received before the rest: what is counted as applied was received.
	received := e.journal.Received()
	// All at once: a shard that reads its documents ahead answers when it has them.
	parts := make([]Status, len(e.shards))
	ask := make([]func(context.Context) error, len(e.shards))
	for i, s := range e.shards {
		parts[i].Counts = map[string]int64{}
		ask[i] = func(ctx context.Context) error {
			return e.viewSoon(ctx, s, func(v state.View) error {
				addShard(&parts[i], s.part, v)
				return nil
			})
		}
	}
	if err := all(ctx, ask...); err != nil {
		return nil, err
	}
	e.looked.fill(parts)
	for i, s := range e.shards {
		st.add(&parts[i])
		_, next := e.journal.Range(s.part)
		sh := &st.Shards[len(st.Shards)-1]
		sh.Name = shardName(s.part)
		sh.Lag, sh.Stored = max(0, int64(next)-sh.Applied), int64(s.Flushed())
		st.Generation = max(st.Generation, s.store.Generation())
	}
	st.Counters.Received = max(received, st.Counters.Applied+st.Counters.Duplicate+st.Counters.Late+st.Counters.Quarantined)
	now := e.rules.inForce()
	st.RulesVersion, st.RulesNumber = now.Version, now.Number
	return st, nil
}

// add adds the figures of one shard.
func (st *Status) add(x *Status) {
	st.Counters.Applied += x.Counters.Applied
	st.Counters.Duplicate += x.Counters.Duplicate
	st.Counters.Late += x.Counters.Late
	st.Counters.Quarantined += x.Counters.Quarantined
	for k, n := range x.Counts {
		st.Counts[k] += n
	}
	st.Shards = append(st.Shards, x.Shards...)
}

func shardName(p log.Partition) string { return fmt.Sprintf("%s-%d", p.Stream, p.Shard) }

// addShard adds what a shard's own state says.
func addShard(st *Status, p log.Partition, v state.View) {
	o := v.Outcomes()
	st.Counters.Applied += o[state.Applied]
	st.Counters.Duplicate += o[state.Duplicate]
	st.Counters.Late += o[state.Late]
	st.Counters.Quarantined += o[state.Quarantined]
	v.Counters(func(name, label string, n int64) {
		if label != "" {
			name += ":" + label
		}
		st.Counts[name] += n
	})
	st.Shards = append(st.Shards, ShardStatus{
		Name: shardName(p), Applied: int64(v.Position()), Clock: time.UnixMilli(v.Clock()).UTC(),
	})
}

func (e *Engine) sourceStatus() []SourceStatus {
	h := e.sources.http.Stats()
	out := []SourceStatus{{Name: "http", Address: e.httpListener.Addr().String(), Received: h.Entries, Refused: h.Refused}}
	if b := e.sources.broker; b != nil {
		s := b.Stats()
		out = append(out, SourceStatus{
			Name: "mqtt", Address: b.Addr().String(), Connections: s.Connections, Received: s.Records,
			Refused: s.RefusedQoS2 + s.RefusedSize + s.RefusedProtocol + s.RefusedClients + s.RefusedSubscribe +
				s.RefusedCredentials + s.RefusedTLS + s.RefusedPending,
			Offenders: b.Offenders(),
		})
	}
	if s := e.sources.subscriber; s != nil {
		out = append(out, subscriberStatus(s))
	}
	if s := e.sources.kafka; s != nil {
		out = append(out, kafkaStatus(s))
	}
	return out
}

func (e *Engine) diskStatus() DiskStatus {
	j := e.journal.Stats()
	d := e.Core.disk.status()
	d.Journal, d.Free, d.Problem = j.SegmentBytes, freeBytes(e.cfg.Data), d.why(e.cfg.Data)
	if run := time.Since(e.started); run > time.Minute && j.Bytes > 0 {
		d.Days = float64(d.Free) / (float64(j.Bytes) / run.Hours() * 24)
	}
	return d
}

// freeBytes is what the disk of a folder has left; 0 when it cannot be told.
func freeBytes(dir string) int64 {
	var fs syscall.Statfs_t
	if syscall.Statfs(dir, &fs) != nil {
		return 0
	}
	return int64(fs.Bavail) * fs.Bsize
}

// Overview implements console.Engine.
func (e *Engine) Overview(ctx context.Context) (console.Overview, error) {
	st, err := e.Status(ctx)
	if err != nil {
		return console.Overview{}, err
	}
	o := console.Overview{
		Now: time.Now(), Clock: st.Clock, Source: st.Source, Version: st.Version, RulesVersion: st.RulesVersion, Generation: st.Generation,
		Counters: console.Counters(st.Counters), Dead: st.DeadLetters, Held: st.Held, Unstored: 0, Alarm: st.Disk.Problem,
	}
	for _, s := range st.Shards {
		o.Lag += s.Lag
		o.Unstored += max(0, s.Applied-s.Stored)
	}
	for _, s := range st.Sources {
		o.Sources = append(o.Sources, console.Source{Name: s.Name, Address: s.Address, Connections: s.Connections, Received: s.Received, Refused: s.Refused})
	}
	for _, d := range st.Outbox {
		o.Destinations = append(o.Destinations, destinationOf(d, st.Holds))
	}
	return o, nil
}

func destinationOf(d notify.EndpointStatus, held []Hold) console.Destination {
	out := console.Destination{Name: d.Name, Breaker: d.Breaker, Waiting: d.Pending, Delivered: d.Delivered, Failed: d.Dead + d.Expired, Error: d.LastError}
	if d.Disabled {
		out.Breaker = "disabled"
	}
	for _, h := range held {
		if h.Destination == d.Name || h.Destination == "" {
			out.Breaker, out.Error = "held", h.Reason
		}
	}
	if d.Oldest > 0 {
		t := time.UnixMilli(d.Oldest).UTC()
		out.Oldest = &t
	}
	return out
}

// Recent implements console.Engine: the vehicles heard last, with what is known of them now.
func (e *Engine) Recent(ctx context.Context, limit int) ([]console.VehicleRow, error) {
	heard := e.intake.recent()
	sort.Slice(heard, func(i, j int) bool { return heard[i].at > heard[j].at })
	heard = heard[:min(limit, len(heard))]
	out := make([]console.VehicleRow, len(heard))
	byShard := map[*shard][]int{}
	for i, h := range heard {
		out[i] = console.VehicleRow{VIN: h.key, Time: h.at, Seen: h.seen, State: "ok"}
		s := e.of(log.Events, []byte(h.key))
		byShard[s] = append(byShard[s], i)
	}
	for s, rows := range byShard {
		err := e.viewSoon(ctx, s, func(v state.View) error {
			for _, i := range rows {
				if err := describeRow(v, &out[i]); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

func describeRow(v state.View, row *console.VehicleRow) error {
	hot, err := v.Document([]byte(row.VIN), []byte(rules.HotDocument))
	if err != nil || hot == nil {
		return err
	}
	profile, err := v.Document([]byte(row.VIN), []byte(rules.ProfileDocument))
	if err != nil {
		return err
	}
	s, err := rules.Summarize(hot, profile)
	if err != nil {
		return err
	}
	row.Odometer, row.State, row.Model, row.Plate = s.OdometerKM, s.Worst, s.Model, s.Plate
	return nil
}
