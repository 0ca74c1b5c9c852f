package state_test

import (
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"github.com/milepost-io/milepost/state"
	"github.com/milepost-io/milepost/state/log"
)

// funcStep is a step made of functions.
type funcStep struct {
	apply     func(*state.Context, *state.Input)
	wake      func(*state.Context)
	control   func([]byte) error
	activated func(*state.Context)
}

func (s *funcStep) Apply(c *state.Context, in *state.Input) { s.apply(c, in) }
func (s *funcStep) Wake(c *state.Context)                   { s.wake(c) }
func (s *funcStep) Activated(c *state.Context)              { s.activated(c) }
func (s *funcStep) Control(p []byte) error {
	if s.control == nil {
		return nil
	}
	return s.control(p)
}

type feeder struct {
	t *testing.T
	m *state.Machine
}

func newFeeder(t *testing.T, o state.MachineOptions) *feeder {
	t.Helper()
	m, err := state.NewMachine(o)
	if err != nil {
		t.Fatal(err)
	}
	return &feeder{t, m}
}

func (f *feeder) apply(r log.Record) {
	f.t.Helper()
	if err := f.m.Apply(f.m.Position(), &r); err != nil {
		f.t.Fatal(err)
	}
}

func (f *feeder) event(key string, at int64, payload string) {
	f.t.Helper()
	f.apply(log.Record{Kind: log.Event, Key: []byte(key), Arrival: at, Payload: []byte(payload)})
}

func (f *feeder) dump() string {
	f.t.Helper()
	var b strings.Builder
	if err := f.m.Dump(&b); err != nil {
		f.t.Fatal(err)
	}
	return b.String()
}

func add(b []byte, n uint64) {
	binary.LittleEndian.PutUint64(b, binary.LittleEndian.Uint64(b)+n)
}

// S3, E11: the key's own timers run before its record in due order, with Now at their due time; others
// after it, at most MaxTimers with a record.
func TestTimerOrder(t *testing.T) {
	var got []string
	step := &funcStep{
		apply: func(c *state.Context, in *state.Input) {
			got = append(got, "apply "+string(c.Key()))
			if len(in.Payload) > 0 {
				c.Resize([]byte("a"), 8)
				c.Resize([]byte("b"), 8)
				c.WakeAt([]byte("a"), c.Now()+20)
				c.WakeAt([]byte("b"), c.Now()+10)
			}
		},
		wake: func(c *state.Context) {
			got = append(got, "wake "+string(c.Key())+string(c.Sub()))
			if at := c.Now() % 100; at != 10 && at != 20 {
				t.Errorf("woken at %d", c.Now())
			}
		},
	}
	f := newFeeder(t, state.MachineOptions{Step: step, Stage: log.Events, MaxTimers: 2})
	for _, k := range []string{"z", "y", "x"} {
		f.event(k, 100, "arm")
	}
	f.event("z", 200, "")
	if !f.m.Overdue() {
		t.Error("two timers are left but Overdue is false")
	}
	f.apply(log.Record{Kind: log.Tick, Arrival: 200})
	if f.m.Overdue() {
		t.Error("Overdue without a timer left")
	}
	const want = "apply z,apply y,apply x,wake zb,wake za,apply z,wake xb,wake yb,wake xa,wake ya"
	if s := strings.Join(got, ","); s != want {
		t.Errorf("got  %s\nwant %s", s, want)
	}
}

// E17: a panic takes back everything the call did and leaves a dead letter.
func TestPanicTakesBack(t *testing.T) {
	step := &funcStep{apply: func(c *state.Context, in *state.Input) {
		if doc := c.Edit(nil); doc != nil {
			add(doc, 1)
		} else {
			add(c.Resize(nil, 8), 1)
		}
		c.Emit([]byte("owner"), nil, []byte("n"))
		c.SetRow(state.RowView, c.Key(), in.Payload)
		c.WakeAt(nil, in.At+1000)
		c.Put([]byte("other"), in.Payload)
		if string(in.Payload) == "bad" {
			c.Delete(nil)
			panic("poison")
		}
	}}
	run := func(payloads ...string) *feeder {
		f := newFeeder(t, state.MachineOptions{Step: step, Stage: log.Events})
		for i, p := range payloads {
			f.event("k", int64(100+i), p)
		}
		return f
	}
	f := run("good", "bad")
	if len(f.m.Outbound()) != 0 {
		t.Error("a notice of the panicked call left")
	}
	if got, want := f.dump(), run("good").dump(); got != want {
		t.Errorf("after the panic\n%swithout it\n%s", got, want)
	}
	if o := f.m.Outcomes(); o != [4]uint64{1, 0, 0, 1} {
		t.Errorf("outcomes %v", o)
	}
	var letters []state.DeadLetter
	err := f.m.Rows(state.RowDead, "", func(_ string, v []byte) bool {
		l, err := state.DecodeDeadLetter(v)
		if err != nil {
			t.Error(err)
		}
		letters = append(letters, l)
		return true
	})
	if err != nil || len(letters) != 1 || letters[0].Reason != "panic" || letters[0].Detail != "poison" || string(letters[0].Payload) != "bad" {
		t.Errorf("dead letters %+v, %v", letters, err)
	}
	if got, want := run("bad").dump(), ""; got != want {
		t.Errorf("a first record that panicked left %s", got)
	}
}

// E10: every key that existed is activated once, before anything else of it; keys made later are not.
func TestActivation(t *testing.T) {
	var got []string
	note := func(c *state.Context, what string) { got = append(got, what+" "+string(c.Key())) }
	step := &funcStep{
		apply: func(c *state.Context, in *state.Input) {
			note(c, "apply")
			c.Put(nil, in.Payload)
			c.WakeAt(nil, 150)
		},
		wake:      func(c *state.Context) { note(c, "wake") },
		activated: func(c *state.Context) { note(c, "activated") },
		control: func(p []byte) error {
			if string(p) == "bad" {
				return errors.New("does not compile")
			}
			return nil
		},
	}
	f := newFeeder(t, state.MachineOptions{Step: step, Stage: log.Events, MaxSweep: 1})
	for _, k := range []string{"a", "b", "c", "d", "e"} {
		f.event(k, 100, "x")
	}
	got = nil
	f.apply(log.Record{Kind: log.Control, Arrival: 110, Payload: []byte("bad")})
	if f.m.Overdue() || len(got) > 0 {
		t.Error("a control that did not compile activates keys")
	}
	f.apply(log.Record{Kind: log.Control, Arrival: 120, Payload: []byte("rules")})
	f.event("e", 130, "x")
	f.event("cc", 140, "x")
	f.apply(log.Record{Kind: log.Tick, Arrival: 160})
	for f.m.Overdue() {
		f.apply(log.Record{Kind: log.Tick, Arrival: 160})
	}
	const want = "activated a,activated e,apply e,activated b,apply cc,activated c," +
		"wake a,wake b,wake c,wake cc,activated d,wake d,wake e"
	if s := strings.Join(got, ","); s != want {
		t.Errorf("got  %s\nwant %s", s, want)
	}
}

// E9 and the hand-over: one handover per input and receiver, taken once; the receiver's clock is the
// lowest of its senders, whatever arrives by other ways.
func TestHandover(t *testing.T) {
	rules := &funcStep{apply: func(c *state.Context, in *state.Input) {
		c.Emit([]byte("o1"), c.Key(), in.Payload)
		c.Emit([]byte("o1"), c.Key(), in.Payload)
	}}
	f := newFeeder(t, state.MachineOptions{Step: rules, Stage: log.Events, Shard: 1, LogID: log.ID{7}})
	f.event("v1", 5000, "hello")
	out := f.m.Outbound()
	if len(out) != 1 {
		t.Fatalf("%d handovers, want 1", len(out))
	}
	h, err := state.DecodeHandover(out[0].Record.Payload)
	if err != nil || h.Sender != 1 || h.Offset != 0 || h.Clock != 5000 || len(h.Notices) != 2 || string(h.Notices[1].Payload) != "hello" {
		t.Fatalf("handover %+v, %v", h, err)
	}
	n := 0
	notify := &funcStep{apply: func(c *state.Context, in *state.Input) { n++ }}
	g := newFeeder(t, state.MachineOptions{Step: notify, Stage: log.Notices, Senders: 2})
	g.apply(out[0].Record)
	g.apply(out[0].Record)
	if n != 2 {
		t.Errorf("%d notices applied, want 2: the second handover is a repetition", n)
	}
	g.apply(log.Record{Kind: log.Tick, Arrival: 9000})
	if g.m.Clock() != 0 {
		t.Errorf("clock %d before the second sender was heard", g.m.Clock())
	}
	g.apply(log.Record{Kind: log.Handover, Payload: state.AppendHandover(nil, &state.Handover{Sender: 0, Clock: 4000, Offset: 3, Log: log.ID{7}})})
	if g.m.Clock() != 4000 {
		t.Errorf("clock %d, want the lowest heard, 4000", g.m.Clock())
	}
}
