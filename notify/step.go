package notify

import (
	"encoding/json"
	"fmt"

	"github.com/milepost-io/milepost/ingest"
	"github.com/milepost-io/milepost/rules"
	"github.com/milepost-io/milepost/state"
)

// StepOptions are what a Step is made with.
type StepOptions struct {
	// Decoder reads party events; it is used by the step alone.
	Decoder ingest.Decoder
	// Observe, when not nil, is told of every event as it is created, held, joined and released, in order.
	// It must not call the step. It is for backtests: a replay observes again.
	Observe func(Observation)
}

// Step is the notify stage: pure, keyed by party, one document per vehicle under it. It implements
// state.Step and is used by one goroutine at a time.
type Step struct {
	opt   StepOptions
	event ingest.Event
	zones zones
	// What the last activation says (E10).
	active rules.Activation
	policy rules.Policy
}

var _ state.Step = (*Step)(nil)

// NewStep returns a step without endpoints and with the default policy, until a Control says otherwise.
func NewStep(o StepOptions) *Step {
	return &Step{opt: o, policy: defaultPolicy(), zones: zones{}}
}

// defaultPolicy holds before the first activation (S43, S45).
func defaultPolicy() rules.Policy {
	return rules.Policy{GroupWaitMS: 600_000, ConsentGranted: true, DayStartsMin: 540}
}

// Apply implements state.Step.
func (s *Step) Apply(c *state.Context, in *state.Input) {
	switch in.Kind {
	case state.InputEvent:
		s.partyEvent(c, in)
	case state.InputNotice:
		s.notice(c, in.Payload)
	case state.InputResult:
		s.result(c, in.Payload)
	}
}

// Wake implements state.Step: it releases what has waited for its group and forgets what is old.
func (s *Step) Wake(c *state.Context) {
	t := s.turn(c, string(c.Sub()))
	if t.v == nil {
		return
	}
	t.releaseDue()
	t.forgetOld()
	t.save()
}

// Control implements state.Step: it takes an activation into force.
func (s *Step) Control(payload []byte) error {
	var a rules.Activation
	if err := json.Unmarshal(payload, &a); err != nil {
		return fmt.Errorf("activate in notify: %w", err)
	}
	p, err := rules.PolicyOf(a.Files)
	if err != nil {
		return fmt.Errorf("activate %d in notify: %w", a.Number, err)
	}
	s.active, s.policy = a, p
	return nil
}

// Activated implements state.Step. Nothing that was decided is decided again: a waiting message keeps
// its release, and finds the endpoints of the day it leaves.
func (s *Step) Activated(*state.Context) {}

// endpoints returns the active endpoints of owners or dealers, in the order of the activation.
func (s *Step) endpoints(a Audience) []string {
	var out []string
	for i := range s.active.Endpoints {
		if e := &s.active.Endpoints[i]; serves(e, a) {
			out = append(out, e.Name)
		}
	}
	return out
}

// serves reports whether an endpoint is for owners or for dealers.
func serves(e *rules.Endpoint, a Audience) bool {
	return a == Owner && e.Owner || a == Dealer && e.Dealer
}

// feeds returns the active endpoints that get an event because it happened: those for neither owners nor
// dealers, with the part of the events that each has (S41, S44).
func (s *Step) feeds(typ string) []string {
	part := rules.FeedAlerts
	if classOf(typ) == leading {
		part = rules.FeedLeads
	}
	var out []string
	for i := range s.active.Endpoints {
		if e := &s.active.Endpoints[i]; !e.Owner && !e.Dealer && (e.Feed == "" || e.Feed == part) {
			out = append(out, e.Name)
		}
	}
	return out
}

// zoneOf returns the zone in which times are told to people about a vehicle.
func (s *Step) zoneOf(f *rules.Facts) *zone {
	if f.Zone != "" {
		return s.zones.load(f.Zone)
	}
	return s.zones.load(s.active.Zone)
}
