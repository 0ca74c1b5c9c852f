package notify

import (
	"encoding/json"
	"strings"

	"github.com/milepost-io/milepost/rules"
	"github.com/milepost-io/milepost/state"
)

// leadClosed is the state a lead ends in.
const leadClosed = "closed"

// lead is what the vehicle's document keeps of its lead: one open lead per vehicle (S44). A closed one
// stays in the list for a while.
type lead struct {
	View   LeadView      `json:"view"`
	Causes []rules.Cause `json:"causes,omitempty"`
}

// leadEvent applies a lead event: it leaves at once, to the dealer's endpoints (S43, S44).
func (t *turn) leadEvent(e *rules.Event) {
	t.moveLead(e)
	l := t.v.Lead
	l.Causes = e.Causes
	l.View.Updated = t.now
	if e.Type == "milepost.lead.closed" {
		l.View.State, l.View.Reason = leadClosed, e.Reason
	}
	l.View.Held = ""
	if e.Dealer == "" {
		l.View.Held = heldNoDealer
	}
	t.renderLead()

	m := t.create(e, "dealer")
	if l.View.Held != "" {
		t.hold(m, e.ID, heldNoDealer)
	} else {
		t.deliver(m, Dealer, t.s.endpoints(Dealer), e)
	}
	t.keep(m)
}

// moveLead makes the document's lead the event's. A lead the document does not know began under another
// owner (S46) or has just been created.
func (t *turn) moveLead(e *rules.Event) {
	id := firstOf(e.Lead, e.Alert)
	if l := t.v.Lead; l != nil {
		if l.View.Lead == id && l.View.Dealer == e.Dealer {
			return
		}
		t.c.DelRow(state.RowView, []byte(LeadKey(l.View.Dealer, l.View.Lead)))
	}
	t.v.Lead = &lead{View: LeadView{Lead: id, VIN: t.vin, Dealer: e.Dealer, State: "new", Created: t.now}}
}

// followLead keeps the view of the open lead in step with the vehicle's facts. A lead that began under
// another owner is taken over as it is (S46): its events have been told.
func (t *turn) followLead() {
	ref, f := t.v.Facts.Lead, &t.v.Facts
	l := t.v.Lead
	switch {
	case ref == nil:
		return
	case t.leadShown:
		return // by the event that moved it
	case l == nil || l.View.State == leadClosed || l.View.Lead != ref.ID:
		t.moveLead(&rules.Event{Lead: ref.ID, Dealer: f.Dealer})
		l = t.v.Lead
		l.View.Updated = t.now
		if f.Dealer == "" {
			l.View.Held = heldNoDealer
		}
	}
	l.Causes = ref.Causes
	t.renderLead()
}

// renderLead writes the lead's view row from the newest facts.
func (t *turn) renderLead() {
	l, f := t.v.Lead, &t.v.Facts
	v := &l.View
	v.Party, v.Plate, v.Model = f.Owner, f.Plate, f.Model
	v.OdometerKM, v.OdometerAt = f.OdometerKM, f.OdometerAt
	v.Causes = t.causes(l.Causes)
	v.ServiceList, v.MinutesTotal = t.serviceList()
	v.Owner.Name = t.name()
	v.Owner.MayCall, v.Owner.Phone = false, ""
	if phone := t.phone(); phone != "" && t.consents() {
		v.Owner.MayCall, v.Owner.Phone = true, phone
	}
	t.suggest(l)
	t.leadShown = true
	t.c.SetRow(state.RowView, []byte(LeadKey(v.Dealer, v.Lead)), row(v))
}

func (t *turn) causes(cs []rules.Cause) []CauseView {
	lang := t.language()
	var out []CauseView
	for i := range cs {
		c := &cs[i]
		v := CauseView{Item: c.Item, Level: c.Level, Rule: c.Rule, Title: firstOf(pick(c.Title, lang), c.Item, c.Rule), Why: c.Why, Since: stampOrNone(c.Since)}
		for j := range t.v.Facts.NotOK {
			if r := &t.v.Facts.NotOK[j]; v.Why == "" && r.ID == c.Item && c.Item != "" {
				v.Why = whyItem(r, lang)
			}
		}
		out = append(out, v)
	}
	return out
}

// serviceList is the work a visit would hold: what is due, what firing rules ask to be looked at, what
// was declined last time; each with its reason.
func (t *turn) serviceList() (list []ServiceLine, minutes int) {
	lang, f := t.language(), &t.v.Facts
	has := func(id string) bool {
		for i := range list {
			if list[i].ID == id {
				return true
			}
		}
		return false
	}
	for i := range f.NotOK {
		r := &f.NotOK[i]
		list = append(list, ServiceLine{ID: r.ID, Title: firstOf(pick(r.Title, lang), r.ID), Reason: r.Level, Minutes: r.Minutes})
		minutes += r.Minutes
	}
	for i := range f.Firing {
		if c := &f.Firing[i]; !has(c.Rule) {
			list = append(list, ServiceLine{ID: c.Rule, Title: firstOf(pick(c.Title, lang), c.Rule), Reason: "alert"})
		}
	}
	for _, id := range f.Declined {
		if !has(id) {
			list = append(list, ServiceLine{ID: id, Title: id, Reason: "declined"})
		}
	}
	return list, minutes
}

// callAfterMS is how long an owner who was told may answer before a call is worth it.
const callAfterMS = 3 * dayMS

// suggest fills in what to do next and how urgent it is. An item that is soon can wait for the owner's own
// answer; what is due, or a fault, is worth a call at once.
func (t *turn) suggest(l *lead) {
	v := &l.View
	urgency := 0
	for i := range l.Causes {
		n := 40 // a fault
		if c := &l.Causes[i]; c.Rule == "" {
			n = 30 + 5*max(levelRank(c.Level)-1, 0)
		}
		urgency = max(urgency, n)
	}
	v.Score.Parts = ScoreParts{Urgency: urgency, Value: min(v.MinutesTotal/2, 30), Reaction: reactionScore(v.Owner.LastReaction)}
	v.Score.Total = v.Score.Parts.Urgency + v.Score.Parts.Value + v.Score.Parts.Reaction
	v.ActionAfter = 0
	switch {
	case v.State == leadClosed || v.State == "booked" || v.State == "visited":
		v.SuggestedAct = "none"
	case urgency <= 30:
		v.SuggestedAct, v.ActionAfter = "wait", v.Created+callAfterMS
	default:
		v.SuggestedAct = "call"
	}
}

// reactionScore weighs how the owner took what he was told: interest raises a lead, a refusal lowers it.
func reactionScore(action string) int {
	switch action {
	case "":
		return 6 // said nothing yet
	case "opened", "call_back", "will_think", "odometer":
		return 11
	case "delivered", "snoozed", "no_answer":
		return 8
	case "booked", "visited":
		return 15
	}
	return 0
}

// feedback takes a reaction into the lead. What it means for reminders is not in this version.
func (t *turn) feedback(raw json.RawMessage) {
	var f struct {
		By     string `json:"by"`
		Action string `json:"action"`
	}
	if len(raw) == 0 || json.Unmarshal(raw, &f) != nil {
		return
	}
	t.c.Count("notify_feedback", "", 1)
	l := t.v.Lead
	if l == nil || l.View.State == leadClosed {
		return
	}
	v := &l.View
	v.Updated = t.now
	if who, advisor := strings.CutPrefix(f.By, "advisor:"); advisor {
		if f.Action == "claimed" {
			v.ClaimedBy = who
		}
	} else {
		v.Owner.LastReaction, v.LastReactionAt = f.Action, t.now
	}
	if rankOfLead(f.Action) > rankOfLead(v.State) {
		v.State = f.Action
	}
	t.renderLead()
}

// rankOfLead orders a lead's states before closed; it only moves forward.
func rankOfLead(s string) int {
	switch s {
	case "claimed":
		return 1
	case "contacted":
		return 2
	case "booked":
		return 3
	case "visited":
		return 4
	}
	return 0
}
