package state

import (
	"errors"
	"fmt"
	"time"

	"github.com/milepost-io/milepost/state/log"
)

// MachineOptions says what a Machine is to run.
type MachineOptions struct {
	Step Step
	// Stage and Shard are the partition whose records are applied. The clock of an Events machine is the
	// greatest arrival; that of a Notices machine is the lowest clock heard from its senders (E9).
	Stage log.Stream
	Shard uint16
	// LogID names the log that offsets count in (E15).
	LogID log.ID
	// Senders is how many shards hand over to this one (Notices); Receivers is how many shards notices
	// are handed to (Events). 0 is 1 there.
	Senders, Receivers int
	// ClockEvery is how far the clock may advance before a receiver is told without a notice; 0: 2 s.
	ClockEvery time.Duration
	// MaxTimers bounds the overdue timers run with one record besides its own key's (E11), MaxSweep the
	// keys activated with it. Both are part of what a log means: a replay uses the same. 0: 256 and 64.
	MaxTimers, MaxSweep int
	// Backing is what was written back before; nil for a Machine that lives in memory alone.
	Backing Backing
	// Memory is what documents and their index may take, in bytes, before clean ones are evicted;
	// 0: without bound. Dirty documents are never evicted (E16).
	Memory int64
	// Condemned are step calls that are not made: those that ended the process (E17).
	Condemned []Call
	// RoundTrip stores and loads every changed document after every record, for tests of E12.
	RoundTrip bool
}

// Machine applies the records of one partition to a Step and holds the documents. It reads no clock,
// starts no goroutine and is used by one goroutine at a time. The same records give the same documents,
// rows, counters and handovers, whatever was evicted, written back or reopened in between.
//
// After an error a Machine is of no more use: what it holds is neither the old state nor the new.
type Machine struct {
	opt   MachineOptions
	cache *cache
	ctx   Context
	in    Input // being applied; here so that it costs no allocation
	err   error

	guard     *Guard // nil: calls are not marked
	condemned map[Call]struct{}

	at       log.Offset // the record being applied, or last applied
	rowSeq   uint32     // rows added by that record
	calls    uint32     // step calls made for it
	next     log.Offset // the next one
	clock    int64
	steps    uint64 // step calls, to tell a document's first change in one
	gen      uint64 // highest generation of an applied start
	outcomes [4]uint64
	counters map[counter]int64
	senders  []sender
	out      []receiver
	timers   timerHeap
	sweep    sweep
	origins  origins
	offsets  offsets
	days     []dayMark
	control  []byte // payload in force

	overdue  bool
	heldAt   int64 // earliest due time of an overdue timer
	ops      []RowOp
	handed   []Outbound
	rows     rowBuffer
	wb       writeBack
	hand     int32 // clock hand of eviction
	keyBuf   []byte
	valueBuf []byte
	due      []timer // scratch of a key's due timers
	warmed   byte    // what warm has read, so that it has to
}

// counter names a Context.Count.
type counter struct{ name, label string }

type count struct {
	counter
	n int
}

// Outbound is a handover record to append to Notices partition Shard.
type Outbound struct {
	Shard  uint16
	Record log.Record
}

var errOrder = errors.New("state: record applied out of order")

// NewMachine returns a Machine. With a Backing it holds what was written back and stands at that
// position; the Step then has been given the control payload in force.
func NewMachine(o MachineOptions) (*Machine, error) {
	switch {
	case o.Step == nil:
		return nil, errors.New("state: machine without a step")
	case o.Stage != log.Events && o.Stage != log.Notices:
		return nil, fmt.Errorf("state: machine of stream %d, expected events or notices", o.Stage)
	}
	if o.Stage == log.Events {
		o.Receivers, o.Senders = max(o.Receivers, 1), 0
	} else {
		o.Senders, o.Receivers = max(o.Senders, 1), 0
	}
	if o.ClockEvery == 0 {
		o.ClockEvery = 2 * time.Second
	}
	if o.MaxTimers == 0 {
		o.MaxTimers = 256
	}
	if o.MaxSweep == 0 {
		o.MaxSweep = 64
	}
	m := &Machine{opt: o, cache: newCache(), counters: map[counter]int64{}, rows: newRowBuffer(), origins: newOrigins(), offsets: newOffsets()}
	m.ctx.m = m
	m.timers.less = m.timerLess
	m.senders = make([]sender, o.Senders)
	m.out = make([]receiver, o.Receivers)
	m.wb.epoch = 1
	if len(o.Condemned) > 0 {
		m.condemned = map[Call]struct{}{}
		for _, c := range o.Condemned {
			m.condemned[c] = struct{}{}
		}
	}
	if o.Backing != nil {
		if err := m.restore(); err != nil {
			return nil, fmt.Errorf("state: %s shard %d: %w", o.Stage, o.Shard, err)
		}
	}
	return m, nil
}

// Apply applies the record at off. What it caused is in Outbound and RowOps until the next Apply.
func (m *Machine) Apply(off log.Offset, rec *log.Record) error {
	if m.err != nil {
		return m.err
	}
	if off < m.next {
		return fmt.Errorf("%w: %d, expected %d or above", errOrder, off, m.next)
	}
	m.at, m.rowSeq, m.calls = off, 0, 0
	clear(m.ops)
	m.ops, m.handed = m.ops[:0], m.handed[:0]

	if err := m.dispatch(rec); err != nil {
		return m.fail(fmt.Errorf("state: %s shard %d, record %d: %w", m.opt.Stage, m.opt.Shard, off, err))
	}
	m.next = off + 1
	m.markDay(off)
	m.runOverdue()
	m.runSweep()
	m.seal()
	m.drain(drainPerRecord)
	m.evict(evictPerRecord)
	return m.err
}

func (m *Machine) fail(err error) error {
	if m.err == nil {
		m.err = err
	}
	return m.err
}

func (m *Machine) dispatch(rec *log.Record) error {
	if m.opt.Stage == log.Events && rec.Kind != log.Handover {
		m.clock = max(m.clock, rec.Arrival)
	}
	switch rec.Kind {
	case log.Event:
		if m.repeated(rec) {
			m.outcomes[Duplicate]++
			break
		}
		m.applyInput(rec)
	case log.Result:
		m.applyInput(rec)
	case log.Handover:
		return m.applyHandover(rec)
	case log.Start:
		return m.applyStart(rec)
	case log.Tick:
	case log.Control:
		m.applyControl(rec)
	case log.Drop:
		return m.applyDrop(rec)
	case log.SourcePosition:
		m.offsets.applyPosition(rec)
	default:
		return fmt.Errorf("record of kind %d, expected 1 to %d: written by a newer version?", rec.Kind, log.SourcePosition)
	}
	return nil
}

// applyInput runs what is due for the key, then the step.
func (m *Machine) applyInput(rec *log.Record) {
	m.activate(rec.Key)
	k, _ := m.cache.key(rec.Key)
	if m.opt.Stage == log.Events && k != none && m.cache.keys.at(k).minDue <= rec.Arrival {
		m.runKeyTimers(rec.Key, rec.Arrival)
		k, _ = m.cache.key(rec.Key)
	}
	in := &m.in
	*in = Input{
		Kind: InputEvent, Key: rec.Key, At: rec.Arrival, Types: rec.Types, Oversize: rec.Oversize,
		Source: rec.Source, Topic: rec.Topic, Codec: rec.Codec, Payload: rec.Payload,
	}
	if rec.Kind == log.Result {
		in.Kind = InputResult
		m.input(callResult, in, k)
		return
	}
	m.outcomes[m.input(callEvent, in, k)]++
}

// applyHandover takes the notices of a handover that was not taken before, then the sender's clock.
func (m *Machine) applyHandover(rec *log.Record) error {
	var h Handover
	rest, err := openHandover(rec.Payload, &h)
	if err != nil {
		return err
	}
	if int(h.Sender) >= len(m.senders) {
		return fmt.Errorf("handover of shard %d, expected one below %d", h.Sender, len(m.senders))
	}
	s := &m.senders[h.Sender]
	if s.Log == h.Log && h.Offset <= s.Highest {
		m.counters[counter{"handovers", "repeated"}]++
		return nil
	}
	for len(rest) > 0 {
		var n Notice
		if rest, err = cutNotice(rest, &n); err != nil {
			return err
		}
		m.activate(n.Key)
		m.runSubTimer(n.Key, n.Sub, n.At)
		m.in = Input{Kind: InputNotice, Key: n.Key, Sub: n.Sub, At: n.At, Payload: n.Payload}
		k, _ := m.cache.key(n.Key)
		m.input(callNotice, &m.in, k)
	}
	s.Log, s.Highest, s.Clock = h.Log, h.Offset, max(s.Clock, h.Clock)
	low := m.senders[0].Clock
	for _, s := range m.senders[1:] {
		low = min(low, s.Clock)
	}
	m.clock = max(m.clock, low)
	return nil
}

func (m *Machine) applyStart(rec *log.Record) error {
	s, err := DecodeStart(rec.Payload)
	if err != nil {
		return err
	}
	m.gen = max(m.gen, s.Generation)
	return nil
}

// Overdue reports whether timers are overdue or keys wait for their activation although the last record
// has run its share of them: whoever owns the partition appends ticks until it is false (E11).
func (m *Machine) Overdue() bool { return m.overdue || m.sweep.Active }

// Clock is the shard's clock, Unix ms.
func (m *Machine) Clock() int64 { return m.clock }

// Position is the offset after the last record applied.
func (m *Machine) Position() log.Offset { return m.next }

// Generation is the highest generation of an applied start record.
func (m *Machine) Generation() uint64 { return m.gen }

// Control is the payload of the control record in force; nil before the first.
func (m *Machine) Control() []byte { return m.control }

// NextDue is a time, Unix ms, before which no timer is due; ok is false when no timer is armed.
func (m *Machine) NextDue() (at int64, ok bool) {
	if len(m.timers.items) == 0 {
		return 0, false
	}
	return m.timers.items[0].due, true
}

// Outbound returns the handovers that the last record caused, to be appended in this order. They are
// valid until the next Apply.
func (m *Machine) Outbound() []Outbound { return m.handed }

// RowOps returns the row changes of the last record in their order. The slice is valid until the next
// Apply; the keys and values in it stay.
func (m *Machine) RowOps() []RowOp { return m.ops }

// Outcomes returns how many events ended as what: applied, duplicate, late, quarantined (E5).
func (m *Machine) Outcomes() [4]uint64 { return m.outcomes }
