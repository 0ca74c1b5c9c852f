package state

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/milepost-io/milepost/state/room"
)

// StoreHealth counts what a disk does to a store.
type StoreHealth struct {
	// WriteErrors counts flushes and compactions that failed; both are tried again.
	WriteErrors uint64
	// SlowWrites counts operations that took over 5 s, Stalls the times a commit had to wait for flushes
	// or compactions.
	SlowWrites, Stalls uint64
}

// StoreDamageError says that a store does not hold what was written to it.
type StoreDamageError struct {
	Dir string
	Err error
}

func (e *StoreDamageError) Error() string {
	return fmt.Sprintf("state: store %s is damaged: %v", e.Dir, e.Err)
}

func (e *StoreDamageError) Unwrap() error { return e.Err }

// errAbandoned is the failure of a store that was left waiting at the end.
var errAbandoned = errors.New("left while it waited for the disk")

// health watches a store: it is Pebble's logger and listener, and knows when the store cannot go on.
//
// Pebble reports that by Fatalf, from any goroutine, with locks held, and expects the process to be gone
// when it returns. Here the goroutine stays where it is, and who waits for the store is told: the engine
// ends in order, with a message, and what is in the store's memory comes back from the log.
type health struct {
	dir    string
	logger *slog.Logger
	over   chan struct{} // closed when the store cannot go on
	stop   chan struct{} // closed when it is stuck

	// opened: a write that fails before is not tried again. stuck: Pebble has goroutines that never end.
	opened, stuck             atomic.Bool
	writeErrors, slow, stalls atomic.Uint64

	mu     sync.Mutex
	reason error
	said   map[string]time.Time
}

var _ pebble.Logger = (*health)(nil)

func newHealth(dir string, l *slog.Logger) *health {
	return &health{dir: dir, logger: l, over: make(chan struct{}), stop: make(chan struct{}), said: map[string]time.Time{}}
}

// fail notes the first reason why the store cannot go on.
func (h *health) fail(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.reason == nil {
		h.reason = err
		close(h.over)
	}
}

// hang notes that the store cannot go on and must not be closed.
func (h *health) hang(err error) {
	h.fail(err)
	if h.stuck.CompareAndSwap(false, true) {
		close(h.stop)
	}
}

// abandon lets go of whoever waits for a store that does not get on.
func (h *health) abandon() { h.hang(fmt.Errorf("state: store %s: %w", h.dir, errAbandoned)) }

func (h *health) err() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.reason
}

// call runs an operation that may never return, and does not wait for it when the store cannot go on: its
// goroutine ends with the process.
func (h *health) call(op func() error) error {
	done := make(chan error, 1)
	go func() { done <- op() }()
	select {
	case err := <-done:
		return err
	case <-h.over:
		return h.err()
	}
}

// explain names the store and what was done with it, once.
func (h *health) explain(what string, err error) error {
	var damage *StoreDamageError
	switch {
	case err == nil, errors.As(err, &damage), errors.Is(err, h.err()):
		return err
	case pebble.IsCorruptionError(err):
		return &StoreDamageError{Dir: h.dir, Err: err}
	}
	return fmt.Errorf("state: %s store %s: %w", what, h.dir, err)
}

func (h *health) stats() StoreHealth {
	return StoreHealth{WriteErrors: h.writeErrors.Load(), SlowWrites: h.slow.Load(), Stalls: h.stalls.Load()}
}

// listener is what Pebble tells of its background work, with its locks held: nothing here may block.
func (h *health) listener() *pebble.EventListener {
	l := &pebble.EventListener{
		BackgroundError: func(err error) {
			h.writeErrors.Add(1)
			if !h.opened.Load() {
				h.fail(h.explain("open", err))
				return
			}
			if room.Full(err) {
				h.say("full", "the store cannot be compacted: the disk is full; it is tried again, make room", "error", err)
				return
			}
			h.say("background", "the store cannot be written; it is tried again, and the log grows meanwhile: look at the disk (dmesg, smartctl)", "error", err)
		},
		DataCorruption: func(i pebble.DataCorruptionInfo) {
			h.fail(&StoreDamageError{Dir: h.dir, Err: i.Details})
		},
		DiskSlow: func(i pebble.DiskSlowInfo) {
			h.slow.Add(1)
			h.say("slow", "the disk is slow or full: a write of the store takes long", "path", i.Path, "so_far", i.Duration.String())
		},
		WriteStallBegin: func(i pebble.WriteStallBeginInfo) {
			h.stalls.Add(1)
			h.say("stall", "write-back waits for the store to be flushed and compacted", "reason", i.Reason)
		},
	}
	l.EnsureDefaults(h)
	return l
}

// say warns once a minute per cause.
func (h *health) say(cause, message string, args ...any) {
	h.mu.Lock()
	last, said := h.said[cause]
	if said && time.Since(last) < time.Minute {
		h.mu.Unlock()
		return
	}
	h.said[cause] = time.Now()
	h.mu.Unlock()
	h.logger.Warn(message, append(args, "store", h.dir)...)
}

// Infof implements pebble.Logger.
func (h *health) Infof(format string, args ...any) {
	h.logger.Debug("pebble", "detail", fmt.Sprintf(format, args...))
}

// Errorf implements pebble.Logger. What is an error of the store's comes back to whoever asked for it, or
// by the listener.
func (h *health) Errorf(format string, args ...any) {
	h.logger.Debug("pebble", "error", fmt.Sprintf(format, args...))
}

// Fatalf implements pebble.Logger. It does not return.
func (h *health) Fatalf(format string, args ...any) {
	h.hang(fmt.Errorf("state: store %s cannot go on: %s; nothing is lost, the log holds it: look at the disk (df, dmesg, smartctl), then start again",
		h.dir, fmt.Sprintf(format, args...)))
	select {}
}
