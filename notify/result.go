package notify

import (
	"context"
	"encoding/json"
	"fmt"
)

// Verdict is how an entry ended.
type Verdict string

const (
	// Delivered is a fact: it counts whoever says so (E14).
	Delivered Verdict = "delivered"
	// Dead: the endpoint refused the message for good. Expired: nobody took it within its horizon.
	// Disabled: the endpoint said it is gone. The three are verdicts: those of an earlier generation
	// than the last start are ignored (E14).
	Dead     Verdict = "dead"
	Expired  Verdict = "expired"
	Disabled Verdict = "disabled"
	// Requeue is an operator's order to send a dead letter again.
	Requeue Verdict = "requeue"
	// Erased drops what this shard still holds, until At, of an erased vehicle (VIN); of an erased party (Of)
	// in a vehicle's story; or, without VIN, says that the erasure of the party is done (S47).
	Erased Verdict = "erased"
)

// Result is the payload of a log.Result record of the Notices stream, keyed by party.
type Result struct {
	Endpoint string  `json:"endpoint"`
	ID       string  `json:"id"`
	VIN      string  `json:"vin"`
	Result   Verdict `json:"result"`
	// Generation of the process that found it out.
	Generation uint64 `json:"generation,omitempty"`
	// At is when, Unix ms of the wall clock.
	At       int64 `json:"at"`
	Attempts int   `json:"attempts,omitempty"`
	// Created is the entry's: it tells what was sent about an erased vehicle from what was sent since it is
	// back (S47).
	Created int64  `json:"created,omitempty"`
	Detail  string `json:"detail,omitempty"`
	Of      string `json:"of,omitempty"`
	// Entry is the outbox row of a verdict or a requeue: the step never reads rows, and a dead letter
	// keeps the body.
	Entry []byte `json:"entry,omitempty"`
}

// Results takes terminal results into the log.
type Results interface {
	// Append appends a log.Result record with this payload under the party's key. It need not wait for
	// durability: a result that is lost with the process means one more send under the same id. An error
	// means the engine is ending.
	Append(ctx context.Context, party string, payload []byte) error
}

// DeadLetter is the value of a state.RowDead row of an undelivered message.
type DeadLetter struct {
	// ID is the row key in a form that can be typed.
	ID string `json:"id"`
	// At is when it was given up, Unix ms.
	At int64 `json:"at"`
	// Source is "notify/<endpoint>", Topic the event type, Key the vehicle.
	Source string `json:"source"`
	Topic  string `json:"topic"`
	Key    string `json:"key"`
	// Reason is the verdict, or "overflow" for a message that found its vehicle's queue full.
	Reason string `json:"reason"`
	Detail string `json:"detail,omitempty"`
	// Entry is the outbox row, body included.
	Entry []byte `json:"entry"`
}

// DeadPrefix begins the row keys of undelivered messages in state.RowDead.
const DeadPrefix = "message/"

// deadKey names the dead letter of an entry: an event is dead at most once per endpoint.
func deadKey(e *Entry) string { return DeadPrefix + e.Endpoint + "/" + e.VIN + "/" + e.ID }

// RequeueResult returns the party and the payload of the Result record that sends a dead letter again
// under its own id. row is the value of the dead letter's row, at the wall clock in Unix ms.
func RequeueResult(row []byte, at int64) (party string, payload []byte, err error) {
	var d DeadLetter
	if err := json.Unmarshal(row, &d); err != nil {
		return "", nil, fmt.Errorf("requeue dead letter: %w", err)
	}
	e, err := ParseEntry(d.Entry)
	if err != nil {
		return "", nil, fmt.Errorf("requeue dead letter %s: %w", d.ID, err)
	}
	payload, err = json.Marshal(&Result{Endpoint: e.Endpoint, ID: e.ID, VIN: e.VIN, Result: Requeue, At: at, Entry: d.Entry})
	return e.Party, payload, err
}
