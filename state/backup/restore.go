package backup

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"

	"github.com/milepost-io/milepost/state"
	"github.com/milepost-io/milepost/state/log"
	"github.com/milepost-io/milepost/state/log/journal"
)

// RestoreOptions say what is restored where to.
type RestoreOptions struct {
	FS state.FS
	// Dir is the backup; Check what Verify said of it, with nothing in Err.
	Dir   string
	Check *Check
	// Data is the data folder: empty or not there, or left by a restore that did not finish.
	Data string
	// Shards are what the engine is configured for.
	Shards journal.Shards
	// Finish is called with the new log's id when everything is in place but for the marks of it; before it
	// has returned nil no engine starts on the folder. nil: there is nothing to add.
	Finish func(log.ID) error
	// Did is told how many bytes were done since the last call; nil: nobody asks.
	Did func(n int64)
}

// unfinishedFile marks a data folder whose restore has not ended.
const unfinishedFile = "restoring"

// CheckFinished refuses a data folder that a restore left unfinished.
func CheckFinished(fs state.FS, data string) error {
	if unfinished(fs, data) {
		return fmt.Errorf("%s is half restored: run milepost restore again", data)
	}
	return nil
}

func unfinished(fs state.FS, data string) bool {
	_, err := fs.Stat(fs.PathJoin(data, unfinishedFile))
	_, begun := fs.Stat(fs.PathJoin(data, unfinishedFile+".new"))
	return err == nil || begun == nil
}

// CheckTarget refuses what Restore refuses before it writes anything.
func (o *RestoreOptions) CheckTarget() error {
	if m := o.Check.Manifest; m.Shards() != o.Shards {
		return fmt.Errorf("the backup has %d and %d shards, the configuration asks for %d and %d: the counts cannot be changed, put shards: %d into the configuration",
			m.Events, m.Notices, o.Shards.Events, o.Shards.Notices, m.Events)
	}
	if within(o.Data, o.Dir) || within(o.Dir, o.Data) {
		return fmt.Errorf("the data folder %s and the backup %s must not lie in each other", o.Data, o.Dir)
	}
	if unfinished(o.FS, o.Data) {
		return nil
	}
	empty, err := emptyDir(o.FS, o.Data)
	if err == nil && !empty {
		err = fmt.Errorf("the data folder %s is not empty: move it away, nothing is restored over it", o.Data)
	}
	return err
}

// Restore makes a data folder of a backup, bound to a log of a new id (E15), which it returns. A restore
// that was interrupted is begun anew; no engine starts on what it left.
func Restore(ctx context.Context, o RestoreOptions) (id log.ID, err error) {
	if err := o.CheckTarget(); err != nil {
		return id, fmt.Errorf("restore: %w", err)
	}
	if _, err := rand.Read(id[:]); err != nil {
		return id, fmt.Errorf("restore: make an id: %w", err)
	}
	r := restorer{RestoreOptions: o, copier: newCopier(o.FS, o.Did), m: o.Check.Manifest, to: id}
	if err := r.restore(ctx); err != nil {
		return id, fmt.Errorf("restore to %s: %w", o.Data, err)
	}
	return id, nil
}

type restorer struct {
	RestoreOptions
	*copier
	m        *Manifest
	from, to log.ID
}

func (r *restorer) restore(ctx context.Context) (err error) {
	if r.from, err = r.m.ID(); err != nil {
		return err
	}
	mark := r.FS.PathJoin(r.Data, unfinishedFile)
	if err := makeDir(r.FS, r.Data); err != nil {
		return err
	}
	if err := state.ReplaceFile(r.FS, mark, []byte("a restore into this folder has not ended\n")); err != nil {
		return err
	}
	if err := r.clear(); err != nil {
		return err
	}
	for _, step := range []func(context.Context) error{r.files, r.stores, r.journal} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	if r.Finish != nil {
		if err := r.Finish(r.to); err != nil {
			return err
		}
	}
	if err := r.FS.Remove(mark); err != nil {
		return err
	}
	return state.SyncDir(r.FS, r.Data)
}

// clear removes what an earlier restore left.
func (r *restorer) clear() error {
	names, err := r.FS.List(r.Data)
	if err != nil {
		return err
	}
	for _, name := range names {
		if name != unfinishedFile {
			err = errors.Join(err, r.FS.RemoveAll(r.FS.PathJoin(r.Data, name)))
		}
	}
	return err
}

// files copies everything but the log, and checks it once more on the way.
func (r *restorer) files(ctx context.Context) error {
	dirs := map[string]bool{}
	for i := range r.m.Files {
		f := &r.m.Files[i]
		if strings.HasPrefix(f.Path, journalFolder+"/") || r.Check.isBad(f.Path) {
			continue
		}
		to := r.FS.PathJoin(r.Data, f.Path)
		dir := r.FS.PathDir(to)
		if err := makeDir(r.FS, dir); err != nil {
			return err
		}
		dirs[dir] = true
		_, sum, err := r.copy(ctx, r.FS.PathJoin(r.Dir, f.Path), to, f.Size)
		if err == nil && sum != f.SHA256 {
			err = errors.New("it has changed since it was verified")
		}
		if err != nil {
			return fmt.Errorf("%s: %w", f.Path, err)
		}
	}
	for dir := range dirs {
		if err := state.SyncDir(r.FS, dir); err != nil {
			return err
		}
	}
	return state.RebindGuard(r.FS, r.Data, r.from, r.to)
}

// stores binds the stores to the new log.
func (r *restorer) stores(ctx context.Context) error {
	for i := range r.m.Stores {
		o := state.StoreOptions{Dir: r.FS.PathJoin(r.Data, r.m.Stores[i].Folder), FS: r.FS, Cache: readCache}
		if err := state.Rebind(o, r.from, r.to); err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}

// journal writes the log under its new id, as far as it can be used.
func (r *restorer) journal(ctx context.Context) error {
	to := r.FS.PathJoin(r.Data, journalFolder)
	if r.Check.fresh {
		base := make([]log.Offset, len(r.m.Stores))
		var received uint64
		for i := range r.m.Stores {
			base[i] = r.m.Stores[i].Next
			received += r.m.Stores[i].Inputs
		}
		return journal.CreateAt(journal.Options{FS: r.FS, Dir: to, Shards: r.Shards}, r.to, base, received)
	}
	if err := makeDir(r.FS, to); err != nil {
		return err
	}
	base, ends, err := journal.Rebind(ctx, journal.RebindOptions{
		FS: r.FS, From: r.FS.PathJoin(r.Dir, journalFolder), To: to, ID: r.to, Before: r.Check.before, Wrote: r.did,
		Edit: func(_ log.Partition, _ log.Offset, rec *log.Record) { state.RebindRecord(rec, r.from, r.to) },
	})
	if err != nil {
		return err
	}
	for i := range r.m.Stores {
		if next := r.m.Stores[i].Next; next < base[i] || next > ends[i] {
			return fmt.Errorf("%s stands at record %d, the log of the backup has %d to %d", r.m.Stores[i].Folder, next, base[i], ends[i])
		}
	}
	return state.SyncDir(r.FS, to)
}
