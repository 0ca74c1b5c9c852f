package notify

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/milepost-io/milepost/rules"
	"github.com/milepost-io/milepost/state"
)

// viewOf is the list entry of an event that was just created.
func (t *turn) viewOf(e *rules.Event, to string) *MessageView {
	v := &MessageView{
		ID: e.ID, Type: e.Type, VIN: t.vin, Model: t.v.Facts.Model, Plate: t.v.Facts.Plate, Party: t.v.Facts.Owner, Dealer: e.Dealer, Alert: e.Alert, Severity: e.Severity,
		To: to, Silent: e.Silent, Late: e.Late, Reason: e.Reason, Time: e.Time, Created: t.now,
	}
	if to != "dealer" {
		v.Dealer = t.v.Facts.Dealer
	}
	v.Title, v.Body = t.listText(e)
	return v
}

// listText is textOf, with the causes of a lead where no rule has words for it.
func (t *turn) listText(e *rules.Event) (title, body string) {
	title, body = t.textOf(e)
	return title, firstOf(body, causesOf(e, t.language()))
}

// keep makes an event one of the vehicle's newest and remembers it while it waits for anything.
func (t *turn) keep(m *message) {
	t.v.Recent = append(t.v.Recent, recent{N: m.N, Created: m.Created})
	if len(t.v.Recent) > recentKept {
		t.unlist(t.v.Recent[0])
		t.v.Recent = slices.Delete(t.v.Recent, 0, 1)
	}
	t.view(m)
	if m.waiting() || len(m.Out) > 0 {
		t.v.Messages = append(t.v.Messages, *m)
	}
}

// unlist takes the view of an event out of the list.
func (t *turn) unlist(r recent) {
	t.c.DelRow(state.RowView, []byte(messageKey(t.vin, r.Created, r.N, t.party)))
	for i := range t.v.Messages {
		if t.v.Messages[i].N == r.N {
			t.v.Messages[i].View = nil
		}
	}
}

// view writes the view row of a message that is still listed.
func (t *turn) view(m *message) {
	if m.View == nil {
		return
	}
	t.c.SetRow(state.RowView, []byte(messageKey(t.vin, m.Created, m.N, t.party)), row(m.View))
}

// record adds what became of an event to the vehicle's timeline.
func (t *turn) record(m *message) {
	v := m.View
	if v == nil {
		return
	}
	kind := "message"
	if v.To == "dealer" {
		kind = "lead"
	}
	t.story(&TimelineEntry{
		At: t.now, Kind: kind, ID: v.ID, Type: v.Type, Party: v.Party, To: v.To,
		State: v.State, Reason: v.Held, Joined: v.Joined, Title: v.Title,
	})
}

// recordUnlisted is record for an owner's message that newer ones have pushed out of the list.
func (t *turn) recordUnlisted(id, typ, state, reason string) {
	t.story(&TimelineEntry{At: t.now, Kind: "message", ID: id, Type: typ, Party: t.v.Facts.Owner, To: "owner", State: state, Reason: reason})
}

func (t *turn) story(e *TimelineEntry) {
	t.c.AddRow(state.RowTimeline, append([]byte(t.vin), 0), row(e))
}

// dropEnded removes messages that wait for nothing more.
func (t *turn) dropEnded() {
	t.v.Messages = keepIf(t.v.Messages, func(m *message) bool { return m.waiting() || len(m.Out) > 0 })
}

// forgetOld removes what has been kept long enough: a closed lead, and the memory of a former owner.
func (t *turn) forgetOld() {
	if l := t.v.Lead; l != nil && l.View.State == leadClosed && t.now >= l.View.Updated+leadKeptMS {
		t.c.DelRow(state.RowView, []byte(LeadKey(l.View.Dealer, l.View.Lead)))
		t.v.Lead = nil
	}
	if !t.v.Former {
		return
	}
	t.v.Told = keepIf(t.v.Told, func(m *told) bool { return t.now-m.At < sameVisitMS })
	if len(t.v.Told) == 0 && len(t.v.Messages) == 0 {
		for _, r := range t.v.Recent {
			t.unlist(r)
		}
		t.v.Recent = nil
	}
}

// row encodes a view, timeline or dead letter row: structs of strings and numbers always encode.
func row(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("notify: write a row: %v", err))
	}
	return b
}
