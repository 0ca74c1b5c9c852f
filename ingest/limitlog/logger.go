// Package limitlog turns many log lines about the same cause into one a minute: a client that errs does so
// with every message, and a cluster that is away fails every request.
package limitlog

import (
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
)

// Logger logs once a minute per cause. It may be used concurrently.
type Logger[Cause ~uint8] struct {
	// Plain logs every line.
	Plain zerolog.Logger
	last  []atomic.Int64 // Unix seconds, by cause
}

// New returns a logger for the causes below n.
func New[Cause ~uint8](plain zerolog.Logger, n Cause) *Logger[Cause] {
	return &Logger[Cause]{Plain: plain, last: make([]atomic.Int64, n)}
}

// Warn begins a line; it returns nil, which swallows it, when the cause was logged within the last minute.
func (l *Logger[Cause]) Warn(c Cause) *zerolog.Event {
	if !l.due(c) {
		return nil
	}
	return l.Plain.Warn()
}

// Error is Warn for what somebody has to mend.
func (l *Logger[Cause]) Error(c Cause) *zerolog.Event {
	if !l.due(c) {
		return nil
	}
	return l.Plain.Error()
}

func (l *Logger[Cause]) due(c Cause) bool {
	now, last := time.Now().Unix(), l.last[c].Load()
	return now-last >= 60 && l.last[c].CompareAndSwap(last, now)
}
