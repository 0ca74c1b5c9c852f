package rules

import (
	"encoding/json"
	"fmt"

	"github.com/milepost-io/milepost/ingest"
	"github.com/milepost-io/milepost/rules/plan"
	"github.com/milepost-io/milepost/state"
	"github.com/milepost-io/milepost/state/log"
)

// An operator's decision comes in as a record of the vehicle like any event (E2), so that a replay decides
// the same. Its codec is no decoder's, and its types are no source's: only the engine itself can write one.
const (
	operatorCodec = "operator"
	operatorTypes = 1 << 31
)

// Decision is what an operator decided about a vehicle.
type Decision struct {
	// OdometerKM is the accepted odometer from now on (S21), within the signal's range.
	OdometerKM float64 `json:"odometer_km"`
	// ForgetParty is an erased party (S47): what a profile said of it until Before, Unix ms, goes. The
	// odometer is then left alone.
	ForgetParty string `json:"forget_party,omitempty"`
	Before      int64  `json:"before,omitempty"`
}

// Record is the decision, which has passed Check, as a record of the vehicle's shard; whoever appends it
// stamps the arrival.
func (d Decision) Record(vin string) log.Record {
	return log.Record{
		Kind: log.Event, Key: []byte(vin), Types: operatorTypes,
		Source: []byte("operator"), Codec: []byte(operatorCodec), Payload: encodeJSON(d),
	}
}

// Check reports what is wrong with a decision under a program's catalogue.
func (d Decision) Check(p *Program) error {
	if d.ForgetParty != "" {
		return nil
	}
	i, ok := p.catalogue.Index("odometer")
	if !ok {
		return fmt.Errorf("odometer: the signal catalogue has none")
	}
	if s := p.catalogue.Signal(i); !(d.OdometerKM >= s.Min && d.OdometerKM <= s.Max) { // NaN is outside
		return fmt.Errorf("odometer %g km: want %.0f to %.0f", d.OdometerKM, s.Min, s.Max)
	}
	return nil
}

// decodeDecision turns the payload into s.decision; false means that the record is quarantined.
func (s *Step) decodeDecision(c *state.Context, in *state.Input) bool {
	s.decision = new(Decision)
	switch err := json.Unmarshal(in.Payload, s.decision); {
	case in.Types != operatorTypes:
		c.Quarantine(ingest.ReasonNotAllowed, "only the engine itself writes an operator's decisions", -1)
	case !ingest.ValidKey(in.Key):
		c.Quarantine(ingest.ReasonVIN, fmt.Sprintf("vehicle id %q", in.Key), -1)
	case err != nil:
		c.Quarantine(ingest.ReasonSyntax, "operator's decision: "+err.Error(), -1)
	default:
		if err := s.decision.Check(s.prog); err != nil {
			c.Quarantine(ingest.ReasonRange, err.Error(), -1)
			return false
		}
		return true
	}
	return false
}

// applyDecision makes the odometer what the operator says (S21): a sample for the conditions as any that is
// accepted, and a cause for which levels may fall (S36).
func (s *Step) applyDecision() state.Outcome {
	if s.decision.ForgetParty != "" {
		return s.applyForget(s.decision)
	}
	s.loadCold()
	k := &s.v.Odometer
	detail := map[string]any{"to_km": s.decision.OdometerKM}
	if k.Known {
		detail["from_km"] = plan.Units(k.Value)
	}
	st := s.planState()
	st.Set(plan.Odometer, plan.Metres(s.decision.OdometerKM), s.in.now, s.zone())
	s.v.items = st.Items
	sig := s.prog.catalogue.Signal(s.rules.odometer)
	s.setSlot(s.rules.odometer, sig.ID, plan.Units(k.Value), s.in.now)
	s.loadFacts()
	s.in.cause, s.in.stateChanged, s.in.ruleTime = plan.CauseSet, true, s.currentTau()
	s.note(TimelineEntry{Kind: "odometer", Signal: sig.Name, Reason: plan.CauseSet.String(), Value: &s.decision.OdometerKM, Detail: detail})
	return state.Applied
}
