package receive

import (
	"errors"
	"strings"

	"github.com/milepost-io/milepost/ingest"
	"github.com/milepost-io/milepost/ingest/json"
)

// MaxEntries is how many entries one array may have (E11): a megabyte of "[0,0,…" is one bad record,
// not half a million.
const MaxEntries = 10_000

var errTooManyEntries = errors.New("too many entries")

// Splitter makes the records of publishes. It is the scratch space of one connection: one goroutine at a
// time, and what it returns is valid until Reset.
type Splitter struct {
	key     []byte
	entries []json.Entry
	recs    []ingest.Record
}

// Records makes the records of a publish: one an entry of an array, otherwise one. route and key are those of
// its topic. Without a route (nil) the record names no codec and no event type is allowed, so that it is
// quarantined with reason topic. A payload over ingest.MaxPayload is cut.
func (s *Splitter) Records(route *Route, key, source, topic string, payload []byte) []ingest.Record {
	rec := s.record(route, key, source, topic)
	switch {
	case len(payload) > ingest.MaxPayload:
		rec.Oversize, rec.Payload = true, ingest.Oversize(payload)
	case route != nil && s.split(route, payload):
		for _, e := range s.entries {
			rec.Payload = e.Payload
			if route.key < 0 {
				rec.Key, rec.Party = e.Key, e.Party
			}
			s.recs = append(s.recs, rec)
		}
		return s.recs
	default:
		rec.Payload = payload
	}
	s.recs = append(s.recs, rec)
	return s.recs
}

// Cut makes the record of a publish whose payload was never held whole: form is its ingest.OversizeForm.
func (s *Splitter) Cut(route *Route, key, source, topic string, form []byte) []ingest.Record {
	rec := s.record(route, key, source, topic)
	rec.Oversize, rec.Payload = true, form
	s.recs = append(s.recs, rec)
	return s.recs
}

// record fills what follows from the topic alone.
func (s *Splitter) record(route *Route, key, source, topic string) ingest.Record {
	rec := ingest.Record{Source: source, Topic: topic}
	if route == nil {
		return rec
	}
	rec.Types, rec.Codec, rec.Party = route.types, route.name, route.party
	s.key = append(s.key[:0], key...)
	if ingest.ValidKey(s.key) {
		rec.Key = s.key
	}
	return rec
}

// split cuts an array, or a payload that has to name its key, into s.entries; it reports false when the
// payload stays one record.
func (s *Splitter) split(route *Route, payload []byte) bool {
	if route.key >= 0 && !route.codec.IsBatch(payload) {
		return false
	}
	err := route.codec.Split(payload, func(e json.Entry) error {
		if len(s.entries) == MaxEntries {
			return errTooManyEntries
		}
		s.entries = append(s.entries, e)
		return nil
	})
	return err == nil && len(s.entries) > 0
}

// Reset lets go of the payload, and of space that only an array needed.
func (s *Splitter) Reset() {
	const keep = 64
	if cap(s.recs) > keep || cap(s.entries) > keep {
		s.recs, s.entries = nil, nil
		return
	}
	clear(s.recs)
	clear(s.entries)
	s.recs, s.entries = s.recs[:0], s.entries[:0]
}

// Mask keeps of what may be a VIN its last four characters.
func Mask(s string) string {
	if len(s) <= 4 {
		return s
	}
	return "…" + s[len(s)-4:]
}

// MaskTopic masks each level of a topic: a level may be a VIN.
func MaskTopic(topic string) string {
	levels := strings.SplitN(topic, "/", 8)
	for i, l := range levels {
		levels[i] = Mask(l)
	}
	return strings.Join(levels, "/")
}
