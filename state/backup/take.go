package backup

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	iofs "io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/milepost-io/milepost/state"
	"github.com/milepost-io/milepost/state/log"
	"github.com/milepost-io/milepost/state/log/journal"
)

// TakeOptions say what to back up and where to.
type TakeOptions struct {
	FS state.FS
	// Dir is the backup's folder: empty or not there, and not within Data.
	Dir string
	// Data is the data folder.
	Data string
	// Journal is the log, open; Stores are those of all its partitions, events first.
	Journal *journal.Journal
	Stores  []Source
	// Extra are further files of the data folder, by name; one that is not there is left out.
	Extra []string
	// Build and Source name engine and installation; Time is that of the backup.
	Build, Source string
	Time          time.Time
	// Expect is told how many bytes there are to copy, about; Did how many were since it was called last.
	// nil: nobody asks.
	Expect, Did func(n int64)
}

// Source is one partition's store.
type Source struct {
	Partition log.Partition
	// Folder is its place in the data folder, with slashes.
	Folder string
	// Checkpoint makes one, as that of state.Store; nil: nobody has the store open.
	Checkpoint func(dir string) error
}

// StageDir is where checkpoints are made, in the data folder: links, gone when they are copied. One that a
// crash left only keeps space: the next start removes it.
const StageDir = "backup.tmp"

// ClearStage removes what a backup staged whose process died.
func ClearStage(fs state.FS, data string) error {
	stage := fs.PathJoin(data, StageDir)
	if _, err := fs.Stat(stage); isNotExist(err) {
		return nil
	}
	return fs.RemoveAll(stage)
}

const journalFolder = "journal"

// Take makes a backup. Of a running engine nobody waits for it: stores are linked beside their shards, and
// the log is kept from being trimmed meanwhile (E4). On an error it removes what it wrote.
func Take(ctx context.Context, o TakeOptions) (*Manifest, error) {
	t := taker{TakeOptions: o, copier: newCopier(o.FS, o.Did)}
	t.m = Manifest{
		Format: manifestFormat, Build: o.Build, Source: o.Source, Time: o.Time.UTC(),
		Events: o.Journal.Shards(log.Events), Notices: o.Journal.Shards(log.Notices),
	}
	if err := t.checkDir(); err != nil {
		return nil, fmt.Errorf("backup to %s: %w", o.Dir, err)
	}
	release := o.Journal.Pin()
	defer release()
	err := t.take(ctx)
	if err = errors.Join(err, o.FS.RemoveAll(t.stage())); err != nil {
		return nil, fmt.Errorf("backup to %s: %w", o.Dir, errors.Join(err, t.clean()))
	}
	return &t.m, nil
}

type taker struct {
	TakeOptions
	*copier
	m    Manifest
	made []string // folders, to be synced
}

func (t *taker) stage() string { return t.FS.PathJoin(t.Data, StageDir) }

// checkDir refuses a folder that a backup would be lost in or mixed up with.
func (t *taker) checkDir() error {
	if within(t.Dir, t.Data) || within(t.Data, t.Dir) {
		return fmt.Errorf("it must be outside of the data folder %s", t.Data)
	}
	empty, err := emptyDir(t.FS, t.Dir)
	switch {
	case err != nil:
		return err
	case empty:
		return nil
	}
	if _, err := t.FS.Stat(t.FS.PathJoin(t.Dir, ManifestFile)); isNotExist(err) {
		return errors.New("the folder is not empty and holds no complete backup: remove what is in it, or name another")
	}
	return errors.New("the folder holds a backup already: name another")
}

// within reports whether a path is a folder or below it; both are clean.
func within(path, dir string) bool {
	return path == dir || strings.HasPrefix(path, strings.TrimSuffix(dir, string(os.PathSeparator))+string(os.PathSeparator))
}

func isNotExist(err error) bool { return errors.Is(err, iofs.ErrNotExist) }

// take writes everything: what the guard knows before the stores are looked at, since it forgets what they
// have passed; the log as it is after that, since it must reach beyond their positions; the manifest last.
// Stores and log are those of the beginning, however long the copying takes.
func (t *taker) take(ctx context.Context) error {
	if err := t.FS.RemoveAll(t.stage()); err != nil {
		return err
	}
	if err := t.dir(""); err != nil {
		return err
	}
	for _, name := range t.Extra {
		err := t.put(ctx, t.FS.PathJoin(t.Data, name), name, -1, false)
		if err != nil && !isNotExist(err) {
			return err
		}
	}
	for i := range t.Stores {
		if err := t.checkpoint(&t.Stores[i]); err != nil {
			return err
		}
	}
	cut, err := t.Journal.Cut(func(p log.Partition) log.Offset {
		i := slices.IndexFunc(t.Stores, func(s Source) bool { return s.Partition == p })
		return t.m.Stores[i].Next
	})
	if err != nil {
		return err
	}
	if err := t.expect(&cut); err != nil {
		return err
	}
	for i := range t.Stores {
		if err := t.store(ctx, &t.Stores[i]); err != nil {
			return err
		}
	}
	if err := t.journal(ctx, &cut); err != nil {
		return err
	}
	return t.finish(ctx)
}

// from is the folder that a store is copied from.
func (t *taker) from(s *Source) string {
	if s.Checkpoint == nil {
		return t.FS.PathJoin(t.Data, s.Folder)
	}
	return t.FS.PathJoin(t.stage(), t.FS.PathBase(s.Folder))
}

// checkpoint makes the checkpoint of a store and notes where it stands.
func (t *taker) checkpoint(s *Source) error {
	from := t.from(s)
	if s.Checkpoint != nil {
		if err := makeDir(t.FS, t.stage()); err != nil {
			return err
		}
		if err := s.Checkpoint(from); err != nil {
			return err
		}
	}
	st, err := state.ReadStored(state.StoreOptions{Dir: from, FS: t.FS, Cache: readCache}, s.Partition)
	if err != nil {
		return err
	}
	if id := t.Journal.ID(); st.Next > 0 && st.Log != id {
		return fmt.Errorf("%w: %s counts in log %x, expected log %x", state.ErrOtherLog, from, st.Log, id)
	}
	t.m.Stores = append(t.m.Stores, Store{Folder: s.Folder, Next: st.Next, Clock: st.Clock, Inputs: st.Inputs, Generation: st.Generation})
	return nil
}

// readCache is the memory for looking at a store.
const readCache = 4 << 20

// expect tells how much there is to copy.
func (t *taker) expect(cut *journal.Cut) error {
	if t.Expect == nil {
		return nil
	}
	var total int64
	for i := range t.Stores {
		names, err := t.FS.List(t.from(&t.Stores[i]))
		if err != nil {
			return err
		}
		for _, name := range names {
			if info, err := t.FS.Stat(t.FS.PathJoin(t.from(&t.Stores[i]), name)); err == nil {
				total += info.Size()
			}
		}
	}
	for _, f := range cut.Files {
		total += f.Size
	}
	t.Expect(total)
	return nil
}

// store copies the checkpoint of a store.
func (t *taker) store(ctx context.Context, s *Source) error {
	from := t.from(s)
	names, err := t.FS.List(from)
	if err != nil {
		return err
	}
	slices.Sort(names)
	if err := t.dir(s.Folder); err != nil {
		return err
	}
	for _, name := range names {
		if name == "LOCK" {
			continue
		}
		fixed := strings.HasSuffix(name, ".sst") || strings.HasSuffix(name, ".blob")
		if err := t.put(ctx, t.FS.PathJoin(from, name), s.Folder+"/"+name, -1, fixed); err != nil {
			return err
		}
	}
	if s.Checkpoint == nil {
		return nil
	}
	return t.FS.RemoveAll(from)
}

// journal copies the log.
func (t *taker) journal(ctx context.Context, c *journal.Cut) error {
	t.m.Journal, t.m.Ends = hex.EncodeToString(c.ID[:]), c.Ends
	if err := t.dir(journalFolder); err != nil {
		return err
	}
	for _, f := range c.Files {
		size := f.Size
		if f.Sealed {
			size = -1
		}
		if err := t.put(ctx, f.Path, journalFolder+"/"+f.Name, size, f.Sealed); err != nil {
			return err
		}
		t.m.Segments = append(t.m.Segments, Segment{Name: f.Name, Base: f.Base})
	}
	return nil
}

// finish makes all names durable and then writes the manifest.
func (t *taker) finish(ctx context.Context) error {
	for _, d := range slices.Backward(t.made) {
		if err := state.SyncDir(t.FS, d); err != nil {
			return err
		}
	}
	b, err := t.m.encode()
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return state.ReplaceFile(t.FS, t.FS.PathJoin(t.Dir, ManifestFile), b)
}

// dir makes a folder of the backup.
func (t *taker) dir(rel string) error {
	path := t.FS.PathJoin(t.Dir, rel)
	for _, d := range []string{t.FS.PathDir(path), path} {
		if within(d, t.Dir) && !slices.Contains(t.made, d) {
			t.made = append(t.made, d)
		}
	}
	return makeDir(t.FS, path)
}

// put backs one file up, linked where it is never written to again.
func (t *taker) put(ctx context.Context, from, rel string, size int64, fixed bool) error {
	to := t.FS.PathJoin(t.Dir, rel)
	var n int64
	var sum string
	var err error
	if fixed {
		n, sum, err = t.link(ctx, from, to)
	} else {
		n, sum, err = t.copy(ctx, from, to, size)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", rel, err)
	}
	t.m.Files = append(t.m.Files, File{Path: rel, Size: n, SHA256: sum})
	return nil
}

// clean removes what an interrupted backup wrote, so that it can be tried again.
func (t *taker) clean() error {
	names, err := t.FS.List(t.Dir)
	if err != nil {
		return nil //nolint:nilerr // there is nothing to remove
	}
	for _, name := range names {
		err = errors.Join(err, t.FS.RemoveAll(t.FS.PathJoin(t.Dir, name)))
	}
	return err
}
