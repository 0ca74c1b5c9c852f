package state_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/milepost-io/milepost/state"
	"github.com/milepost-io/milepost/state/log"
	"github.com/milepost-io/milepost/state/statetest"
)

// keeper is a shard whose step writes rows of both kinds: one that AddRow dates, one with its day inside.
type keeper struct {
	t     *testing.T
	log   *statetest.Log
	store *state.Store
	shard *state.Shard
	now   int64
	end   func() error
	fed   chan string
}

func openKeeper(t *testing.T, l *statetest.Log, fs state.FS, now int64) *keeper {
	t.Helper()
	step := &funcStep{apply: func(c *state.Context, in *state.Input) {
		c.AddRow(state.RowTimeline, append(c.Key(), 0), in.Payload)
		c.SetRow(state.RowDead, append([]byte("set/"), in.Payload...), in.Payload)
	}}
	store, err := state.OpenStore(state.StoreOptions{Dir: "/s", FS: fs, Cache: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	k := &keeper{t: t, log: l, store: store, now: now, fed: make(chan string, 100_000)}
	k.shard, err = state.NewShard(state.ShardOptions{
		Log: l, Store: store, Step: step, Stage: log.Events, Now: func() int64 { return now },
		Interval: time.Millisecond, TickEvery: time.Millisecond, IdleTickEvery: time.Millisecond,
		Retention: []state.Retention{
			{Space: state.RowTimeline, Keep: 3 * 24 * time.Hour},
			{Space: state.RowDead, Keep: 24 * time.Hour, Made: func(key string, value []byte) (at int64, ok bool) {
				_, err := fmt.Sscan(string(value), &at)
				return at * day, err == nil && strings.HasPrefix(key, "set/")
			}},
		},
		FeedSpaces: []state.Space{state.RowDead},
		Feed: func(ops []state.RowOp) {
			for _, op := range ops {
				if op.Delete {
					k.fed <- op.Key
				}
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- k.shard.Run(ctx) }()
	k.end = func() error {
		cancel()
		return errors.Join(<-ended, store.Close())
	}
	return k
}

// rows are the days of a space's rows, with how many.
func (k *keeper) rows(space state.Space) map[string]int {
	k.t.Helper()
	days := map[string]int{}
	err := k.shard.Query(k.t.Context(), func(v state.View) {
		if err := v.Rows(space, "", func(_ string, b []byte) bool { days[string(b)]++; return true }); err != nil {
			k.t.Error(err)
		}
	})
	if err != nil {
		k.t.Fatal(err)
	}
	return days
}

// Rows go when they are older than their space keeps them, however many there are, over restarts; younger
// ones stay, and whoever follows a space is told.
func TestRetention(t *testing.T) {
	const first, perDay = 20_000, 3000 // Unix days
	l, fs := statetest.NewLog(log.ID{4}, 1, 1), vfs.NewMem()
	p := log.Partition{Stream: log.Events}
	goneDead := map[string]bool{}
	for d := int64(first); d < first+6; d++ {
		k := openKeeper(t, l, fs, d*day+1000)
		var recs []log.Record
		for i := range perDay {
			recs = append(recs, log.Record{
				Kind: log.Event, Key: fmt.Appendf(nil, "V%d", i%700), Arrival: k.now, Payload: fmt.Append(nil, d),
			})
		}
		off, err := l.Append(p, recs, log.Ack{})
		if err == nil {
			err = k.shard.WaitApplied(t.Context(), off+perDay)
		}
		if err != nil {
			t.Fatal(err)
		}
		wantTimeline, wantDead := map[string]int{}, map[string]int{}
		for past := int64(first); past <= d; past++ {
			if past >= d-3 {
				wantTimeline[fmt.Sprint(past)] = perDay
			}
			if past >= d-1 {
				wantDead[fmt.Sprint(past)] = 1
			} else {
				goneDead[fmt.Sprintf("set/%d", past)] = true
			}
		}
		limit := time.NewTimer(20 * time.Second)
		for !maps.Equal(k.rows(state.RowTimeline), wantTimeline) || !maps.Equal(k.rows(state.RowDead), wantDead) {
			select {
			case <-limit.C:
				t.Fatalf("day %d: timeline %v, expected %v; dead %v, expected %v", d, k.rows(state.RowTimeline), wantTimeline, k.rows(state.RowDead), wantDead)
			default:
			}
		}
		if len(goneDead) > 0 {
			want := slices.Sorted(maps.Keys(goneDead))[len(goneDead)-1]
			select {
			case key := <-k.fed:
				if key != want {
					t.Errorf("day %d: told that %s is gone, expected %s", d, key, want)
				}
			case <-limit.C:
				t.Errorf("day %d: nobody was told that %s is gone", d, want)
			}
		}
		if err := k.end(); err != nil {
			t.Fatal(err)
		}
	}
}

// Write-backs go on while there is always another record: a replay of any length leaves progress.
func TestLongReplayIsWrittenBack(t *testing.T) {
	l := statetest.NewLog(log.ID{4}, 1, 1)
	const n = 100_000
	var recs []log.Record
	for i := range n {
		recs = append(recs, log.Record{Kind: log.Event, Key: fmt.Appendf(nil, "V%d", i%1000), Arrival: 1000, Payload: fmt.Append(nil, i)})
	}
	if _, err := l.Append(log.Partition{Stream: log.Events}, recs, log.Ack{}); err != nil {
		t.Fatal(err)
	}
	store, err := state.OpenStore(state.StoreOptions{Dir: "/s", FS: vfs.NewMem(), Cache: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	var s *state.Shard
	var flushed log.Offset
	step := &funcStep{apply: func(c *state.Context, in *state.Input) {
		add(c.Resize(nil, 8), 1)
		if string(in.Payload) == fmt.Sprint(n-1) {
			flushed = s.Flushed()
		}
	}}
	s, err = state.NewShard(state.ShardOptions{
		Log: l, Store: store, Step: step, Stage: log.Events, Now: func() int64 { return 1000 }, Interval: time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	if err := s.WaitApplied(ctx, n); err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := errors.Join(<-ended, store.Close()); err != nil {
		t.Fatal(err)
	}
	if flushed == 0 {
		t.Errorf("nothing was on disk after %d records of the replay", n-1)
	}
}
