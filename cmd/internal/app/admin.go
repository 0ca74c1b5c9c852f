package app

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/milepost-io/milepost/ingest/broker"
	"github.com/milepost-io/milepost/notify"
	"github.com/milepost-io/milepost/rules"
)

// Admin is what the command line and the API can ask of an engine, running or (offline) stopped.
type Admin interface {
	Status(ctx context.Context) (*Status, error)
	Vehicle(ctx context.Context, vin string) (*rules.VehicleView, error)
	// Timeline lists a vehicle's story, newest first, told in a language ("en", "zh").
	Timeline(ctx context.Context, vin, lang string, limit int) ([]TimelineEntry, error)
	// SetOdometer makes km the accepted odometer of a known vehicle, on an operator's word.
	SetOdometer(ctx context.Context, vin string, km float64) error
	// Outbox lists what waits for a destination, in sending order per vehicle.
	Outbox(ctx context.Context, limit int) ([]OutboxEntry, error)
	// RequeueOutbox tries the entries of an endpoint again that were given up or switched off.
	RequeueOutbox(ctx context.Context, endpoint string) (int, error)
	// DeadLetters lists dead letters, oldest first, from after the given id ("" from the first).
	DeadLetters(ctx context.Context, after string, limit int) ([]DeadLetter, error)
	DeadLetter(ctx context.Context, id string) (*DeadLetter, error)
	// RequeueDead sends a dead letter on its way again and takes it out of the list; DropDead only does
	// the latter.
	RequeueDead(ctx context.Context, id string) error
	DropDead(ctx context.Context, id string) error
	// Erase begins to erase a vehicle or a party: it is durable, and nothing about it leaves any more.
	// Erasure tells how that goes, by the hash that Erase has told.
	Erase(ctx context.Context, r EraseRequest) (*Erasure, error)
	Erasure(ctx context.Context, hash string) (*Erasure, error)
	// Export is everything held about a vehicle, for an access request.
	Export(ctx context.Context, vin string) (*Export, error)
	// Hold stops sending to a destination, or to all with "", until Release: by is who wants it. What waits
	// stays in the outbox.
	Hold(ctx context.Context, destination, by, reason string) error
	Release(ctx context.Context, destination, by string) (*Hold, error)
}

var (
	// ErrUnknown is returned for a vehicle or an id that is not there.
	ErrUnknown   = errors.New("not known here")
	errReplaying = errors.New("the engine is replaying its log; try again in a moment")
	// ErrInvalid is returned for a value that cannot be.
	ErrInvalid = errors.New("not possible")
	// ErrBusy is returned for what is done one at a time.
	ErrBusy = errors.New("busy")
	// ErrOffline is returned for what only a running engine can do.
	ErrOffline = errors.New("needs the running engine")
)

// Status is one look at an engine.
type Status struct {
	Running      bool                    `json:"running"`
	Ready        bool                    `json:"ready"`
	Version      string                  `json:"version,omitempty"`
	Source       string                  `json:"source"`
	Data         string                  `json:"data"`
	Started      *time.Time              `json:"started,omitempty"`
	Clock        time.Time               `json:"clock"`
	RulesVersion string                  `json:"rules_version"`
	RulesNumber  int                     `json:"rules_number"`
	Generation   uint64                  `json:"generation"`
	Counters     Counters                `json:"counters"`
	Counts       map[string]int64        `json:"counts"`
	Shards       []ShardStatus           `json:"shards"`
	Sources      []SourceStatus          `json:"sources"`
	Outbox       []notify.EndpointStatus `json:"outbox"`
	Holds        []Hold                  `json:"holds"`
	DeadLetters  int                     `json:"dead_letters"`
	Held         map[string]int          `json:"held"`
	Disk         DiskStatus              `json:"disk"`
}

// Counters are those of E5: received is applied + duplicate + late + quarantined at every quiet moment.
type Counters struct {
	Received    uint64 `json:"received"`
	Applied     uint64 `json:"applied"`
	Duplicate   uint64 `json:"duplicate"`
	Late        uint64 `json:"late"`
	Quarantined uint64 `json:"quarantined"`
}

// ShardStatus is one shard.
type ShardStatus struct {
	Name    string    `json:"name"`
	Applied int64     `json:"applied"`
	Lag     int64     `json:"lag"`    // records in the log that are not applied yet
	Stored  int64     `json:"stored"` // position a crash would go back to
	Clock   time.Time `json:"clock"`
}

// SourceStatus is one way in.
type SourceStatus struct {
	Name        string `json:"name"`
	Address     string `json:"address,omitempty"`
	Connections int64  `json:"connections,omitempty"`
	Received    uint64 `json:"received"`
	Refused     uint64 `json:"refused"`
	// Of a source that connects to somebody else's server: messages taken and not acknowledged, connections
	// made again, and what is wrong now.
	Waiting    int64  `json:"waiting,omitempty"`
	Reconnects uint64 `json:"reconnects,omitempty"`
	Trouble    string `json:"trouble,omitempty"`
	// Lag is what lies in the source and is not durable here; nil: the source cannot tell.
	Lag *int64 `json:"lag,omitempty"`
	// Offenders are clients that published for vehicles they may not speak for.
	Offenders []broker.Offender `json:"offenders,omitempty"`
}

// DiskStatus is what the data folder takes and has left, in bytes, and what has stopped for want of room.
type DiskStatus struct {
	Journal int64 `json:"journal_bytes"`
	Free    int64 `json:"free_bytes"`
	Reserve int64 `json:"reserve_bytes"`
	// Owed is what the stores may still have to write of what was taken in: it is kept free above the reserve.
	Owed int64   `json:"owed_bytes"`
	Days float64 `json:"days_left,omitempty"` // at the rate of this run; 0: not known
	// IntakeStopped is why nothing is taken in: "reserve", "full", or "" while something is.
	IntakeStopped string `json:"intake_stopped,omitempty"`
	// SendingStopped says that nothing is sent either, Waiting how many writers wait for room.
	SendingStopped bool `json:"sending_stopped,omitempty"`
	Waiting        int  `json:"waiting_writers,omitempty"`
	// Problem says all that to people; "" when all is well.
	Problem string `json:"problem,omitempty"`
}

// TimelineEntry is one line of a vehicle's story: Kind says what, Text says it to people, Entry is as it was
// written. Entries of one event share its ID: that it happened, and what became of telling it.
type TimelineEntry struct {
	Time  int64           `json:"time"` // Unix ms
	Kind  string          `json:"kind"`
	Type  string          `json:"type,omitempty"`
	ID    string          `json:"id,omitempty"`
	State string          `json:"state,omitempty"`
	Text  string          `json:"text"`
	Held  string          `json:"held,omitempty"`
	Entry json.RawMessage `json:"entry"`
}

// OutboxEntry is one event that waits for a destination.
type OutboxEntry struct {
	Endpoint string    `json:"endpoint"`
	ID       string    `json:"id"`
	Type     string    `json:"type"`
	VIN      string    `json:"vin"`
	Party    string    `json:"party"`
	Created  time.Time `json:"created"`
}

// DeadLetter is one quarantined input or undelivered message.
type DeadLetter struct {
	ID     string    `json:"id"`
	At     time.Time `json:"at"`
	Source string    `json:"source"`
	Topic  string    `json:"topic"`
	Key    string    `json:"key"`
	Reason string    `json:"reason"`
	Detail string    `json:"detail"`
	Offset int       `json:"offset"` // in the payload, -1: none
	Size   int64     `json:"size"`
	Bytes  []byte    `json:"bytes"`
}
