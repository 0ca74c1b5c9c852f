package app

import (
	"context"
	"slices"

	"github.com/milepost-io/milepost/rules"
	"github.com/milepost-io/milepost/state"
	"github.com/milepost-io/milepost/state/log"
)

// bytesPerKey is about what is written anew for one key: the tables it stands in. For many keys that is more
// than the whole store.
const bytesPerKey = 8 << 20

// purge makes what the shards have deleted leave the files of their stores.
func (w *erasing) purge(ctx context.Context) error {
	for _, s := range w.core.shards {
		keys := w.keysOf(s)
		if s.part.Stream == log.Events && len(keys) == 0 {
			continue
		}
		err := s.DropTimers(ctx, func(key, sub []byte) bool {
			_, vehicle := w.vehicles[string(key)]
			_, ofVehicle := w.vehicles[string(sub)]
			_, party := w.parties[string(key)]
			return vehicle || ofVehicle || party
		})
		if err != nil {
			return err
		}
		// Whatever is applied next has the deletions written back.
		off, err := w.core.intake.append(s.part, &log.Record{Kind: log.Tick}, log.Ack{})
		if err == nil {
			err = s.WaitFlushed(ctx, off+1)
		}
		spans := state.AllSpans()
		if s.part.Stream == log.Events && uint64(len(keys))*bytesPerKey < s.store.DiskBytes() {
			spans = state.KeySpans(keys)
		}
		if err == nil {
			err = s.store.Purge(ctx, spans)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// keysOf are the vehicles of a rules shard that were erased or told to forget somebody.
func (w *erasing) keysOf(s *shard) (keys [][]byte) {
	if s.part.Stream != log.Events {
		return nil
	}
	take := func(vin string) {
		if w.core.of(log.Events, []byte(vin)) == s {
			keys = append(keys, []byte(vin))
		}
	}
	for vin := range w.vehicles {
		take(vin)
	}
	for _, vins := range w.told {
		for vin := range vins {
			take(vin)
		}
	}
	slices.SortFunc(keys, slices.Compare)
	return slices.CompactFunc(keys, slices.Equal)
}

// blank takes the ids out of the journal.
func (w *erasing) blank(ctx context.Context, progress func(done, of int)) error {
	c := w.core
	b := &blanker{
		vehicles: w.vehicles, parties: w.parties, shards: c.journal.Shards(log.Events),
		own: map[string]map[string]bool{}, ends: map[log.Partition]log.Offset{}, owners: map[string]*rules.OwnerHistory{},
	}
	for party, vins := range w.told {
		for vin := range vins {
			if b.own[vin] == nil {
				b.own[vin] = map[string]bool{}
			}
			b.own[vin][party] = true
		}
	}
	for _, p := range c.parts() {
		_, b.ends[p] = c.journal.Range(p)
	}
	if err := c.journal.Roll(ctx); err != nil {
		return err
	}
	n, err := c.journal.Rewrite(ctx, b.edit, progress)
	w.records += n
	return err
}
