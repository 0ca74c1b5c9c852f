package kafka

import (
	"errors"
	"fmt"

	"github.com/milepost-io/milepost/ingest"
	"github.com/milepost-io/milepost/ingest/json"
)

// entries gathers the records of messages for the Sink, which copies what it takes. It is used by one
// goroutine at a time.
type entries struct {
	source string
	recs   []ingest.Record
	keys   []byte // of entries that name theirs
	bytes  int
	n      int // entries of the message at hand
	// rec and given are the message at hand: what its records have in common, and whether it has a key.
	rec   ingest.Record
	route *route
	given bool
}

// Bounds of one Take, but for the entries of its last message, which stay together.
const (
	takeRecords = 1024
	takeBytes   = 1 << 20
)

func (es *entries) full() bool { return len(es.recs) >= takeRecords || es.bytes >= takeBytes }

// reset lets go of the records, and of space that only large messages needed.
func (es *entries) reset() {
	const keep = 4 * takeRecords
	clear(es.recs)
	es.recs, es.keys, es.bytes = es.recs[:0], es.keys[:0], 0
	if cap(es.recs) > keep {
		es.recs, es.keys = nil, nil
	}
}

// add makes the records of a message: one an entry of an array, otherwise one. A message without value, a
// tombstone, says nothing of a car: it is one record without payload, and quarantined as empty.
func (es *entries) add(p *partition, m *message) {
	es.begin(p, m.offset)
	es.bytes += len(m.value)
	es.rec.Payload = m.value
	if es.given = len(m.key) > 0; es.given && ingest.ValidKey(m.key) {
		es.rec.Key = m.key
	}
	switch {
	case len(m.value) > ingest.MaxPayload:
		es.rec.Oversize, es.rec.Payload = true, ingest.Oversize(m.value)
	case len(m.value) > 0 && es.splits(m.value):
		if es.split(m.value) {
			return
		}
	}
	es.recs = append(es.recs, es.rec)
}

func (es *entries) begin(p *partition, offset int64) {
	es.route, es.n = p.route, 0
	es.rec = ingest.Record{
		Source: es.source, Topic: p.label, Origin: p.origin, Seq: seqOf(offset, 0), Rising: true,
		Types: p.route.types, Codec: p.route.name, Party: p.route.party,
	}
}

// splits reports whether the value must be looked into: an array, or one that has to say whom it is about.
func (es *entries) splits(value []byte) bool {
	return !es.given || es.route.mixed || es.route.codec.IsBatch(value)
}

var errTooManyEntries = errors.New("too many entries")

// split adds a record for each entry of the value; false: it stays one record.
func (es *entries) split(value []byte) bool {
	at := len(es.recs)
	err := es.route.codec.Split(value, es.entry)
	if err != nil || es.n == 0 {
		clear(es.recs[at:])
		es.recs = es.recs[:at]
		return false
	}
	return true
}

func (es *entries) entry(e json.Entry) error {
	if es.n == maxEntries {
		return errTooManyEntries
	}
	rec := es.rec
	rec.Payload = e.Payload
	rec.Seq |= uint64(es.n)
	es.n++
	if es.given {
		rec.Party = es.route.party || es.route.mixed && (e.Type == ingest.Party || e.Type == ingest.Erase && e.Party)
	} else {
		from := len(es.keys)
		es.keys = append(es.keys, e.Key...)
		rec.Key, rec.Party = es.keys[from:len(es.keys):len(es.keys)], e.Party
	}
	es.recs = append(es.recs, rec)
	return nil
}

// unreadable adds the one record that stands for a batch that cannot be read.
func (es *entries) unreadable(p *partition, e *batchError, last int64) {
	es.begin(p, e.base)
	detail := fmt.Sprintf("topic %s, partition %d, offsets %d to %d: %s", p.topic, p.id, e.base, last, e.reason)
	es.rec.Party, es.rec.Codec, es.rec.Payload = false, ingest.UnreadableCodec, ingest.Unreadable(detail, e.whole)
	es.recs = append(es.recs, es.rec)
}
