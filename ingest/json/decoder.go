package json

import (
	"fmt"

	"github.com/cespare/xxhash/v2"

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

// member is one of the top-level members that the scanner reads itself.
type member uint8

const (
	memberOther member = iota
	memberType
	memberVIN
	memberID
	memberParty
	memberTime
	memberSeq
	memberBoot
	memberSignals
	memberCount
)

func memberOf(name []byte) member {
	switch string(name) {
	case "type":
		return memberType
	case "vin":
		return memberVIN
	case "id":
		return memberID
	case "party":
		return memberParty
	case "time":
		return memberTime
	case "seq":
		return memberSeq
	case "boot":
		return memberBoot
	case "signals":
		return memberSignals
	}
	return memberOther
}

// event walks the payload's object. What a member means depends on the type of the event; members that
// come before it are read when all is walked.
func (d *Decoder) event(ev *ingest.Event) {
	var at [memberCount]int // where each member's value begins, plus one
	var waiting bool        // members stand before the type
	unknown := d.open()
	i := d.space(0)
	if d.peek(i) != '{' {
		if end := d.skip(i, 0); end >= 0 && d.end(end) {
			d.refuse(ingest.ReasonValue, "", i, "expected an object")
		}
		return
	}
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
		m := memberOf(name)
		switch {
		case m == memberOther:
			if !d.isNew(&unknown, name) {
				d.duplicate(nameAt, name)
				return
			}
			i = d.skip(i, 1)
		case at[m] != 0:
			d.duplicate(nameAt, name)
			return
		case m == memberType:
			at[m] = i + 1
			i = d.eventType(i, ev)
		case ev.Type == ingest.Unknown:
			at[m] = i + 1
			waiting = true
			i = d.skip(i, 1)
		default:
			at[m] = i + 1
			i = d.member(m, i, ev)
		}
		if i < 0 {
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
		d.refusal = d.typeError(at[memberType] - 1)
		return
	}
	if waiting {
		d.waiting(&at, ev)
	}
	d.countUnknown(unknown, ev)
	d.finish(ev)
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

// eventType reads the member `type`; anything but a known name leaves ev.Type unknown.
func (d *Decoder) eventType(i int, ev *ingest.Event) int {
	if d.peek(i) != '"' {
		return d.skip(i, 1)
	}
	name, end := d.text(i)
	if end < 0 {
		return -1
	}
	// The commonest first; ParseType compares one by one.
	if string(name) == "telemetry" {
		ev.Type = ingest.Telemetry
	} else if t, ok := ingest.ParseType(string(name)); ok {
		ev.Type = t
	}
	return end
}

// typeError says what stands where a known type should; at is negative when nothing does.
func (d *Decoder) typeError(at int) ingest.Error {
	e := ingest.Error{Reason: ingest.ReasonType, Field: "type", Offset: at,
		Detail: "missing, expected telemetry, vehicle, party, service, feedback or erase"}
	if at >= 0 {
		end := d.skip(at, 1)
		e.Detail = fmt.Sprintf("found %s, expected telemetry, vehicle, party, service, feedback or erase", clip(d.p[at:end]))
	}
	return e
}

// waiting reads the members that came before the type, in a fixed order.
func (d *Decoder) waiting(at *[memberCount]int, ev *ingest.Event) {
	done := at[memberType] // a member that begins after the type has been read
	for m := memberVIN; m < memberCount; m++ {
		if at[m] != 0 && at[m] < done {
			d.member(m, at[m]-1, ev)
		}
	}
}

// member reads the value of a top-level member as the event's type has it.
func (d *Decoder) member(m member, i int, ev *ingest.Event) int {
	switch {
	case m == memberTime:
		return d.time(i, ev)
	case m == memberVIN && ev.Type != ingest.Party:
		return d.key(i, "vin", false, ev)
	case m == memberID && ev.Type == ingest.Party:
		return d.key(i, "id", true, ev)
	case m == memberParty && ev.Type == ingest.Erase:
		return d.key(i, "party", true, ev)
	case ev.Type != ingest.Telemetry:
	case m == memberSignals:
		return d.signals(i, ev)
	case m == memberSeq:
		return d.seq(i, ev)
	case m == memberBoot:
		return d.boot(i, ev)
	}
	ev.UnknownFields++
	return d.skip(i, 1)
}

// key reads a vehicle's or party's id.
func (d *Decoder) key(i int, field string, party bool, ev *ingest.Event) int {
	if d.peek(i) != '"' {
		return d.orNull(i, ingest.ReasonVIN, field, "expected a string")
	}
	key, end := d.text(i)
	switch {
	case end < 0:
		return -1
	case !ingest.ValidKey(key):
		d.refuse(ingest.ReasonVIN, field, i, fmt.Sprintf("found %q, expected 1 to 64 of A-Z a-z 0-9 _ . : -", clip(key)))
	case ev.Key != nil:
		d.refuse(ingest.ReasonVIN, field, i, "both a vehicle and a party are named")
	default:
		ev.Key, ev.Party = key, party
	}
	return end
}

// time reads `time`: RFC 3339 or Unix milliseconds (S1).
func (d *Decoder) time(i int, ev *ingest.Event) int {
	ms, ok, end := d.timeValue(i)
	switch {
	case end < 0:
		return -1
	case ok:
		ev.Time, ev.HasTime = ms, true
		return end
	}
	return d.orNull(i, ingest.ReasonTime, "time", "expected RFC 3339 or Unix milliseconds")
}

// timeValue reads a time; ok is false when the value is none.
func (s *scanner) timeValue(i int) (ms int64, ok bool, end int) {
	c := s.peek(i)
	if c == '"' {
		text, end := s.text(i)
		if end < 0 {
			return 0, false, -1
		}
		ms, ok = ingest.ParseTime(text)
		return ms, ok, end
	}
	if c == '-' || isDigit(c) {
		ms, ok, end = s.integer(i)
		return ms, ok && ingest.ValidTime(ms), end
	}
	return 0, false, i
}

// seq reads `seq`: a whole number from 0 (S5).
func (d *Decoder) seq(i int, ev *ingest.Event) int {
	if c := d.peek(i); c == '-' || isDigit(c) {
		v, ok, end := d.integer(i)
		if end < 0 {
			return -1
		}
		if ok && v >= 0 {
			ev.Seq, ev.HasSeq = uint64(v), true
			return end
		}
	}
	return d.orNull(i, ingest.ReasonValue, "seq", "expected a whole number of at most 18 digits, 0 or more")
}

// boot reads `boot`, a string or a number; only equality matters, so its hash is kept (S5).
func (d *Decoder) boot(i int, ev *ingest.Event) int {
	c := d.peek(i)
	var text []byte
	var end int
	switch {
	case c == '"':
		text, end = d.text(i)
	case c == '-' || isDigit(c):
		if _, end = d.numeral(i); end >= 0 {
			text = d.p[i:end]
		}
	default:
		return d.orNull(i, ingest.ReasonValue, "boot", "expected a string or a number")
	}
	if end >= 0 {
		ev.Boot = max(1, xxhash.Sum64(text)) // 0 stands for none
	}
	return end
}

// orNull walks a value of the wrong kind: null means absent, anything else is refused.
func (d *Decoder) orNull(i int, reason, field, want string) int {
	end := d.skip(i, 1)
	if end >= 0 && d.p[i] != 'n' {
		d.refuse(reason, field, i, fmt.Sprintf("found %s, %s", clip(d.p[i:end]), want))
	}
	return end
}
