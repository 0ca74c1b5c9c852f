// Package replay takes recorded events and a rule set and puts out what the engine would have sent: the
// very steps that serve, on machines in memory, without sockets and without a wall clock.
//
// It is what `milepost backtest` runs, and what the simulation compares with the oracle.
package replay

import (
	"encoding/json"
	"fmt"
	"math"

	"github.com/milepost-io/milepost/ingest"
	jsoncodec "github.com/milepost-io/milepost/ingest/json"
	"github.com/milepost-io/milepost/notify"
	"github.com/milepost-io/milepost/rules"
	"github.com/milepost-io/milepost/state"
	"github.com/milepost-io/milepost/state/log"
)

// Options say what to replay with.
type Options struct {
	Activation rules.Activation
	// EventShards and NoticeShards are how many machines each stage has; 0: 1. The outcome does not
	// depend on them.
	EventShards, NoticeShards int
	// RoundTrip stores and loads every changed document after every record (E12).
	RoundTrip bool

	logID log.ID // that offsets count in, when a journal is followed
}

// Replay applies records in order. It has one clock for the whole input (S1). Not safe for concurrent use.
type Replay struct {
	rules   []*state.Machine
	notify  []*state.Machine
	next    struct{ rules, notify []log.Offset }
	clock   int64
	lines   *lines
	pending []state.Outbound
}

// Decoders are the codecs of this build for a catalogue.
func Decoders(cat *ingest.Catalogue) map[string]ingest.Decoder {
	return map[string]ingest.Decoder{jsoncodec.Name: jsoncodec.NewDecoder(cat)}
}

// NewSteps makes the two steps as the engine runs them. observe may be nil.
func NewSteps(observe func(notify.Observation)) (state.Step, state.Step, error) {
	r, err := rules.NewStep(rules.StepOptions{Decoders: Decoders})
	if err != nil {
		return nil, nil, err
	}
	n := notify.NewStep(notify.StepOptions{
		Decoder: jsoncodec.NewDecoder(ingest.BuiltinCatalogue()),
		Observe: observe,
	})
	return r, n, nil
}

// New makes a replay with the rule set in force before the first record. The error of a bad rule set is a
// rules.Problems.
func New(o Options) (*Replay, error) {
	_, _, payload, err := rules.BuildActivation(o.Activation)
	if err != nil {
		return nil, err
	}
	r, err := newReplay(&o)
	if err != nil {
		return nil, err
	}
	return r, r.control(payload)
}

// newReplay makes the machines, without a rule set.
func newReplay(o *Options) (*Replay, error) {
	r := &Replay{lines: newLines()}
	nr, nn := max(o.EventShards, 1), max(o.NoticeShards, 1)
	for i := range nr {
		step, _, err := NewSteps(nil)
		if err != nil {
			return nil, err
		}
		m, err := state.NewMachine(state.MachineOptions{Step: step, Stage: log.Events, Shard: uint16(i), LogID: o.logID, Receivers: nn, RoundTrip: o.RoundTrip})
		if err != nil {
			return nil, err
		}
		r.rules = append(r.rules, m)
	}
	for i := range nn {
		_, step, err := NewSteps(r.lines.observe)
		if err != nil {
			return nil, err
		}
		m, err := state.NewMachine(state.MachineOptions{Step: step, Stage: log.Notices, Shard: uint16(i), LogID: o.logID, Senders: nr, RoundTrip: o.RoundTrip})
		if err != nil {
			return nil, err
		}
		r.notify = append(r.notify, m)
	}
	r.next.rules, r.next.notify = make([]log.Offset, nr), make([]log.Offset, nn)
	return r, nil
}

// Activate puts another rule set in force, as a reload does.
func (r *Replay) Activate(a rules.Activation) error {
	_, _, payload, err := rules.BuildActivation(a)
	if err != nil {
		return err
	}
	return r.control(payload)
}

func (r *Replay) control(payload []byte) error {
	rec := log.Record{Kind: log.Control, Arrival: r.clock, Payload: payload}
	for i := range r.notify {
		if err := r.notice(i, &rec); err != nil {
			return err
		}
	}
	for i := range r.rules {
		if err := r.event(i, &rec); err != nil {
			return err
		}
	}
	return r.settle()
}

// Apply takes one record, which carries its arrival.
func (r *Replay) Apply(in *ingest.Record) error {
	if err := r.runDue(in.Arrival); err != nil {
		return err
	}
	r.clock = max(r.clock, in.Arrival)
	rec := log.Record{
		Kind: log.Event, Oversize: in.Oversize, Types: uint32(in.Types), Arrival: in.Arrival, Key: in.Key,
		Source: []byte(in.Source), Topic: []byte(in.Topic), Origin: []byte(in.Origin), Seq: in.Seq, Rising: in.Rising,
		Codec: []byte(in.Codec), Payload: in.Payload,
	}
	if in.Party {
		return r.notice(int(log.ShardOf(in.Key, len(r.notify))), &rec)
	}
	return r.event(int(log.ShardOf(in.Key, len(r.rules))), &rec)
}

// Advance moves the clock of every machine to the given time, Unix ms, and runs all that is due by then.
func (r *Replay) Advance(to int64) error {
	r.clock = max(r.clock, to)
	return r.settle()
}

// Finish ends the input: all timers due by the clock, or by until if it is later, run (S1).
func (r *Replay) Finish(until int64) error { return r.Advance(until) }

// settle ticks every rules machine until nothing is overdue, then tells the notify machines the clock.
func (r *Replay) settle() error {
	tick := log.Record{Kind: log.Tick, Arrival: r.clock}
	for i, m := range r.rules {
		for again := true; again; again = m.Overdue() {
			if err := r.event(i, &tick); err != nil {
				return err
			}
		}
		for j, n := range r.notify {
			// The clock of a hand-over is a promise that all due by then has been handled, which the ticks made true.
			payload := state.AppendHandover(nil, &state.Handover{Sender: uint16(i), Offset: r.next.rules[i], Clock: r.clock})
			r.next.rules[i]++
			if err := r.notice(j, &log.Record{Kind: log.Handover, Arrival: r.clock, Payload: payload}); err != nil {
				return err
			}
			for n.Overdue() {
				if err := r.notice(j, &tick); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// runDue runs the timers of all vehicles that are due by a time, before the record of that time is applied:
// the clock is one (S1), and what a timer made on Monday must not be judged by what a party said on Friday.
func (r *Replay) runDue(to int64) error {
	due := func(ms []*state.Machine) bool {
		for _, m := range ms {
			if at, ok := m.NextDue(); ok && at <= to {
				return true
			}
		}
		return false
	}
	if to > r.clock && (due(r.rules) || due(r.notify)) {
		return r.Advance(to)
	}
	return nil
}

// event applies a record to a rules machine and hands its notices over at once.
func (r *Replay) event(i int, rec *log.Record) error {
	m := r.rules[i]
	if err := m.Apply(r.next.rules[i], rec); err != nil {
		return err
	}
	r.next.rules[i]++
	r.pending = append(r.pending[:0], m.Outbound()...)
	for _, out := range r.pending {
		if err := r.notice(int(out.Shard), &out.Record); err != nil {
			return err
		}
	}
	return nil
}

func (r *Replay) notice(j int, rec *log.Record) error {
	if err := r.notify[j].Apply(r.next.notify[j], rec); err != nil {
		return err
	}
	r.next.notify[j]++
	return nil
}

// View is the state of a partition.
func (r *Replay) View(p log.Partition) state.View {
	if p.Stream == log.Notices {
		return state.ViewOf(r.notify[p.Shard])
	}
	return state.ViewOf(r.rules[p.Shard])
}

// Lines returns what left or was held, one line per event in order of creation.
func (r *Replay) Lines() []Line { return r.lines.all }

// Outcomes sums the counters of E5.
func (r *Replay) Outcomes() (received, applied, duplicate, late, quarantined uint64) {
	for _, ms := range [][]*state.Machine{r.rules, r.notify} {
		for _, m := range ms {
			o := m.Outcomes()
			applied += o[state.Applied]
			duplicate += o[state.Duplicate]
			late += o[state.Late]
			quarantined += o[state.Quarantined]
		}
	}
	return applied + duplicate + late + quarantined, applied, duplicate, late, quarantined
}

// Line is one event of a backtest: the CloudEvent, and what became of it.
type Line struct {
	Event json.RawMessage
	ID    string
	// To is owner, dealer or none. Held is the reason it was held back, Joined the event whose message
	// carries it, Released when it left (Unix ms); each zero where it does not apply.
	To       string
	Held     string
	Joined   string
	Released int64
}

// MarshalJSON writes the event's own members first, then what became of it.
func (l Line) MarshalJSON() ([]byte, error) {
	tail, err := json.Marshal(struct {
		To       string `json:"to"`
		Held     string `json:"held,omitempty"`
		Joined   string `json:"joined,omitempty"`
		Released string `json:"released,omitempty"`
	}{l.To, l.Held, l.Joined, stamp(l.Released)})
	if err != nil {
		return nil, err
	}
	if len(l.Event) < 3 {
		return nil, fmt.Errorf("event %s has no body", l.ID)
	}
	out := append([]byte{}, l.Event[:len(l.Event)-1]...)
	return append(append(out, ','), tail[1:]...), nil
}

// NoEnd is an until that lies before every record.
const NoEnd = math.MinInt64
