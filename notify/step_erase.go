package notify

import (
	"encoding/json"
	"strings"

	"github.com/milepost-io/milepost/rules"
	"github.com/milepost-io/milepost/state"
)

// eraseVehicle drops what the party holds of an erased vehicle, and all rows of this shard about it. It comes
// as a notice, so that whatever the vehicle said before has been handled (S47).
func (s *Step) eraseVehicle(c *state.Context, vin string) {
	s.forgetVehicle(c, vin, forever)
	dropVehicleRows(c, vin, forever)
}

// forever is after everything.
const forever = 1<<63 - 1

// forgetVehicle drops the party's document of the vehicle, and how to reach the party where that vehicle's
// profile said so until at. The party that stands for a vehicle without owner goes whole.
func (s *Step) forgetVehicle(c *state.Context, vin string, at int64) {
	if string(c.Key()) == vehicleParty+vin {
		c.EraseKey()
		return
	}
	c.Delete([]byte(vin))
	if p := loadParty(c.View(nil)); p.Profile.VIN == vin && p.Profile.At <= at {
		p.Profile = contactOfAll(c)
		p.save(c)
	}
}

// vehicleParty begins the key of the party that stands for a vehicle without owner.
const vehicleParty = "v:"

// contactOfAll is what the newest profile that names the party says of it, among the vehicles it has.
func contactOfAll(c *state.Context) *contact {
	newest := new(contact)
	for _, sub := range c.Subs() {
		if len(sub) == 0 {
			continue
		}
		f := &loadVehicle(c.View(sub)).Facts
		if f.Owner == string(c.Key()) && f.ContactAt > newest.At {
			*newest = *contactOf(string(sub), f)
		}
	}
	return newest
}

// sweepVehicle is an erasure's last look into a shard (Result Erased): it drops what a former owner still
// remembers of the vehicle, and rows made until at. What is newer is of a vehicle that has come back.
func (s *Step) sweepVehicle(c *state.Context, vin string, at int64) {
	if v := loadVehicle(c.View([]byte(vin))); v == nil || v.Former || v.Facts.ContactAt <= at {
		s.forgetVehicle(c, vin, at)
	}
	dropVehicleRows(c, vin, at)
}

// dropVehicleRows drops the shard's rows about a vehicle that were made until at.
func dropVehicleRows(c *state.Context, vin string, at int64) {
	c.DropRows(state.RowTimeline, append([]byte(vin), 0), func(_ string, value []byte) bool {
		var e TimelineEntry
		return json.Unmarshal(value, &e) != nil || e.At <= at
	})
	c.DropRows(state.RowOutbox, nil, func(key string, value []byte) bool {
		if !strings.Contains(key, "\x00"+vin+"\x00") {
			return false
		}
		e, err := ParseEntry(value)
		return err != nil || e.VIN == vin && e.Created <= at
	})
	c.DropRows(state.RowView, []byte(MessagePrefix+vin+"/"), func(_ string, value []byte) bool {
		var m MessageView
		return json.Unmarshal(value, &m) != nil || m.Created <= at
	})
	c.DropRows(state.RowView, []byte(LeadPrefix), func(_ string, value []byte) bool {
		var l LeadView
		return json.Unmarshal(value, &l) == nil && l.VIN == vin && l.Created <= at
	})
	c.DropRows(state.RowDead, nil, func(key string, value []byte) bool {
		if m, ok := letterOf(key, value); ok {
			return m.Key == vin && m.At <= at
		}
		l, err := state.DecodeDeadLetter(value)
		return err == nil && l.Names(vin) && l.Time <= at
	})
}

// letterOf decodes an undelivered message; ok is false for a quarantined input.
func letterOf(key string, value []byte) (m DeadLetter, ok bool) {
	if !strings.HasPrefix(key, DeadPrefix) {
		return m, false
	}
	return m, json.Unmarshal(value, &m) == nil
}

// eraseParty forgets a party at once: what it said, its vehicles' messages, what waits to be sent to it or
// could not be (S47). Vehicles name it until each has been told, from outside; a mark keeps what they say
// meanwhile from being told to anybody. The erasure takes the mark away when it is done.
func (s *Step) eraseParty(c *state.Context) {
	vehicles := c.Subs()
	c.EraseKey()
	mark := &party{Version: 1, Erased: c.Now()}
	mark.save(c)
	for _, vin := range vehicles {
		if len(vin) > 0 {
			dropPartyTimeline(c, string(vin), string(c.Key()), forever)
		}
	}
	dropPartyRows(c, string(c.Key()))
}

// dropPartyTimeline drops the rows of a vehicle's story that are about a party and were made until at.
func dropPartyTimeline(c *state.Context, vin, id string, at int64) {
	c.DropRows(state.RowTimeline, append([]byte(vin), 0), func(_ string, value []byte) bool {
		var e TimelineEntry
		return json.Unmarshal(value, &e) == nil && e.Party == id && e.At <= at
	})
}

func dropPartyRows(c *state.Context, id string) {
	c.DropRows(state.RowOutbox, nil, func(key string, value []byte) bool {
		if !strings.HasSuffix(key, id) {
			return false
		}
		e, err := ParseEntry(value)
		return err == nil && e.Party == id
	})
	c.DropRows(state.RowView, []byte(MessagePrefix), func(key string, value []byte) bool {
		var m MessageView
		return strings.HasSuffix(key, "."+id) || json.Unmarshal(value, &m) == nil && m.Party == id
	})
	c.DropRows(state.RowView, []byte(LeadPrefix), func(_ string, value []byte) bool {
		var l LeadView
		return json.Unmarshal(value, &l) == nil && l.Party == id
	})
	c.DropRows(state.RowDead, nil, func(key string, value []byte) bool {
		if m, ok := letterOf(key, value); ok {
			e, err := ParseEntry(m.Entry)
			return err == nil && e.Party == id
		}
		l, err := state.DecodeDeadLetter(value)
		return err == nil && l.Names(id)
	})
}

// erased handles the records of an erasure under way: about a vehicle, about a party's rows of a vehicle, or
// that a party's is done.
func (s *Step) erased(c *state.Context, r *Result) {
	switch {
	case r.VIN == "":
		if loadParty(c.View(nil)).Erased != 0 {
			c.Delete(nil)
		}
		dropPartyRows(c, string(c.Key()))
	case r.Of != "":
		dropPartyTimeline(c, r.VIN, r.Of, r.At)
	default:
		s.sweepVehicle(c, r.VIN, r.At)
	}
}

// deaf reports whether the party was erased and a notice has no news of it: then nothing of it is kept. A
// vehicle event that names the party anew ends that.
func (t *turn) deaf(n *rules.Notice) bool {
	if t.owner.Erased == 0 {
		return false
	}
	if n.Contact && n.Facts.ContactAt > t.owner.Erased {
		t.owner.Erased = 0
		return false
	}
	t.c.Count("notify_erased", n.Kind, 1)
	return true
}
