package rules

import (
	"cmp"
	"slices"

	"github.com/cespare/xxhash/v2"

	"github.com/milepost-io/milepost/rules/plan"
)

// emit sends what happened to the vehicle's party as one notice, in the order of S7: nothing on the vast
// majority of records. The facts go with it; alone they go when a message would say something else.
func (s *Step) emit() {
	events := s.events()
	if s.in.ownerChanged {
		s.release()
	}
	if len(events) == 0 && !s.in.stateChanged && len(s.in.feedback) == 0 {
		return
	}
	facts := s.facts()
	hash := facts.hash()
	kind := "events"
	switch {
	case len(events) > 0:
	case len(s.in.feedback) > 0:
		kind = "feedback"
	case s.in.contact && facts.Owner != "", s.v.Flags&told != 0 && hash != s.v.FactsHash, s.in.ownerChanged:
		kind = "facts"
	default:
		return
	}
	s.v.FactsHash = hash
	s.v.Flags |= told
	s.send(s.partyKey(facts.Owner), &Notice{
		VIN: string(s.in.vin), Kind: kind, Contact: s.in.contact, Events: events, Facts: facts, Feedback: s.in.feedback,
	})
}

// events are the events of the step in the order in which they leave (S7).
func (s *Step) events() []Event {
	in := &s.in
	if len(in.odometer)+len(in.cancelled)+len(in.done)+len(in.levels)+len(in.alerts)+len(in.leads) == 0 {
		return nil
	}
	slices.SortStableFunc(in.alerts, func(a, b Event) int { // rules that are gone come first, by id
		return cmp.Or(cmp.Compare(s.prog.place(a.Rule), s.prog.place(b.Rule)), cmp.Compare(a.Rule, b.Rule))
	})
	events := slices.Concat(in.odometer, in.cancelled, in.done, in.levels, in.alerts, in.leads)
	for i := range events {
		s.noteEvent(&events[i])
	}
	return events
}

// release tells the party that is no longer the owner to let the vehicle go (S46).
func (s *Step) release() {
	if s.v.Flags&told != 0 {
		s.send(s.partyKey(s.in.formerOwner), &Notice{VIN: string(s.in.vin), Kind: "released"}) // nothing of the new owner
	}
}

// send emits a notice to a party; it is about the small document that the party keeps for this vehicle.
func (s *Step) send(party []byte, n *Notice) { s.in.c.Emit(party, s.in.vin, encodeJSON(n)) }

// partyKey is the key of the vehicle's party: its owner, or the vehicle itself.
func (s *Step) partyKey(owner string) []byte {
	if owner != "" {
		return []byte(owner)
	}
	return append([]byte("v:"), s.in.vin...)
}

// facts is the vehicle as messages and leads need it.
func (s *Step) facts() Facts {
	p, v, open := s.profile(), &s.v, s.openDoc()
	f := Facts{
		Owner: p.text("owner"), Dealer: p.text("dealer"), Model: p.text("model"), Plate: p.text("plate"),
		Zone: p.text("timezone"), Name: p.text("name"), Language: p.text("language"),
		Consent: p.raw("consent"), Channels: p.raw("channels"), ContactAt: v.ContactAt,
	}
	if v.Odometer.Known {
		f.OdometerKM, f.OdometerAt = units(v.Odometer.Value), v.Odometer.At
	}
	if pl := s.plan(); pl != nil {
		f.Plan = pl.ID
		f.NotOK = s.notOK(pl)
	}
	for _, a := range open.Alerts {
		f.Firing = append(f.Firing, Cause{Rule: a.Rule, Title: a.Title, Since: a.Since})
	}
	if len(v.causes) > 0 {
		f.Lead = &LeadRef{ID: leadID(s.identity(), v.Lead), Causes: s.describeCauses(v.causes)}
	}
	h := s.history()
	f.History, f.Declined = h.refs(maxHistoryRefs), h.declined()
	return f
}

// maxHistoryRefs is how many services travel with the facts.
const maxHistoryRefs = 8

// hash is equal for facts of which a message would say the same: what runs on by itself is left out.
func (f Facts) hash() uint64 {
	f.OdometerKM, f.OdometerAt, f.ContactAt = nil, 0, 0
	f.NotOK = slices.Clone(f.NotOK)
	for i := range f.NotOK {
		f.NotOK[i].RestKM, f.NotOK[i].RestDays, f.NotOK[i].RestHours = nil, nil, nil
	}
	return xxhash.Sum64(encodeJSON(f))
}

// notOK lists the items that are not ok, in plan order, as a message lists them (S41).
func (s *Step) notOK(p *Plan) []ItemRef {
	var out []ItemRef
	for i := range p.Items {
		st := findItem(s.v.items, p.Items[i].Key)
		if st == nil || st.Level == plan.OK {
			continue
		}
		ref := ItemRef{Alert: itemAlertID(s.identity(), st.Key, st.Base), Level: st.Level.String()}
		s.describe(p, i, &ref)
		out = append(out, ref)
	}
	return out
}
