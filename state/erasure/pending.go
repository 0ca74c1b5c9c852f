package erasure

import (
	"encoding/json"
	"fmt"
	"slices"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// PendingFile is the file of the erasures under way in a data folder. Until an erasure is done it has to
// know whom; then its entry goes.
const PendingFile = "erasing.json"

// Job is an erasure under way.
type Job struct {
	Kind Kind   `json:"kind"`
	ID   string `json:"id"`
	// At is when it was asked for, Unix ms.
	At int64 `json:"at"`
}

func (j *Job) is(kind Kind, id string) bool { return j.Kind == kind && j.ID == id }

// Pending are the erasures under way: what was put survives a crash until it is done. Its methods may be
// called concurrently.
type Pending struct {
	fs   vfs.FS
	path string

	mu   sync.Mutex
	jobs []Job
}

// OpenPending reads the file in a folder; fs nil is the machine's.
func OpenPending(fs vfs.FS, dir string) (*Pending, error) {
	if fs == nil {
		fs = vfs.Default
	}
	p := &Pending{fs: fs, path: fs.PathJoin(dir, PendingFile)}
	b, err := readFile(fs, p.path)
	if err == nil && len(b) > 0 {
		err = json.Unmarshal(b, &p.jobs)
	}
	if err != nil {
		return nil, fmt.Errorf("erasure: read %s: %w", p.path, err)
	}
	return p, nil
}

// All lists the jobs, oldest first.
func (p *Pending) All() []Job {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.jobs)
}

// Put adds jobs; durable when it returns nil. One that is there already is left.
func (p *Pending) Put(jobs ...Job) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	next := slices.Clone(p.jobs)
	for _, j := range jobs {
		if !slices.ContainsFunc(next, func(o Job) bool { return o.is(j.Kind, j.ID) }) {
			next = append(next, j)
		}
	}
	return p.replace(next)
}

// Done takes jobs out; durable when it returns nil. One that was put again since, at a later time, stays.
func (p *Pending) Done(jobs ...Job) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	next := slices.DeleteFunc(slices.Clone(p.jobs), func(o Job) bool { return slices.Contains(jobs, o) })
	return p.replace(next)
}

func (p *Pending) replace(jobs []Job) error {
	if len(jobs) == len(p.jobs) {
		return nil
	}
	b, err := json.Marshal(jobs)
	if err == nil {
		err = replaceFile(p.fs, p.path, b)
	}
	if err != nil {
		return fmt.Errorf("erasure: write %s: %w", p.path, err)
	}
	p.jobs = jobs
	return nil
}
