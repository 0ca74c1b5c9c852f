package json

import (
	"fmt"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/milepost-io/milepost/ingest"
)

// Bounds of the lists and texts of an event (E11).
const (
	maxListed = 256
	maxWord   = 128
	maxNote   = 4096
)

// service decodes a workshop visit (S33).
func (d *Decoder) service(ev *ingest.Event) *ingest.ServiceEvent {
	var w struct {
		Odometer    *float64 `json:"odometer"`
		EngineHours *float64 `json:"engine_hours"`
		Items       []string `json:"items"`
		Codes       []string `json:"codes"`
		Declined    []string `json:"declined"`
		Dealer      string   `json:"dealer"`
		Order       string   `json:"order"`
		Reset       *struct {
			From *float64 `json:"from"`
			To   *float64 `json:"to"`
		} `json:"odometer_reset"`
		Void bool `json:"void"`
	}
	if !d.unmarshal(&w) {
		return nil
	}
	s := &ingest.ServiceEvent{
		Odometer: d.reading("odometer", w.Odometer, ev), EngineHours: d.reading("engine_hours", w.EngineHours, ev),
		Items: w.Items, Codes: w.Codes, Declined: w.Declined, Dealer: w.Dealer, Order: w.Order, Void: w.Void,
	}
	d.words("items", w.Items)
	d.words("codes", w.Codes)
	d.words("declined", w.Declined)
	d.id("dealer", w.Dealer)
	d.atMost("order", w.Order, maxWord)
	if w.Reset != nil {
		if w.Reset.From == nil || w.Reset.To == nil {
			d.refuse(ingest.ReasonValue, "odometer_reset", -1, "expected both from and to")
			return nil
		}
		s.Reset = &ingest.OdometerReset{From: *w.Reset.From, To: *w.Reset.To}
		d.inRange("odometer_reset.from", s.Reset.From)
		d.inRange("odometer_reset.to", s.Reset.To)
	}
	return s
}

// reading leaves out what is no value of the signal of that name: the visit counts as one without a
// reading (S6, S33).
func (d *Decoder) reading(signal string, v *float64, ev *ingest.Event) *float64 {
	if v == nil {
		return nil
	}
	if x, ok := d.cat.Index(signal); ok && !d.cat.Signal(x).InRange(*v) {
		ev.OutOfRange++
		return nil
	}
	return v
}

// inRange refuses an odometer value outside the signal's range.
func (d *Decoder) inRange(field string, v float64) {
	if x, ok := d.cat.Index("odometer"); ok {
		if s := d.cat.Signal(x); !s.InRange(v) {
			d.refuse(ingest.ReasonRange, field, -1, fmt.Sprintf("found %v, expected %s", v, rangeOf(s)))
		}
	}
}

// words refuses a list that is too long or has an empty or overlong entry.
func (d *Decoder) words(field string, list []string) {
	if len(list) > maxListed {
		d.refuse(ingest.ReasonValue, field, -1, fmt.Sprintf("%d entries, expected at most %d", len(list), maxListed))
		return
	}
	for i, w := range list {
		if w == "" || len(w) > maxWord {
			d.refuse(ingest.ReasonValue, fmt.Sprintf("%s.%d", field, i), -1,
				fmt.Sprintf("%d bytes, expected 1 to %d", len(w), maxWord))
			return
		}
	}
}

// atMost refuses a text that is too long.
func (d *Decoder) atMost(field, v string, most int) {
	if len(v) > most {
		d.refuse(ingest.ReasonValue, field, -1, fmt.Sprintf("%d bytes, expected at most %d", len(v), most))
	}
}

// id refuses an id that is given and malformed.
func (d *Decoder) id(field, v string) {
	if v != "" && !ingest.ValidKey([]byte(v)) {
		d.refuse(ingest.ReasonValue, field, -1, fmt.Sprintf("found %q, expected 1 to 64 of A-Z a-z 0-9 _ . : -", clip([]byte(v))))
	}
}

// feedback decodes a reaction.
func (d *Decoder) feedback(ev *ingest.Event) *ingest.FeedbackEvent {
	var w struct {
		About    string         `json:"about"`
		By       string         `json:"by"`
		Action   string         `json:"action"`
		Until    jsontext.Value `json:"until"`
		Note     string         `json:"note"`
		Odometer *float64       `json:"odometer"`
	}
	if !d.unmarshal(&w) {
		return nil
	}
	f := &ingest.FeedbackEvent{About: w.About, By: w.By, Action: w.Action, Note: w.Note,
		Odometer: d.reading("odometer", w.Odometer, ev)}
	if !ingest.FeedbackAction(w.Action) {
		d.refuse(ingest.ReasonValue, "action", -1, fmt.Sprintf("found %q, expected an action like opened, booked or closed", clip([]byte(w.Action))))
	}
	if !knownBy(w.By) {
		d.refuse(ingest.ReasonValue, "by", -1, fmt.Sprintf("found %q, expected owner, advisor:NAME or system", clip([]byte(w.By))))
	}
	d.atMost("about", w.About, maxWord)
	d.atMost("note", w.Note, maxNote)
	var ok bool
	if f.Until, ok = until(w.Until); !ok {
		d.refuse(ingest.ReasonTime, "until", -1, fmt.Sprintf("found %s, expected RFC 3339, a date or Unix milliseconds", clip(w.Until)))
	}
	return f
}

// knownBy reports whether by says who reacted; it may be absent.
func knownBy(by string) bool {
	if name, isAdvisor := strings.CutPrefix(by, "advisor:"); isAdvisor {
		return name != "" && len(name) <= maxWord
	}
	return by == "" || by == "owner" || by == "system"
}

// until reads a time or a plain date; absent and null are 0.
func until(v jsontext.Value) (ms int64, ok bool) {
	if len(v) == 0 || v.Kind() == 'n' {
		return 0, true
	}
	s := scanner{p: v}
	if ms, ok, _ = s.timeValue(0); ok {
		return ms, true
	}
	if v.Kind() != '"' {
		return 0, false
	}
	text, _ := s.text(0)
	return ingest.ParseDate(text)
}
