package json

import (
	"fmt"

	"github.com/cespare/xxhash/v2"

	"github.com/milepost-io/milepost/ingest"
)

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
