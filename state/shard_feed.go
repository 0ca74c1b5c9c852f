package state

import (
	"context"

	"github.com/milepost-io/milepost/state/log"
)

// fedUpTo says that the first n waiting row changes were caused by records up to off.
type fedUpTo struct {
	off log.Offset
	n   int
}

// goLive is reached when the shard applies its own start record (E13): everything recorded before has
// been applied. Once that is durable, effects may leave. Until then only records wait.
func (r *run) goLive(ctx context.Context) error {
	for r.durable.ask(r.startAt + 1); r.durable.busy; {
		if err := r.wait(ctx, nil, false); err != nil || ctx.Err() != nil {
			return err
		}
	}
	r.isLive = true
	r.m.guard = nil // what is to come will be marked when it is replayed
	if r.opt.Live != nil {
		r.opt.Live(View{r.m})
	}
	close(r.live)
	return nil
}

// queueFeed keeps the row changes of the record just applied until it is durable.
func (r *run) queueFeed(off log.Offset) {
	if r.opt.Feed == nil {
		return
	}
	n := len(r.fed)
	for _, op := range r.m.RowOps() {
		if r.spaces[op.Space] {
			r.fed = append(r.fed, op)
		}
	}
	if len(r.fed) > n {
		r.causes = append(r.causes, fedUpTo{off, len(r.fed)})
	}
}

// feed hands on the row changes whose cause is durable (E4) and has the rest waited for.
func (r *run) feed() {
	if len(r.causes) == 0 {
		return
	}
	end := r.opt.Log.Durable(r.part)
	n, k := 0, 0
	for k < len(r.causes) && r.causes[k].off < end {
		n = r.causes[k].n
		k++
	}
	if k > 0 {
		r.opt.Feed(r.fed[:n:n])
		rest := copy(r.fed, r.fed[n:])
		clear(r.fed[rest:])
		r.fed = r.fed[:rest]
		r.causes = append(r.causes[:0], r.causes[k:]...)
		for i := range r.causes {
			r.causes[i].n -= n
		}
	}
	if len(r.causes) > 0 && !r.durable.busy {
		r.durable.ask(r.causes[len(r.causes)-1].off + 1)
	}
}
