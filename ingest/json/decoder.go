package json

import (
	"fmt"

	"github.com/milepost-io/milepost/ingest"
)

// Name is the codec's name in configuration and log records.
const Name = "json"

// Decoder decodes canonical JSON into events of one catalogue. It implements ingest.Decoder and is not
// safe for concurrent use.
type Decoder struct {
	scanner
	cat *ingest.Catalogue
	// seen has a bit for each signal that the payload at hand has named.
	seen []uint64
	// codes holds the codes of the payload's sets.
	codes [][]byte
	// dropped is the first sample left out for its range, for the error if none is left.
	dropped struct{ signal, at, end int }
	// zones are the names found in the zone database so far; only known ones, so it stays small.
	zones map[string]bool
}

// NewDecoder returns a decoder of the signals of cat.
func NewDecoder(cat *ingest.Catalogue) *Decoder {
	return &Decoder{cat: cat, seen: make([]uint64, (cat.Len()+63)/64), zones: map[string]bool{}}
}

// Decode implements ingest.Decoder. A payload that is not JSON is reported as that, wherever else it is
// wrong; then an unknown type; then the first member that is not what it should be; then range (S6).
func (d *Decoder) Decode(payload []byte, ev *ingest.Event) error {
	ev.Reset()
	d.reset(payload)
	d.codes = d.codes[:0]
	switch {
	case len(payload) > ingest.MaxPayload:
		d.fail(ingest.ReasonOversize, -1, fmt.Sprintf("%d bytes, at most %d are taken", len(payload), ingest.MaxPayload))
	case d.space(0) == len(payload):
		d.fail(ingest.ReasonEmpty, 0, "no content")
	default:
		d.event(ev)
	}
	return d.verdict()
}

// walk is what is known of the payload's object while it is walked.
type walk struct {
	at      [memberCount]int // where the value of each known member begins, plus one
	others  members
	waiting bool // known members stand before the type
}

// event walks the payload's object. What a member means depends on the type of the event; members that
// come before it are read when all is walked.
func (d *Decoder) event(ev *ingest.Event) {
	i := d.space(0)
	if d.peek(i) != '{' {
		if end := d.skip(i, 0); end >= 0 && d.end(end) {
			d.refuse(ingest.ReasonValue, "", i, "expected an object")
		}
		return
	}
	w := walk{others: d.open()}
	i = d.space(i + 1)
	more := d.peek(i) != '}'
	if !more {
		i++
	}
	for more {
		nameAt := i
		var name []byte
		if name, i = d.name(i); i < 0 {
			return
		}
		if i = d.topLevel(name, nameAt, i, &w, ev); i < 0 {
			return
		}
		if i, more = d.next(i, '}'); i < 0 {
			return
		}
	}
	if !d.end(i) {
		return
	}
	if ev.Type == ingest.Unknown {
		d.refusal = d.typeError(w.at[memberType] - 1)
		return
	}
	if w.waiting {
		d.readWaiting(&w, ev)
	}
	d.countUnknown(w.others, ev)
	d.finish(ev)
}

// topLevel takes the member whose name stands at nameAt and whose value at i.
func (d *Decoder) topLevel(name []byte, nameAt, i int, w *walk, ev *ingest.Event) int {
	m := memberOf(name)
	if m == memberOther {
		if !d.isNew(&w.others, name) {
			return d.duplicate(nameAt, name)
		}
		return d.skip(i, 1)
	}
	if w.at[m] != 0 {
		return d.duplicate(nameAt, name)
	}
	w.at[m] = i + 1
	switch {
	case m == memberType:
		return d.eventType(i, ev)
	case ev.Type == ingest.Unknown:
		w.waiting = true
		return d.skip(i, 1)
	}
	return d.member(m, i, ev)
}

// readWaiting reads the members that came before the type, in a fixed order.
func (d *Decoder) readWaiting(w *walk, ev *ingest.Event) {
	for m := memberVIN; m < memberCount; m++ {
		if w.at[m] != 0 && w.at[m] < w.at[memberType] {
			d.member(m, w.at[m]-1, ev)
		}
	}
}

// countUnknown counts the members that no event of this type has.
func (d *Decoder) countUnknown(others members, ev *ingest.Event) {
	if ev.Type == ingest.Telemetry {
		ev.UnknownFields += d.count(others)
		return
	}
	for name := range d.each(others) {
		if !isTyped(ev.Type, name) {
			ev.UnknownFields++
		}
	}
}
