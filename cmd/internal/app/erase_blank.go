package app

import (
	"bytes"
	"encoding/json"
	"slices"

	"github.com/milepost-io/milepost/ingest"
	jsoncodec "github.com/milepost-io/milepost/ingest/json"
	"github.com/milepost-io/milepost/notify"
	"github.com/milepost-io/milepost/rules"
	"github.com/milepost-io/milepost/state"
	"github.com/milepost-io/milepost/state/erasure"
	"github.com/milepost-io/milepost/state/log"
	"github.com/milepost-io/milepost/state/log/journal"
)

// blanker takes erased ids out of the kept records of the journal: it is the journal.Edit of an erasure. A
// replay of what it leaves comes to the same documents of everybody else.
type blanker struct {
	vehicles, parties map[string]erasure.Job
	shards            int // of Events
	// own are the vehicles that are known to have named an erased party, by vehicle: what their profiles say
	// before the first that names an owner is taken for that party's.
	own map[string]map[string]bool
	// ends bound the records about results and dropped rows, by partition: what came later is of a vehicle
	// that is back.
	ends map[log.Partition]log.Offset

	owners map[string]*rules.OwnerHistory
	head   jsoncodec.HeadReader
}

// edit implements journal.Edit.
func (b *blanker) edit(p log.Partition, off log.Offset, r *log.Record) bool {
	switch {
	case r.Erased:
		return false
	case r.Kind == log.Event && p.Stream == log.Events:
		return b.vehicleEvent(off, r)
	case r.Kind == log.Event:
		return b.partyEvent(off, r)
	case r.Kind == log.Handover:
		return b.handover(r)
	case r.Kind == log.Result && off < b.ends[p] && b.isResult(r), r.Kind == log.Drop && off < b.ends[p] && b.namesAny(r.Payload[min(1, len(r.Payload)):]):
		journal.Blank(r)
		return true
	}
	return false
}

func (b *blanker) vehicleEvent(off log.Offset, r *log.Record) bool {
	if job, ok := b.vehicles[string(r.Key)]; ok {
		if off > log.Offset(job.Off) {
			return false // it is back
		}
		journal.Blank(r)
		return true
	}
	h, quarantined := b.look(r)
	switch {
	case quarantined && b.namesAny(r.Payload, r.Source, r.Topic):
	case len(b.parties) == 0:
		return false
	case h.Type == ingest.Vehicle:
		return b.profile(r)
	case h.Type == ingest.Feedback && b.ownersWord(r), b.isForget(r):
	default:
		return false
	}
	journal.Blank(r)
	return true
}

// look reads a record's head, and reports whether its step quarantines it whatever else it holds.
func (b *blanker) look(r *log.Record) (h jsoncodec.Head, quarantined bool) {
	if r.Types == 0 || r.Oversize || !ingest.ValidKey(r.Key) {
		return h, true
	}
	if string(r.Codec) != jsoncodec.Name {
		return jsoncodec.Head{Type: ingest.Unknown}, false
	}
	h, err := b.head.Read(r.Payload)
	return h, err != nil || len(h.Key) > 0 && !bytes.Equal(h.Key, r.Key)
}

// profile blanks what a vehicle event says of an erased party.
func (b *blanker) profile(r *log.Record) bool {
	var ev struct {
		Profile json.RawMessage `json:"profile"`
	}
	if json.Unmarshal(r.Payload, &ev) != nil {
		return false
	}
	h := b.history(r.Key)
	members := h.Next(ev.Profile)
	if !b.ownedBy(h, r) {
		return false
	}
	return jsoncodec.BlankMembers(r.Payload, "profile", func(name string) bool { return slices.Contains(members, name) })
}

func (b *blanker) history(vin []byte) *rules.OwnerHistory {
	h := b.owners[string(vin)]
	if h == nil {
		h = new(rules.OwnerHistory)
		b.owners[string(vin)] = h
	}
	return h
}

// ownedBy reports whether the owner is, or may be, a party that was erased after the record came.
func (b *blanker) ownedBy(h *rules.OwnerHistory, r *log.Record) bool {
	owner, known := h.Owner()
	if known {
		job, ok := b.parties[owner]
		return ok && r.Arrival <= job.At
	}
	for id := range b.own[string(r.Key)] {
		if r.Arrival <= b.parties[id].At {
			return true
		}
	}
	return false
}

// ownersWord reports whether a feedback is the word of an owner who was erased.
func (b *blanker) ownersWord(r *log.Record) bool {
	var f struct {
		By string `json:"by"`
	}
	return json.Unmarshal(r.Payload, &f) == nil && f.By == "owner" && b.ownedBy(b.history(r.Key), r)
}

// isForget reports whether a record is the decision with which a vehicle forgot an erased party.
func (b *blanker) isForget(r *log.Record) bool {
	var d rules.Decision
	if string(r.Source) != "operator" || json.Unmarshal(r.Payload, &d) != nil {
		return false
	}
	job, ok := b.parties[d.ForgetParty]
	return ok && d.Before <= job.At
}

func (b *blanker) partyEvent(off log.Offset, r *log.Record) bool {
	job, ok := b.parties[string(r.Key)]
	if ok && off > log.Offset(job.Off) {
		return false
	}
	if !ok {
		if _, quarantined := b.look(r); !quarantined || !b.namesAny(r.Payload, r.Source, r.Topic) {
			return false
		}
	}
	journal.Blank(r)
	return true
}

// handover blanks the notices in a hand-over that are about the erased; the others, and the sender's clock,
// stay.
func (b *blanker) handover(r *log.Record) (changed bool) {
	h, err := state.DecodeHandover(r.Payload)
	if err != nil {
		return false
	}
	for i := range h.Notices {
		n := &h.Notices[i]
		if n.Erased() || !b.isNotice(&h, n) {
			continue
		}
		clear(n.Key)
		clear(n.Sub)
		clear(n.Payload)
		changed = true
	}
	return changed
}

func (b *blanker) isNotice(h *state.Handover, n *state.Notice) bool {
	if job, ok := b.vehicles[string(n.Sub)]; ok && int(h.Sender) == int(log.ShardOf(n.Sub, b.shards)) && h.Offset <= log.Offset(job.Off) {
		return true
	}
	job, ok := b.parties[string(n.Key)]
	if !ok || n.At <= job.At {
		return ok
	}
	// Vehicles went on naming it until they were told: that was not heard. One that names it anew was.
	var v rules.Notice
	return json.Unmarshal(n.Payload, &v) == nil && (v.Kind == "released" || v.Facts.ContactAt <= job.At)
}

// isResult reports whether a result is about an erased vehicle or of an erased party, and not of a time after
// that.
func (b *blanker) isResult(r *log.Record) bool {
	var res notify.Result
	if json.Unmarshal(r.Payload, &res) != nil {
		return false
	}
	v, vehicle := b.vehicles[res.VIN]
	p, party := b.parties[string(r.Key)]
	of, story := b.parties[res.Of]
	if res.Result == notify.Erased {
		return vehicle && res.At <= v.At || party || story && res.At <= of.At
	}
	return vehicle && res.Created <= v.At || party && res.Created <= p.At
}

// namesAny reports whether one of the texts names somebody erased.
func (b *blanker) namesAny(texts ...[]byte) bool {
	for _, ids := range []map[string]erasure.Job{b.vehicles, b.parties} {
		for id := range ids {
			for _, text := range texts {
				if state.Names(text, []byte(id)) {
					return true
				}
			}
		}
	}
	return false
}
