package rules

import (
	"errors"
	"fmt"

	"github.com/milepost-io/milepost/ingest"
	"github.com/milepost-io/milepost/rules/cond"
	"github.com/milepost-io/milepost/rules/plan"
	"github.com/milepost-io/milepost/state"
)

// StepOptions is what a Step needs from outside.
type StepOptions struct {
	// Decoders makes the codecs, by name, for a signal catalogue. It is called at each activation.
	Decoders func(*ingest.Catalogue) map[string]ingest.Decoder
}

// Step is the vehicle stage: events about one vehicle go in, what became true of it comes out as one
// notice to its party. It implements state.Step. Before the first activation it runs no rules.
type Step struct {
	opts     StepOptions
	prog     *Program
	rules    ruleset
	decoders map[string]ingest.Decoder
	zones    zones

	// Scratch, reused from input to input.
	ev ingest.Event
	// decision is an operator's; nil: the input is an event.
	decision *Decision
	frame    *cond.Frame
	due      ruleSet
	v        vehicle
	in       input
	sub      subs
	// state lends the vehicle to the plan package and keeps its slices.
	state       plan.State
	changes     []plan.Change
	causes      []cause
	factsBefore factCopy
	itemsBefore []plan.ItemState
	buf         []byte
	running     bool
}

// NewStep makes a Step.
func NewStep(opts StepOptions) (*Step, error) {
	s := &Step{opts: opts, zones: zones{}, sub: newSubs()}
	prog, err := Load(nil, ingest.BuiltinCatalogue())
	if err != nil {
		return nil, fmt.Errorf("new step: %w", err)
	}
	return s, s.activate(prog, Activation{})
}

// Apply handles one event of a vehicle: it is quarantined, a duplicate, late or applied, checked in this
// order (S6); applied, it changes the vehicle, and what that made true leaves as one notice (S7).
func (s *Step) Apply(c *state.Context, in *state.Input) {
	if !s.decode(c, in) {
		return
	}
	if !s.begin(c) {
		s.newVehicle()
	}
	outcome := s.apply(in)
	if outcome != state.Quarantined {
		c.Outcome(outcome)
	}
	if outcome == state.Duplicate || outcome == state.Quarantined {
		return // no trace is left (S6)
	}
	if outcome == state.Applied {
		s.runItems()
		s.runRules(s.in.ruleTime)
	}
	s.finish()
}

// apply takes the event into the vehicle.
func (s *Step) apply(in *state.Input) state.Outcome {
	if s.decision != nil {
		return s.applyDecision()
	}
	switch s.ev.Type {
	case ingest.Telemetry:
		return s.applyTelemetry(in.Payload)
	case ingest.Vehicle:
		return s.applyVehicle(in.Payload)
	case ingest.Service:
		return s.applyService(in.Payload)
	default:
		return s.applyFeedback(in.Payload)
	}
}

// Wake handles what time has brought: the start of a local day for the items (S30), a full hour for the
// rules that read ages (S11).
func (s *Step) Wake(c *state.Context) {
	if !s.begin(c) {
		return
	}
	s.in.timer = true
	day := s.v.NextDay != 0 && s.v.NextDay <= s.in.now
	hour := s.v.NextHour != 0 && s.v.NextHour <= s.in.now
	if day {
		s.runItems()
	}
	if hour {
		for _, r := range s.prog.hourly {
			s.due.add(r)
		}
		s.runRules(s.in.now) // the clock in place of τ, which does not move
	}
	s.finish()
}

// finish closes a step: the lead follows its causes, timers are armed, the vehicle is stored and what
// happened leaves as one notice.
func (s *Step) finish() {
	if s.in.stateChanged {
		s.updateLead()
	}
	s.emit()
	wake := s.nextWake()
	s.store()
	if wake != 0 {
		s.in.c.WakeAt(s.sub.hot, wake)
	}
	s.running = false
}

// begin opens the vehicle of the context; known is false when it has no document yet.
func (s *Step) begin(c *state.Context) (known bool) {
	if s.running {
		s.due.reset() // the step before ended early, perhaps in a panic that was taken back (E17)
	}
	s.running = true
	s.in.reset(c)
	s.state.Days, s.state.HourDays, s.state.Services = s.state.Days[:0], s.state.HourDays[:0], s.state.Services[:0]
	known, err := s.v.open(c.View(s.sub.hot))
	if err != nil {
		// The engine rebuilds the document from the log when a step panics (E17).
		panic(fmt.Errorf("vehicle %s: %w", c.Key(), err))
	}
	return known
}

// store writes the vehicle back.
func (s *Step) store() {
	s.storeOpen()
	s.storeCold()
	s.v.write(s.in.c.Resize(s.sub.hot, s.v.size()))
}

// decode turns the payload into s.ev; false means that the record is quarantined.
func (s *Step) decode(c *state.Context, in *state.Input) bool {
	if in.Types == 0 {
		e := ingest.RefuseUntyped(in.Source, in.Topic, in.Codec)
		c.Quarantine(e.Reason, e.Detail, e.Offset)
		return false
	}
	if in.Oversize {
		c.Quarantine(ingest.ReasonOversize, "larger than 1 MiB", -1)
		return false
	}
	s.decision = nil
	if string(in.Codec) == operatorCodec {
		return s.decodeDecision(c, in)
	}
	d, ok := s.decoders[string(in.Codec)]
	if !ok && string(in.Codec) == ingest.UnreadableCodec {
		c.Quarantine(ingest.ReasonUnreadable, ingest.UnreadableDetail(in.Payload), -1)
		return false
	}
	if !ok {
		c.Quarantine(ingest.ReasonSyntax, fmt.Sprintf("no codec %q in this build", in.Codec), -1)
		return false
	}
	if err := d.Decode(in.Payload, &s.ev); err != nil {
		quarantine(c, err)
		return false
	}
	switch {
	case !ingest.Types(in.Types).Has(s.ev.Type):
		c.Quarantine(ingest.ReasonNotAllowed, "this source may not send "+s.ev.Type.String()+" events", -1)
	case s.ev.Type == ingest.Party || s.ev.Type == ingest.Erase:
		c.Quarantine(ingest.ReasonType, s.ev.Type.String()+" events are not about a vehicle's state", -1)
	case s.ev.Key != nil && string(s.ev.Key) != string(in.Key):
		c.Quarantine(ingest.ReasonVIN, fmt.Sprintf("the payload names %q, the topic or key %q", s.ev.Key, in.Key), -1)
	case !ingest.ValidKey(in.Key):
		c.Quarantine(ingest.ReasonVIN, fmt.Sprintf("vehicle id %q", in.Key), -1)
	default:
		s.countLeftOut(c)
		return true
	}
	return false
}

// quarantine reports a decoder's error as the outcome of the record.
func quarantine(c *state.Context, err error) {
	reason, detail, offset := ingest.ReasonSyntax, err.Error(), -1
	var e *ingest.Error
	if errors.As(err, &e) {
		reason, detail, offset = e.Reason, e.Detail, e.Offset
		if e.Field != "" {
			detail = e.Field + ": " + detail
		}
	}
	c.Quarantine(reason, detail, offset)
}

// countLeftOut counts what the codec kept out of the event (S6).
func (s *Step) countLeftOut(c *state.Context) {
	if s.ev.UnknownSignals > 0 {
		c.Count("left_out", "unknown_signal", s.ev.UnknownSignals)
	}
	if s.ev.UnknownFields > 0 {
		c.Count("left_out", "unknown_field", s.ev.UnknownFields)
	}
	if s.ev.OutOfRange > 0 {
		c.Count("left_out", "out_of_range", s.ev.OutOfRange)
	}
}
