// Package room is the file system of a running engine: a write that finds the disk full waits until there
// is room and goes on where it stopped, instead of failing what needs it.
//
// That is safe where nothing depends on the write having happened: journal and stores acknowledge and
// record only after a later sync. A failed sync is never tried again (E4), here or elsewhere: after one the
// kernel may have dropped the pages and calls the next sync a success. It is passed on, even when its reason
// is a full disk.
//
// Compactions do not wait. They can need more room than there will ever be, and hold what they have written
// while they run: failed, they give it back to those that wait.
package room

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Full reports whether an error says that a disk, or the quota of its user, is full.
func Full(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// Options of an FS. The functions are called from the goroutine of the write: they must be quick.
type Options struct {
	// Waits is called when a write, the creation of a file or the like begins to wait for room. nil: nobody
	// wants to know.
	Waits func(path string, err error)
	// Proceeds is called when it has got through, after the time given.
	Proceeds func(path string, after time.Duration)
	// Leave is how many bytes a write of the store's has to leave free while the FS is patient: a share for
	// flushes, most of it for compactions, so that the journal finds room when they do not. nil: none.
	Leave func(Work) int64
	// RetryMin and RetryMax bound the pause before a next try; it doubles. 0: 20 ms and 1 s.
	RetryMin, RetryMax time.Duration
}

// Work is what of a store's is written.
type Work int

// The kinds of work, by how long they can wait.
const (
	Flush Work = iota
	Compaction
)

// FS is a file system whose writers wait for room while it is patient. It begins impatient: what finds no
// room while an engine is being opened is told so. Safe for concurrent use.
type FS struct {
	vfs.FS
	opt     Options
	waiting atomic.Int64

	mu       sync.Mutex
	giveUp   chan struct{} // closed while impatient
	failures map[vfs.DiskWriteCategory]failure
}

// failure is how often in a row files of a category could not be written, and since when.
type failure struct {
	n    int
	last time.Time
}

var _ vfs.FS = (*FS)(nil)

// Wrap returns fs with writes that wait once SetPatient(true) was called; fs nil is the machine's.
func Wrap(fs vfs.FS, o Options) *FS {
	if fs == nil {
		fs = vfs.Default
	}
	if o.Waits == nil {
		o.Waits = func(string, error) {}
	}
	if o.Proceeds == nil {
		o.Proceeds = func(string, time.Duration) {}
	}
	if o.RetryMin <= 0 {
		o.RetryMin = 20 * time.Millisecond
	}
	if o.RetryMax <= 0 {
		o.RetryMax = time.Second
	}
	f := &FS{FS: fs, opt: o, giveUp: make(chan struct{}), failures: map[vfs.DiskWriteCategory]failure{}}
	close(f.giveUp)
	return f
}

// SetPatient says whether writers wait for room. Those that wait when patience ends fail.
func (f *FS) SetPatient(patient bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	select {
	case <-f.giveUp:
		if patient {
			f.giveUp = make(chan struct{})
		}
	default:
		if !patient {
			close(f.giveUp)
		}
	}
}

// Waiting is how many writers wait for room now.
func (f *FS) Waiting() int { return int(f.waiting.Load()) }

func (f *FS) patience() <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.giveUp
}

// Unwrap implements vfs.FS.
func (f *FS) Unwrap() vfs.FS { return f.FS }

// wait calls try until it no longer finds the disk full, or patience ends.
func (f *FS) wait(path string, try func() error) error {
	err := try()
	if err == nil || !Full(err) {
		return err
	}
	giveUp := f.patience()
	select {
	case <-giveUp:
		return err
	default:
	}
	begin := time.Now()
	f.waiting.Add(1)
	defer f.waiting.Add(-1)
	f.opt.Waits(path, err)
	for pause := f.opt.RetryMin; Full(err); pause = min(2*pause, f.opt.RetryMax) {
		if !sleep(pause, giveUp) {
			return err
		}
		err = try()
	}
	f.opt.Proceeds(path, time.Since(begin))
	return err
}

// sleep waits about as long as d, or until give is closed: then it is false.
func sleep(d time.Duration, give <-chan struct{}) bool {
	t := time.NewTimer(d/2 + rand.N(d))
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-give:
		return false
	}
}

// compacts reports whether files of a category are given up rather than waited for.
func compacts(c vfs.DiskWriteCategory) bool {
	return c == "pebble-compaction" || c == "pebble-blob-file-rewrite"
}

// leave fails as a full disk does when a write would take what it has to leave.
func (f *FS) leave(c vfs.DiskWriteCategory, path string) error {
	var work Work
	switch {
	case f.opt.Leave == nil:
		return nil
	case compacts(c):
		work = Compaction
	case c != "pebble-memtable-flush":
		return nil
	}
	select {
	case <-f.patience(): // opening or ending: what there is may be used up
		return nil
	default:
	}
	u, err := f.FS.GetDiskUsage(f.PathDir(path))
	if err == nil && int64(u.AvailBytes) < f.opt.Leave(work) {
		return fmt.Errorf("write %s: the last %d bytes are left to the journal: %w", path, u.AvailBytes, syscall.ENOSPC)
	}
	return nil
}

// maxPause bounds the pause before a file of a category that keeps failing is begun again: the store tries
// again at once, and a full or broken disk would cost a core.
const (
	maxPause     = 10 * time.Second
	hurriedPause = 20 * time.Millisecond
)

// backOff waits before the next file of a category whose last ones could not be written.
func (f *FS) backOff(c vfs.DiskWriteCategory) {
	f.mu.Lock()
	last, give := f.failures[c], f.giveUp
	f.mu.Unlock()
	if last.n == 0 {
		return
	}
	pause := min(f.opt.RetryMin<<min(last.n, 10), maxPause)
	select {
	case <-give: // opening or ending: there is little time
		pause, give = min(pause, hurriedPause), nil
	default:
	}
	if left := pause - time.Since(last.last); left > 0 {
		sleep(left, give)
	}
}

// note remembers how writing a file of a category went.
func (f *FS) note(c vfs.DiskWriteCategory, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err == nil {
		delete(f.failures, c)
		return
	}
	f.failures[c] = failure{f.failures[c].n + 1, time.Now()}
}

// open makes a file for writing.
func (f *FS) open(name string, c vfs.DiskWriteCategory, open func() (vfs.File, error)) (vfs.File, error) {
	f.backOff(c)
	var file vfs.File
	try := func() (err error) {
		file, err = open()
		return err
	}
	var err error
	if compacts(c) {
		err = try()
	} else {
		err = f.wait(name, try)
	}
	if err != nil {
		f.note(c, err)
		return nil, err
	}
	return &writer{File: file, fs: f, path: name, category: c}, nil
}

// Create implements vfs.FS.
func (f *FS) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	return f.open(name, c, func() (vfs.File, error) { return f.FS.Create(name, c) })
}

// OpenReadWrite implements vfs.FS.
func (f *FS) OpenReadWrite(name string, c vfs.DiskWriteCategory, opts ...vfs.OpenOption) (vfs.File, error) {
	return f.open(name, c, func() (vfs.File, error) { return f.FS.OpenReadWrite(name, c, opts...) })
}

// ReuseForWrite implements vfs.FS.
func (f *FS) ReuseForWrite(oldname, newname string, c vfs.DiskWriteCategory) (vfs.File, error) {
	return f.open(newname, c, func() (vfs.File, error) { return f.FS.ReuseForWrite(oldname, newname, c) })
}

// Link implements vfs.FS.
func (f *FS) Link(oldname, newname string) error {
	return f.wait(newname, func() error { return f.FS.Link(oldname, newname) })
}

// Rename implements vfs.FS.
func (f *FS) Rename(oldname, newname string) error {
	return f.wait(newname, func() error { return f.FS.Rename(oldname, newname) })
}

// MkdirAll implements vfs.FS.
func (f *FS) MkdirAll(dir string, perm os.FileMode) error {
	return f.wait(dir, func() error { return f.FS.MkdirAll(dir, perm) })
}

// writer is a file that is written. Where a write stopped for want of room it goes on: what is there is
// not written again.
type writer struct {
	vfs.File
	fs       *FS
	path     string
	category vfs.DiskWriteCategory
}

// Write implements io.Writer.
func (w *writer) Write(b []byte) (int, error) {
	return w.all(b, func(at int) (int, error) { return w.File.Write(b[at:]) })
}

// WriteAt implements io.WriterAt.
func (w *writer) WriteAt(b []byte, off int64) (int, error) {
	return w.all(b, func(at int) (int, error) { return w.File.WriteAt(b[at:], off+int64(at)) })
}

func (w *writer) all(b []byte, write func(at int) (int, error)) (int, error) {
	n := 0
	try := func() error {
		if err := w.fs.leave(w.category, w.path); err != nil {
			return err
		}
		k, err := write(n)
		n += k
		if err == nil && n < len(b) {
			err = io.ErrShortWrite
		}
		return err
	}
	var err error
	if compacts(w.category) {
		err = try()
	} else {
		err = w.fs.wait(w.path, try)
	}
	if err != nil {
		w.fs.note(w.category, err)
	}
	return n, err
}

// Sync implements vfs.File. It is never tried again.
func (w *writer) Sync() error { return w.synced(w.File.Sync()) }

// SyncData implements vfs.File. It is never tried again.
func (w *writer) SyncData() error { return w.synced(w.File.SyncData()) }

func (w *writer) synced(err error) error {
	w.fs.note(w.category, err)
	return err
}
