package httpapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/milepost-io/milepost/ingest"
)

// problem is an answer other than 202, in the form of RFC 9457.
type problem struct {
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
	// Entry is the index of the bad entry, counted from 0; absent when the body as a whole is wrong.
	// Reason, Field and Offset (bytes from the start of the entry or body) say what is wrong with it.
	Entry  *int   `json:"entry,omitempty"`
	Reason string `json:"reason,omitempty"`
	Field  string `json:"field,omitempty"`
	Offset *int   `json:"offset,omitempty"`

	retryAfter int // seconds; 0: not said
}

func (p *problem) Error() string { return p.Detail }

func refuse(status int, detail string) *problem {
	return &problem{Title: http.StatusText(status), Status: status, Detail: detail}
}

// refuseBody answers for a body that does not split into entries; offsets are those of the body.
func refuseBody(e *ingest.Error) *problem {
	p := refuse(http.StatusBadRequest, e.Error())
	p.Reason, p.Field = e.Reason, e.Field
	if e.Offset >= 0 {
		p.Offset = &e.Offset
	}
	return p
}

// refuseEntry answers for one bad entry.
func refuseEntry(entry int, err error) *problem {
	var bad *ingest.Error
	if !errors.As(err, &bad) {
		bad = &ingest.Error{Reason: ingest.ReasonSyntax, Detail: err.Error(), Offset: -1}
	}
	p := refuseBody(bad)
	p.Entry = &entry
	p.Detail = fmt.Sprintf("entry %d: %s", entry, p.Detail)
	return p
}

// gone is the answer nobody reads: the client left before it was confirmed.
func gone() *problem { return refuse(http.StatusServiceUnavailable, "the client closed the request") }

func (p *problem) write(w http.ResponseWriter) {
	body, err := json.Marshal(p)
	if err != nil {
		body = []byte("{}") // only strings and numbers: cannot happen
	}
	w.Header().Set("Content-Type", "application/problem+json")
	if p.retryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(p.retryAfter))
	}
	w.WriteHeader(p.Status)
	_, _ = w.Write(append(body, '\n'))
}
