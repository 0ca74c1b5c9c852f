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
	var refused *problem
	var unsplit *ingest.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &refused):
		return refused
	case errors.As(err, &unsplit):
		return refuseBody(unsplit)
	}
	return refuse(http.StatusBadRequest, err.Error())
}

// add checks one entry and appends its record.
func (b *batch) add(f format, payload []byte) error {
	if len(b.recs) == maxEntries {
		return refuse(http.StatusRequestEntityTooLarge, fmt.Sprintf("more than %d events; send fewer at a time", maxEntries))
	}
	payload, err := b.check(f, payload)
	if err != nil {
		return refuseEntry(len(b.recs), err)
	}
	// The key lives in the Event, which the next entry overwrites.
	key := append([]byte(nil), b.event.Key...)
	b.recs = append(b.recs, ingest.Record{Key: key, Party: b.event.Party, Payload: payload})
	return nil
}

// check decodes an entry into b.event and returns the event's own bytes.
func (b *batch) check(f format, payload []byte) ([]byte, error) {
	if f == formatCloud {
		data, err := json.Unwrap(payload)
		if err != nil {
			return nil, err
		}
		payload = data
	}
	if len(payload) > ingest.MaxPayload {
		return nil, &ingest.Error{Reason: ingest.ReasonOversize, Offset: -1,
			Detail: fmt.Sprintf("%d bytes; an event has at most %d", len(payload), ingest.MaxPayload)}
	}
	if err := b.decoder.Decode(payload, &b.event); err != nil {
		return nil, err
	}
	if !b.types.Has(b.event.Type) {
		return nil, &ingest.Error{Reason: ingest.ReasonNotAllowed, Field: "type", Offset: -1,
			Detail: fmt.Sprintf("an event of type %s is not accepted here", b.event.Type)}
	}
	if len(b.event.Key) == 0 {
		return nil, &ingest.Error{Reason: ingest.ReasonVIN, Field: keyField(b.event.Type), Offset: -1,
			Detail: "missing; without a topic the event itself must say whom it is about"}
	}
	return payload, nil
}

func keyField(t ingest.Type) string {
	if t == ingest.Party {
		return "id"
	}
	return "vin"
}
