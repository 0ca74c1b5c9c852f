package crash

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/milepost-io/milepost/cmd/internal/app"
	"github.com/milepost-io/milepost/cmd/internal/replay"
	"github.com/milepost-io/milepost/notify"
	"github.com/milepost-io/milepost/state"
	"github.com/milepost-io/milepost/state/log"
	"github.com/milepost-io/milepost/state/log/journal"
)

// check holds what a stopped world has on disk and has sent against a replay of its journal.
func (w *world) check() *replay.Follower {
	w.t.Helper()
	checkAcked(w.t, w.mem, w.requests)
	f := checkStores(w.t, w.mem)
	w.checkReceived(f)
	return f
}

func openArchive(t *testing.T, fs vfs.FS) *journal.Archive {
	t.Helper()
	a, err := journal.OpenReadOnly(fs, app.JournalDir(dataDir))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// checkAcked: every acknowledged record is in the log (E4), and nothing is that nobody sent.
func checkAcked(t *testing.T, fs vfs.FS, requests []request) {
	t.Helper()
	name := func(key, payload []byte) string { return string(key) + " " + string(payload) }
	kept := map[string]int{}
	for e, err := range openArchive(t, fs).All() {
		if err != nil {
			t.Fatal(err)
		}
		if e.Record.Kind == log.Event {
			kept[name(e.Record.Key, e.Record.Payload)]++
		}
	}
	sent := map[string]int{}
	for i := range requests {
		for _, r := range requests[i].recs {
			n := name(r.Key, r.Payload)
			if sent[n]++; requests[i].acked && kept[n] < sent[n] {
				t.Errorf("request %d was acknowledged and is not in the log: %s", i, n)
			}
		}
	}
	for n := range kept {
		if sent[n] == 0 {
			t.Errorf("the log has what nobody sent: %s", n)
		}
	}
}

// checkStores: every store holds what the log means (E3), no hand-over is missing or differs, and the
// counters balance (E5).
func checkStores(t *testing.T, fs vfs.FS) *replay.Follower {
	t.Helper()
	a := openArchive(t, fs)
	stores := map[log.Partition]*state.Offline{}
	for _, p := range partitions(a.Shards()) {
		s := openStopped(t, fs, p, a.ID(), a.Shards())
		defer s.Close()
		stores[p] = s
	}
	f, err := replay.Follow(a, replay.FollowOptions{
		RoundTrip: true, Until: func(p log.Partition) log.Offset { return stores[p].Position() },
	})
	if err != nil {
		t.Fatal(err)
	}
	if n := f.Lost(); n > 0 {
		t.Errorf("the notices of %d records are not in the log", n)
	}
	received, ended := uint64(0), uint64(0)
	for p, s := range stores {
		if got, want := dump(t, s.View), dump(t, f.View(p)); got != want {
			t.Errorf("%s shard %d at record %d: the store differs from the replay\n%s", p.Stream, p.Shard, s.Position(), firstDifference(got, want))
		}
		for _, n := range s.Outcomes() {
			ended += n
		}
	}
	for e, err := range a.All() {
		if err != nil {
			t.Fatal(err)
		}
		if e.Record.Kind == log.Event && e.Offset < stores[e.Partition].Position() {
			received++
		}
	}
	if received != ended {
		t.Errorf("%d events received, %d ended as applied, duplicate, late or quarantined (E5)", received, ended)
	}
	return f
}

func partitions(s journal.Shards) (ps []log.Partition) {
	for i := range s.Events {
		ps = append(ps, log.Partition{Stream: log.Events, Shard: uint16(i)})
	}
	for i := range s.Notices {
		ps = append(ps, log.Partition{Stream: log.Notices, Shard: uint16(i)})
	}
	return ps
}

// dump is everything a shard holds.
func dump(t *testing.T, v state.View) string {
	t.Helper()
	var b bytes.Buffer
	if err := v.Dump(&b); err != nil {
		t.Fatal(err)
	}
	for _, space := range []state.Space{state.RowOutbox, state.RowTimeline, state.RowDead, state.RowView} {
		err := v.Rows(space, "", func(key string, value []byte) bool {
			fmt.Fprintf(&b, "%c/%q %s\n", space, key, value)
			return true
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	v.Counters(func(name, label string, n int64) { fmt.Fprintln(&b, name, label, n) })
	fmt.Fprintln(&b, v.Outcomes(), v.Clock(), v.Generation())
	return b.String()
}

func firstDifference(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range min(len(g), len(w)) {
		if g[i] != w[i] {
			return fmt.Sprintf("line %d: %s\nwant: %s", i, g[i], w[i])
		}
	}
	return fmt.Sprintf("%d lines, want %d", len(g), len(w))
}

// checkReceived: each receiver has what was released to it, all of it, nothing else, and every message
// always as the same bytes (E6).
func (w *world) checkReceived(f *replay.Follower) {
	w.t.Helper()
	for _, s := range w.to.wrong {
		w.t.Error(s)
	}
	may, must := map[string]map[string]bool{}, map[string]map[string]bool{}
	for name := range w.to.got {
		may[name], must[name] = map[string]bool{}, map[string]bool{}
	}
	recalled, buried := recalled(w.t, f, w.shards), buried(w.t, f, w.shards)
	for _, l := range f.Lines() {
		may[toAll][l.ID], must[toAll][l.ID] = true, true
		if l.Released > 0 {
			may[l.To][l.ID] = true
			must[l.To][l.ID] = !recalled[l.ID]
		}
	}
	for name, got := range w.to.got {
		for id := range got {
			if !may[name][id] {
				w.t.Errorf("%s got %s, which was never released to it:\n%s", name, id, got[id])
			}
		}
		for _, id := range slices.Sorted(maps.Keys(must[name])) {
			if must[name][id] && got[id] == nil && !w.to.refused[name][id] && !buried[name+" "+id] {
				w.t.Errorf("%s never got %s", name, id)
			}
		}
	}
}

// recalled are the messages taken back from a former owner who had not got them everywhere (S46).
func recalled(t *testing.T, f *replay.Follower, shards journal.Shards) map[string]bool {
	t.Helper()
	out := map[string]bool{}
	for i := range shards.Notices {
		err := f.View(log.Partition{Stream: log.Notices, Shard: uint16(i)}).Rows(state.RowTimeline, "", func(_ string, value []byte) bool {
			var e notify.TimelineEntry
			if err := json.Unmarshal(value, &e); err != nil {
				t.Errorf("timeline %s: %v", value, err)
			}
			if e.Reason == "owner_changed" {
				out[e.ID] = true
			}
			return true
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// buried are the entries, by endpoint and id, for which there was no room: they wait for an operator (E11).
func buried(t *testing.T, f *replay.Follower, shards journal.Shards) map[string]bool {
	t.Helper()
	out := map[string]bool{}
	for i := range shards.Notices {
		err := f.View(log.Partition{Stream: log.Notices, Shard: uint16(i)}).Rows(state.RowDead, "", func(_ string, value []byte) bool {
			var d notify.DeadLetter
			if err := json.Unmarshal(value, &d); err != nil {
				t.Errorf("dead letter %s: %v", value, err)
			} else if e, err := notify.ParseEntry(d.Entry); err == nil && d.Reason == "overflow" {
				out[e.Endpoint+" "+e.ID] = true
			}
			return true
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// checkRedeliveries: without what was delivered again, and without knowing whence the rest came, the same
// records yield the same events, and as many fewer duplicates (S5, E5).
func checkRedeliveries(t *testing.T, fs vfs.FS, shards journal.Shards, want []replay.Line, until int64) (again int) {
	t.Helper()
	type place struct {
		p   log.Partition
		off log.Offset
	}
	type origin struct {
		p    log.Partition
		name string
	}
	redelivered, highest := map[place]bool{}, map[origin]uint64{}
	for e, err := range openArchive(t, fs).All() { // in the order of each partition
		if err != nil {
			t.Fatal(err)
		}
		if rec := &e.Record; rec.Rising {
			o := origin{e.Partition, string(rec.Origin)}
			if h, ok := highest[o]; ok && rec.Seq <= h {
				redelivered[place{e.Partition, e.Offset}] = true
			} else {
				highest[o] = rec.Seq
			}
		}
	}
	again = len(redelivered)
	with := fromOutside(t, fs)
	var without []journal.Entry
	for _, e := range with {
		if !redelivered[place{e.Partition, e.Offset}] {
			e.Record.Origin, e.Record.Seq, e.Record.Rising = nil, 0, false
			without = append(without, e)
		}
	}
	got := checkReplay(t, shards, without, want, until)
	all := checkReplay(t, shards, with, want, until)
	got[state.Duplicate] += uint64(again)
	if got != all {
		t.Errorf("outcomes %v with %d redeliveries, %v without them (E5)", all, again, got)
	}
	return again
}

// checkReplay replays a journal's records from outside on so many shards, with its rule sets at the same
// places, and compares what became of each event. It returns the outcomes.
func checkReplay(t *testing.T, shards journal.Shards, entries []journal.Entry, want []replay.Line, until int64) [4]uint64 {
	t.Helper()
	var r *replay.Replay
	var inForce []byte
	for i := range entries {
		e := &entries[i]
		rec, party := &e.Record, e.Partition.Stream == log.Notices
		switch {
		case rec.Kind == log.Control && bytes.Equal(rec.Payload, inForce): // another partition's
		case rec.Kind == log.Control:
			inForce = rec.Payload
			r = activate(t, r, shards, rec)
		default:
			if party { // it came when all before had come to rest
				if err := r.Advance(rec.Arrival); err != nil {
					t.Fatal(err)
				}
			}
			in := replay.Recorded(e)
			if err := r.Apply(&in); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := r.Finish(until); err != nil {
		t.Fatal(err)
	}
	compareLines(t, fmt.Sprintf("replay on %+v", shards), r.Lines(), want)
	return outcomesOf(r)
}

func outcomesOf(r *replay.Replay) (o [4]uint64) {
	_, o[state.Applied], o[state.Duplicate], o[state.Late], o[state.Quarantined] = r.Outcomes()
	return o
}

// fromOutside are a journal's events and control records by arrival: virtual time runs so fast that the
// records of one group commit may be hours apart.
func fromOutside(t *testing.T, fs vfs.FS) (out []journal.Entry) {
	t.Helper()
	for e, err := range openArchive(t, fs).All() {
		if err != nil {
			t.Fatal(err)
		}
		if r := &e.Record; r.Kind == log.Event || r.Kind == log.Control {
			r.Key, r.Source, r.Topic, r.Codec, r.Payload = bytes.Clone(r.Key), bytes.Clone(r.Source), bytes.Clone(r.Topic), bytes.Clone(r.Codec), bytes.Clone(r.Payload)
			r.Origin = bytes.Clone(r.Origin)
			out = append(out, e)
		}
	}
	slices.SortStableFunc(out, func(a, b journal.Entry) int { return cmp.Compare(a.Record.Arrival, b.Record.Arrival) })
	return out
}

// compareLines: the same events, each with the same end. Which events of a car were recalled when it
// changed hands depends on what had been delivered by then, which a replay from outside cannot know.
func compareLines(t *testing.T, what string, got, want []replay.Line) {
	t.Helper()
	moved := map[string]bool{}
	fates := func(lines []replay.Line) map[string]string {
		out := map[string]string{}
		for i := range lines {
			l := &lines[i]
			if l.Held == "owner_changed" {
				moved[vehicleOf(t, l)] = true
			}
			out[l.ID] = fmt.Sprintf("%s to %s, held %q, joined %q, released %v", vehicleOf(t, l), l.To, l.Held, l.Joined, l.Released > 0)
		}
		return out
	}
	g, w := fates(got), fates(want)
	for id, fate := range w {
		switch other, ok := g[id]; {
		case !ok:
			t.Errorf("%s: no event %s: %s", what, id, fate)
		case other != fate && !moved[strings.Fields(fate)[0]]:
			t.Errorf("%s: event %s: %s\nwant: %s", what, id, other, fate)
		}
	}
	for id, fate := range g {
		if _, ok := w[id]; !ok {
			t.Errorf("%s: an event too many, %s: %s", what, id, fate)
		}
	}
}

// openStopped opens the store of a stopped shard at its stored position.
func openStopped(t *testing.T, fs vfs.FS, p log.Partition, id log.ID, shards journal.Shards) *state.Offline {
	t.Helper()
	events, notices, err := replay.NewSteps(nil)
	if err != nil {
		t.Fatal(err)
	}
	m := state.MachineOptions{Step: events, Stage: p.Stream, Shard: p.Shard, LogID: id, Receivers: shards.Notices}
	if p.Stream == log.Notices {
		m.Step, m.Senders = notices, shards.Events
	}
	s, err := state.OpenOffline(state.StoreOptions{Dir: app.StoreDir(dataDir, p), FS: fs, Cache: 1 << 20}, m)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// stories is all that the timelines say of the records below ends.
func (w *world) stories(ends map[log.Partition]log.Offset) string {
	w.t.Helper()
	var b strings.Builder
	for _, p := range partitions(w.shards) {
		s := openStopped(w.t, w.mem, p, openArchive(w.t, w.mem).ID(), w.shards)
		defer s.Close()
		err := s.Rows(state.RowTimeline, "", func(key string, value []byte) bool {
			if off, ok := state.RowOffset(key); ok && off < ends[p] {
				fmt.Fprintf(&b, "%s/%d %q %s\n", p.Stream, p.Shard, key, value)
			}
			return true
		})
		if err != nil {
			w.t.Fatal(err)
		}
	}
	return b.String()
}

// cloneJournal is a file system with a copy of a stopped world's journal and nothing else.
func cloneJournal(t *testing.T, w *world) *vfs.MemFS {
	t.Helper()
	to := w.mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 100, RNG: w.rng})
	for _, p := range partitions(w.shards) {
		if err := to.RemoveAll(app.StoreDir(dataDir, p)); err != nil {
			t.Fatal(err)
		}
	}
	return to
}
