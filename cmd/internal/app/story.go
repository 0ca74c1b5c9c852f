package app

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"

	"github.com/milepost-io/milepost/notify"
	"github.com/milepost-io/milepost/rules"
	"github.com/milepost-io/milepost/state/log"
)

// story writes timeline entries as sentences for people, in one language.
type story struct {
	lang  string
	words *storyWords
	items map[string]map[string]string // titles of plan items by id
}

// newStory tells in the language of a tag ("zh-CN"), in English where it is not known.
func newStory(tag string, prog *rules.Program) *story {
	base, _, _ := strings.Cut(strings.ToLower(tag), "-")
	s := &story{lang: base, words: &storyEnglish, items: map[string]map[string]string{}}
	if base == "zh" {
		s.words = &storyChinese
	}
	if prog != nil {
		for _, p := range prog.Plans {
			for i := range p.Items {
				s.items[p.Items[i].ID] = p.Items[i].Title
			}
		}
	}
	return s
}

// entry turns a row of a timeline into an entry; ok is false for a row of a later format.
func (s *story) entry(stream log.Stream, value []byte) (out TimelineEntry, ok bool) {
	out.Entry = append(json.RawMessage{}, value...)
	if stream == log.Notices {
		var n notify.TimelineEntry
		if json.Unmarshal(value, &n) != nil {
			return out, false
		}
		out.Time, out.Kind, out.Type, out.ID, out.State, out.Text = n.At, n.Kind, n.Type, n.ID, n.State, s.message(&n)
		if n.State == "held" {
			out.Held = n.Reason
		}
		return out, true
	}
	var r rules.TimelineEntry
	if json.Unmarshal(value, &r) != nil {
		return out, false
	}
	out.Time, out.Kind, out.Text = r.At, r.Kind, s.vehicle(&r)
	if r.Event != nil {
		out.Type, out.ID = r.Event.Type, r.Event.ID
	}
	return out, true
}

// message says what became of a message or a lead, or how a destination took it.
func (s *story) message(n *notify.TimelineEntry) string {
	if n.Kind == "delivery" {
		return joined(": ", joined(" ", n.Endpoint, s.words.say(n.State)), n.Detail)
	}
	whom := s.words.say("to " + n.To)
	what := s.words.say(n.State)
	if n.State == "held" {
		what = joined(": ", what, s.words.say(n.Reason))
	}
	return joined(" · ", whom, joined(" ", n.Title), what)
}

// vehicle says what the rules stage noted of a vehicle.
func (s *story) vehicle(r *rules.TimelineEntry) string {
	w := s.words
	switch {
	case r.Event != nil:
		return s.event(r.Event)
	case r.Service != nil:
		at := ""
		if r.Service.KM != nil {
			at = amount(*r.Service.KM) + " km"
		}
		return joined(" · ", joined(": ", w.say("service"), s.names(r.Service.Items)), at, r.Service.Order)
	case r.Feedback != nil:
		by, name, _ := strings.Cut(r.Feedback.By, ":")
		return joined(": ", joined(" ", w.say("by "+by), name), w.say(r.Feedback.Action))
	case r.Kind == "assumed":
		ids := make([]string, 0, len(r.Items))
		for i := range r.Items {
			ids = append(ids, r.Items[i].ID)
		}
		return joined(": ", w.say("assumed"), s.names(ids))
	case r.Kind == "shadow":
		return joined(": ", w.say("shadow"), r.Rule)
	case r.Value != nil:
		return joined(": ", w.say(r.Kind)+" "+r.Signal+" "+amount(*r.Value), w.say(r.Reason))
	case r.Late:
		return joined(" · ", w.say(r.Kind), w.say("late"))
	}
	return joined(": ", w.say(r.Kind), w.say(r.Reason))
}

// event says what left.
func (s *story) event(e *rules.Event) string {
	what := s.words.say(strings.TrimPrefix(e.Type, "milepost."))
	var about []string
	for i := range e.Items {
		about = append(about, joined(" ", s.title(e.Items[i].Title, e.Items[i].ID), s.rest(e.Type, &e.Items[i])))
	}
	for i := range e.Causes {
		c := &e.Causes[i]
		name := s.title(c.Title, c.Item+c.Rule)
		if c.Level != "" {
			name += " (" + s.words.say(c.Level) + ")"
		}
		about = append(about, name)
	}
	if e.Rule != "" {
		about = append(about, s.title(e.Title, e.Rule))
	}
	reason := ""
	if e.Reason != "" {
		reason = s.words.say(e.Reason)
	}
	return joined(" · ", joined(": ", what, strings.Join(about, ", ")), reason)
}

// rest says in brackets what is left of an item, or how far it is over.
func (s *story) rest(typ string, it *rules.ItemRef) string {
	var left, over []string
	add := func(x float64, unit string) {
		if x >= 0 {
			left = append(left, amount(x)+" "+s.words.say(unit))
		} else {
			over = append(over, amount(-x)+" "+s.words.say(unit))
		}
	}
	if it.RestKM != nil {
		add(*it.RestKM, "km")
	}
	if it.RestDays != nil {
		add(float64(*it.RestDays), "days")
	}
	if it.RestHours != nil {
		add(*it.RestHours, "hours")
	}
	level := typ[strings.LastIndexByte(typ, '.')+1:]
	switch {
	case level == "soon" && len(left) > 0:
		return "(" + joined(" ", strings.Join(left, s.words.say("or")), s.words.say("left")) + ")"
	case (level == "due" || level == "overdue") && len(over) > 0:
		return "(" + joined(" ", strings.Join(over, s.words.say("or")), s.words.say("over")) + ")"
	}
	return ""
}

// names are the titles of items, by their ids.
func (s *story) names(ids []string) string {
	out := make([]string, len(ids))
	for i, id := range ids {
		out[i] = s.title(s.items[id], id)
	}
	return strings.Join(out, ", ")
}

func (s *story) title(by map[string]string, id string) string {
	for _, l := range [...]string{s.lang, "en", "zh"} {
		if t := by[l]; t != "" {
			return t
		}
	}
	return id
}

// joined puts what is not empty together.
func joined(sep string, words ...string) string {
	out := ""
	for _, w := range words {
		if out != "" && w != "" {
			out += sep
		}
		out += w
	}
	return out
}

// amount writes a number with thousands apart: whole from 100 on, one decimal below.
func amount(x float64) string {
	digits := 0
	if math.Abs(x) < 100 {
		digits = 1
	}
	t := strings.TrimSuffix(strconv.FormatFloat(x, 'f', digits, 64), ".0")
	whole, frac, _ := strings.Cut(t, ".")
	for i := len(whole) - 3; i > 0 && whole[i-1] != '-'; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	return joined(".", whole, frac)
}
