package httpapi

import (
	"encoding/json"
	"net/http"

	"github.com/milepost-io/milepost/ingest"
)

// problem is an answer other than 202, in the form of RFC 9457.
type problem struct {
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
	// Entry is the index of the bad entry, counted from 0; Reason, Field and Offset (bytes from the start
	// of that entry) say what is wrong with it.
	Entry  *int   `json:"entry,omitempty"`
	Reason string `json:"reason,omitempty"`
	Field  string `json:"field,omitempty"`
	Offset *int   `json:"offset,omitempty"`

	retryAfter bool
}

func (p *problem) Error() string { return p.Detail }

func refuse(status int, detail string) *problem {
	return &problem{Title: http.StatusText(status), Status: status, Detail: detail}
}

func refuseEntry(entry int, e *ingest.Error) *problem {
	p := refuse(http.StatusBadRequest, e.Error())
	p.Entry, p.Reason, p.Field = &entry, e.Reason, e.Field
	if e.Offset >= 0 {
		p.Offset = &e.Offset
	}
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
	if p.retryAfter {
		w.Header().Set("Retry-After", "1")
	}
	w.WriteHeader(p.Status)
	w.Write(append(body, '\n'))
}
