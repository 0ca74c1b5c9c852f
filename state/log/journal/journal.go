package journal

import (
	"errors"
	"iter"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/milepost-io/milepost/state/log"
)

// Journal is a log.Log in a folder.
type Journal struct{ log.Log }

var errUnbuilt = errors.New("journal: not built yet")

// Open opens the journal in o.Dir, or makes one. Close releases it.
func Open(o Options) (*Journal, error) { return nil, errUnbuilt }

// Stats tells what the journal did and holds.
func (j *Journal) Stats() Stats { return Stats{} }

// Stats is what a journal did since it was opened, and what it holds now.
type Stats struct{}

// Entry is a record with its place.
type Entry struct {
	Partition log.Partition
	Offset    log.Offset
	Record    log.Record
}

// Archive is a journal opened to be read as a whole, by backtests and tools. It takes no lock and does
// not disturb a running writer.
type Archive struct{}

// OpenReadOnly opens the journal in dir for reading; fs nil is the operating system's.
func OpenReadOnly(fs vfs.FS, dir string) (*Archive, error) { return nil, errUnbuilt }

// ID is the identity of the journal.
func (a *Archive) ID() log.ID { return log.ID{} }

// Shards are the journal's partition counts.
func (a *Archive) Shards() Shards { return Shards{} }

// All yields every kept record, a record never before its cause. An entry's slices are valid until the
// next one is asked for. The sequence ends after the first error.
func (a *Archive) All() iter.Seq2[Entry, error] { return nil }
