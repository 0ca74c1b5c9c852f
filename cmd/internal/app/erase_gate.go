package app

import (
	"bytes"
	"errors"
	"sync"

	"github.com/milepost-io/milepost/ingest"
	jsoncodec "github.com/milepost-io/milepost/ingest/json"
	"github.com/milepost-io/milepost/state/erasure"
	"github.com/milepost-io/milepost/state/log"
)

// gate decides at the door into the log what becomes of events about whom was erased (S47): it depends on a
// list that no step sees (E2), so it is written into the record. It is used under the partition's lock, so
// that an event is before the erasure or after it.
type gate struct {
	list    *erasure.List
	pending *erasure.Pending
	// began tells, besides, of each erasure that has entered the log; nil: nobody asks. It must not block.
	began func(erasureRecord)

	mu      sync.Mutex // of what follows
	head    jsoncodec.HeadReader
	decoder *jsoncodec.Decoder
	event   ingest.Event
}

// erasureRecord is an erase event and its place in the log.
type erasureRecord struct {
	job erasure.Job
	off log.Offset
}

func newGate(list *erasure.List, pending *erasure.Pending) *gate {
	return &gate{list: list, pending: pending, decoder: jsoncodec.NewDecoder(ingest.BuiltinCatalogue())}
}

const mayErase = uint32(1) << ingest.Erase

// pass looks at records that are about to enter a partition at a time, and marks those that enter erased. It
// returns the erasures among them, by place, which are durable on the list by then: from here on nothing of
// them enters, whether or not their record will survive a crash.
func (g *gate) pass(p log.Partition, recs []log.Record, now int64) (begun []erasureRecord, err error) {
	kind := kindOf(p.Stream)
	for i := range recs {
		rec := &recs[i]
		if rec.Kind != log.Event || rec.Types&mayErase == 0 && !g.list.Has(kind, rec.Key) {
			continue
		}
		if rec.Types&mayErase != 0 && g.isErase(kind, rec) {
			job := erasure.Job{Kind: kind, ID: string(rec.Key), At: now}
			if err := errors.Join(g.pending.Put(job), g.list.Add(now, kind, rec.Key)); err != nil {
				return nil, err
			}
			begun = append(begun, erasureRecord{job, log.Offset(i)})
			continue
		}
		if !g.list.Has(kind, rec.Key) {
			continue
		}
		if g.isReturn(kind, rec) {
			if err := g.list.Return(now, kind, rec.Key); err != nil {
				return nil, err
			}
			continue
		}
		*rec = log.Record{
			Kind: log.Event, Erased: true, Types: rec.Types, Arrival: rec.Arrival, Source: rec.Source,
			Origin: rec.Origin, Seq: rec.Seq, Rising: rec.Rising,
		}
	}
	return begun, nil
}

func kindOf(s log.Stream) erasure.Kind {
	if s == log.Notices {
		return erasure.Party
	}
	return erasure.Vehicle
}

// isErase reports whether a record is an erase event that its step will take. Most are told by their bytes
// that they are none.
func (g *gate) isErase(kind erasure.Kind, rec *log.Record) bool {
	if !bytes.Contains(rec.Payload, []byte("erase")) || !g.readable(rec) {
		return false
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	h, err := g.head.Read(rec.Payload)
	return err == nil && h.Type == ingest.Erase && g.decodes(rec, ingest.Erase) && g.event.Party == (kind == erasure.Party)
}

// isReturn reports whether a record is the event with which an erased id comes back: a profile, or a party's
// own record, that its step will take.
func (g *gate) isReturn(kind erasure.Kind, rec *log.Record) bool {
	typ := ingest.Vehicle
	if kind == erasure.Party {
		typ = ingest.Party
	}
	if !ingest.Types(rec.Types).Has(typ) || !g.readable(rec) {
		return false
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	h, err := g.head.Read(rec.Payload)
	return err == nil && h.Type == typ && g.decodes(rec, typ)
}

func (g *gate) readable(rec *log.Record) bool {
	return !rec.Oversize && string(rec.Codec) == jsoncodec.Name && ingest.ValidKey(rec.Key)
}

// decodes decodes a record's payload and reports whether it is an event of the type about the record's key.
func (g *gate) decodes(rec *log.Record, typ ingest.Type) bool {
	if g.decoder.Decode(rec.Payload, &g.event) != nil {
		return false
	}
	return g.event.Type == typ && (len(g.event.Key) == 0 || bytes.Equal(g.event.Key, rec.Key))
}
