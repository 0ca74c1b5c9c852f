package json

import (
	"github.com/milepost-io/milepost/ingest"
)

// Head is what routing and the file reader need of an event: its type, whom it is about, when it was.
type Head struct {
	// Type is ingest.Unknown when the payload names none that is known.
	Type ingest.Type
	// Key is the vehicle or party id, a part of the payload where it has no escapes; nil when the payload
	// names none or a malformed one. Party says that it is a party's.
	Key   []byte
	Party bool
	// Time is `time` in Unix milliseconds when HasTime: given and well formed.
	Time    int64
	HasTime bool
	// Arrival is the file reader's `arrival`, a time, when HasArrival; the bytes from CutFrom to CutTo are
	// this member with the one comma that goes with it.
	Arrival        int64
	HasArrival     bool
	CutFrom, CutTo int
}

// HeadReader reads heads. It is used by one goroutine at a time; the zero value is ready.
type HeadReader struct {
	scanner
	h              Head
	vin, id, party []byte
}

// Read walks a payload that should be one event. The error is the *ingest.Error of a payload that is not
// JSON as Decode accepts it, or whose `arrival` is no time; the head then holds what was read before.
// Whether the payload is an event in all else is Decode's to say. A Key with escapes is valid until the
// next Read.
func (r *HeadReader) Read(payload []byte) (Head, error) {
	r.reset(payload)
	r.h, r.vin, r.id, r.party = Head{Type: ingest.Unknown}, nil, nil, nil
	if r.space(0) == len(payload) {
		r.fail(ingest.ReasonEmpty, 0, "no content")
	} else {
		r.read()
	}
	return r.head(), r.verdict()
}

func (r *HeadReader) read() {
	i := r.space(0)
	if r.peek(i) != '{' {
		if i = r.skip(i, 0); i >= 0 {
			r.end(i)
		}
		return
	}
	names := r.open()
	i = r.space(i + 1)
	more := r.peek(i) != '}'
	if !more {
		i++
	}
	for comma := -1; more; {
		at := i
		var name []byte
		if name, i = r.name(i); i < 0 {
			return
		}
		if !r.isNew(&names, name) {
			r.duplicate(at, name)
			return
		}
		end := r.member(string(name), i)
		if end < 0 {
			return
		}
		if i, more = r.next(end, '}'); i < 0 {
			return
		}
		if string(name) == "arrival" {
			r.h.CutFrom, r.h.CutTo = cut(at, end, i, comma, more)
		}
		comma = r.space(end)
	}
	r.end(i)
}

// cut is the part of an object to leave out so that a member is gone and the rest is well formed: at and
// end bound the member, next is where the one after it begins, comma is that before it or negative.
func cut(at, end, next, comma int, more bool) (from, to int) {
	switch {
	case more:
		return at, next
	case comma >= 0:
		return comma, end
	}
	return at, end
}

// member reads a value that a Head needs; of the wrong kind it counts as absent, but for `arrival`.
func (r *HeadReader) member(name string, i int) int {
	if r.peek(i) == '"' {
		switch name {
		case "type":
			text, end := r.text(i)
			if t, ok := ingest.ParseType(string(text)); ok && end >= 0 {
				r.h.Type = t
			}
			return end
		case "vin":
			return r.key(&r.vin, i)
		case "id":
			return r.key(&r.id, i)
		case "party":
			return r.key(&r.party, i)
		}
	}
	switch name {
	case "time":
		return r.moment(i, &r.h.Time, &r.h.HasTime)
	case "arrival":
		end := r.moment(i, &r.h.Arrival, &r.h.HasArrival)
		if end >= 0 && !r.h.HasArrival && r.peek(i) != 'n' {
			r.refuse(ingest.ReasonTime, "arrival", i, "expected RFC 3339 or Unix milliseconds")
		}
		return end
	}
	return r.skip(i, 1)
}

func (r *HeadReader) key(to *[]byte, i int) int {
	text, end := r.text(i)
	if end >= 0 && ingest.ValidKey(text) {
		*to = text
	}
	return end
}

func (r *HeadReader) moment(i int, ms *int64, has *bool) int {
	v, ok, end := r.timeValue(i)
	if end < 0 {
		return -1
	}
	if ok {
		*ms, *has = v, true
		return end
	}
	return r.skip(i, 1)
}

// head chooses the key by the type: a party has an id, an erase may name a party, the rest a vehicle.
func (r *HeadReader) head() Head {
	h := r.h
	switch {
	case h.Type == ingest.Party:
		h.Key, h.Party = r.id, r.id != nil
	case h.Type == ingest.Erase && r.vin == nil:
		h.Key, h.Party = r.party, r.party != nil
	default:
		h.Key = r.vin
	}
	return h
}
