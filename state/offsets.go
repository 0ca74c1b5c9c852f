package state

import (
	"maps"
	"slices"

	"github.com/milepost-io/milepost/state/log"
)

// offsets is what a shard remembers of sources whose Seq rises within an Origin, as offsets within a Kafka
// partition do: one number for each, without an end, since a redelivery may be of any age. They are few
// (a partition each) and change with every record, so they stand in the position rather than in rows.
type offsets struct {
	// applied is the highest Seq that was applied, by Origin. It is the shard's own: a source's records
	// are spread over the shards, and what of them survived a crash differs from shard to shard.
	applied map[string]*uint64
	// taken is how far a source has been taken, by Origin: log.SourcePosition.
	taken map[string]uint64
}

func newOffsets() offsets { return offsets{map[string]*uint64{}, map[string]uint64{}} }

// redelivered reports whether a record of a rising Origin is at or below the highest that was applied
// (S5), and remembers it otherwise. It is exact because a source's records enter a partition in the order
// of their Seq, each with its own, and those of one append survive a crash all or not at all.
func (o *offsets) redelivered(rec *log.Record) bool {
	highest := o.applied[string(rec.Origin)]
	if highest == nil {
		seq := rec.Seq
		o.applied[string(rec.Origin)] = &seq
		return false
	}
	if rec.Seq <= *highest {
		return true
	}
	*highest = rec.Seq
	return false
}

// applyPosition notes how far a source has been taken. An older note, appended again, changes nothing.
func (o *offsets) applyPosition(rec *log.Record) {
	if at, ok := o.taken[string(rec.Origin)]; !ok || rec.Seq > at {
		o.taken[string(rec.Origin)] = rec.Seq
	}
}

// SourcePosition says how far a source has been taken: every record of Origin below Next is in the log.
type SourcePosition struct {
	Origin []byte `json:"origin"`
	Next   uint64 `json:"next"`
}

// SourcePositions lists the notes of log.SourcePosition, by Origin. They stand on shard 0 of Events; a
// store restored from a backup resumes its sources there.
func (v View) SourcePositions() []SourcePosition { return v.m.offsets.positions() }

func (o *offsets) positions() []SourcePosition {
	var out []SourcePosition
	for _, origin := range slices.Sorted(maps.Keys(o.taken)) {
		out = append(out, SourcePosition{[]byte(origin), o.taken[origin]})
	}
	return out
}

// appliedState is an entry of offsets.applied as the position keeps it.
type appliedState struct {
	Origin []byte `json:"origin"`
	Seq    uint64 `json:"seq"`
}

func (o *offsets) appliedList() []appliedState {
	var out []appliedState
	for _, origin := range slices.Sorted(maps.Keys(o.applied)) {
		out = append(out, appliedState{[]byte(origin), *o.applied[origin]})
	}
	return out
}

// restore takes over what a position remembers.
func (o *offsets) restore(p *position) {
	*o = newOffsets()
	for _, a := range p.Applied {
		seq := a.Seq
		o.applied[string(a.Origin)] = &seq
	}
	for _, t := range p.Taken {
		o.taken[string(t.Origin)] = t.Next
	}
}
