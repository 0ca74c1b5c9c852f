package statetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"

	"github.com/milepost-io/milepost/state/log"
)

// Log is a log in memory. Records are durable at once, unless the test holds them back.
//
// Crash returns what a machine would find after losing power now. The zero Log is not usable.
type Log struct {
	mu       sync.Mutex
	id       log.ID
	parts    map[log.Partition]*partition
	order    []log.Partition // of every record kept or not, to let a crash keep a prefix
	durable  int             // how many of order are durable
	held     bool
	waiting  []ack
	due      []dueAck
	acking   sync.Mutex // orders deliveries; taken before mu
	received uint64
	err      error
	failed   chan struct{}
	changed  chan struct{}
	// fault is asked before every Append.
	fault func(log.Partition, []log.Record) error
}

type partition struct {
	recs    []log.Record // from offset 0; trimmed ones too, for references
	first   log.Offset
	durable log.Offset
}

type ack struct {
	at  int // durable when this many records are
	ack log.Ack
}

type dueAck struct {
	ack log.Ack
	err error
}

var _ log.Log = (*Log)(nil)

// NewLog makes a log with the numbers of shards given.
func NewLog(id log.ID, events, notices int) *Log {
	l := &Log{id: id, parts: map[log.Partition]*partition{}, failed: make(chan struct{}), changed: make(chan struct{})}
	for i := range events {
		l.parts[log.Partition{Stream: log.Events, Shard: uint16(i)}] = &partition{}
	}
	for i := range notices {
		l.parts[log.Partition{Stream: log.Notices, Shard: uint16(i)}] = &partition{}
	}
	return l
}

// Hold keeps records from becoming durable until Sync.
func (l *Log) Hold() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.held = true
}

// Sync makes the next n records durable in the order they were appended, all when n is negative; then
// nothing is held back any more.
func (l *Log) Sync(n int) {
	defer l.deliver()
	l.mu.Lock()
	defer l.mu.Unlock()
	if n < 0 {
		l.held = false
		n = len(l.order)
	}
	l.sync(min(len(l.order), l.durable+n))
}

// Fault has every Append ask fn first; what it returns is the Append's error. nil: none.
func (l *Log) Fault(fn func(p log.Partition, recs []log.Record) error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fault = fn
}

// Fail kills the log as a failed sync does.
func (l *Log) Fail(err error) {
	defer l.deliver()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fail(err)
}

// Crash returns the log as it is found after a crash at this moment: everything durable, and of the rest
// the part that rng lets survive. meanwhile runs while the log stands still, to copy a file system at the
// same moment.
func (l *Log) Crash(rng *rand.Rand, meanwhile func()) *Log {
	l.mu.Lock()
	defer l.mu.Unlock()
	meanwhile()
	c := NewLog(l.id, l.shards(log.Events), l.shards(log.Notices))
	c.durable = l.durable + rng.IntN(len(l.order)-l.durable+1)
	c.order = append(c.order, l.order[:c.durable]...)
	for _, p := range c.order {
		from, to := l.parts[p], c.parts[p]
		rec := from.recs[len(to.recs)]
		if rec.Kind == log.Event {
			c.received++
		}
		to.recs = append(to.recs, rec)
		to.first, to.durable = from.first, log.Offset(len(to.recs))
	}
	return c
}

// Records returns all records of a partition, trimmed ones too.
func (l *Log) Records(p log.Partition) []log.Record {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]log.Record(nil), l.parts[p].recs...)
}

func (l *Log) ID() log.ID { return l.id }

func (l *Log) Shards(s log.Stream) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.shards(s)
}

func (l *Log) shards(s log.Stream) (n int) {
	for p := range l.parts {
		if p.Stream == s {
			n++
		}
	}
	return n
}

func (l *Log) Append(p log.Partition, recs []log.Record, a log.Ack) (log.Offset, error) {
	defer l.deliver()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return 0, l.err
	}
	part, err := l.part(p)
	if err != nil {
		return 0, err
	}
	if l.fault != nil {
		if err := l.fault(p, recs); err != nil {
			return 0, err
		}
	}
	off := log.Offset(len(part.recs))
	for i := range recs {
		part.recs = append(part.recs, clone(&recs[i]))
		l.order = append(l.order, p)
		if recs[i].Kind == log.Event {
			l.received++
		}
	}
	if a.To != nil {
		l.waiting = append(l.waiting, ack{len(l.order), a})
	}
	if !l.held {
		l.sync(len(l.order))
	}
	l.broadcast()
	return off, nil
}

func (l *Log) part(p log.Partition) (*partition, error) {
	if part, ok := l.parts[p]; ok {
		return part, nil
	}
	return nil, fmt.Errorf("statetest: log has no partition %v", p)
}

func clone(r *log.Record) log.Record {
	c := *r
	for _, b := range []*[]byte{&c.Key, &c.Source, &c.Topic, &c.Origin, &c.Codec, &c.Payload} {
		*b = bytes.Clone(*b)
	}
	return c
}

// sync makes the first n records durable and what waited for them due.
func (l *Log) sync(n int) {
	for ; l.durable < n; l.durable++ {
		l.parts[l.order[l.durable]].durable++
	}
	for len(l.waiting) > 0 && l.waiting[0].at <= l.durable {
		l.due = append(l.due, dueAck{l.waiting[0].ack, nil})
		l.waiting = l.waiting[1:]
	}
	l.broadcast()
}

func (l *Log) fail(err error) {
	if l.err != nil {
		return
	}
	l.err = err
	for _, a := range l.waiting {
		l.due = append(l.due, dueAck{a.ack, err})
	}
	l.waiting = nil
	close(l.failed)
	l.broadcast()
}

// deliver tells ackers, without the log locked: they may ask it things.
func (l *Log) deliver() {
	l.acking.Lock()
	defer l.acking.Unlock()
	l.mu.Lock()
	due := l.due
	l.due = nil
	l.mu.Unlock()
	for _, d := range due {
		d.ack.To.Acked(d.ack.ID, d.err)
	}
}

func (l *Log) broadcast() {
	close(l.changed)
	l.changed = make(chan struct{})
}

func (l *Log) Range(p log.Partition) (first, next log.Offset) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, err := l.part(p); err != nil {
		return 0, 0
	}
	return l.parts[p].first, log.Offset(len(l.parts[p].recs))
}

func (l *Log) Durable(p log.Partition) log.Offset {
	l.mu.Lock()
	defer l.mu.Unlock()
	if part, err := l.part(p); err == nil {
		return part.durable
	}
	return 0
}

// await calls ready with the log locked until it says true, the log fails, or the context ends.
func (l *Log) await(ctx context.Context, ready func() bool) error {
	for {
		l.mu.Lock()
		ok, err, changed := ready(), l.err, l.changed
		l.mu.Unlock()
		switch {
		case err != nil && !(ok && errors.Is(err, log.ErrClosed)):
			return err
		case ok:
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (l *Log) WaitDurable(ctx context.Context, p log.Partition, end log.Offset) error {
	l.mu.Lock()
	part, err := l.part(p)
	l.mu.Unlock()
	if err != nil {
		return err
	}
	return l.await(ctx, func() bool { return part.durable >= end })
}

func (l *Log) Trim(p log.Partition, below log.Offset) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.parts[p].first = max(l.parts[p].first, below)
}

func (l *Log) Received() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.received
}

func (l *Log) Failed() <-chan struct{} { return l.failed }

func (l *Log) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if errors.Is(l.err, log.ErrClosed) {
		return nil
	}
	return l.err
}

func (l *Log) Close() error {
	defer l.deliver()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err == nil {
		l.sync(len(l.order))
		l.err = log.ErrClosed
		l.broadcast()
	}
	if errors.Is(l.err, log.ErrClosed) {
		return nil
	}
	return l.err
}

func (l *Log) Read(p log.Partition, from log.Offset) (log.Reader, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	part, err := l.part(p)
	switch {
	case l.err != nil:
		return nil, l.err
	case err != nil:
		return nil, err
	case from < part.first:
		return nil, fmt.Errorf("read %v from %d, kept from %d: %w", p, from, part.first, log.ErrTrimmed)
	case from > log.Offset(len(part.recs)):
		return nil, fmt.Errorf("read %v from %d, ends at %d: %w", p, from, len(part.recs), log.ErrPastEnd)
	}
	return &reader{l, p, from}, nil
}

type reader struct {
	l  *Log
	p  log.Partition
	at log.Offset
}

func (r *reader) Read(ctx context.Context, max int) (log.Offset, []log.Record, error) {
	err := r.l.await(ctx, func() bool { return log.Offset(len(r.l.parts[r.p].recs)) > r.at })
	if err != nil {
		return 0, nil, err
	}
	return r.Poll(max)
}

func (r *reader) Poll(max int) (log.Offset, []log.Record, error) {
	r.l.mu.Lock()
	defer r.l.mu.Unlock()
	if r.l.err != nil {
		return 0, nil, r.l.err
	}
	part, off := r.l.parts[r.p], r.at
	if off < part.first {
		return 0, nil, log.ErrTrimmed
	}
	recs := part.recs[min(int(off), len(part.recs)):]
	recs = recs[:min(len(recs), max)]
	r.at += log.Offset(len(recs))
	return off, recs, nil
}

func (r *reader) Close() error { return nil }
