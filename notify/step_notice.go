package notify

import (
	"bytes"

	"github.com/milepost-io/milepost/rules"
	"github.com/milepost-io/milepost/state"
)

// turn is the handling of one input for one vehicle of a party.
type turn struct {
	s     *Step
	c     *state.Context
	party string
	vin   string
	now   int64
	owner *party
	v     *vehicle
	// dropped are the alerts of the messages this step superseded.
	dropped []string
	// leadShown: the lead's view row was written from the newest facts.
	leadShown bool
}

// turn loads the vehicle's document; v is nil when there is none.
func (s *Step) turn(c *state.Context, vin string) *turn {
	return &turn{
		s: s, c: c, party: string(c.Key()), vin: vin, now: c.Now(),
		owner: loadParty(c.View(nil)),
		v:     loadVehicle(c.View([]byte(vin))),
	}
}

// notice applies what a vehicle's step says (DESIGN: a party never looks a vehicle up).
func (s *Step) notice(c *state.Context, payload []byte) {
	var n rules.Notice
	if err := decode(payload, &n); err != nil || n.VIN == "" {
		c.Count("notify_notices_bad", "", 1) // only a differing build can write one
		return
	}
	if n.Kind == rules.KindErased {
		s.eraseVehicle(c, n.VIN)
		return
	}
	t := s.turn(c, n.VIN)
	if t.deaf(&n) {
		return
	}
	if t.v == nil {
		if n.Kind == "released" {
			return
		}
		t.v = &vehicle{Version: vehicleVersion}
	}
	switch n.Kind {
	case "released":
		t.ownerChanged()
	case "feedback":
		t.v.Facts = n.Facts
		t.feedback(n.Feedback)
		t.events(n.Events)
	default:
		before := t.v.Facts.NotOK
		t.v.Former = false
		t.v.Facts = n.Facts // a message that leaves at once already speaks of the newest facts
		t.learnContact(&n)
		t.itemsOK(before, n.Events)
		t.events(n.Events)
		t.followLead()
		t.v.forgetTold(notOKIDs(t.v.Facts.NotOK))
	}
	t.forgetOld()
	t.save()
}

// events handles the events of one step in the order they leave (S7).
func (t *turn) events(evs []rules.Event) {
	t.supersede(evs)
	for i := range evs {
		e := &evs[i]
		t.c.Count("notify_events", e.Type, 1)
		switch classOf(e.Type) {
		case opening:
			t.open(e)
		case closing:
			t.close(e)
		case leading:
			t.leadEvent(e)
		default:
			m := t.create(e, "none")
			m.View.State = "recorded"
			t.record(m)
			t.keep(m)
		}
	}
}

// class is what an event is to its party.
type class uint8

const (
	other   class = iota // odometer and the like: nobody is told
	opening              // starts or raises something the owner should know
	closing              // ends it
	leading              // is for the dealer
)

func classOf(typ string) class {
	switch typ {
	case "milepost.reminder.soon", "milepost.reminder.due", "milepost.reminder.overdue", "milepost.alert.firing":
		return opening
	case "milepost.reminder.done", "milepost.reminder.cancelled", "milepost.alert.resolved":
		return closing
	case "milepost.lead.created", "milepost.lead.updated", "milepost.lead.closed":
		return leading
	}
	return other
}

// rank orders the levels of reminders; 0: the event is no such reminder.
func rank(typ string) int {
	switch typ {
	case "milepost.reminder.soon":
		return 1
	case "milepost.reminder.due":
		return 2
	case "milepost.reminder.overdue":
		return 3
	}
	return 0
}

// save writes the document back and arms its next timer, or removes it when nothing is left to remember.
func (t *turn) save() {
	sub := []byte(t.vin)
	if t.v.Former && len(t.v.Told) == 0 && len(t.v.Messages) == 0 && len(t.v.Recent) == 0 {
		t.c.Delete(sub)
		return
	}
	if b := t.v.encode(); !bytes.Equal(b, t.c.View(sub)) { // nothing new: nothing to write back
		t.c.Put(sub, b)
	}
	if at := t.v.nextWake(); at > 0 {
		t.c.WakeAt(sub, at)
	}
}
