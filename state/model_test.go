package state_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/milepost-io/milepost/state"
	"github.com/milepost-io/milepost/state/log"
)

// actor is what a random step does things to: a Context or the model.
type actor interface {
	Now() int64
	Key() []byte
	View(sub []byte) []byte
	Edit(sub []byte) []byte
	Resize(sub []byte, n int) []byte
	Put(sub, b []byte)
	Delete(sub []byte)
	WakeAt(sub []byte, at int64)
	SetRow(space state.Space, key, value []byte)
	DelRow(space state.Space, key []byte)
	AddRow(space state.Space, prefix, value []byte)
}

var subs = [][]byte{nil, []byte("a"), {0}, {0, 1}, []byte("b\x00b")}

// act does a few things that follow from the seed.
func act(a actor, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 7))
	for range 1 + rng.IntN(4) {
		sub := subs[rng.IntN(len(subs))]
		row := []byte{'r', byte(rng.IntN(5))}
		switch rng.IntN(10) {
		case 0, 1:
			a.Put(sub, bytes.Repeat([]byte{byte(seed)}, rng.IntN(200)))
		case 2:
			if b := a.Resize(sub, rng.IntN(400)); len(b) > 0 {
				b[len(b)-1]++
			}
		case 3:
			for i, b := 0, a.Edit(sub); i < len(b); i++ {
				b[i] ^= byte(seed)
			}
		case 4:
			a.Delete(sub)
		case 5, 6:
			if a.View(sub) != nil {
				a.WakeAt(sub, a.Now()+int64(rng.IntN(3000))-100)
			}
		case 7:
			a.SetRow(state.RowView, row, []byte{byte(seed)})
		case 8:
			a.DelRow(state.RowView, row)
		case 9:
			a.AddRow(state.RowTimeline, a.Key(), []byte{byte(seed)})
		}
	}
	if rng.IntN(20) == 0 {
		panic("as it happens")
	}
}

func seedOf(parts ...any) uint64 {
	var h uint64 = 14695981039346656037
	for _, b := range fmt.Append(nil, parts...) {
		h = (h ^ uint64(b)) * 1099511628211
	}
	return h
}

// randomStep acts on a Context and emits.
type randomStep struct{}

func (randomStep) Apply(c *state.Context, in *state.Input) {
	c.Emit(in.Payload, c.Key(), in.Payload)
	act(c, seedOf(in.Payload))
}
func (randomStep) Wake(c *state.Context)      { act(c, seedOf("wake", c.Now(), c.Key(), c.Sub())) }
func (randomStep) Activated(c *state.Context) { act(c, seedOf("activated", c.Now(), c.Key())) }
func (randomStep) Control([]byte) error       { return nil }

func randomRecord(rng *rand.Rand, i int, clock *int64) log.Record {
	*clock += int64(rng.IntN(200))
	if rng.IntN(100) == 0 {
		*clock += 5000
	}
	if rng.IntN(100) == 0 {
		*clock += 7 * 3_600_000
	}
	rec := log.Record{Kind: log.Event, Arrival: *clock - int64(rng.IntN(50))}
	switch n := rng.IntN(100); {
	case n == 0:
		rec.Kind, rec.Payload = log.Control, []byte{byte(i)}
	case n < 10:
		rec.Kind = log.Tick
	default:
		rec.Key = fmt.Appendf(nil, "k\x00%d", rng.IntN(40))
		rec.Payload = binary.LittleEndian.AppendUint64(nil, rng.Uint64())
		if rng.IntN(3) == 0 {
			rec.Origin, rec.Seq = fmt.Appendf(nil, "request %d", rng.IntN(30)), uint64(rng.IntN(3))
		} else if rng.IntN(3) == 0 { // a topic's partition that is read on, and now and then from before
			rec.Origin, rec.Seq, rec.Rising = fmt.Appendf(nil, "topic %d", rng.IntN(3)), uint64(max(0, i+20-rng.IntN(60))), true
			if rng.IntN(10) == 0 {
				rec.Kind = log.SourcePosition
			}
		}
	}
	return rec
}

// stored is a Machine on a store that is written back and reopened at random.
type stored struct {
	t      *testing.T
	fs     *vfs.MemFS
	store  *state.Store
	m      *state.Machine
	memory int64
	saver  *state.SaverForTest
}

func (s *stored) options() state.MachineOptions {
	return state.MachineOptions{Step: randomStep{}, Stage: log.Events, Receivers: 3, MaxTimers: 3, MaxSweep: 2, Memory: s.memory}
}

func (s *stored) open() {
	s.t.Helper()
	var err error
	if s.store, err = state.OpenStore(state.StoreOptions{Dir: "/s", FS: s.fs, Cache: 1 << 20}); err != nil {
		s.t.Fatal(err)
	}
	o := s.options()
	o.Backing = s.store
	if s.m, err = state.NewMachine(o); err != nil {
		s.t.Fatal(err)
	}
	s.saver = state.NewSaverForTest(s.m, s.store)
}

// A Machine on a store, with a tiny cache, write-backs and reopenings at random, does what one in memory
// does, record by record, and what a model made of maps does.
func TestModel(t *testing.T) {
	for seed := range seeds(t, 6) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(uint64(seed), 2))
			s := &stored{t: t, fs: vfs.NewMem(), memory: []int64{1, 5000, 0}[rng.IntN(3)]}
			o := s.options()
			o.RoundTrip = true
			ref, err := state.NewMachine(o)
			if err != nil {
				t.Fatal(err)
			}
			model := newModel(o.MaxTimers, o.MaxSweep)
			s.open()
			var recs []log.Record
			var caused []string
			clock := int64(1_000_000)
			for i := range 3000 {
				if rng.IntN(200) == 0 {
					s.reopen(recs, caused)
				}
				if rng.IntN(10) == 0 {
					s.saver.Step(rng.IntN(40))
				}
				recs = append(recs, randomRecord(rng, i, &clock))
				off := log.Offset(i)
				if err := ref.Apply(off, &recs[i]); err != nil {
					t.Fatal(err)
				}
				if err := s.m.Apply(off, &recs[i]); err != nil {
					t.Fatal(err)
				}
				model.apply(off, &recs[i])
				caused = append(caused, effects(ref))
				if got := effects(s.m); got != caused[i] {
					t.Fatalf("record %d: stored machine causes %s; in memory %s", i, got, caused[i])
				}
				if i%100 == 0 || i == 2999 {
					compare(t, i, model.dump(), full(t, ref), full(t, s.m))
				}
			}
		})
	}
}

func effects(m *state.Machine) string { return fmt.Sprintf("%+v %+v", m.Outbound(), m.RowOps()) }

// reopen closes the store without a further write-back and replays what it lacks: to the same effects.
func (s *stored) reopen(recs []log.Record, caused []string) {
	s.t.Helper()
	s.saver.Abandon()
	if err := s.store.Close(); err != nil {
		s.t.Fatal(err)
	}
	s.open()
	for i := s.m.Position(); int(i) < len(recs); i++ {
		if err := s.m.Apply(i, &recs[i]); err != nil {
			s.t.Fatal(err)
		}
		if got := effects(s.m); got != caused[i] {
			s.t.Fatalf("record %d: the replay causes %s; it caused %s", i, got, caused[i])
		}
	}
}

func compare(t *testing.T, i int, model, ref, stored string) {
	t.Helper()
	if model != ref {
		t.Fatalf("record %d: machine in memory\n%s\nmodel\n%s", i, ref, model)
	}
	if stored != ref {
		t.Fatalf("record %d: stored machine\n%s\nin memory\n%s", i, stored, ref)
	}
}

func full(t *testing.T, m *state.Machine) string {
	t.Helper()
	var b bytes.Buffer
	err := m.Dump(&b)
	for _, space := range []state.Space{state.RowView, state.RowTimeline} {
		if err == nil {
			err = m.Rows(space, "", func(k string, v []byte) bool {
				fmt.Fprintf(&b, "%c %x %x\n", space, k, v)
				return true
			})
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintln(&b, m.Clock(), m.Outcomes(), m.Overdue())
	for _, p := range state.ViewOf(m).SourcePositions() {
		fmt.Fprintf(&b, "%s %d\n", p.Origin, p.Next)
	}
	return b.String()
}
