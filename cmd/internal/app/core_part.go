package app

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"
)

// part is something that runs until it is stopped.
type part struct {
	cancel context.CancelFunc
	done   chan struct{}
	err    error
}

// start runs f; if it ends with an error, or before it was told to, the engine ends.
func start(fail context.CancelCauseFunc, t Task) *part {
	ctx, cancel := context.WithCancel(context.Background())
	p := &part{cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(p.done)
		err := t.Run(ctx)
		if err != nil && !errors.Is(err, context.Canceled) {
			p.err = fmt.Errorf("%s: %w", t.Name, err)
			fail(p.err)
		} else if ctx.Err() == nil {
			fail(fmt.Errorf("%s ended by itself", t.Name))
		}
	}()
	return p
}

func (p *part) stop() error {
	p.cancel()
	<-p.done
	return p.err
}

// all runs functions side by side until the first error.
func all(ctx context.Context, fs ...func(context.Context) error) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, f := range fs {
		g.Go(func() error { return f(ctx) })
	}
	return g.Wait()
}
