package rules

import (
	"encoding/json"

	"github.com/milepost-io/milepost/ingest"
	"github.com/milepost-io/milepost/rules/plan"
	"github.com/milepost-io/milepost/state"
)

// KindErased is the notice that a vehicle was erased: its party lets go of everything about it.
const KindErased = "erased"

// erase forgets the vehicle (S47): no event leaves but the notice that has its party forget it too, whatever
// the party knows of it by then.
func (s *Step) erase(c *state.Context) {
	s.begin(c)
	party := s.partyKey(s.profile().text("owner"))
	s.send(party, &Notice{VIN: string(c.Key()), Kind: KindErased})
	c.EraseKey()
	c.DropRows(state.RowTimeline, TimelinePrefix(c.Key()), nil)
	vin := string(c.Key())
	c.DropRows(state.RowDead, nil, func(_ string, value []byte) bool {
		l, err := state.DecodeDeadLetter(value)
		return err == nil && l.Names(vin)
	})
	s.running = false
}

// ContactMembers are the members of a profile that speak of the owner: who he is and how to reach him (S46).
func ContactMembers() []string { return []string{"owner", "name", "language", "consent", "channels"} }

// applyForget takes a party that was erased out of the vehicle's profile and story (S47). What a vehicle
// event has said since the erasure is news and stays. The vehicle goes on as one whose profile names no
// owner: states and lead stay (S46).
func (s *Step) applyForget(d *Decision) state.Outcome {
	s.in.c.DropRows(state.RowTimeline, TimelinePrefix(s.in.vin), forgetful(d.ForgetParty, d.Before))
	p := s.profile()
	owner, dealer := p.text("owner"), p.text("dealer")
	if owner != d.ForgetParty || s.v.ContactAt > d.Before {
		return state.Applied
	}
	for _, name := range ContactMembers() {
		delete(p.members, name)
	}
	s.in.c.Put(s.sub.profile, p.encode())
	s.in.c.Delete(s.sub.reaction)
	s.in.cause, s.in.stateChanged, s.in.ownerChanged = plan.CauseProfile, true, true
	s.in.formerOwner, s.in.formerDealer = owner, dealer
	s.in.ruleTime = s.currentTau()
	s.applyProfile()
	return state.Applied
}

// forgetful chooses the timeline rows until a time that speak of a party: profiles that name it, how to reach
// it while it was the owner, and what it said. It is asked in the order of the rows.
func forgetful(party string, before int64) func(key string, value []byte) bool {
	var h OwnerHistory
	return func(_ string, value []byte) bool {
		var e TimelineEntry
		if json.Unmarshal(value, &e) != nil || e.At > before {
			return false
		}
		switch e.Kind {
		case "profile":
			return len(h.Next(e.Profile)) > 0 && h.MayBe(party)
		case "feedback":
			return h.MayBe(party)
		}
		return false
	}
}

// OwnerHistory follows the profiles of one vehicle, in order.
type OwnerHistory struct {
	known bool
	owner string
}

// Next takes the next profile patch and lists its members that say something of whoever is the owner then.
func (h *OwnerHistory) Next(patch []byte) (names []string) {
	var members map[string]json.RawMessage
	if json.Unmarshal(patch, &members) != nil {
		return nil
	}
	if owner, ok := members["owner"]; ok {
		h.known, h.owner = true, ""
		_ = json.Unmarshal(owner, &h.owner) // null: nobody
	}
	for _, name := range ContactMembers() {
		if v, ok := members[name]; ok && string(v) != "null" {
			names = append(names, name)
		}
	}
	return names
}

// Owner is the owner by the newest profile; known is false before the first that says who it is.
func (h *OwnerHistory) Owner() (owner string, known bool) { return h.owner, h.known }

// MayBe reports whether a party is the owner, or may have been: nobody has said yet.
func (h *OwnerHistory) MayBe(party string) bool { return !h.known || h.owner == party }

// isErase reports whether the event decoded last is the vehicle's erasure.
func (s *Step) isErase() bool { return s.decision == nil && s.ev.Type == ingest.Erase }
