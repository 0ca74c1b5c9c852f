// Package gate decides at the door into the log what becomes of events about whom was erased (S47): records
// on their way into a partition go in, those that are to enter erased come out marked so. The engine and the
// backtest have the same gate.
package gate

import (
	"bytes"
	"errors"
	"sync"

	"github.com/milepost-io/milepost/ingest"
	jsoncodec "github.com/milepost-io/milepost/ingest/json"
	"github.com/milepost-io/milepost/state/erasure"
	"github.com/milepost-io/milepost/state/log"
)

// Gate is used under the lock of the partition, so that an event is before the erasure or after it. What it
// decides depends on a list that no step sees (E2), and so is written into the record.
type Gate struct {
	list    *erasure.List
	pending *erasure.Pending // nil: erasures end with their event

	mu      sync.Mutex // of what follows
	head    jsoncodec.HeadReader
	decoder *jsoncodec.Decoder
	event   ingest.Event
}

// Begun is an erase event that is about to enter the log, as the N-th of the records passed.
type Begun struct {
	erasure.Job
	N int
}

// New returns a gate for a list. pending may be nil: then nobody carries erasures further.
func New(list *erasure.List, pending *erasure.Pending) *Gate {
	return &Gate{list: list, pending: pending, decoder: jsoncodec.NewDecoder(ingest.BuiltinCatalogue())}
}

// MayErase is the bit of log.Record.Types of sources that may send erase events.
const MayErase = uint32(1) << ingest.Erase

// Pass looks at records that are about to enter a partition at a time, and marks those that enter erased. It
// returns the erasures among them, by place, which are durable on the list by then: from here on nothing of
// them enters, whether or not their record will survive a crash.
func (g *Gate) Pass(p log.Partition, recs []log.Record, now int64) (begun []Begun, err error) {
	kind := KindOf(p.Stream)
	for i := range recs {
		rec := &recs[i]
		if rec.Kind != log.Event || rec.Types&MayErase == 0 && !g.list.Has(kind, rec.Key) {
			continue
		}
		if rec.Types&MayErase != 0 && g.IsErase(kind, rec) {
			job := erasure.Job{Kind: kind, ID: string(rec.Key), At: now}
			if g.pending != nil {
				err = g.pending.Put(job)
			}
			if err = errors.Join(err, g.list.Add(now, kind, rec.Key)); err != nil {
				return nil, err
			}
			begun = append(begun, Begun{job, i})
			continue
		}
		if !g.list.Has(kind, rec.Key) {
			continue
		}
		if g.isReturn(kind, rec) {
			if err := g.list.Return(now, kind, rec.Key); err != nil {
				return nil, err
			}
			rec.Types |= uint32(ingest.Returned)
			continue
		}
		*rec = log.Record{
			Kind: log.Event, Erased: true, Types: rec.Types, Arrival: rec.Arrival, Source: rec.Source,
			Origin: rec.Origin, Seq: rec.Seq, Rising: rec.Rising,
		}
	}
	return begun, nil
}

// KindOf is the kind of id that a stream is keyed by.
func KindOf(s log.Stream) erasure.Kind {
	if s == log.Notices {
		return erasure.Party
	}
	return erasure.Vehicle
}

// IsErase reports whether a record is an erase event that its step will take. Most are told by their bytes
// that they are none.
func (g *Gate) IsErase(kind erasure.Kind, rec *log.Record) bool {
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
func (g *Gate) isReturn(kind erasure.Kind, rec *log.Record) bool {
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

func (g *Gate) readable(rec *log.Record) bool {
	return !rec.Oversize && string(rec.Codec) == jsoncodec.Name && ingest.ValidKey(rec.Key)
}

// decodes decodes a record's payload and reports whether it is an event of the type about the record's key.
func (g *Gate) decodes(rec *log.Record, typ ingest.Type) bool {
	if g.decoder.Decode(rec.Payload, &g.event) != nil {
		return false
	}
	return g.event.Type == typ && (len(g.event.Key) == 0 || bytes.Equal(g.event.Key, rec.Key))
}
