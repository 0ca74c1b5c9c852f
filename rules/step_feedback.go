package rules

import (
	"encoding/json"
	"fmt"

	"github.com/milepost-io/milepost/ingest"
	"github.com/milepost-io/milepost/state"
)

// Feedback is a reaction as a notice carries it.
type Feedback struct {
	About  string `json:"about"`
	By     string `json:"by,omitempty"`
	Action string `json:"action"`
	// Time of the reaction, Until as given; Unix ms.
	Time     int64    `json:"time"`
	Until    int64    `json:"until,omitempty"`
	Note     string   `json:"note,omitempty"`
	Odometer *float64 `json:"odometer,omitempty"`
}

// reactions are the last reactions to what this vehicle made known, by who reacted.
type reactions struct {
	Owner  *Feedback `json:"owner,omitempty"`
	Dealer *Feedback `json:"dealer,omitempty"`
}

// applyFeedback keeps a reaction and passes it on to the vehicle's party.
func (s *Step) applyFeedback(payload []byte) state.Outcome {
	if s.seenEvent(payload) {
		return state.Duplicate
	}
	s.remember()
	s.in.ruleTime = s.currentTau()
	f := feedbackOf(s.ev.Feedback, s.in.now)
	if s.ev.HasTime {
		f.Time = s.ev.Time
	}
	r := s.reactions()
	switch {
	case f.By == "owner":
		r.Owner = &f
	case f.By != "system":
		r.Dealer = &f
	}
	s.in.c.Put(s.sub.reaction, encodeJSON(&r))
	s.in.feedback = encodeJSON(&f)
	s.note(TimelineEntry{Kind: "feedback", Feedback: &f})
	return state.Applied
}

// reactions returns the stored reactions.
func (s *Step) reactions() reactions {
	var r reactions
	if b := s.in.docs.View(s.sub.reaction); b != nil {
		if err := json.Unmarshal(b, &r); err != nil {
			panic(fmt.Errorf("vehicle %s: document %s: %w", s.in.vin, subReaction, err))
		}
	}
	return r
}

func feedbackOf(e *ingest.FeedbackEvent, now int64) Feedback {
	return Feedback{About: e.About, By: e.By, Action: e.Action, Time: now, Until: e.Until, Note: e.Note, Odometer: e.Odometer}
}
