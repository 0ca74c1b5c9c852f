package app

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/milepost-io/milepost/state"
)

// answerSoon is how long a look at the whole engine waits for one shard. A shard may itself wait, for the
// disk or for a large document: then the look shows the others, and it as it was.
const answerSoon = time.Second

// viewSoon is view that passes over a shard that does not answer soon.
func (e *Engine) viewSoon(ctx context.Context, s *shard, fn func(state.View) error) error {
	soon, cancel := context.WithTimeout(ctx, answerSoon)
	defer cancel()
	err := e.view(soon, s, fn)
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		return nil
	}
	return err
}

// lastLook remembers what each shard said last. Safe for concurrent use.
type lastLook struct {
	mu    sync.Mutex
	parts []Status
}

// fill puts what a shard said last in the place of one that said nothing, and remembers the others.
func (l *lastLook) fill(parts []Status) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.parts == nil {
		l.parts = make([]Status, len(parts))
	}
	for i := range parts {
		switch {
		case len(parts[i].Shards) > 0:
			l.parts[i] = parts[i]
		case len(l.parts[i].Shards) > 0:
			parts[i] = l.parts[i]
		default:
			parts[i].Shards = []ShardStatus{{}}
		}
	}
}
