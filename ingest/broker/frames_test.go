package broker

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/milepost-io/milepost/ingest"
)

// However the stream is cut, each large packet that does not end in its first piece is announced once,
// and the end of the last one is seen.
func TestFramesFollowPackets(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for round := range 300 {
		var stream []byte
		var want []int
		for range 1 + rng.IntN(12) {
			size := []int{0, 1, 127, 128, 300, largeFrame, largeFrame + 1, 40_000}[rng.IntN(8)]
			if size > largeFrame {
				want = append(want, size)
			}
			stream = append(stream, frame(0x32, make([]byte, size))...)
		}
		var f frames
		var got []int
		for rest := stream; len(rest) > 0; {
			n := min(1+rng.IntN(largeFrame), len(rest)) // as mochi's reader does, no piece holds a large packet
			if large := f.advance(rest[:n]); large > 0 {
				got = append(got, large)
			}
			if f.large != (f.body > 0 && f.length > largeFrame) {
				t.Fatalf("round %d: in a large packet: %v, %d of %d to come", round, f.large, f.body, f.length)
			}
			rest = rest[n:]
		}
		if !slices.Equal(got, want) || f.body != 0 || f.header != 0 {
			t.Fatalf("round %d: announced %v, expected %v; state %+v", round, got, want, f)
		}
	}
}

// Announcing a length costs nothing, so memory for large packets is granted from one budget: the third of
// three clients that announce 16 MiB waits, and small packets of others do not.
func TestLargePacketsShareABudget(t *testing.T) {
	sink := newHeldSink()
	b, _ := start(t, Options{Sink: sink})
	size := ingest.MaxPacket - 1
	held := func(n int64) func() bool {
		return func() bool { // exactly n packets of that size are granted
			free := largeBudget - n*frameCopies*int64(size)
			if !b.large.TryAcquire(free) {
				return false
			}
			defer b.large.Release(free)
			if b.large.TryAcquire(1) {
				b.large.Release(1)
				return false
			}
			return true
		}
	}
	header := frame(0x32, make([]byte, size))[:4096]
	first, second := connect(t, b, "first"), connect(t, b, "second")
	first.send(header)
	second.send(header)
	eventually(t, "two are granted", held(2))
	third := connect(t, b, "third")
	third.send(header)
	connect(t, b, "small").ping()
	first.Close()
	eventually(t, "the third takes the place of the first", func() bool {
		return held(2)() && b.Stats().Connections == 3
	})
	second.Close()
	third.Close()
	eventually(t, "everything is given back", held(0))
}

// The budget is given back with every large packet, not with the connection.
func TestLargePacketsOneAfterTheOther(t *testing.T) {
	sink := newHeldSink()
	b, _ := start(t, Options{Sink: sink})
	c := connect(t, b, "c")
	for id := 1; id <= 12; id++ { // more than the budget together
		c.send(publish("vehicles/V1/telemetry", 1, id, string(make([]byte, 9<<20))))
		sink.await(id)
		sink.sync(nil, id-1)
		c.acks(1)
	}
	c.ping()
}
