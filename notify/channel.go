package notify

import (
	"context"
	"time"
)

// Channel sends entries to one endpoint. Its methods may be called concurrently; the Dispatcher bounds
// how many calls run at once.
type Channel interface {
	// Send makes one attempt. It returns when the destination has answered, when it is clear that it will
	// not, or when ctx ends. It must not change the entry.
	Send(ctx context.Context, e *Entry) Answer
}

// Wide is a Channel that sends what comes at the same time as one: it takes more calls at once than
// DispatcherOptions.Concurrency.
type Wide interface {
	Channel
	Concurrency() int
}

// Outcome is what one attempt came to.
type Outcome uint8

const (
	// Accepted: the destination has it.
	Accepted Outcome = iota
	// Retry: it may work later.
	Retry
	// Refused: the same bytes will never be accepted.
	Refused
	// Gone: the destination does not exist any more and wants nothing further.
	Gone
)

// Answer is the end of one attempt.
type Answer struct {
	Outcome Outcome
	// After is how long the destination asked to be left alone; 0: it said nothing.
	After time.Duration
	// Detail is for people: the status or the error, never more than 200 bytes of a reply.
	Detail string
}
