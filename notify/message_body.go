package notify

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/milepost-io/milepost/rules"
)

// envelope is a CloudEvent 1.0 in JSON format.
type envelope struct {
	SpecVersion     string `json:"specversion"`
	ID              string `json:"id"`
	Source          string `json:"source"`
	Type            string `json:"type"`
	Subject         string `json:"subject"`
	Time            string `json:"time"`
	PartitionKey    string `json:"partitionkey"`
	DataContentType string `json:"datacontenttype"`
	Data            any    `json:"data"`
}

// messageData is the data of reminders, alerts and odometer events.
type messageData struct {
	Alert    string         `json:"alert,omitempty"`
	VIN      string         `json:"vin"`
	Party    string         `json:"party,omitempty"`
	Dealer   string         `json:"dealer,omitempty"`
	Plate    string         `json:"plate,omitempty"`
	Model    string         `json:"model,omitempty"`
	Severity string         `json:"severity,omitempty"`
	Odometer *reading       `json:"odometer,omitempty"`
	Visit    *visit         `json:"visit,omitempty"`
	Items    []itemData     `json:"items,omitempty"`
	Evidence []evidenceData `json:"evidence,omitempty"`
	Rule     *ruleData      `json:"rule,omitempty"`
	Text     textData       `json:"text"`
	Reason   string         `json:"reason,omitempty"`
	Silent   bool           `json:"silent,omitempty"`
	Late     bool           `json:"late,omitempty"`
	// Detail of an odometer event: what was decided.
	Detail map[string]any `json:"detail,omitempty"`
}

type reading struct {
	KM float64 `json:"km"`
	At string  `json:"at,omitempty"`
}

// visit is when the earliest of the items is due, and what is left until then.
type visit struct {
	Due       dimensions `json:"due"`
	Remaining remaining  `json:"remaining"`
}

type dimensions struct {
	KM    *float64 `json:"km,omitempty"`
	Date  string   `json:"date,omitempty"`
	Hours *float64 `json:"hours,omitempty"`
}

type remaining struct {
	KM    *float64 `json:"km,omitempty"`
	Days  *int     `json:"days,omitempty"`
	Hours *float64 `json:"hours,omitempty"`
}

type itemData struct {
	ID    string `json:"id"`
	Alert string `json:"alert"`
	Title string `json:"title"`
	// State is the level; for done and cancelled the one the item had.
	State   string `json:"state"`
	Why     string `json:"why,omitempty"`
	Minutes int    `json:"minutes,omitempty"`
	Assumed bool   `json:"assumed,omitempty"`
}

type evidenceData struct {
	Signal string `json:"signal"`
	Value  any    `json:"value"`
	Time   string `json:"time"`
}

// ruleData names what made the event: a rule's id, or a plan, and the version in force.
type ruleData struct {
	ID      string `json:"id,omitempty"`
	Plan    string `json:"plan,omitempty"`
	Version string `json:"version,omitempty"`
}

type textData struct {
	Title string `json:"title"`
	Body  string `json:"body"`
}

// body renders an event for an audience from the newest facts. Within one build the same event and facts
// give the same bytes.
func (t *turn) body(e *rules.Event, a Audience) []byte {
	env := envelope{
		SpecVersion: "1.0", ID: e.ID, Source: firstOf(t.s.active.Source, "/milepost"), Type: e.Type, Subject: t.vin,
		Time: stamp(e.Time), PartitionKey: t.vin, DataContentType: "application/json",
	}
	if classOf(e.Type) == leading {
		env.Data = t.leadData(e)
	} else {
		env.Data = t.messageData(e, a)
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(&env); err != nil {
		panic(fmt.Sprintf("notify: render event %s: %v", e.ID, err)) // E17
	}
	return bytes.TrimSuffix(b.Bytes(), []byte{'\n'})
}

func (t *turn) messageData(e *rules.Event, a Audience) *messageData {
	f := &t.v.Facts
	d := &messageData{
		Alert: e.Alert, VIN: t.vin, Party: f.Owner, Dealer: f.Dealer, Plate: f.Plate, Model: f.Model, Severity: e.Severity,
		Odometer: readingOf(f), Evidence: evidenceOf(e.Evidence), Reason: e.Reason, Silent: e.Silent, Late: e.Late, Detail: e.Detail,
	}
	if e.Rule != "" || e.Plan != "" {
		d.Rule = &ruleData{ID: e.Rule, Plan: e.Plan, Version: e.Version}
	}
	if len(e.Items) > 0 {
		items := t.listed(e, a == Owner)
		lang := t.language()
		for i := range items {
			d.Items = append(d.Items, itemOf(&items[i], lang))
		}
		if classOf(e.Type) == opening {
			d.Visit = visitOf(items)
		} else { // what was left when it closed is of no interest
			for i := range d.Items {
				d.Items[i].Why = ""
			}
		}
	}
	d.Text.Title, d.Text.Body = t.textOf(e)
	return d
}

// listed are the items of a reminder as of now: those that rose and are still open, at their newest
// level, then, where all is asked for, every other that is not ok (S41). A closing event speaks of its
// own items alone, as they were.
func (t *turn) listed(e *rules.Event, all bool) []rules.ItemRef {
	if classOf(e.Type) != opening {
		return e.Items
	}
	facts := t.v.Facts.NotOK
	var out []rules.ItemRef
	for i := range e.Items {
		it := e.Items[i]
		at := slices.IndexFunc(facts, func(r rules.ItemRef) bool { return r.ID == it.ID })
		switch {
		case at >= 0:
			out = append(out, facts[at])
		case !t.closedPart(it.Alert):
			out = append(out, it)
		}
	}
	for i := range facts {
		if all && !slices.ContainsFunc(out, func(r rules.ItemRef) bool { return r.ID == facts[i].ID }) {
			out = append(out, facts[i])
		}
	}
	return out
}

// closedPart reports whether a part of a message of this alert was closed while it waited.
func (t *turn) closedPart(alert string) bool {
	for i := range t.v.Messages {
		if slices.ContainsFunc(t.v.Messages[i].Parts, func(p part) bool { return p.Alert == alert && p.Closed }) {
			return true
		}
	}
	return false
}

func itemOf(r *rules.ItemRef, lang string) itemData {
	return itemData{
		ID: r.ID, Alert: r.Alert, Title: firstOf(pick(r.Title, lang), r.ID), State: r.Level,
		Why: whyItem(r, lang), Minutes: r.Minutes, Assumed: r.Assumed,
	}
}

// visitOf takes the smallest rest of each dimension.
func visitOf(items []rules.ItemRef) *visit {
	v := new(visit)
	for i := range items {
		r := &items[i]
		if less(r.RestKM, v.Remaining.KM) {
			v.Remaining.KM, v.Due.KM = r.RestKM, r.DueKM
		}
		if less(r.RestHours, v.Remaining.Hours) {
			v.Remaining.Hours, v.Due.Hours = r.RestHours, r.DueHours
		}
		if less(r.RestDays, v.Remaining.Days) {
			v.Remaining.Days, v.Due.Date = r.RestDays, r.DueDate
		}
	}
	return v
}

func less[T int | float64](a, b *T) bool { return a != nil && (b == nil || *a < *b) }

func readingOf(f *rules.Facts) *reading {
	if f.OdometerKM == nil {
		return nil
	}
	return &reading{KM: *f.OdometerKM, At: stampOrNone(f.OdometerAt)}
}

func evidenceOf(evs []rules.Evidence) []evidenceData {
	var out []evidenceData
	for _, e := range evs {
		out = append(out, evidenceData{Signal: e.Signal, Value: e.Value, Time: stamp(e.Time)})
	}
	return out
}

// stamp is a time as events carry it: RFC 3339 in UTC, milliseconds where there are any.
func stamp(ms int64) string { return time.UnixMilli(ms).UTC().Format("2006-01-02T15:04:05.999Z07:00") }

func stampOrNone(ms int64) string {
	if ms == 0 {
		return ""
	}
	return stamp(ms)
}
