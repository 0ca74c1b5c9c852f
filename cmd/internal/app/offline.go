package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/milepost-io/milepost/cmd/internal/config"
	"github.com/milepost-io/milepost/cmd/internal/replay"
	"github.com/milepost-io/milepost/notify"
	"github.com/milepost-io/milepost/rules"
	"github.com/milepost-io/milepost/state"
	"github.com/milepost-io/milepost/state/backup"
	"github.com/milepost-io/milepost/state/log"
	"github.com/milepost-io/milepost/state/log/journal"
)

// Offline looks into the data folder of a stopped engine: the state that its next start would begin with.
// What it changes it appends to the journal, so that the next start applies it. It implements Admin.
type Offline struct {
	cfg    *config.Config
	shards map[log.Partition]*state.Offline
	parts  []log.Partition
	rules  rules.Activation
	prog   *rules.Program
	count  journal.Shards
}

// OpenOffline opens the folder of a configuration. A running engine holds it.
func OpenOffline(cfg *config.Config) (*Offline, error) {
	dir := JournalDir(cfg.Data)
	if _, err := os.Stat(dir); err != nil {
		return nil, fmt.Errorf("%s holds no engine's data: %w", cfg.Data, err)
	}
	if err := backup.CheckFinished(state.MachineFS(), cfg.Data); err != nil {
		return nil, err
	}
	arch, err := journal.OpenReadOnly(nil, dir)
	if err != nil {
		return nil, err
	}
	o := &Offline{cfg: cfg, shards: map[log.Partition]*state.Offline{}, count: arch.Shards()}
	o.parts = partitions(o.count.Events, o.count.Notices)
	err = o.open(arch)
	if err == nil {
		err = o.loadRules()
	}
	if err != nil {
		return nil, errors.Join(err, o.Close())
	}
	return o, nil
}

// open opens the stores and applies what the journal has beyond them: after a kill that is everything
// acknowledged in the last seconds.
func (o *Offline) open(arch *journal.Archive) error {
	guard, err := state.ReadGuard(nil, o.cfg.Data, arch.ID())
	if err != nil {
		return err
	}
	for _, p := range o.parts {
		events, notices, err := replay.NewSteps(nil)
		if err != nil {
			return err
		}
		m := state.MachineOptions{Step: events, Stage: p.Stream, Shard: p.Shard, LogID: arch.ID(), Receivers: o.count.Notices}
		if p.Stream == log.Notices {
			m.Step, m.Senders = notices, o.count.Events
		}
		m.Condemned = guard.Condemned(p)
		s, err := state.OpenOffline(state.StoreOptions{Dir: StoreDir(o.cfg.Data, p)}, m)
		if err != nil {
			return fmt.Errorf("%w: is the engine still running? Then ask it without --offline", err)
		}
		o.shards[p] = s
	}
	for e, err := range arch.From(func(p log.Partition) log.Offset { return o.shards[p].Stored() }) {
		if err != nil {
			return err
		}
		if err := o.shards[e.Partition].Apply(e.Offset, &e.Record); err != nil {
			return err
		}
	}
	return nil
}

// loadRules takes the rule set that the shards have in force.
func (o *Offline) loadRules() (err error) {
	for _, p := range o.parts {
		if c := o.shards[p].Control(); len(c) > 0 {
			o.rules, o.prog, err = rules.ParseActivation(c)
			return err
		}
	}
	o.rules, o.prog, _, err = rules.BuildActivation(rules.Activation{})
	return err
}

// Close lets go of the folder.
func (o *Offline) Close() error {
	var err error
	for _, p := range o.parts {
		if s := o.shards[p]; s != nil {
			err = errors.Join(err, s.Close())
			delete(o.shards, p)
		}
	}
	return err
}

func (o *Offline) fs() state.FS { return state.MachineFS() }

// at is the shard of a key.
func (o *Offline) at(stream log.Stream, key []byte) *state.Offline {
	n := o.count.Events
	if stream == log.Notices {
		n = o.count.Notices
	}
	return o.shards[log.Partition{Stream: stream, Shard: log.ShardOf(key, n)}]
}

// Status implements Admin, as do all that follow.
func (o *Offline) Status(context.Context) (*Status, error) {
	st := &Status{Source: o.cfg.Source, Data: o.cfg.Data, RulesVersion: o.rules.Version, RulesNumber: o.rules.Number, Counts: map[string]int64{}, Held: map[string]int{}}
	for _, p := range o.parts {
		s := o.shards[p]
		addShard(st, p, s.View)
		st.Generation = max(st.Generation, s.Generation())
		if c := time.UnixMilli(s.Clock()).UTC(); c.After(st.Clock) {
			st.Clock = c
		}
		letters, err := deadLettersOf(s.View, p, "", 1<<30)
		if err != nil {
			return nil, err
		}
		st.DeadLetters += len(letters)
	}
	held, err := openHolds(o.fs(), o.cfg.Data)
	if err != nil {
		return nil, err
	}
	st.Holds = held.list()
	st.Disk = DiskStatus{Free: freeBytes(o.cfg.Data), Journal: filesIn(filepath.Join(o.cfg.Data, journalDir))}
	c := &st.Counters
	c.Received = c.Applied + c.Duplicate + c.Late + c.Quarantined
	for i, p := range o.parts {
		st.Shards[i].Stored = int64(o.shards[p].Stored())
	}
	return st, nil
}

// filesIn is the size of a folder's files.
func filesIn(dir string) (sum int64) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return 0
	}
	for _, e := range entries {
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() {
			sum += info.Size()
		}
	}
	return sum
}

func (o *Offline) Vehicle(_ context.Context, vin string) (*rules.VehicleView, error) {
	s := o.at(log.Events, []byte(vin))
	return showVehicle(s.View, vin, s.Clock(), o.rules, o.prog)
}

func (o *Offline) Timeline(_ context.Context, vin, lang string, limit int) ([]TimelineEntry, error) {
	tell := newStory(lang, o.prog)
	var out []TimelineEntry
	var err error
	for _, p := range o.parts {
		if p.Stream == log.Events && o.shards[p] != o.at(log.Events, []byte(vin)) {
			continue
		}
		if out, err = appendTimeline(out, tell, o.shards[p].View, p.Stream, vin); err != nil {
			return nil, err
		}
	}
	return newestFirst(out, limit), nil
}

func (o *Offline) SetOdometer(ctx context.Context, vin string, km float64) error {
	if _, err := o.Vehicle(ctx, vin); err != nil {
		return err
	}
	rec, err := odometerRecord(vin, km, o.prog)
	if err != nil {
		return err
	}
	return o.append(ctx, log.Partition{Stream: log.Events, Shard: log.ShardOf(rec.Key, o.count.Events)}, []log.Record{rec})
}

func (o *Offline) Outbox(_ context.Context, limit int) ([]OutboxEntry, error) {
	out := []OutboxEntry{}
	for _, p := range o.parts {
		if p.Stream != log.Notices || len(out) >= limit {
			continue
		}
		err := o.shards[p].Rows(state.RowOutbox, "", func(_ string, value []byte) bool {
			if x, err := notify.ParseEntry(value); err == nil {
				out = append(out, outboxEntry(x))
			}
			return len(out) < limit
		})
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (o *Offline) RequeueOutbox(context.Context, string) (int, error) {
	return 0, fmt.Errorf("outbox requeue: %w: a stopped one tries every destination at its start anyway", ErrOffline)
}

func (o *Offline) DeadLetters(_ context.Context, after string, limit int) ([]DeadLetter, error) {
	return pageDead(o.parts, after, limit, func(p log.Partition, after string, limit int) ([]DeadLetter, error) {
		return deadLettersOf(o.shards[p].View, p, after, limit)
	})
}

func (o *Offline) deadRow(id string) (p log.Partition, key string, value []byte, err error) {
	p, key, err = parseDeadID(id)
	if err != nil {
		return p, key, nil, err
	}
	s := o.shards[p]
	if s == nil {
		return p, key, nil, fmt.Errorf("dead letter %q: %w", id, ErrUnknown)
	}
	value, err = deadValue(s.View, id, key)
	return p, key, value, err
}

func (o *Offline) DeadLetter(_ context.Context, id string) (*DeadLetter, error) {
	p, key, value, err := o.deadRow(id)
	if err != nil {
		return nil, err
	}
	d, err := deadLetterOf(p, key, value)
	return &d, err
}

func (o *Offline) RequeueDead(ctx context.Context, id string) error {
	p, key, value, err := o.deadRow(id)
	if err != nil {
		return err
	}
	recs, err := requeueRecords(key, value, time.Now().UnixMilli())
	if err != nil {
		return fmt.Errorf("dead letter %s: %w", id, err)
	}
	return o.append(ctx, p, recs)
}

func (o *Offline) DropDead(ctx context.Context, id string) error {
	p, key, _, err := o.deadRow(id)
	if err != nil {
		return err
	}
	return o.append(ctx, p, []log.Record{dropRecord(key)})
}

// append adds records to the journal for the next start to apply.
func (o *Offline) append(ctx context.Context, p log.Partition, recs []log.Record) error {
	j, err := journal.Open(journal.Options{Dir: JournalDir(o.cfg.Data), Shards: o.count, Keep: time.Duration(o.cfg.Journal.Keep), MaxBytes: int64(o.cfg.Journal.Max)})
	if err != nil {
		return err
	}
	floor, err := lastArrival(j)
	if err != nil {
		return errors.Join(err, j.Close())
	}
	for i := range recs {
		recs[i].Arrival = max(floor, time.Now().UnixMilli())
	}
	off, err := j.Append(p, recs, log.Ack{})
	if err == nil {
		err = j.WaitDurable(ctx, p, off+log.Offset(len(recs)))
	}
	return errors.Join(err, j.Close())
}
