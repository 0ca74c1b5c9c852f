package httpapi

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/milepost-io/milepost/ingest"
	"github.com/milepost-io/milepost/ingest/json"
)

// batch collects the records of a request, each decoded once to see that it will decode in the shard.
type batch struct {
	decoder ingest.Decoder
	types   ingest.Types
	event   ingest.Event
	recs    []ingest.Record
}

// decode fills recs from the body or says which entry is wrong and why.
func (b *batch) decode(f format, body []byte) *problem {
	split := json.Split
	if f == formatLines {
		split = json.SplitLines
	}
	err := split(body, func(e json.Entry) error { return b.add(f, e.Payload) })
	if err == nil && len(b.recs) == 0 {
		err = &ingest.Error{Reason: ingest.ReasonEmpty, Detail: "the request holds no event", Offset: -1}
	}
	var p *problem
	var bad *ingest.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &p):
		return p
	case errors.As(err, &bad):
		return refuseEntry(len(b.recs), bad)
	}
	return refuse(http.StatusBadRequest, err.Error())
}

// add checks one entry and appends its record.
func (b *batch) add(f format, payload []byte) error {
	if len(b.recs) == maxEntries {
		return refuse(http.StatusRequestEntityTooLarge, fmt.Sprintf("more than %d events; send fewer at a time", maxEntries))
	}
	if f == formatCloud {
		data, err := json.Unwrap(payload)
		if err != nil {
			return err
		}
		payload = data
	}
	if len(payload) > ingest.MaxPayload {
		return &ingest.Error{Reason: ingest.ReasonOversize, Offset: -1,
			Detail: fmt.Sprintf("%d bytes; an event has at most %d", len(payload), ingest.MaxPayload)}
	}
	if err := b.decoder.Decode(payload, &b.event); err != nil {
		return err
	}
	if !b.types.Has(b.event.Type) {
		return &ingest.Error{Reason: ingest.ReasonNotAllowed, Field: "type", Offset: -1,
			Detail: fmt.Sprintf("an event of type %s is not accepted here", b.event.Type)}
	}
	if len(b.event.Key) == 0 {
		return &ingest.Error{Reason: ingest.ReasonVIN, Field: keyField(b.event.Type), Offset: -1,
			Detail: "missing; without a topic the event itself must say whom it is about"}
	}
	// The key lives in the Event, which the next entry overwrites.
	b.recs = append(b.recs, ingest.Record{Key: append([]byte(nil), b.event.Key...), Party: b.event.Party, Payload: payload})
	return nil
}

func keyField(t ingest.Type) string {
	if t == ingest.Party {
		return "id"
	}
	return "vin"
}
