package rules

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/milepost-io/milepost/ingest"
	"github.com/milepost-io/milepost/rules/cond"
	"github.com/milepost-io/milepost/rules/plan"
	"github.com/milepost-io/milepost/state"
)

// applyVehicle merges a patch into the profile (S8).
func (s *Step) applyVehicle(payload []byte) state.Outcome {
	if s.seenEvent(payload) {
		return state.Duplicate
	}
	at := s.in.now
	if s.ev.HasTime && s.ev.Time <= s.in.now+clockSlack {
		at = s.ev.Time
	}
	if s.ev.HasTime && at < s.v.ProfileAt { // what names no time is news, whatever the clock of the last one
		s.remember()
		s.note(TimelineEntry{Kind: "profile", Late: true})
		return state.Late
	}
	patch, err := parseObject(s.ev.Vehicle.Profile)
	if err != nil {
		s.in.c.Quarantine(ingest.ReasonValue, "profile: "+err.Error(), -1)
		return state.Quarantined
	}
	p := s.profile()
	owner, dealer := p.text("owner"), p.text("dealer")
	p.members = merge(p.members, patch)
	encoded := p.encode()
	if len(encoded) > maxDocument {
		s.in.profile = nil
		s.in.c.Quarantine(ingest.ReasonOversize, fmt.Sprintf("the merged profile has %d bytes, at most %d are kept", len(encoded), maxDocument), -1)
		return state.Quarantined
	}
	s.remember()
	if !bytes.Equal(encoded, s.in.docs.View(s.sub.profile)) { // told again, nothing has changed (S36)
		s.in.cause = plan.CauseProfile
		s.in.c.Put(s.sub.profile, encoded)
	}
	s.v.ProfileAt, s.v.ContactAt = at, s.in.now
	s.v.Flags |= hasProfile
	s.in.contact, s.in.stateChanged = true, true
	s.in.formerOwner, s.in.formerDealer = owner, dealer
	s.in.ownerChanged = owner != p.text("owner")
	s.in.ruleTime = s.currentTau()
	s.applyProfile()
	s.note(TimelineEntry{Kind: "profile", Profile: json.RawMessage(s.ev.Vehicle.Profile)})
	return state.Applied
}

// currentTau is τ, or before any telemetry the arrival of the record (S9).
func (s *Step) currentTau() int64 {
	if s.v.Tau == never {
		return s.in.now
	}
	return s.v.Tau
}

// profile returns the merged profile, loaded on first use.
func (s *Step) profile() *profile {
	if s.in.profile == nil {
		p, err := parseProfile(s.in.docs.View(s.sub.profile))
		if err != nil {
			panic(fmt.Errorf("vehicle %s: %w", s.in.vin, err))
		}
		s.in.profile = p
	}
	return s.in.profile
}

// applyProfile makes the hot document follow the profile and the rule set: zone, plan, facts, and which
// rules apply.
func (s *Step) applyProfile() {
	p, v := s.profile(), &s.v
	if key := s.zoneOf(p); key != v.ZoneKey {
		v.ZoneKey, v.TodayEnds = key, 0
	}
	v.InService = p.inService()
	s.in.evaluate = true
	s.loadFacts()
	s.choosePlan(p)
	s.applyRules()
}

// zoneOf is the vehicle's zone: the profile's, else the configured one (S8).
func (s *Step) zoneOf(p *profile) uint64 {
	if name := p.text("timezone"); name != "" {
		if key, ok := s.zones.load(name); ok {
			return key
		}
		s.in.count("profile", "unknown_zone", 1)
	}
	return s.rules.zone
}

// zone is the vehicle's zone.
func (s *Step) zone() plan.Zone {
	z, ok := s.zones[s.v.ZoneKey]
	if !ok { // met by an earlier process: named by the profile
		s.v.ZoneKey = s.zoneOf(s.profile())
		z = s.zones[s.v.ZoneKey]
	}
	return z
}

// choosePlan finds the vehicle's plan (S27).
func (s *Step) choosePlan(p *profile) {
	s.v.PlanKey = 0
	if s.v.Flags&hasProfile == 0 {
		return
	}
	if name := p.text("plan"); name != "" {
		key := hash64("plan", name)
		if s.prog.planByKey[key] == nil {
			s.in.count("profile", "unknown_plan", 1)
			return
		}
		s.v.PlanKey = key
		return
	}
	s.fillFacts(s.currentTau())
	for _, pl := range s.prog.Plans {
		if pl.appliesTo == nil || pl.appliesTo.Eval(s.frame) == cond.True {
			s.v.PlanKey = pl.key
			return
		}
	}
}

// applyRules finds the rules that apply (S12) and ends what is open of those that no longer do.
func (s *Step) applyRules() {
	v := &s.v
	words := (len(s.prog.Rules) + 63) / 64
	v.applies = append(v.applies[:0], make([]uint64, words)...)
	s.fillFacts(s.currentTau())
	for i, r := range s.prog.Rules {
		if r.appliesTo == nil || r.appliesTo.Eval(s.frame) == cond.True {
			v.applies[i>>6] |= 1 << (i & 63)
			continue
		}
		st := v.rule(r.key)
		switch {
		case st == nil:
		case st.State == firing:
			s.resolve(st, r, "not_applicable")
		case st.State == pending:
			st.State = idle
			v.dropRule(st)
		}
	}
}
