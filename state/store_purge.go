package state

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// A deleted key does not leave the disk when it is deleted: a tombstone names it until both are compacted
// away, older versions lie in older tables, and the manifest names the first and last key of every table
// there has been since it was begun. Purge brings all three to an end.

// manifestBytes is the size from which the manifest may be begun anew. It is small so that Purge can have
// it done: Pebble asks besides that the edits since then outnumber the tables.
const manifestBytes = 16 << 10

// KeySpans are the parts of a store in which a key of the Events stage may be named: its own documents and
// rows of its timeline, and whole the small spaces that hold keys of all.
func KeySpans(keys [][]byte) [][2][]byte {
	spans := [][2][]byte{}
	for _, space := range []byte{byte(RowDead), byte(RowOutbox), byte(RowView), timerSpace, 'p'} {
		spans = append(spans, [2][]byte{{space, '/'}, spaceEnd(space)})
	}
	for _, key := range keys {
		row := appendRowKey(nil, RowTimeline, string(key)+"\x00")
		spans = append(spans, [2][]byte{appendDocKey(nil, key, nil), afterKey(nil, key)}, [2][]byte{row, prefixEnd(row)})
	}
	return spans
}

// AllSpans is the whole of a store.
func AllSpans() [][2][]byte { return [][2][]byte{{{0}, {0xff}}} }

// Purge makes what was deleted or overwritten in some spans of the store, and is flushed, leave its files.
// It works beside the shard, and returns when the files that held it are gone.
func (s *Store) Purge(ctx context.Context, spans [][2][]byte) error {
	for _, span := range spans {
		if err := s.db.Compact(ctx, span[0], span[1], false); err != nil {
			return fmt.Errorf("state: purge store %s: %w", s.dir, err)
		}
	}
	if err := s.waitReplaced(ctx); err != nil {
		return fmt.Errorf("state: purge store %s: %w", s.dir, err)
	}
	return nil
}

// waitReplaced waits until the tables that are not in use now have been removed, which Pebble does in the
// background, and until the manifests of now have been: that takes two new ones, since Pebble keeps the last
// but one, and small changes to bring them about.
func (s *Store) waitReplaced(ctx context.Context) error {
	old, err := s.names()
	if err != nil {
		return err
	}
	for {
		live, err := s.tables()
		if err != nil {
			return err
		}
		now, err := s.names()
		if err != nil {
			return err
		}
		tables, manifests := false, false
		for name := range old {
			switch {
			case !now[name]:
			case strings.HasPrefix(name, "MANIFEST-"):
				manifests = true
			case strings.HasSuffix(name, ".sst") && !live[name]:
				tables = true
			}
		}
		switch {
		case manifests:
			err = s.touch(ctx)
		case tables:
			err = pause(ctx)
		default:
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// touch changes the store a little, durably.
func (s *Store) touch(ctx context.Context) error {
	b := s.newBatch(0)
	if err := errors.Join(b.Set(purgedKey(), nil), s.commit(b)); err != nil {
		return err
	}
	return s.flush(ctx)
}

func pause(ctx context.Context) error {
	t := time.NewTimer(5 * time.Millisecond)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// names are the files of the store.
func (s *Store) names() (map[string]bool, error) {
	names, err := s.fs.List(s.dir)
	in := make(map[string]bool, len(names))
	for _, name := range names {
		in[name] = true
	}
	return in, err
}

// tables are the names of the tables in use.
func (s *Store) tables() (map[string]bool, error) {
	levels, err := s.db.SSTables()
	in := map[string]bool{}
	for _, level := range levels {
		for _, t := range level {
			in[fmt.Sprintf("%06d.sst", uint64(t.BackingSSTNum))] = true
		}
	}
	return in, err
}

// storeFS is the file system as Pebble's store sees it: a manifest is under its name durably before the
// marker is made that says it is the one in force. Pebble leaves the order of the two to the file system, and
// the renewals of Purge would give a crash the more chances to find the marker alone.
type storeFS struct{ FS }

// Create implements vfs.FS.
func (s storeFS) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	if strings.HasPrefix(s.PathBase(name), "marker.manifest.") {
		d, err := s.OpenDir(s.PathDir(name))
		if err != nil {
			return nil, err
		}
		if err := errors.Join(d.Sync(), d.Close()); err != nil {
			return nil, err
		}
	}
	return s.FS.Create(name, category)
}

// Unwrap implements vfs.FS.
func (s storeFS) Unwrap() vfs.FS { return s.FS }
