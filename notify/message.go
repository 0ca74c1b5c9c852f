package notify

import (
	"slices"

	"github.com/milepost-io/milepost/rules"
	"github.com/milepost-io/milepost/state"
)

// Reasons to hold an owner's message, in the order they are judged (S45); the last two are found later.
const (
	heldNoOwner      = "no_owner"
	heldConsent      = "consent"
	heldTooLate      = "too_late"
	heldSameVisit    = "same_visit"
	heldSuperseded   = "superseded"
	heldOwnerChanged = "owner_changed"
	heldNoDealer     = "no_dealer"
)

// States of a MessageView.
const (
	stateWaiting  = "waiting"
	stateSent     = "sent"
	stateHeld     = "held"
	stateJoined   = "joined"
	stateRecorded = "recorded"
)

// message is an event that waits for its release or whose results are outstanding.
type message struct {
	N       uint32 `json:"n"`
	Created int64  `json:"created"`
	// Due is when it is released while it waits; 0 once it was.
	Due int64 `json:"due,omitempty"`
	// Event is kept while the message waits: what it will say, besides the facts of that day.
	Event *rules.Event `json:"event,omitempty"`
	// Parts are the alerts it is about: one for an alert, one an item for a reminder.
	Parts []part `json:"parts,omitempty"`
	// View is nil once newer messages took its place in the list.
	View *MessageView `json:"view,omitempty"`
	// Out are the entries without result.
	Out []sent `json:"out,omitempty"`
}

// part is an alert a message is about.
type part struct {
	Alert  string `json:"alert"`
	Item   string `json:"item,omitempty"`
	Closed bool   `json:"closed,omitempty"`
}

// sent is an entry of the outbox that has not ended. Created and N are those of its row.
type sent struct {
	Endpoint string   `json:"endpoint"`
	Audience Audience `json:"audience"`
	ID       string   `json:"id"`
	Type     string   `json:"type"`
	Created  int64    `json:"created"`
	N        uint32   `json:"n"`
}

func (m *message) waiting() bool { return m.Due > 0 }

// partsOf lists the alerts an event is about.
func partsOf(e *rules.Event) []part {
	if len(e.Items) == 0 {
		return []part{{Alert: e.Alert}}
	}
	out := make([]part, 0, len(e.Items))
	for i := range e.Items {
		out = append(out, part{Alert: e.Items[i].Alert, Item: e.Items[i].ID})
	}
	return out
}

// create numbers an event and gives it to the feeds and to whoever observes. What becomes of it is for
// the caller to say, and to keep.
func (t *turn) create(e *rules.Event, to string) *message {
	t.v.Seq++
	m := &message{N: t.v.Seq, Created: t.now, Parts: partsOf(e)}
	m.View = t.viewOf(e, to)
	if t.s.opt.Observe != nil {
		t.observe(Observation{Op: Created, Event: e, To: to, ID: e.ID, Body: t.body(e, Feed)})
	}
	if feeds := t.s.feeds(e.Type); len(feeds) > 0 {
		t.send(m, Feed, feeds, e, t.body(e, Feed))
	}
	return m
}

// open decides about the opening of an alert, or the rise of items (S41–S45).
func (t *turn) open(e *rules.Event) {
	if !e.ToOwner {
		m := t.create(e, "none")
		for _, p := range m.Parts {
			t.v.episode(p.Alert)
		}
		m.View.State = stateRecorded
		t.record(m)
		t.keep(m)
		return
	}
	m := t.create(e, "owner")
	reason := t.holdReason(e)
	for _, p := range m.Parts {
		ep := t.v.episode(p.Alert)
		ep.N, ep.Reason = m.N, reason
	}
	if reason != "" {
		t.hold(m, e.ID, reason)
		t.keep(m)
		return
	}
	r := rank(e.Type)
	if r > 0 {
		if g := t.group(); g != nil && !atOnce(e) {
			t.tell(g.N, r, m.Parts)
			t.join(g, m, e)
			t.keep(m)
			return
		}
		t.tell(m.N, r, m.Parts)
	}
	m.Event = e
	m.Due = t.now + t.s.policy.GroupWaitMS
	m.View.State, m.View.Due = stateWaiting, m.Due
	if atOnce(e) || t.s.policy.GroupWaitMS == 0 {
		t.release(m)
	} else {
		t.record(m)
	}
	t.keep(m)
}

// atOnce reports whether an event waits for no other (S43).
func atOnce(e *rules.Event) bool { return e.Critical || e.Silent }

// holdReason is the first reason not to tell the owner, "" for none (S45).
func (t *turn) holdReason(e *rules.Event) string {
	switch {
	case t.v.Facts.Owner == "":
		return heldNoOwner
	case !e.Critical && !t.consents():
		return heldConsent
	case e.Late:
		return heldTooLate
	case rank(e.Type) > 0 && t.v.toldWithin(t.now, rank(e.Type)):
		return heldSameVisit
	}
	return ""
}

// hold says that an event does not go to its owner, and why. id is the event whose line carries the
// reason: the opening's own, or the first of a group.
func (t *turn) hold(m *message, id, reason string) {
	if m.View == nil && m.Event != nil {
		t.recordUnlisted(id, m.Event.Type, stateHeld, reason)
	}
	m.Due, m.Event = 0, nil
	if m.View != nil {
		m.View.State, m.View.Held, m.View.Due = stateHeld, reason, 0
	}
	t.c.Count("notify_held", reason, 1)
	t.observe(Observation{Op: Held, ID: id, Reason: reason})
	t.record(m)
}

// tell remembers a message for same_visit (S41).
func (t *turn) tell(n uint32, rank int, parts []part) {
	items := make([]string, 0, len(parts))
	for _, p := range parts {
		items = append(items, p.Item)
	}
	t.v.Told = keepIf(t.v.Told, func(m *told) bool { return t.now-m.At < sameVisitMS })
	t.v.Told = append(t.v.Told, told{N: n, Rank: rank, At: t.now, Items: items})
	if n := len(t.v.Told) - toldKept; n > 0 {
		t.v.Told = slices.Delete(t.v.Told, 0, n)
	}
}

// group is the reminder that gathers others, nil when none waits. Alerts never join (S43).
func (t *turn) group() *message {
	for i := range t.v.Messages {
		if m := &t.v.Messages[i]; m.waiting() && rank(m.Event.Type) > 0 {
			return m
		}
	}
	return nil
}

// join makes a reminder part of a waiting one: the id stays that of the first, the type is that of the
// highest level (S43).
func (t *turn) join(g, m *message, e *rules.Event) {
	for i, p := range m.Parts {
		at := slices.IndexFunc(g.Parts, func(q part) bool { return q.Alert == p.Alert })
		if at < 0 {
			g.Parts = append(g.Parts, p)
			g.Event.Items = append(g.Event.Items, e.Items[i:i+1]...)
			continue
		}
		g.Parts[at].Closed = false
		copy(g.Event.Items[at:], e.Items[i:i+1])
	}
	if rank(e.Type) > rank(g.Event.Type) {
		g.Event.Type = e.Type
	}
	g.Event.Evidence = e.Evidence // the newest readings
	g.Event.Time = e.Time
	if g.View != nil {
		g.View.Type = g.Event.Type
		t.view(g)
	}
	m.View.State, m.View.Joined = stateJoined, g.Event.ID
	t.observe(Observation{Op: Joined, ID: e.ID, Joined: g.Event.ID})
	t.record(m)
}

// releaseDue releases what has waited long enough, in order of creation.
func (t *turn) releaseDue() {
	for i := range t.v.Messages {
		if m := &t.v.Messages[i]; m.waiting() && m.Due <= t.now {
			t.release(m)
			t.view(m)
		}
	}
	t.dropEnded()
}

// release fixes the body and hands the message to the owner's endpoints.
func (t *turn) release(m *message) {
	e := m.Event
	endpoints := t.s.endpoints(Owner)
	for _, p := range m.Parts {
		if ep := t.v.known(p.Alert); ep != nil {
			ep.Sent, ep.Reason = true, ""
			ep.Endpoints = union(ep.Endpoints, endpoints)
		}
	}
	m.Due, m.Event = 0, nil
	t.deliver(m, Owner, endpoints, e)
}

// deliver renders an event and writes an entry for each endpoint.
func (t *turn) deliver(m *message, a Audience, endpoints []string, e *rules.Event) {
	if m.View != nil {
		m.View.State, m.View.Released, m.View.Due = stateSent, t.now, 0
		m.View.Title, m.View.Body = t.listText(e)
	}
	t.c.Count("notify_released", string(a), 1)
	t.observe(Observation{Op: Released, ID: e.ID})
	if len(endpoints) > 0 {
		t.send(m, a, endpoints, e, t.body(e, a))
	}
	if m.View == nil {
		t.recordUnlisted(e.ID, e.Type, stateSent, "")
	}
	t.record(m)
}

// send writes outbox rows (E6: one id, one body).
func (t *turn) send(m *message, a Audience, endpoints []string, e *rules.Event, body []byte) {
	for _, name := range endpoints {
		x := Entry{
			Endpoint: name, Audience: a, ID: e.ID, Type: e.Type, VIN: t.vin, Party: t.party,
			Created: m.Created, Released: t.now, N: m.N, Body: body,
		}
		if t.outstanding() >= roomFor(a) { // E11: nothing vanishes, it waits for an operator
			t.c.Count("notify_overflow", name, 1)
			t.bury(&x, "overflow", "too many messages of this vehicle wait for their results", t.now)
			continue
		}
		m.Out = append(m.Out, sent{Endpoint: name, Audience: a, ID: e.ID, Type: e.Type, Created: m.Created, N: m.N})
		t.c.SetRow(state.RowOutbox, x.Key(), x.Append(nil))
		if a != Feed && m.View != nil {
			m.View.Sent = append(m.View.Sent, DeliveryView{Endpoint: name})
		}
	}
}

// roomFor is how many entries may be on their way when another one joins them: a feed that is away leaves
// half of the room to owners and dealers.
func roomFor(a Audience) int {
	if a == Feed {
		return maxMessages / 2
	}
	return maxMessages
}

// outstanding counts the entries of the document that have not ended.
func (t *turn) outstanding() int {
	n := 0
	for i := range t.v.Messages {
		n += len(t.v.Messages[i].Out)
	}
	return n
}
