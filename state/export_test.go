package state

import (
	"encoding/binary"
	"errors"
	"runtime"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"golang.org/x/sys/unix"

	"github.com/milepost-io/milepost/state/log"
)

// CPUTime is what the calling thread has computed: on a shared machine the wall clock tells of others.
func CPUTime() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &ts); err != nil {
		panic(err)
	}
	return time.Duration(ts.Nano())
}

// WriteBackForTest writes back m with a record applied between any two steps of it, and returns the longest
// of those steps that stop the shard.
func WriteBackForTest(m *Machine, s *Store, apply func()) (pause time.Duration) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	must := func(err error) {
		if err != nil {
			panic(err)
		}
	}
	stop := func(fn func()) {
		start := CPUTime()
		fn()
		pause = max(pause, CPUTime()-start)
	}
	var b storeBatch
	stop(func() {
		dirty := m.DirtyBytes()
		b = s.newBatch(dirty + dirty/8 + 4096)
		_, err := m.Mark(b)
		must(err)
	})
	for done := false; !done; {
		apply()
		var err error
		done, err = m.Drain(0)
		must(err)
	}
	committed := make(chan error)
	go func() { committed <- s.commit(b) }()
	for {
		select {
		case err := <-committed:
			must(err)
			stop(m.Committed)
			must(s.db.Flush())
			return pause
		default:
			apply()
		}
	}
}

// FlushForTest flushes the store at a moment of the test's choice, as Pebble does at one of its own.
func (s *Store) FlushForTest() error { return s.db.Flush() }

// SaverForTest writes a Machine back in steps that the test chooses.
type SaverForTest struct {
	m     *Machine
	s     *Store
	batch *storeBatch
}

func NewSaverForTest(m *Machine, s *Store) *SaverForTest { return &SaverForTest{m: m, s: s} }

// Step begins a write-back, or goes on by n entries and commits the batch when it is complete.
func (w *SaverForTest) Step(n int) {
	if w.batch == nil {
		b := w.s.newBatch(0)
		w.batch = &b
		if _, err := w.m.Mark(b); err != nil {
			panic(err)
		}
		return
	}
	done, err := w.m.Drain(n)
	if err != nil {
		panic(err)
	}
	if !done {
		return
	}
	if err := w.s.commit(*w.batch); err != nil {
		panic(err)
	}
	w.m.Committed()
	w.batch = nil
	if err := w.s.FlushForTest(); err != nil {
		panic(err)
	}
}

// Abandon forgets a write-back under way.
func (w *SaverForTest) Abandon() {
	if w.batch != nil {
		w.batch.b.Close()
	}
}

// SetFormatForTest makes the store one of another format.
func (s *Store) SetFormatForTest(f uint32) error {
	return errors.Join(s.db.Set(formatKey(), binary.BigEndian.AppendUint32(nil, f), pebble.NoSync), s.db.Flush())
}

// SetMaxOriginsForTest makes the memory of requests a small one.
func SetMaxOriginsForTest(m *Machine, n int) { m.origins.max = n }

// GuardMarksForTest reports whether calls are marked.
func GuardMarksForTest(g *Guard) bool { return g.marks() }

// GuardCallForTest makes a marked call, or dies in it.
func GuardCallForTest(g *Guard, p log.Partition, c Call, die bool) {
	err := g.enter(p, c)
	if err == nil && !die {
		err = g.leave(p, c)
	}
	if err != nil {
		panic(err)
	}
}
