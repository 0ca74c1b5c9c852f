package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/milepost-io/milepost/notify"
	"github.com/milepost-io/milepost/rules"
	"github.com/milepost-io/milepost/state"
	"github.com/milepost-io/milepost/state/log"
	"github.com/milepost-io/milepost/state/log/journal"
)

// Export is everything an engine holds about one vehicle.
type Export struct {
	VIN string    `json:"vin"`
	At  time.Time `json:"at"`
	// Vehicle is its state: profile, signals, items, alerts, services; nil when the vehicle is not known but
	// something about it is kept.
	Vehicle *rules.VehicleView `json:"vehicle,omitempty"`
	// Documents are the stored documents that are JSON: the vehicle's own, and its owner's of it.
	Documents []ExportDocument `json:"documents,omitempty"`
	// Owner is what is held of the party that the profile names as owner.
	Owner       json.RawMessage      `json:"owner,omitempty"`
	Timeline    []TimelineEntry      `json:"timeline"`
	Leads       []notify.LeadView    `json:"leads"`
	Messages    []notify.MessageView `json:"messages"`
	Outbox      []ExportOutbox       `json:"outbox"`
	DeadLetters []DeadLetter         `json:"dead_letters"`
	// Records are the events about it that the journal still holds, as they came.
	Records []ExportRecord `json:"records"`
}

// ExportDocument is a stored document. Those of a vehicle are keyed by its VIN; those that a party keeps of
// it by the party.
type ExportDocument struct {
	Key     string          `json:"key"`
	Name    string          `json:"name"`
	Content json.RawMessage `json:"content"`
}

// ExportOutbox is an event that waits for a destination, with its body.
type ExportOutbox struct {
	OutboxEntry
	Body json.RawMessage `json:"body,omitempty"`
}

// ExportRecord is an event as it came in. Payload is its text, Bytes what is no text.
type ExportRecord struct {
	Arrival time.Time `json:"arrival"`
	Source  string    `json:"source"`
	Topic   string    `json:"topic,omitempty"`
	Codec   string    `json:"codec,omitempty"`
	Payload string    `json:"payload,omitempty"`
	Bytes   []byte    `json:"bytes,omitempty"`
}

// Export implements Admin.
func (e *Engine) Export(ctx context.Context, vin string) (*Export, error) {
	x := newExport(vin)
	x.At = e.clock.Time().UTC()
	var err error
	if x.Vehicle, err = known(e.Vehicle(ctx, vin)); err != nil {
		return nil, err
	}
	if x.Timeline, err = e.Timeline(ctx, vin, "en", everything); err != nil {
		return nil, err
	}
	for _, s := range e.shards {
		err := e.view(ctx, s, func(v state.View) error { return x.add(s.part, v) })
		if err != nil {
			return nil, err
		}
	}
	if owner := x.ownerID(); owner != "" {
		err := e.view(ctx, e.of(log.Notices, []byte(owner)), func(v state.View) error { return x.addOwner(v, owner) })
		if err != nil {
			return nil, err
		}
	}
	a, err := e.archive()
	if err != nil {
		return nil, err
	}
	return x.finish(ctx, a)
}

// Export implements Admin.
func (o *Offline) Export(ctx context.Context, vin string) (*Export, error) {
	x := newExport(vin)
	x.At = time.Now().UTC()
	var err error
	if x.Vehicle, err = known(o.Vehicle(ctx, vin)); err != nil {
		return nil, err
	}
	if x.Timeline, err = o.Timeline(ctx, vin, "en", everything); err != nil {
		return nil, err
	}
	for _, p := range o.parts {
		if err := x.add(p, o.shards[p].View); err != nil {
			return nil, err
		}
	}
	if owner := x.ownerID(); owner != "" {
		if err := x.addOwner(o.at(log.Notices, []byte(owner)).View, owner); err != nil {
			return nil, err
		}
	}
	a, err := journal.OpenReadOnly(nil, JournalDir(o.cfg.Data))
	if err != nil {
		return nil, err
	}
	return x.finish(ctx, a)
}

const everything = int(^uint(0) >> 1)

func newExport(vin string) *Export {
	return &Export{
		VIN: vin, Timeline: []TimelineEntry{}, Leads: []notify.LeadView{}, Messages: []notify.MessageView{},
		Outbox: []ExportOutbox{}, DeadLetters: []DeadLetter{}, Records: []ExportRecord{},
	}
}

// known makes a vehicle that is not known none.
func known(v *rules.VehicleView, err error) (*rules.VehicleView, error) {
	if errors.Is(err, ErrUnknown) {
		return nil, nil
	}
	return v, err
}

func (x *Export) ownerID() string {
	if x.Vehicle == nil {
		return ""
	}
	return ownerIn(x.Vehicle.Profile)
}

// add takes what one shard holds.
func (x *Export) add(p log.Partition, v state.View) error {
	if p.Stream == log.Events {
		err := v.Documents([]byte(x.VIN), func(sub, body []byte) bool {
			x.document(x.VIN, string(sub), body)
			return true
		})
		if err != nil {
			return err
		}
		return x.addDead(p, v)
	}
	var bad error
	take := func(to func(value []byte) error) func(string, []byte) bool {
		return func(_ string, value []byte) bool {
			bad = to(value)
			return bad == nil
		}
	}
	for _, scan := range []struct {
		space  state.Space
		prefix string
		to     func(value []byte) error
	}{
		{state.RowView, notify.LeadPrefix, x.lead}, {state.RowView, notify.MessagePrefix + x.VIN + "/", x.message}, {state.RowOutbox, "", x.outbox},
	} {
		if err := v.Rows(scan.space, scan.prefix, take(scan.to)); err != nil {
			return err
		}
		if bad != nil {
			return bad
		}
	}
	if b, err := v.Document([]byte("v:"+x.VIN), []byte(x.VIN)); err != nil {
		return err
	} else if b != nil {
		x.document("v:"+x.VIN, x.VIN, b)
	}
	return x.addDead(p, v)
}

func (x *Export) document(key, name string, body []byte) {
	if json.Valid(body) {
		x.Documents = append(x.Documents, ExportDocument{key, name, append(json.RawMessage{}, body...)})
	}
}

func (x *Export) addOwner(v state.View, owner string) error {
	b, err := v.Document([]byte(owner), nil)
	if err != nil {
		return err
	}
	if json.Valid(b) {
		x.Owner = append(json.RawMessage{}, b...)
	}
	b, err = v.Document([]byte(owner), []byte(x.VIN))
	if b != nil {
		x.document(owner, x.VIN, b)
	}
	return err
}

func (x *Export) lead(value []byte) error {
	var l notify.LeadView
	err := json.Unmarshal(value, &l)
	if err == nil && l.VIN == x.VIN {
		x.Leads = append(x.Leads, l)
	}
	return err
}

func (x *Export) message(value []byte) error {
	var m notify.MessageView
	err := json.Unmarshal(value, &m)
	x.Messages = append(x.Messages, m)
	return err
}

func (x *Export) outbox(value []byte) error {
	e, err := notify.ParseEntry(value)
	if err == nil && e.VIN == x.VIN {
		x.Outbox = append(x.Outbox, ExportOutbox{outboxEntry(e), json.RawMessage(e.Body)})
	}
	return err
}

func (x *Export) addDead(p log.Partition, v state.View) error {
	var bad error
	err := v.Rows(state.RowDead, "", func(key string, value []byte) bool {
		var d DeadLetter
		if d, bad = deadLetterOf(p, key, value); bad != nil {
			return false
		}
		if id := []byte(x.VIN); d.Key == x.VIN || state.Names(d.Bytes, id) || state.Names([]byte(d.Topic), id) {
			x.DeadLetters = append(x.DeadLetters, d)
		}
		return true
	})
	if err == nil {
		err = bad
	}
	return err
}

// finish adds the records of the journal.
func (x *Export) finish(ctx context.Context, a *journal.Archive) (*Export, error) {
	for e, err := range a.All() {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return nil, fmt.Errorf("export %s: read the journal: %w", mask(x.VIN), err)
		}
		r := &e.Record
		if r.Kind != log.Event || e.Partition.Stream != log.Events || string(r.Key) != x.VIN {
			continue
		}
		out := ExportRecord{Arrival: time.UnixMilli(r.Arrival).UTC(), Source: string(r.Source), Topic: string(r.Topic), Codec: string(r.Codec)}
		if utf8.Valid(r.Payload) {
			out.Payload = string(r.Payload)
		} else {
			out.Bytes = append([]byte{}, r.Payload...)
		}
		x.Records = append(x.Records, out)
	}
	if x.Vehicle == nil && len(x.Documents)+len(x.Timeline)+len(x.Leads)+len(x.Messages)+len(x.Outbox)+len(x.DeadLetters)+len(x.Records) == 0 {
		return nil, fmt.Errorf("vehicle %q: %w", x.VIN, ErrUnknown)
	}
	return x, nil
}

// mask hides all but the end of an id, for logs and errors.
func mask(id string) string {
	const shown = 4
	if len(id) <= shown {
		return strings.Repeat("*", len(id))
	}
	return strings.Repeat("*", len(id)-shown) + id[len(id)-shown:]
}
