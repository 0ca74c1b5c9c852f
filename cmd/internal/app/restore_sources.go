package app

import (
	"context"

	"github.com/milepost-io/milepost/state"
)

// Restored says where a source has to begin although somebody (a consumer group) remembers a later place:
// the folder was restored from a backup, and what was taken since went into a log that is not this one. ok
// is false of a folder that was not restored. next is 0, the first there is, for an origin that the state
// knows nothing of. It stays right: the state knows of all that was taken since the restore too, so that
// asking again costs some redeliveries at most. origin is that of the records (S5).
func (c *Core) Restored(origin string) (next uint64, ok bool) {
	if c.restored == nil {
		return 0, false
	}
	ctx, cancel := context.WithTimeout(context.Background(), queryTimeout)
	defer cancel()
	err := c.view(ctx, c.shards[0], func(v state.View) error {
		for _, p := range v.SourcePositions() {
			if string(p.Origin) == origin {
				next = p.Next
			}
		}
		return nil
	})
	if err != nil { // the engine is ending, or it would begin too early: what comes again is known by its Seq
		return 0, true
	}
	return next, true
}
