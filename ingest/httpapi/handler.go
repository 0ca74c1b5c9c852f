// Package httpapi takes events by HTTP: a POST of JSON, a JSON array, NDJSON or CloudEvents goes in,
// records for the Sink come out, and 202 is answered when all of them are durable (E4).
//
// Unlike a car, whoever posts can be told what is wrong: every entry is decoded before anything is taken,
// and one bad entry refuses the whole request.
package httpapi

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/semaphore"

	"github.com/milepost-io/milepost/ingest"
	"github.com/milepost-io/milepost/ingest/json"
)

// Path is where the handler is mounted.
const Path = "/api/v1/events"

const (
	// maxEntries is how many events one request may carry (E11).
	maxEntries = 100_000
	// bodyBudget bounds what all requests together hold, in bytes: their bodies and, bodyFactor times as
	// much, the records made of them. The next request waits.
	bodyBudget = 128 << 20
	bodyFactor = 4
	// readTimeout and writeTimeout bound the transfer of a request's body and of its answer; the wait
	// for durability between them is not bounded, it is the backpressure.
	readTimeout  = 30 * time.Second
	writeTimeout = 10 * time.Second
)

// Options say what is accepted and where it goes.
type Options struct {
	// Sink takes the records. Required. One that returns *ingest.Stopped, rather than block, has its reason
	// answered with 503 and Retry-After.
	Sink ingest.Sink
	// NewDecoder makes the decoder of the json codec that checks entries. Required. It is called for
	// each request.
	NewDecoder func() ingest.Decoder
	// Types are the event types accepted; default all but erase.
	Types ingest.Types
	// Authorize returns the name of the client a bearer token belongs to and whether it may send events.
	// nil: everybody may, which is for loopback addresses only.
	Authorize func(token string) (client string, ok bool)
	Logger    zerolog.Logger
}

// Handler serves POST Path. Its methods may be called concurrently.
type Handler struct {
	opts   Options
	bodies *semaphore.Weighted
	// request numbers requests; it starts anywhere, so that numbers of two runs do not meet.
	request                  atomic.Uint64
	taken, entries, refused  atomic.Uint64
	unauthorized, unfinished atomic.Uint64
	deferred                 atomic.Uint64
}

// Stats are the handler's counters since it was made.
type Stats struct {
	// Taken counts requests answered 202 and Entries their entries.
	Taken, Entries uint64
	// Refused counts requests of which nothing was taken because of what they hold; they are outside the
	// counters of E5.
	Refused uint64
	// Unauthorized counts requests without a valid token.
	Unauthorized uint64
	// Unfinished counts requests whose records were handed on but not confirmed to the client: it had
	// gone, or the log failed.
	Unfinished uint64
	// Deferred counts requests of which nothing was taken because intake was stopped.
	Deferred uint64
}

// New returns a handler.
func New(opts Options) (*Handler, error) {
	if opts.Sink == nil || opts.NewDecoder == nil {
		return nil, errors.New("http events: no sink or no decoder")
	}
	if opts.Types == 0 {
		opts.Types = ingest.TypeSet(ingest.Telemetry, ingest.Vehicle, ingest.Party, ingest.Service, ingest.Feedback)
	}
	h := &Handler{opts: opts, bodies: semaphore.NewWeighted(bodyBudget)}
	var seed [8]byte
	if _, err := rand.Read(seed[:]); err != nil {
		return nil, fmt.Errorf("http events: random request number: %w", err)
	}
	h.request.Store(binary.LittleEndian.Uint64(seed[:]))
	return h, nil
}

// Stats returns the counters as they stand.
func (h *Handler) Stats() Stats {
	return Stats{h.taken.Load(), h.entries.Load(), h.refused.Load(), h.unauthorized.Load(), h.unfinished.Load(), h.deferred.Load()}
}

// ServeHTTP takes one request: authorize, read, decode everything, hand on, wait until durable.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	taken, p := h.handle(w, r)
	// A server's own write timeout has been running since the request came.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(writeTimeout))
	if p == nil {
		h.taken.Add(1)
		h.entries.Add(uint64(taken))
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusAccepted)
		fmt.Fprintf(w, "{\"taken\":%d}\n", taken)
		return
	}
	switch {
	case p.Status == http.StatusUnauthorized:
		h.unauthorized.Add(1)
	case p.Status < 500:
		h.refused.Add(1)
	}
	p.write(w)
}

func (h *Handler) handle(w http.ResponseWriter, r *http.Request) (int, *problem) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		return 0, refuse(http.StatusMethodNotAllowed, "send events with POST")
	}
	client, p := h.client(w, r)
	if p != nil {
		return 0, p
	}
	format, p := formatOf(r.Header)
	if p != nil {
		return 0, p
	}
	origin, p := originOf(client, r.Header)
	if p != nil {
		return 0, p
	}
	charge := bodyFactor * bodySize(r)
	if err := h.bodies.Acquire(r.Context(), charge); err != nil {
		return 0, gone()
	}
	defer h.bodies.Release(charge)
	body, p := readBody(w, r)
	if p != nil {
		return 0, p
	}
	b := batch{decoder: h.opts.NewDecoder(), types: h.opts.Types}
	if p := b.decode(format, body); p != nil {
		return 0, p
	}
	number := h.request.Add(1)
	for i := range b.recs {
		rec := &b.recs[i]
		rec.Types, rec.Codec, rec.Source, rec.Topic = h.opts.Types, json.Name, "http", client
		if origin != "" {
			rec.Origin, rec.Seq = origin, number
		}
	}
	return len(b.recs), h.hand(r.Context(), b.recs)
}

// client is the name of who asks, empty when nobody has to say.
func (h *Handler) client(w http.ResponseWriter, r *http.Request) (string, *problem) {
	if h.opts.Authorize == nil {
		return "", nil
	}
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if strings.EqualFold(scheme, "Bearer") && token != "" {
		if client, ok := h.opts.Authorize(token); ok {
			return client, nil
		}
	}
	w.Header().Set("WWW-Authenticate", `Bearer realm="events"`)
	return "", refuse(http.StatusUnauthorized, "a bearer token that may send events is required")
}

// durable is told when the records of one request are.
type durable chan error

func (d durable) Acked(_ uint64, err error) { d <- err }

// hand gives the records to the Sink and waits until they are durable or the client has gone. Take blocks
// while the log is behind its disk: the client waits with it.
func (h *Handler) hand(ctx context.Context, recs []ingest.Record) *problem {
	done := make(durable, 1)
	if err := h.opts.Sink.Take(recs, done, 0); err != nil {
		var stopped *ingest.Stopped
		if errors.As(err, &stopped) {
			return h.stopped(stopped)
		}
		return h.notDurable(err)
	}
	select {
	case err := <-done:
		if err != nil {
			return h.notDurable(err)
		}
		return nil
	case <-ctx.Done():
		h.unfinished.Add(1)
		return gone()
	}
}

// stopped is the answer while intake is stopped: nothing was taken, and who sends can wait better than we.
func (h *Handler) stopped(why *ingest.Stopped) *problem {
	h.deferred.Add(1)
	p := refuse(http.StatusServiceUnavailable, why.Error()+"; nothing of this request was taken, send it again later")
	p.retryAfter = 10
	return p
}

func (h *Handler) notDurable(err error) *problem {
	h.unfinished.Add(1)
	h.opts.Logger.Error().Err(err).Msg("http events not durable; the client is told to send them again")
	p := refuse(http.StatusServiceUnavailable, "the events may not be stored; send them again with the same Idempotency-Key")
	p.retryAfter = 1
	return p
}
