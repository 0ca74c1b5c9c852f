package rules

import (
	"encoding/json"

	"github.com/milepost-io/milepost/rules/plan"
	"github.com/milepost-io/milepost/state"
)

// TimelineEntry is one row of a vehicle's story.
type TimelineEntry struct {
	// Time of what happened, At when it was taken in; Unix ms.
	Time int64 `json:"time"`
	At   int64 `json:"at"`
	// Kind: "event", "suspect", "odometer", "service", "profile", "assumed", "feedback",
	// "shadow" (a rule that would have told somebody).
	Kind string `json:"kind"`
	// Event that left.
	Event *Event `json:"event,omitempty"`
	// Rule of a shadow.
	Rule string `json:"rule,omitempty"`
	// Signal, Value and Reason of a suspect or an odometer decision.
	Signal string         `json:"signal,omitempty"`
	Value  *float64       `json:"value,omitempty"`
	Reason string         `json:"reason,omitempty"`
	Detail map[string]any `json:"detail,omitempty"`

	Service  *Serviced       `json:"service,omitempty"`
	Profile  json.RawMessage `json:"profile,omitempty"`
	Feedback *Feedback       `json:"feedback,omitempty"`
	// Items whose history is assumed (S31).
	Items []ItemRef `json:"items,omitempty"`
	// Late: it came after something newer and changed nothing.
	Late bool `json:"late,omitempty"`
}

// TimelinePrefix begins the keys of a vehicle's timeline rows. No id holds a zero byte, so V1's are not V10's.
func TimelinePrefix(vin []byte) []byte { return append(append(make([]byte, 0, len(vin)+1), vin...), 0) }

// note adds an entry to the vehicle's timeline.
func (s *Step) note(e TimelineEntry) {
	e.Time, e.At = s.in.at, s.in.now
	s.in.c.AddRow(state.RowTimeline, TimelinePrefix(s.in.vin), encodeJSON(&e))
}

// noteEvent adds an event that leaves.
func (s *Step) noteEvent(e *Event) { s.note(TimelineEntry{Kind: "event", Event: e}) }

// noteAssumed adds the items whose history was assumed at first sight (S31).
func (s *Step) noteAssumed(p *Plan, before []plan.ItemState) {
	var items []ItemRef
	for i := range p.Items {
		key := p.Items[i].Key
		after, was := findItem(s.v.items, key), findItem(before, key)
		if after == nil || after.AssumedN == [3]uint32{} || (was != nil && was.AssumedN == after.AssumedN) {
			continue
		}
		ref := ItemRef{Level: after.Level.String()}
		s.describe(p, i, &ref)
		items = append(items, ref)
	}
	if items != nil {
		s.note(TimelineEntry{Kind: "assumed", Items: items})
		s.in.stateChanged = true
	}
}

func findItem(items []plan.ItemState, key plan.ItemKey) *plan.ItemState {
	for i := range items {
		if items[i].Key == key {
			return &items[i]
		}
	}
	return nil
}
