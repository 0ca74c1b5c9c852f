package state_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/milepost-io/milepost/state"
	"github.com/milepost-io/milepost/state/log"
	"github.com/milepost-io/milepost/state/log/journal"
	"github.com/milepost-io/milepost/state/statetest"
)

// site is one rules and one notify shard on a real journal, all on one disk.
type site struct {
	journal *journal.Journal
	stores  []*state.Store
	shards  []*state.Shard
	cancel  context.CancelFunc
	ended   chan error
}

func openSite(t *testing.T, fs vfs.FS, now int64) *site {
	t.Helper()
	j, err := journal.Open(journal.Options{
		FS: fs, Dir: "/journal", Shards: journal.Shards{Events: 1, Notices: 1}, SegmentBytes: 1 << 20,
		Keep: 1000 * time.Hour, Now: func() time.Time { return time.UnixMilli(now) },
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	s := &site{journal: j, cancel: cancel, ended: make(chan error, 2)}
	for _, stage := range []log.Stream{log.Events, log.Notices} {
		p := log.Partition{Stream: stage}
		store, err := state.OpenStore(state.StoreOptions{Dir: storeDir(p), FS: fs, Cache: 1 << 20})
		if err != nil {
			t.Fatal(err)
		}
		var step state.Step = &statetest.Rules{}
		if stage == log.Notices {
			step = &statetest.Notify{}
		}
		shard, err := state.NewShard(state.ShardOptions{
			Log: j, Store: store, Step: step, Stage: stage,
			Now: func() int64 { return now }, Interval: time.Millisecond,
		})
		if err != nil {
			t.Fatal(err)
		}
		s.stores, s.shards = append(s.stores, store), append(s.shards, shard)
		go func() { s.ended <- shard.Run(ctx) }()
	}
	return s
}

func (s *site) close(t *testing.T) {
	t.Helper()
	s.cancel()
	err := errors.Join(<-s.ended, <-s.ended)
	for _, store := range s.stores {
		err = errors.Join(err, store.Close())
	}
	if err = errors.Join(err, s.journal.Close()); err != nil {
		t.Error(err)
	}
}

// counts sums the inputs that a shard has counted once it has applied its whole partition.
func (s *site) counts(t *testing.T, i int, stage log.Stream) (n uint64) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	_, next := s.journal.Range(log.Partition{Stream: stage})
	err := s.shards[i].WaitApplied(ctx, next)
	if err == nil {
		err = s.shards[i].Query(ctx, func(v state.View) {
			err = v.Each(func(_, sub []byte, _ int64, body []byte) bool {
				if string(sub) != "owner" {
					n += statetest.DecodeCounts(body).Inputs
				}
				return true
			})
		})
	}
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// On a real journal: after power cuts at random moments every event that the journal has kept is counted
// once, and so is the notice of each.
func TestJournalCrash(t *testing.T) {
	const now = 1_700_000_000_000
	for seed := range seeds(t, 4) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(uint64(seed), 3))
			fs := vfs.NewCrashableMem()
			for range 4 {
				s := openSite(t, fs, now)
				for range rng.IntN(300) {
					k := fmt.Appendf(nil, "V%d", rng.IntN(50))
					rec := log.Record{Kind: log.Event, Key: k, Arrival: now, Payload: []byte("owner")}
					if _, err := s.journal.Append(log.Partition{Stream: log.Events}, []log.Record{rec}, log.Ack{}); err != nil {
						t.Fatal(err)
					}
				}
				if rng.IntN(2) == 0 {
					s.counts(t, 0, log.Events)
				}
				crashed := fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: rng.IntN(101), RNG: rng})
				s.close(t)
				fs = crashed
			}
			s := openSite(t, fs, now)
			defer s.close(t)
			want := s.journal.Received()
			if got := s.counts(t, 0, log.Events); got != want {
				t.Errorf("%d events counted, %d in the journal", got, want)
			}
			if got := s.counts(t, 1, log.Notices); got != want {
				t.Errorf("%d notices counted of %d events", got, want)
			}
		})
	}
}
