package state

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"github.com/milepost-io/milepost/state/log"
)

// Checkpoint puts what is flushed of the store into a new folder, which another store can be opened on:
// by hard links within a file system. It stands at a position that the log still reaches if the log was
// pinned before. It may be called while the store is written to, from any goroutine; nobody waits for it.
func (s *Store) Checkpoint(dir string) error {
	if err := s.db.Checkpoint(dir); err != nil {
		return fmt.Errorf("state: checkpoint to %s: %w", dir, err)
	}
	return nil
}

// Stored is where a store stands.
type Stored struct {
	log.Partition
	// Log is the log that Next counts in; zero for a store that nothing was written back to.
	Log  log.ID
	Next log.Offset
	// Clock is the shard's, Unix ms; Inputs how many events it took (E5).
	Clock  int64
	Inputs uint64
	// Generation counts the openings of the store.
	Generation uint64
}

// ReadStored reads where the store of a partition stands, of a folder that nobody has open.
func ReadStored(o StoreOptions, p log.Partition) (Stored, error) {
	o.ReadOnly = true
	s, err := OpenStore(o)
	if err != nil {
		return Stored{}, err
	}
	st := Stored{Partition: p, Generation: s.Generation()}
	b, ok, err := s.Get(nil, positionKey())
	if err == nil && ok {
		var pos position
		if pos, err = decodePosition(b); err == nil {
			err = st.take(&pos)
		}
	}
	if err = errors.Join(err, s.Close()); err != nil {
		return Stored{}, fmt.Errorf("state: read position of %s: %w", o.Dir, err)
	}
	return st, nil
}

func (st *Stored) take(p *position) error {
	if p.Stage != st.Stream.String() || p.Shard != st.Shard {
		return fmt.Errorf("store of %s shard %d, expected %s shard %d", p.Stage, p.Shard, st.Stream, st.Shard)
	}
	st.Log, st.Next, st.Clock = log.ID(p.Log), p.Next, p.Clock
	for _, n := range p.Counts {
		st.Inputs += n
	}
	return nil
}

// Rebind binds the store of a stopped shard to a copy of its log under another id (E15): the position, and
// what was taken from senders of that log, count in the copy from now on. It is durable when it returns.
func Rebind(o StoreOptions, from, to log.ID) error {
	s, err := OpenStore(o)
	if err != nil {
		return err
	}
	if err := errors.Join(s.rebind(hexID(from), hexID(to)), s.Close()); err != nil {
		return fmt.Errorf("state: rebind store %s: %w", o.Dir, err)
	}
	return nil
}

func (s *Store) rebind(from, to hexID) error {
	b, ok, err := s.Get(nil, positionKey())
	if err != nil || !ok {
		return err
	}
	p, err := decodePosition(b)
	if err != nil {
		return err
	}
	if p.Log != from {
		return fmt.Errorf("%w: position of log %x, expected log %x", ErrOtherLog, p.Log, from)
	}
	p.Log = to
	for i := range p.Senders {
		if p.Senders[i].Log == from {
			p.Senders[i].Log = to
		}
	}
	if b, err = json.Marshal(&p); err != nil {
		return err
	}
	if err := s.db.Set(positionKey(), b, pebble.NoSync); err != nil {
		return err
	}
	return s.db.Flush()
}

// RebindRecord changes a record of a log as Rebind changes a store: in place, since its length stays.
func RebindRecord(r *log.Record, from, to log.ID) {
	if r.Kind == log.Handover && len(r.Payload) >= len(from) && log.ID(r.Payload[:len(from)]) == from {
		copy(r.Payload, to[:])
	}
}

// RebindGuard changes the guard in a folder likewise: what is condemned stays so (E17).
func RebindGuard(fs FS, dir string, from, to log.ID) error {
	path := fs.PathJoin(dir, guardFile)
	b, err := ReadFile(fs, path)
	if err != nil || b == nil {
		return err
	}
	var g guardState
	if json.Unmarshal(b, &g) != nil || g.Log != hexID(from) {
		return fs.Remove(path) // it says nothing about this log
	}
	g = guardState{Log: hexID(to), Condemned: slices.Clone(g.Condemned)}
	if b, err = json.Marshal(&g); err != nil {
		return err
	}
	return ReplaceFile(fs, path, append(b, '\n'))
}

// GuardFile is the name of the guard's file, for whoever copies a data folder.
const GuardFile = guardFile
