package journal

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/milepost-io/milepost/state/log"
	"github.com/milepost-io/milepost/state/log/logtest"
)

// model is what a journal must hold: every Append in the order they took effect.
type model struct {
	mu      sync.Mutex
	appends []modelAppend
	next    map[log.Partition]log.Offset
	acked   int // appends whose ack came without error
	trimmed map[log.Partition]log.Offset
}

type modelAppend struct {
	p     log.Partition
	first log.Offset
	n     int
}

func newModel() *model {
	return &model{next: map[log.Partition]log.Offset{}, trimmed: map[log.Partition]log.Offset{}}
}

// modelRecord is the record at a place: its content follows from it.
func modelRecord(p log.Partition, off log.Offset) log.Record {
	return logtest.Record(int(p.Stream)*1_000_003 + int(p.Shard)*10_007 + int(off))
}

// append appends n records to the journal and the model. One goroutine calls it, so that the order of
// appends is known and what survives a crash can be held to be a prefix of it.
func (m *model) append(j *Journal, p log.Partition, n int) error {
	first := m.next[p]
	recs := make([]log.Record, n)
	for i := range recs {
		recs[i] = modelRecord(p, first+log.Offset(i))
	}
	m.mu.Lock()
	id := len(m.appends)
	m.appends = append(m.appends, modelAppend{p, first, n})
	m.next[p] += log.Offset(n)
	m.mu.Unlock()
	off, err := j.Append(p, recs, log.Ack{To: m, ID: uint64(id)})
	if err != nil {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.appends = m.appends[:id]
		m.next[p] = first
		return err
	}
	if off != first {
		return fmt.Errorf("append to %v gave %d, want %d", p, off, first)
	}
	return nil
}

// Acked implements log.Acker.
func (m *model) Acked(id uint64, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err != nil {
		return
	}
	if int(id) != m.acked {
		panic(fmt.Sprintf("ack %d, want %d", id, m.acked))
	}
	m.acked++
}

// state is a copy of the model at one moment.
func (m *model) state() *model {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := newModel()
	c.appends = slices.Clone(m.appends)
	c.acked = m.acked
	for p, o := range m.trimmed {
		c.trimmed[p] = o
	}
	return c
}

// check holds a reopened journal to the model and cuts the model to what survived.
func (m *model) check(j *Journal) error {
	survived, err := m.prefix(j)
	if err != nil {
		return err
	}
	if survived < m.acked {
		return fmt.Errorf("%d appends survived, %d were acknowledged", survived, m.acked)
	}
	m.appends = m.appends[:survived]
	m.acked = survived
	var events uint64
	m.next = map[log.Partition]log.Offset{}
	for _, a := range m.appends {
		m.next[a.p] += log.Offset(a.n)
		for i := range a.n {
			if r := modelRecord(a.p, a.first+log.Offset(i)); r.Kind == log.Event {
				events++
			}
		}
	}
	if got := j.Received(); got != events {
		return fmt.Errorf("received is %d, want %d", got, events)
	}
	names, err := j.opts.FS.List(j.opts.Dir)
	if err != nil || slices.ContainsFunc(names, func(s string) bool { return strings.HasSuffix(s, tempSuffix) }) {
		return fmt.Errorf("files after open are %q: %w", names, err)
	}
	for i := range testShards.total() {
		if err := m.checkPartition(j, testShards.partition(i)); err != nil {
			return err
		}
	}
	return m.checkArchive(j)
}

// prefix returns how many appends survived: exactly the first ones, each whole.
func (m *model) prefix(j *Journal) (int, error) {
	at := map[log.Partition]log.Offset{}
	cut := -1
	for i, a := range m.appends {
		_, next := j.Range(a.p)
		switch {
		case a.first+log.Offset(a.n) <= next:
			if cut >= 0 {
				return 0, fmt.Errorf("append %d to %v survived, append %d did not", i, a.p, cut)
			}
			at[a.p] = a.first + log.Offset(a.n)
		case a.first < next:
			return 0, fmt.Errorf("append %d to %v is torn: %d+%d, the end is %d", i, a.p, a.first, a.n, next)
		case cut < 0:
			cut = i
		}
	}
	for i := range testShards.total() {
		p := testShards.partition(i)
		if _, next := j.Range(p); next != at[p] {
			return 0, fmt.Errorf("%v ends at %d, want %d", p, next, at[p])
		}
	}
	if cut < 0 {
		cut = len(m.appends)
	}
	return cut, nil
}

func (m *model) checkPartition(j *Journal, p log.Partition) error {
	first, next := j.Range(p)
	if first > m.trimmed[p] {
		return fmt.Errorf("%v starts at %d, trimmed below %d only", p, first, m.trimmed[p])
	}
	if d := j.Durable(p); d != next {
		return fmt.Errorf("%v is durable to %d after open, ends at %d", p, d, next)
	}
	r, err := j.Read(p, first)
	if err != nil {
		return err
	}
	defer r.Close()
	for at := first; at < next; {
		off, recs, err := r.Poll(7)
		if err != nil || off != at || len(recs) == 0 {
			return fmt.Errorf("%v: read at %d gives %d records from %d: %w", p, at, len(recs), off, err)
		}
		for i := range recs {
			want := modelRecord(p, at+log.Offset(i))
			if d := logtest.Diff(&recs[i], &want); d != "" {
				return fmt.Errorf("%v record %d: %s", p, at+log.Offset(i), d)
			}
		}
		at += log.Offset(len(recs))
	}
	return nil
}

// checkArchive holds the cross-partition order to the order of appends, frame by frame.
func (m *model) checkArchive(j *Journal) error {
	a, err := OpenReadOnly(j.opts.FS, j.opts.Dir)
	if err != nil {
		return err
	}
	at := map[log.Partition]log.Offset{}
	for e, err := range a.All() {
		if err != nil {
			return err
		}
		want, seen := at[e.Partition]
		if !seen {
			want = a.First(e.Partition)
		}
		if e.Offset != want {
			return fmt.Errorf("archive: %v is at %d, want %d", e.Partition, e.Offset, want)
		}
		rec := modelRecord(e.Partition, e.Offset)
		if d := logtest.Diff(&e.Record, &rec); d != "" {
			return fmt.Errorf("archive: %v record %d: %s", e.Partition, e.Offset, d)
		}
		at[e.Partition] = want + 1
	}
	for i := range testShards.total() {
		p := testShards.partition(i)
		if _, next := j.Range(p); at[p] != next && next != a.First(p) {
			return fmt.Errorf("archive: %v ends at %d, want %d", p, at[p], next)
		}
	}
	return nil
}
