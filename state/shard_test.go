package state_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
)

// seeds is how many random runs a test makes; MILEPOST_SEEDS raises it.
func seeds(t *testing.T, n int) int {
	t.Helper()
	if s := os.Getenv("MILEPOST_SEEDS"); s != "" {
		v, err := strconv.Atoi(s)
		if err != nil {
			t.Fatalf("MILEPOST_SEEDS=%q: %v", s, err)
		}
		return v
	}
	return n
}

// The state after crashes at random moments is the one that the surviving log means, and every notice of
// a surviving cause was taken exactly once.
func TestCrash(t *testing.T) {
	for seed := range seeds(t, 12) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(uint64(seed), 1))
			shards := []int{1, 2, 4}[seed%3]
			w := newWorld(t, shards, max(1, shards-1))
			w.memory = []int64{0, 1, 20_000}[rng.IntN(3)]
			w.open()
			for range 4 {
				for range rng.IntN(20) {
					w.randomEvents(rng, rng.IntN(60))
					switch rng.IntN(6) {
					case 3, 4:
						w.flush(rng)
					case 0:
						w.log.Hold()
					case 1:
						w.log.Sync(rng.IntN(50))
					case 2:
						w.log.Sync(-1)
					}
				}
				if rng.IntN(2) == 0 {
					w.linger()
				}
				w.crash(rng)
				w.open()
			}
			w.randomEvents(rng, 50)
			w.settle()
			w.check()
			w.stop()
		})
	}
}
