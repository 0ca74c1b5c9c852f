package app

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/milepost-io/milepost/cmd/internal/gate"
	"github.com/milepost-io/milepost/state/erasure"
	"github.com/milepost-io/milepost/state/log"
)

// EraseListed erases again what a restored backup holds of ids that were erased after a time, Unix ms: when the
// backup was made. That includes ids that have come back since: the backup holds the life before. It returns how
// many ids that were; the eraser carries the erasures through.
func (c *Core) EraseListed(ctx context.Context, since int64) (int, error) {
	if len(c.erased.All()) == 0 {
		return 0, nil
	}
	type id struct {
		kind erasure.Kind
		name string
	}
	found, seen := map[id]bool{}, map[id]bool{}
	look := func(kind erasure.Kind, name string) {
		x := id{kind, name}
		if name == "" || seen[x] {
			return
		}
		seen[x] = true
		if e, ok := c.erased.Lookup(kind, []byte(name)); ok && e.Erased > since {
			found[x] = true
		}
	}
	for _, s := range c.shards {
		err := s.store.Documents(func(key, sub, _ []byte) bool {
			if s.part.Stream == log.Events {
				look(erasure.Vehicle, string(key))
				return ctx.Err() == nil
			}
			if !strings.HasPrefix(string(key), "v:") {
				look(erasure.Party, string(key))
			}
			look(erasure.Vehicle, string(sub))
			return ctx.Err() == nil
		})
		if err = errors.Join(err, ctx.Err()); err != nil {
			return 0, fmt.Errorf("look for erased ids: %w", err)
		}
	}
	a, err := c.archive()
	if err != nil {
		return 0, err
	}
	for entry, err := range a.All() {
		if err = errors.Join(err, ctx.Err()); err != nil {
			return 0, fmt.Errorf("look for erased ids: %w", err)
		}
		if r := &entry.Record; r.Kind == log.Event && !r.Erased {
			look(gate.KindOf(entry.Partition.Stream), string(r.Key))
		}
	}
	for x := range found {
		if _, err := c.Erase(ctx, x.kind, x.name); err != nil {
			return 0, err
		}
	}
	return len(found), nil
}
