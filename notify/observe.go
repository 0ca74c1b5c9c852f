package notify

import "github.com/milepost-io/milepost/rules"

// Op is what an Observation tells of an event.
type Op uint8

const (
	// Created: it exists, in the order of creation of its vehicle.
	Created Op = 1 + iota
	// Held: it does not go to whom it was for, for Reason. It may come long after Created.
	Held
	// Joined: the message Joined carries it.
	Joined
	// Released: its body is fixed and it leaves.
	Released
)

// Observation is one thing that became of an event. Event is set for Created alone, and is the callee's
// until it returns.
type Observation struct {
	Op    Op
	VIN   string
	Party string
	ID    string
	// At is the step's clock, Unix ms.
	At    int64
	Event *rules.Event
	// To is "owner" for a reminder or alert whose notify says owner, "dealer" for leads, else "none";
	// with Created alone.
	To string
	// Body is the CloudEvent as a feed gets it; with Created alone.
	Body   []byte
	Reason string
	Joined string
}

func (t *turn) observe(o Observation) {
	if t.s.opt.Observe == nil {
		return
	}
	o.VIN, o.Party, o.At = t.vin, t.party, t.now
	t.s.opt.Observe(o)
}
