package notify

import (
	"slices"

	"github.com/milepost-io/milepost/rules"
	"github.com/milepost-io/milepost/state"
)

// close decides about a closing event (S42): it drops what need not be said any more, and goes itself
// where the opening went, silently.
func (t *turn) close(e *rules.Event) {
	parts := partsOf(e)
	o := t.openingsOf(parts)
	to := "none"
	if o.forOwner {
		to = "owner"
	}
	e.Silent = true
	m := t.create(e, to)
	switch {
	case !o.forOwner:
		m.View.State = stateRecorded
		t.record(m)
	case o.sent || o.waits:
		t.deliver(m, Owner, t.still(o.endpoints), e)
	case slices.ContainsFunc(parts, func(p part) bool { return slices.Contains(t.dropped, p.Alert) }):
		t.hold(m, e.ID, heldSuperseded)
	default:
		t.hold(m, e.ID, o.reason)
	}
	t.keep(m)
	for _, p := range parts {
		if e.Type != "milepost.reminder.cancelled" || !t.notOK(p.Item) {
			t.v.endEpisode(p.Alert) // an item that is not ok keeps its interval (S37)
		}
	}
}

// supersede closes the parts of the waiting messages that a step closes, and drops the messages that have
// none left. It comes before the step's events are decided one by one: whether a message will be released
// depends on all of them.
func (t *turn) supersede(evs []rules.Event) {
	var closed []part
	for i := range evs {
		if classOf(evs[i].Type) == closing {
			closed = append(closed, partsOf(&evs[i])...)
		}
	}
	t.dropped = nil
	if len(closed) == 0 {
		return
	}
	for i := range t.v.Messages {
		m := &t.v.Messages[i]
		if !m.waiting() {
			continue
		}
		touched, left := false, false
		for j := range m.Parts {
			p := &m.Parts[j]
			if slices.ContainsFunc(closed, func(q part) bool { return q.Alert == p.Alert }) {
				p.Closed, touched = true, true
			}
			left = left || !p.Closed
		}
		if touched && !left {
			for _, p := range m.Parts {
				t.dropped = append(t.dropped, p.Alert)
			}
			t.drop(m, heldSuperseded)
		}
	}
	t.dropEnded()
}

// drop holds a waiting message for good.
func (t *turn) drop(m *message, reason string) {
	for _, p := range m.Parts {
		if ep := t.v.known(p.Alert); ep != nil {
			ep.Reason = reason
		}
	}
	t.v.untell(m.N)
	t.hold(m, m.Event.ID, reason)
	t.view(m)
}

// openings sums up what is known of the openings of some alerts.
type openings struct {
	forOwner, sent, waits bool
	endpoints             []string
	reason                string
}

func (t *turn) openingsOf(parts []part) openings {
	var o openings
	var newest uint32
	for _, p := range parts {
		ep := t.v.known(p.Alert)
		if ep == nil || ep.N == 0 {
			continue
		}
		o.forOwner = true
		if ep.Sent {
			o.sent = true
			o.endpoints = union(o.endpoints, ep.Endpoints)
		}
		if t.awaits(p.Alert) {
			o.waits = true
			o.endpoints = union(o.endpoints, t.s.endpoints(Owner))
		}
		if ep.N > newest {
			newest, o.reason = ep.N, ep.Reason
		}
	}
	return o
}

// awaits reports whether a message of the alert will be released.
func (t *turn) awaits(alert string) bool {
	for i := range t.v.Messages {
		m := &t.v.Messages[i]
		if m.waiting() && slices.ContainsFunc(m.Parts, func(p part) bool { return p.Alert == alert }) {
			return true
		}
	}
	return false
}

// still filters out endpoints that are no longer configured.
func (t *turn) still(endpoints []string) []string {
	active := t.s.endpoints(Owner)
	return slices.DeleteFunc(slices.Clone(endpoints), func(n string) bool { return !slices.Contains(active, n) })
}

// notOK reports whether the item is above ok after the step.
func (t *turn) notOK(item string) bool {
	return slices.ContainsFunc(t.v.Facts.NotOK, func(r rules.ItemRef) bool { return r.ID == item })
}

// itemsOK forgets the messages all of whose items were ok at a moment within the step: after its
// cancelled and done events, before anything rises (S7, S41).
func (t *turn) itemsOK(before []rules.ItemRef, evs []rules.Event) {
	notOK := notOKIDs(before)
	for i := range evs {
		e := &evs[i]
		for j := range e.Items {
			id := e.Items[j].ID
			if e.Type == "milepost.reminder.done" || e.Type == "milepost.reminder.cancelled" && !t.notOK(id) {
				notOK = slices.DeleteFunc(notOK, func(x string) bool { return x == id })
			}
		}
	}
	if len(before) > 0 {
		t.v.forgetTold(notOK)
	}
}

// ownerChanged holds what the former owner has not received and forgets the car (S46). What was told
// stays remembered for same_visit: he may get it back.
func (t *turn) ownerChanged() {
	for i := range t.v.Messages {
		m := &t.v.Messages[i]
		if m.waiting() {
			t.drop(m, heldOwnerChanged)
			continue
		}
		t.recall(m)
	}
	t.dropEnded()
	if l := t.v.Lead; l != nil { // it goes on under the new owner
		t.c.DelRow(state.RowView, []byte(LeadKey(l.View.Dealer, l.View.Lead)))
		t.v.Lead = nil
	}
	t.v.Former, t.v.Facts, t.v.Episodes = true, rules.Facts{}, nil
}

// recall takes the owner's entries of a message back out of the outbox.
func (t *turn) recall(m *message) {
	var last *sent
	m.Out = keepIf(m.Out, func(x *sent) bool {
		if x.Audience != Owner {
			return true
		}
		was := *x
		last = &was
		t.c.DelRow(state.RowOutbox, x.key(t.vin, t.party))
		return false
	})
	if last == nil {
		return
	}
	t.c.Count("notify_held", heldOwnerChanged, 1)
	if m.View == nil {
		t.recordUnlisted(last.ID, last.Type, stateSent, heldOwnerChanged)
		return
	}
	m.View.Held = heldOwnerChanged
	t.record(m)
	t.view(m)
}

func (x *sent) key(vin, party string) []byte {
	e := Entry{Endpoint: x.Endpoint, VIN: vin, Party: party, Created: x.Created, N: x.N}
	return e.Key()
}
