package state

import (
	"errors"

	"github.com/milepost-io/milepost/state/log"
)

// Offline is the state of a stopped shard: what its store holds, brought further in memory by the records
// that the log has beyond it. It writes nothing and is used by one goroutine at a time.
type Offline struct {
	View
	store  *Store
	stored log.Offset
}

// OpenOffline opens the store of a stopped shard for reading; a running one holds its lock. m says what
// the shard runs; its Backing is set here.
func OpenOffline(o StoreOptions, m MachineOptions) (*Offline, error) {
	o.ReadOnly = true
	s, err := OpenStore(o)
	if err != nil {
		return nil, err
	}
	m.Backing = s
	machine, err := NewMachine(m)
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return &Offline{View{machine}, s, machine.Position()}, nil
}

// Stored is the position that the store stands at.
func (o *Offline) Stored() log.Offset { return o.stored }

// Apply applies a record of the log; one that the store holds already is passed over. What the record
// hands over is left to the next start.
func (o *Offline) Apply(off log.Offset, rec *log.Record) error {
	if off < o.stored {
		return nil
	}
	return o.m.Apply(off, rec)
}

// Close closes the store.
func (o *Offline) Close() error { return o.store.Close() }
