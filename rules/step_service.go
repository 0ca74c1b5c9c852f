package rules

import (
	"slices"

	"github.com/cespare/xxhash/v2"

	"github.com/milepost-io/milepost/ingest"
	"github.com/milepost-io/milepost/rules/plan"
	"github.com/milepost-io/milepost/state"
)

// applyService files a workshop visit and resets its items (S33…S35).
func (s *Step) applyService(payload []byte) state.Outcome {
	told := s.ev.Service
	at := s.in.now
	if s.ev.HasTime {
		at = s.ev.Time
	}
	if at > s.in.now+day {
		s.in.c.Quarantine(ingest.ReasonTime, "a service more than 24 h ahead of its arrival", -1)
		return state.Quarantined
	}
	print := fingerprint(&s.ev)
	if s.seenEvent(payload) || (told.Order != "" && s.history().has(told.Dealer, told.Order, print)) {
		return state.Duplicate
	}
	s.remember()
	s.loadCold()
	s.in.stateChanged, s.in.ruleTime = true, s.currentTau()
	items := s.serviceItems(told)
	filed := s.planState().AddService(plan.Service{
		Time: at, Now: s.in.now, Zone: s.zone(), Items: keysOf(items), Reset: resetOf(told.Reset),
		KM: toldKM(told.Odometer), Hours: toldHours(told.EngineHours),
	})
	s.v.items = s.state.Items
	s.in.serviced, s.in.evaluate = filed.Seq, true
	if told.Reset != nil {
		s.in.cause = plan.CauseReset
	}
	if filed.Dropped > 0 {
		s.in.count("service", "items_dropped", filed.Dropped)
	}
	sv := Serviced{
		ServiceRef: ServiceRef{Time: at, Date: filed.Day.String(), Order: told.Order, Dealer: told.Dealer, Items: listed(items), Declined: listed(told.Declined)},
		Codes:      listed(told.Codes), Arrival: s.in.now, Told: print, Assumed: filed.KM.Derived,
	}
	if filed.KM.Known {
		sv.KM = units(filed.KM.Value)
	}
	if filed.Hours.Known {
		sv.Hours = units(filed.Hours.Value)
	}
	s.history().add(sv)
	s.in.c.Put(s.sub.services, s.history().encode())
	s.loadFacts()
	s.note(TimelineEntry{Kind: "service", Service: &sv})
	return state.Applied
}

// serviceItems are the items of a service by id: those named, and those its operation codes stand for in
// the vehicle's plan, or in any plan where it has none (S33).
func (s *Step) serviceItems(told *ingest.ServiceEvent) []string {
	items := slices.Clone(told.Items)
	plans := s.prog.Plans
	if p := s.plan(); p != nil {
		plans = []*Plan{p}
	}
	var found []int
	for _, code := range told.Codes {
		for _, p := range plans {
			found = p.ItemsFor(code, found[:0])
			for _, i := range found {
				items = append(items, p.Items[i].ID)
			}
		}
	}
	slices.Sort(items)
	items = slices.Compact(items)
	for _, id := range items {
		if !s.prog.items[id] {
			s.in.count("service", "unknown_item", 1)
		}
	}
	return items
}

func keysOf(items []string) []plan.ItemKey {
	out := make([]plan.ItemKey, len(items))
	for i, id := range items {
		out[i] = plan.KeyOf(id)
	}
	return out
}

func toldKM(km *float64) plan.Told {
	if km == nil {
		return plan.Told{}
	}
	return plan.Told{Value: plan.Metres(*km), Set: true}
}

func toldHours(h *float64) plan.Told {
	if h == nil {
		return plan.Told{}
	}
	return plan.Told{Value: plan.MilliHours(*h), Set: true}
}

func resetOf(r *ingest.OdometerReset) plan.Reset {
	if r == nil {
		return plan.Reset{}
	}
	return plan.Reset{From: plan.Metres(r.From), To: plan.Metres(r.To), Set: true}
}

// fingerprint identifies what a service says, however it is written (S5).
func fingerprint(ev *ingest.Event) uint64 {
	return xxhash.Sum64(encodeJSON(struct {
		HasTime bool
		Time    int64
		Told    *ingest.ServiceEvent
	}{ev.HasTime, ev.Time, ev.Service}))
}
