package state

import "sync"

// worker is a goroutine that does one thing at a time for a shard and answers on out.
type worker[Q, A any] struct {
	in   chan Q
	out  chan A
	busy bool // asked and not yet heard; kept by the asker
}

// start starts the goroutine; it ends after stop, when its current answer is given.
func (w *worker[Q, A]) start(wg *sync.WaitGroup, do func(Q) A) {
	// One slot each way: neither side ever waits to hand over.
	w.in, w.out = make(chan Q, 1), make(chan A, 1)
	wg.Go(func() {
		for q := range w.in {
			w.out <- do(q)
		}
	})
}

// ask hands over a question; the last one must have been answered.
func (w *worker[Q, A]) ask(q Q) {
	w.busy = true
	w.in <- q
}

func (w *worker[Q, A]) stop() { close(w.in) }
