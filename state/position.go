package state

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/milepost-io/milepost/state/log"
)

const minTime = math.MinInt64

// ErrOtherLog is returned for a store whose position counts in another log (E15).
var ErrOtherLog = errors.New("state: store belongs to another log")

// position is the p/ value: what a Machine remembers besides documents, timers and rows (E3).
type position struct {
	Version int           `json:"version"`
	Log     hexID         `json:"log"`
	Stage   string        `json:"stage"`
	Shard   uint16        `json:"shard"`
	Next    log.Offset    `json:"next"`
	Clock   int64         `json:"clock"`
	Cursor  int64         `json:"timer_cursor"`
	Gen     uint64        `json:"generation"`
	Counts  [4]uint64     `json:"outcomes"`
	Senders []senderState `json:"senders,omitempty"`
	Told    []int64       `json:"told,omitempty"`
	Sweep   sweep         `json:"sweep"`
	Ahead   [][]byte      `json:"ahead,omitempty"`
	Counter []counterLine `json:"counters,omitempty"`
	// Since version 2: see offsets.
	Applied []appliedState   `json:"applied,omitempty"`
	Taken   []SourcePosition `json:"taken,omitempty"`
}

// positionVersion is the version written; positionVersion-1 is read too.
const positionVersion = 2

type hexID log.ID

func (id hexID) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, id[:]), nil }

func (id *hexID) UnmarshalText(b []byte) error {
	raw, err := hex.DecodeString(string(b))
	if err != nil || len(raw) != len(id) {
		return fmt.Errorf("log id %q, expected %d hex digits", b, 2*len(id))
	}
	copy(id[:], raw)
	return nil
}

type senderState struct {
	Log     hexID      `json:"log"`
	Highest log.Offset `json:"highest"`
	Clock   int64      `json:"clock"`
}

type counterLine struct {
	Name  string `json:"name"`
	Label string `json:"label,omitempty"`
	N     int64  `json:"n"`
}

func (m *Machine) counterList() []counterLine {
	list := make([]counterLine, 0, len(m.counters))
	for c, n := range m.counters {
		list = append(list, counterLine{c.name, c.label, n})
	}
	slices.SortFunc(list, func(a, b counterLine) int {
		if c := strings.Compare(a.Name, b.Name); c != 0 {
			return c
		}
		return strings.Compare(a.Label, b.Label)
	})
	return list
}

func (m *Machine) encodePosition() ([]byte, error) {
	p := position{
		Version: positionVersion, Log: hexID(m.opt.LogID), Stage: m.opt.Stage.String(), Shard: m.opt.Shard,
		Next: m.next, Clock: m.clock, Cursor: m.timerCursor(), Gen: m.gen, Counts: m.outcomes,
		Sweep: m.sweep, Counter: m.counterList(), Applied: m.offsets.appliedList(), Taken: m.offsets.positions(),
	}
	for _, s := range m.senders {
		p.Senders = append(p.Senders, senderState{hexID(s.Log), s.Highest, s.Clock})
	}
	for _, o := range m.out {
		p.Told = append(p.Told, o.told)
	}
	for _, k := range slices.Sorted(maps.Keys(m.sweep.Ahead)) {
		p.Ahead = append(p.Ahead, []byte(k))
	}
	b, err := json.Marshal(&p)
	if err != nil {
		return nil, fmt.Errorf("state: encode position: %w", err)
	}
	return b, nil
}

// restore takes the Machine to where its Backing stands.
func (m *Machine) restore() error {
	b, ok, err := m.opt.Backing.Get(nil, positionKey())
	if err != nil || !ok {
		return err
	}
	p, err := decodePosition(b)
	if err != nil {
		return err
	}
	if err := m.check(&p); err != nil {
		return err
	}
	m.take(&p)
	if err := m.restoreControl(); err != nil {
		return err
	}
	if err := errors.Join(m.restoreOrigins(), m.restoreDays()); err != nil {
		return err
	}
	return m.restoreTimers(p.Cursor)
}

func decodePosition(b []byte) (position, error) {
	var p position
	if err := json.Unmarshal(b, &p); err != nil {
		return p, fmt.Errorf("position: %w", err)
	}
	if p.Version != positionVersion && p.Version != positionVersion-1 {
		return p, fmt.Errorf("position of version %d, expected %d or %d: written by a newer version?", p.Version, positionVersion-1, positionVersion)
	}
	return p, nil
}

// check refuses a position of another log, partition or number of shards.
func (m *Machine) check(p *position) error {
	switch {
	case log.ID(p.Log) != m.opt.LogID:
		return fmt.Errorf("%w: position %d of log %x, expected log %x", ErrOtherLog, p.Next, p.Log, m.opt.LogID)
	case p.Stage != m.opt.Stage.String() || p.Shard != m.opt.Shard:
		return fmt.Errorf("store of %s shard %d, expected %s shard %d", p.Stage, p.Shard, m.opt.Stage, m.opt.Shard)
	case len(p.Senders) != len(m.senders) || len(p.Told) != len(m.out):
		return fmt.Errorf("store of %d senders and %d receivers, expected %d and %d: a log's shards are fixed",
			len(p.Senders), len(p.Told), len(m.senders), len(m.out))
	}
	return nil
}

// take makes what a position remembers the Machine's own.
func (m *Machine) take(p *position) {
	m.senders = make([]sender, len(p.Senders))
	m.out = make([]receiver, len(p.Told))
	m.next, m.at, m.clock, m.gen, m.outcomes, m.sweep = p.Next, p.Next-1, p.Clock, p.Gen, p.Counts, p.Sweep
	for i, s := range p.Senders {
		m.senders[i] = sender{log.ID(s.Log), s.Highest, s.Clock}
	}
	for i, t := range p.Told {
		m.out[i].told = t
	}
	m.offsets.restore(p)
	for _, c := range p.Counter {
		m.counters[counter{c.Name, c.Label}] = c.N
	}
	m.sweep.Ahead = make(map[string]struct{}, len(p.Ahead))
	for _, k := range p.Ahead {
		m.sweep.Ahead[string(k)] = struct{}{}
	}
}

// restoreControl gives the step the payload that was in force.
func (m *Machine) restoreControl() error {
	b, ok, err := m.opt.Backing.Get(nil, controlKey())
	if err != nil || !ok {
		return err
	}
	if err := m.opt.Step.Control(b); err != nil {
		return fmt.Errorf("control payload in force: %w", err)
	}
	m.control = bytes.Clone(b)
	return nil
}

// restoreTimers enters the stored timers. Which of them count is seen when they fire: their documents
// stay where they are.
func (m *Machine) restoreTimers(cursor int64) error {
	var bad error
	err := m.opt.Backing.Scan(timerBound(cursor), spaceEnd(timerSpace), func(name, _ []byte) bool {
		due, key, sub, err := cutTimerKey(name)
		if err != nil {
			bad = fmt.Errorf("timer %x: %w", name, err)
			return false
		}
		k := m.cache.addKey(key)
		i, h := m.cache.doc(k, sub)
		if i == none {
			i = m.cache.addDoc(k, sub, h, cold)
		}
		if d := m.cache.docs.at(i); d.armed == 0 {
			d.armed = due // the earliest: the scan is in due order
		}
		m.enter(timer{due: due, doc: i})
		return true
	})
	return errors.Join(err, bad)
}
