package state_test

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/milepost-io/milepost/state"
	"github.com/milepost-io/milepost/state/log"
)

// mapModel is the Machine's meaning without its means: maps, copies and scans over everything.
type mapModel struct {
	docs      map[[2]string]modelDoc
	rows      map[[2]string]string
	clock     int64
	outcomes  [4]uint64
	maxTimers int
	maxSweep  int
	sweepAt   int64
	toSweep   []string // keys still to be activated, sorted
	overdue   bool
	requests  map[string]modelRequest
	highest   map[string]uint64 // applied, by rising origin
	taken     map[string]uint64 // source positions

	off log.Offset
	seq int
	now int64
	key string
}

type modelRequest struct {
	seq uint64
	at  int64
}

type modelDoc struct {
	body  string
	armed int64
}

func newModel(maxTimers, maxSweep int) *mapModel {
	return &mapModel{docs: map[[2]string]modelDoc{}, rows: map[[2]string]string{}, maxTimers: maxTimers, maxSweep: maxSweep, requests: map[string]modelRequest{},
		highest: map[string]uint64{}, taken: map[string]uint64{}}
}

func (m *mapModel) apply(off log.Offset, rec *log.Record) {
	m.off, m.seq = off, 0
	m.clock = max(m.clock, rec.Arrival)
	switch rec.Kind {
	case log.Event:
		if m.repeated(rec) {
			m.outcomes[state.Duplicate]++
			break
		}
		m.activate(string(rec.Key))
		for {
			due := m.due(rec.Arrival, string(rec.Key))
			if len(due) == 0 {
				break
			}
			m.fire(due[0])
		}
		if m.call(string(rec.Key), rec.Arrival, seedOf(rec.Payload)) {
			m.outcomes[state.Applied]++
		} else {
			m.outcomes[state.Quarantined]++
		}
	case log.SourcePosition:
		m.taken[string(rec.Origin)] = max(m.taken[string(rec.Origin)], rec.Seq)
	case log.Control:
		m.sweepAt = m.clock
		m.toSweep = nil
		for id := range m.docs {
			m.toSweep = append(m.toSweep, id[0])
		}
		slices.Sort(m.toSweep)
		m.toSweep = slices.Compact(m.toSweep)
	}
	n := 0
	for due := m.due(m.clock, ""); len(due) > 0 && n < m.maxTimers; due = m.due(m.clock, "") {
		m.fire(due[0])
		n++
	}
	m.overdue = len(m.due(m.clock, "")) > 0
	m.sweep()
}

func (m *mapModel) repeated(rec *log.Record) bool {
	if len(rec.Origin) == 0 {
		return false
	}
	if rec.Rising {
		h, ok := m.highest[string(rec.Origin)]
		m.highest[string(rec.Origin)] = max(h, rec.Seq)
		return ok && rec.Seq <= h
	}
	r, ok := m.requests[string(rec.Origin)]
	if !ok || rec.Arrival-r.at > 24*3_600_000 {
		m.requests[string(rec.Origin)] = modelRequest{rec.Seq, rec.Arrival}
		return false
	}
	return r.seq != rec.Seq
}

func (m *mapModel) sweep() {
	for n := 0; n < m.maxSweep && len(m.toSweep) > 0; {
		key := m.toSweep[0]
		if m.activate(key) {
			n++
		}
	}
	// A key that lost its documents before its turn needs none.
	for len(m.toSweep) > 0 && !m.exists(m.toSweep[0]) {
		m.toSweep = m.toSweep[1:]
	}
}

func (m *mapModel) exists(key string) bool {
	for id := range m.docs {
		if id[0] == key {
			return true
		}
	}
	return false
}

func (m *mapModel) activate(key string) bool {
	i, found := slices.BinarySearch(m.toSweep, key)
	if !found {
		return false
	}
	m.toSweep = slices.Delete(m.toSweep, i, i+1)
	if !m.exists(key) {
		return false
	}
	m.call(key, m.sweepAt, seedOf("activated", m.sweepAt, []byte(key)))
	return true
}

// due lists the timers due by at, of one key or of all, in (due, key, sub) order.
func (m *mapModel) due(at int64, key string) (due [][2]string) {
	for id, d := range m.docs {
		if d.armed != 0 && d.armed <= at && (key == "" || id[0] == key) {
			due = append(due, id)
		}
	}
	slices.SortFunc(due, func(a, b [2]string) int {
		return cmp.Or(cmp.Compare(m.docs[a].armed, m.docs[b].armed), strings.Compare(a[0], b[0]), strings.Compare(a[1], b[1]))
	})
	return due
}

func (m *mapModel) fire(id [2]string) {
	at := m.docs[id].armed
	m.activate(id[0])
	if d, ok := m.docs[id]; ok && d.armed == at {
		m.docs[id] = modelDoc{d.body, 0}
		m.call(id[0], at, seedOf("wake", at, []byte(id[0]), []byte(id[1])))
	}
}

func (m *mapModel) call(key string, now int64, seed uint64) (ok bool) {
	docs, rows := maps.Clone(m.docs), maps.Clone(m.rows)
	defer func() {
		if recover() != nil {
			m.docs, m.rows = docs, rows
			m.seq++ // the dead letter
		}
	}()
	m.key, m.now = key, now
	a := &modelActor{m, map[string][]byte{}}
	act(a, seed)
	a.store()
	return true
}

// modelActor keeps what Edit and Resize returned, to be stored at the end.
type modelActor struct {
	*mapModel
	open map[string][]byte
}

func (a *modelActor) store() {
	for sub, b := range a.open {
		d := a.docs[[2]string{a.key, sub}]
		a.docs[[2]string{a.key, sub}] = modelDoc{string(b), d.armed}
	}
}

func (a *modelActor) Now() int64  { return a.now }
func (a *modelActor) Key() []byte { return []byte(a.key) }

func (a *modelActor) View(sub []byte) []byte { return a.Edit(sub) }

func (a *modelActor) Edit(sub []byte) []byte {
	if b, ok := a.open[string(sub)]; ok {
		return b
	}
	d, ok := a.docs[[2]string{a.key, string(sub)}]
	if !ok {
		return nil
	}
	a.open[string(sub)] = append([]byte{}, d.body...)
	return a.open[string(sub)]
}

func (a *modelActor) Resize(sub []byte, n int) []byte {
	b := make([]byte, n)
	copy(b, a.Edit(sub))
	a.Put(sub, b)
	return a.open[string(sub)]
}

func (a *modelActor) Put(sub, b []byte) {
	a.open[string(sub)] = bytes.Clone(b)
	if b == nil {
		a.open[string(sub)] = []byte{}
	}
	id := [2]string{a.key, string(sub)}
	a.docs[id] = modelDoc{string(b), a.docs[id].armed}
}

func (a *modelActor) Delete(sub []byte) {
	delete(a.open, string(sub))
	delete(a.docs, [2]string{a.key, string(sub)})
}

func (a *modelActor) WakeAt(sub []byte, at int64) {
	at = max(at, a.now+1)
	id := [2]string{a.key, string(sub)}
	if d := a.docs[id]; d.armed == 0 || at < d.armed {
		a.docs[id] = modelDoc{d.body, at}
	}
}

func (a *modelActor) SetRow(space state.Space, key, value []byte) {
	a.rows[[2]string{string(rune(space)), string(key)}] = string(value)
}

func (a *modelActor) DelRow(space state.Space, key []byte) {
	delete(a.rows, [2]string{string(rune(space)), string(key)})
}

func (a *modelActor) AddRow(space state.Space, prefix, value []byte) {
	key := fmt.Sprintf("%s%s", prefix, []byte{
		0, 0, 0, 0, byte(a.off >> 24), byte(a.off >> 16), byte(a.off >> 8), byte(a.off),
		byte(a.seq >> 24), byte(a.seq >> 16), byte(a.seq >> 8), byte(a.seq),
	})
	a.seq++
	a.SetRow(space, []byte(key), value)
}

func (m *mapModel) dump() string {
	var b strings.Builder
	for _, id := range sorted(m.docs) {
		d := m.docs[id]
		fmt.Fprintf(&b, "%q %q %d %x\n", id[0], id[1], d.armed, d.body)
	}
	for _, space := range []string{"v", "h"} {
		for _, id := range sorted(m.rows) {
			if id[0] == space {
				fmt.Fprintf(&b, "%s %x %x\n", space, id[1], m.rows[id])
			}
		}
	}
	fmt.Fprintln(&b, m.clock, m.outcomes, m.overdue || len(m.toSweep) > 0)
	for _, origin := range slices.Sorted(maps.Keys(m.taken)) {
		fmt.Fprintf(&b, "%s %d\n", origin, m.taken[origin])
	}
	return b.String()
}

func sorted[V any](m map[[2]string]V) [][2]string {
	return slices.SortedFunc(maps.Keys(m), func(a, b [2]string) int {
		return cmp.Or(strings.Compare(a[0], b[0]), strings.Compare(a[1], b[1]))
	})
}
