package json

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/milepost-io/milepost/ingest"
)

// Bounds of one set sample (E11); one beyond them counts as out of range.
const (
	// MaxCodes is how many codes a set may hold.
	MaxCodes = 256
	// MaxCode is how long a code may be, in bytes; it has at least one.
	MaxCode = 64
)

// signals reads the object of samples (S6): known ones within their range are kept.
func (d *Decoder) signals(i int, ev *ingest.Event) int {
	if d.peek(i) != '{' {
		return d.orNull(i, ingest.ReasonValue, "signals", "expected an object")
	}
	clear(d.seen)
	unknown := d.open()
	i = d.space(i + 1)
	if d.peek(i) == '}' {
		return i + 1
	}
	for more := true; more; {
		at := i
		var name []byte
		if name, i = d.name(i); i < 0 {
			return -1
		}
		if x, ok := d.cat.Lookup(name); ok {
			if d.seen[x>>6]&(1<<(x&63)) != 0 {
				return d.duplicate(at, name)
			}
			d.seen[x>>6] |= 1 << (x & 63)
			i = d.sample(i, x, ev)
		} else {
			if !d.isNew(&unknown, name) {
				return d.duplicate(at, name)
			}
			ev.UnknownSignals++
			i = d.skip(i, 2)
		}
		if i < 0 {
			return -1
		}
		if i, more = d.next(i, '}'); i < 0 {
			return -1
		}
	}
	d.close(unknown)
	return i
}

// sample reads the value of signal x.
func (d *Decoder) sample(i, x int, ev *ingest.Event) int {
	s := d.cat.Signal(x)
	c := d.peek(i)
	if c == 'n' {
		ev.Nulls++
		return d.literal(i, "null")
	}
	switch s.Kind {
	case ingest.Number:
		if c == '-' || isDigit(c) {
			return d.numberSample(i, x, s, ev)
		}
	case ingest.Bool:
		if c == 't' {
			ev.Samples = append(ev.Samples, ingest.Sample{Signal: x, V: 1})
			return d.literal(i, "true")
		}
		if c == 'f' {
			ev.Samples = append(ev.Samples, ingest.Sample{Signal: x, V: 0})
			return d.literal(i, "false")
		}
	case ingest.CodeSet:
		if c == '[' {
			return d.setSample(i, x, s, ev)
		}
	}
	return d.wrongType(i, s)
}

func (d *Decoder) numberSample(i, x int, s *ingest.Signal, ev *ingest.Event) int {
	v, held, end := d.number(i)
	if end < 0 {
		return -1
	}
	if !held {
		d.refuse(ingest.ReasonRange, "signals."+s.Name, i, "no double holds this number")
		return end
	}
	if s.InRange(v) {
		ev.Samples = append(ev.Samples, ingest.Sample{Signal: x, V: v})
	} else {
		d.drop(i, end, x, ev)
	}
	return end
}

// setSample reads an array of codes. The set is full (S19), so one bad code costs all of it.
func (d *Decoder) setSample(i, x int, s *ingest.Signal, ev *ingest.Event) int {
	at, from, fits := i, len(d.codes), true
	i = d.space(i + 1)
	more := d.peek(i) != ']'
	if !more {
		i++
	}
	for more {
		if d.peek(i) != '"' {
			if d.wrongType(i, s) < 0 {
				return -1
			}
			i = d.skip(i, 3)
		} else {
			var code []byte
			if code, i = d.text(i); i < 0 {
				return -1
			}
			if len(code) == 0 || len(code) > MaxCode || len(d.codes)-from == MaxCodes {
				fits = false
			} else {
				d.codes = append(d.codes, code)
			}
		}
		if i, more = d.next(i, ']'); i < 0 {
			return -1
		}
	}
	if !fits {
		d.drop(at, i, x, ev)
		return i
	}
	ev.Sets = append(ev.Sets, ingest.Set{Signal: x, Codes: d.codes[from:len(d.codes):len(d.codes)]})
	return i
}

// wrongType refuses the record for a known signal whose value is not of its kind (S6).
func (d *Decoder) wrongType(i int, s *ingest.Signal) int {
	end := d.skip(i, 2)
	if end >= 0 {
		want := [...]string{ingest.Number: "a number", ingest.Bool: "true or false", ingest.CodeSet: "an array of strings"}
		d.refuse(ingest.ReasonValue, "signals."+s.Name, i, fmt.Sprintf("found %s, expected %s", clip(d.p[i:end]), want[s.Kind]))
	}
	return end
}

// drop leaves out a sample that is outside its range or a sentinel (S6, E7).
func (d *Decoder) drop(i, end, x int, ev *ingest.Event) {
	if ev.OutOfRange == 0 {
		d.dropped.signal, d.dropped.at, d.dropped.end = x, i, end
	}
	ev.OutOfRange++
}

// finish decides what only the whole event shows.
func (d *Decoder) finish(ev *ingest.Event) {
	switch ev.Type {
	case ingest.Telemetry:
		if ev.OutOfRange > 0 && len(ev.Samples)+len(ev.Sets) == 0 {
			d.refuseRange()
		}
	case ingest.Erase:
	default:
		if d.refusal.Reason == "" {
			d.typed(ev)
		}
	}
}

// refuseRange refuses a record of which no known sample is left (S6), naming the first.
func (d *Decoder) refuseRange() {
	s := d.cat.Signal(d.dropped.signal)
	detail := fmt.Sprintf("expected at most %d codes of 1 to %d bytes", MaxCodes, MaxCode)
	if s.Kind == ingest.Number {
		seen := clip(d.p[d.dropped.at:d.dropped.end])
		detail = fmt.Sprintf("found %s, expected %s and no sentinel", seen, rangeOf(s))
	}
	d.refuse(ingest.ReasonRange, "signals."+s.Name, d.dropped.at, detail)
}

// rangeOf writes a signal's range for people.
func rangeOf(s *ingest.Signal) string {
	plain := func(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }
	return strings.TrimSpace(plain(s.Min) + " to " + plain(s.Max) + " " + s.Unit)
}
