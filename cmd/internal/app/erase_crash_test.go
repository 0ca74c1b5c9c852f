package app_test

import (
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/milepost-io/milepost/notify"
	"github.com/milepost-io/milepost/state"
	"github.com/milepost-io/milepost/state/erasure"
)

// power is a file system that fails at a write: what the disk holds then is in clone.
type power struct {
	mem *vfs.MemFS
	rng *rand.Rand

	mu     sync.Mutex
	left   int // writes until it fails; below 0: it does not
	writes int
	clone  *vfs.MemFS
}

func (p *power) fs() state.FS {
	return errorfs.Wrap(p.mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind.ReadOrWrite() == errorfs.OpIsRead {
			return nil
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		p.writes++
		if p.left--; p.left == 0 {
			p.cut()
		}
		return nil
	}))
}

// cut takes what is on the disk; p.mu is held.
func (p *power) cut() {
	if p.clone == nil {
		p.clone = p.mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: []int{0, 50, 100}[p.rng.IntN(3)], RNG: p.rng})
	}
}

// A crash at any write of an erasure: after the next start it is either as if nobody had asked, or, and always
// when Erase had returned, everything goes.
func TestEraseSurvivesCrashes(t *testing.T) {
	points := 10
	if n, err := strconv.Atoi(os.Getenv("MILEPOST_SEEDS")); err == nil {
		points = n
	}
	most := eraseWithCrash(t, 0, -1)
	for i := range points {
		at := 1 + most*i/points + rand.New(rand.NewPCG(uint64(i), 3)).IntN(max(1, most/points))
		t.Run(strconv.Itoa(at), func(t *testing.T) {
			t.Parallel()
			eraseWithCrash(t, uint64(i), at)
		})
	}
}

// eraseWithCrash erases a vehicle and its owner with the power failing at a write, and returns how many
// writes there were.
func eraseWithCrash(t *testing.T, seed uint64, at int) (writes int) {
	p := &power{mem: vfs.NewCrashableMem(), rng: rand.New(rand.NewPCG(seed, 1)), left: -1}
	s := newSite(t)
	s.fs, s.disk = p.mem, p.fs()
	s.answers(notify.Answer{Outcome: notify.Retry, Detail: "down"})
	s.start()
	s.live(canaryVIN)
	s.neighbours()
	p.mu.Lock()
	p.left, p.writes = at, 0
	p.mu.Unlock()

	asked := false
	hv, err := s.core.Erase(s.ctx(), erasure.Vehicle, canaryVIN)
	if err == nil {
		p.mu.Lock()
		asked = p.clone == nil
		p.mu.Unlock()
		_, err = s.core.Erase(s.ctx(), erasure.Party, canaryOwner)
	}
	if err == nil {
		err = s.core.Erased(s.ctx(), hv)
	}
	if err == nil {
		err = s.core.Erased(s.ctx(), s.core.ErasedHash(erasure.Party, canaryOwner))
	}
	if err != nil {
		t.Fatal(err)
	}
	p.mu.Lock()
	writes = p.writes
	p.cut()
	crashed := p.clone
	p.mu.Unlock()
	s.stop()
	if at < 0 {
		return writes
	}

	again := newSite(t)
	again.fs = crashed
	again.answers(notify.Answer{Outcome: notify.Retry, Detail: "down"})
	again.start()
	again.until("the erasures are done", func() bool { return again.core.Erasing() == 0 })
	again.applied()
	switch gone := len(again.find(canaryVIN)) == 0; {
	case asked && !gone:
		again.wantGone(canaryVIN)
	case !gone && !strings.Contains(again.dump(), canaryVIN):
		again.wantGone(canaryVIN) // partly gone
	}
	if !strings.Contains(again.dump(), otherVIN) {
		t.Error("somebody else has gone")
	}
	again.counters()
	again.stop()
	if asked {
		again.wantGone(canaryVIN)
	}
	return writes
}

// until polls with a deadline.
func (s *site) until(what string, ok func() bool) {
	s.t.Helper()
	limit := time.After(3 * patience)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-limit:
			s.t.Fatalf("not within %v: %s", 3*patience, what)
		case <-tick.C:
		}
	}
}
