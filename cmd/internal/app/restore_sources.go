package app

import (
	"bytes"
	"context"
	"slices"
	"sync"

	"github.com/milepost-io/milepost/state"
)

// Restored says where a source has to begin although somebody (a consumer group) remembers a later place:
// the folder was restored from a backup, and what was taken since went into a log that is not this one. ok
// is false of a folder that was not restored, and after Resumed. next is 0 for an origin that the state
// knows nothing of: it begins with the first record there is. origin is that of the records (S5).
func (c *Core) Restored(ctx context.Context, origin []byte) (next uint64, ok bool, err error) {
	c.restored.Lock()
	mark := c.restored.mark
	ok = mark != nil && !mark.hasResumed(origin)
	c.restored.Unlock()
	if !ok {
		return 0, false, nil
	}
	err = c.view(ctx, c.shards[0], func(v state.View) error {
		for _, p := range v.SourcePositions() {
			if bytes.Equal(p.Origin, origin) {
				next = p.Next
			}
		}
		return nil
	})
	return next, err == nil, err
}

// Resumed says that whoever remembers places for a source has been told the one that Restored said, or a
// later one: from then on it is right again. It is durable when it returns.
func (c *Core) Resumed(origin []byte) error {
	c.restored.Lock()
	defer c.restored.Unlock()
	m := c.restored.mark
	if m == nil || m.hasResumed(origin) {
		return nil
	}
	next := *m
	next.Resumed = append(slices.Clone(m.Resumed), bytes.Clone(origin))
	if err := next.write(c.opt.FS, c.opt.Data); err != nil {
		return err
	}
	c.restored.mark = &next
	return nil
}

// restoredMark is the mark of a restored folder, nil of one that was not restored.
type restoredMark struct {
	sync.Mutex
	mark *Restored
}

func (m *Restored) hasResumed(origin []byte) bool {
	return slices.ContainsFunc(m.Resumed, func(o []byte) bool { return bytes.Equal(o, origin) })
}
