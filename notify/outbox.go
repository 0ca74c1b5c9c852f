package notify

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"strings"
)

// Audience is for whom an endpoint is.
type Audience string

const (
	// Owner endpoints get reminders and alerts.
	Owner Audience = "owner"
	// Dealer endpoints get leads (S44).
	Dealer Audience = "dealer"
	// Feed endpoints get every event when it is made, whatever becomes of its message: the log output, Kafka.
	Feed Audience = "feed"
)

// Entry is one event on its way to one endpoint: a row of state.RowOutbox. Its body is fixed (S43): every
// attempt sends the same bytes.
type Entry struct {
	Endpoint string   `json:"endpoint"`
	Audience Audience `json:"audience"`
	// ID is the event's: the webhook-id.
	ID   string `json:"id"`
	Type string `json:"type"`
	VIN  string `json:"vin"`
	// Party is whose document waits for the result.
	Party string `json:"party"`
	// Created orders the entries of a vehicle (S45); Released is when the body was fixed. Unix ms on the
	// engine's clock.
	Created  int64 `json:"created"`
	Released int64 `json:"released"`
	// N tells entries of one party and vehicle apart that were created in the same millisecond.
	N uint32 `json:"n"`
	// Body is the CloudEvent as it leaves.
	Body []byte `json:"-"`
}

// Key is the entry's row key: endpoint, vehicle, order of creation, party. Byte order is sending order
// within (endpoint, vehicle), and all of an endpoint is one range.
//
//	endpoint 00 vin 00 created(8, big-endian) n(4, big-endian) party
func (e *Entry) Key() []byte {
	b := make([]byte, 0, len(e.Endpoint)+len(e.VIN)+len(e.Party)+14)
	b = append(append(b, e.Endpoint...), 0)
	b = append(append(b, e.VIN...), 0)
	b = binary.BigEndian.AppendUint64(b, uint64(e.Created))
	b = binary.BigEndian.AppendUint32(b, e.N)
	return append(b, e.Party...)
}

// OutboxPrefix is the prefix of the row keys of an endpoint.
func OutboxPrefix(endpoint string) []byte { return append([]byte(endpoint), 0) }

// Append encodes the entry as a row value: one line of JSON, then the body verbatim.
func (e *Entry) Append(b []byte) []byte {
	head, err := json.Marshal(e)
	if err != nil {
		panic(fmt.Sprintf("notify: encode outbox entry %s: %v", e.ID, err)) // strings and integers always encode
	}
	b = append(append(b, head...), '\n')
	return append(b, e.Body...)
}

// ParseEntry decodes a row value. The entry's body is a copy.
func ParseEntry(row []byte) (*Entry, error) {
	head, body, ok := bytes.Cut(row, []byte{'\n'})
	if !ok {
		return nil, fmt.Errorf("parse outbox entry: no line end in %d bytes (expected a JSON line, then the body)", len(row))
	}
	e := new(Entry)
	if err := json.Unmarshal(head, e); err != nil {
		return nil, fmt.Errorf("parse outbox entry: %w", err)
	}
	if e.Endpoint == "" || e.ID == "" || strings.IndexByte(e.Endpoint, 0) >= 0 || strings.IndexByte(e.VIN, 0) >= 0 {
		return nil, fmt.Errorf("parse outbox entry: endpoint %q, id %q, vehicle %q (expected all three, without NUL)", e.Endpoint, e.ID, e.VIN)
	}
	e.Body = bytes.Clone(body)
	return e, nil
}
