package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"github.com/milepost-io/milepost/ingest"
	codec "github.com/milepost-io/milepost/ingest/json"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// sink is a log whose sync is in the test's hands.
type sink struct {
	mu      sync.Mutex
	recs    []ingest.Record
	takes   int
	auto    bool
	refuse  error
	waiting chan ingest.Acker
}

func newSink(auto bool) *sink { return &sink{auto: auto, waiting: make(chan ingest.Acker, 16)} }

func (s *sink) Take(recs []ingest.Record, ack ingest.Acker, id uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refuse != nil {
		return s.refuse
	}
	s.takes++
	for _, r := range recs {
		r.Key, r.Payload = bytes.Clone(r.Key), bytes.Clone(r.Payload)
		s.recs = append(s.recs, r)
	}
	if s.auto {
		ack.Acked(id, nil)
	} else {
		s.waiting <- ack
	}
	return nil
}

func newHandler(t *testing.T, opts Options) *Handler {
	t.Helper()
	cat := ingest.BuiltinCatalogue()
	opts.NewDecoder = func() ingest.Decoder { return codec.NewDecoder(cat) }
	opts.Logger = zerolog.Nop()
	h, err := New(opts)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func post(h http.Handler, contentType, body string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, Path, strings.NewReader(body))
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

const (
	v1 = `{"type":"telemetry","vin":"V1","signals":{"odometer":1}}`
	v2 = `{"type":"telemetry","vin":"V2","signals":{"odometer":2}}`
	o1 = `{"type":"party","id":"O1","role":"owner"}`
)

func cloud(data string) string {
	return `{"specversion":"1.0","id":"1","source":"/x","type":"t","datacontenttype":"application/json","data":` + data + `}`
}

func TestFormats(t *testing.T) {
	cases := []struct {
		name, contentType, body string
		want                    []string
	}{
		{"one", "application/json", v1, []string{v1}},
		{"no content type", "", v1, []string{v1}},
		{"charset", "application/json; charset=UTF-8", v1, []string{v1}},
		{"form, as curl -d says", "application/x-www-form-urlencoded", v1, []string{v1}},
		{"array", "application/json", " [" + v1 + ", " + o1 + "]\n", []string{v1, o1}},
		{"lines", "application/x-ndjson", v1 + "\n\n" + v2 + "\n", []string{v1, v2}},
		{"cloud event", "application/cloudevents+json", cloud(v1), []string{v1}},
		{"cloud batch", "application/cloudevents-batch+json", "[" + cloud(v1) + "," + cloud(v2) + "]", []string{v1, v2}},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			s := newSink(true)
			h := newHandler(t, Options{Sink: s})
			w := post(h, tc.contentType, tc.body)
			if want := fmt.Sprintf("{\"taken\":%d}\n", len(tc.want)); w.Code != 202 || w.Body.String() != want {
				t.Fatalf("%d %s", w.Code, w.Body)
			}
			if s.takes != 1 || len(s.recs) != len(tc.want) {
				t.Fatalf("%d records in %d takes", len(s.recs), s.takes)
			}
			for i, r := range s.recs {
				if string(r.Payload) != tc.want[i] || r.Codec != "json" || r.Source != "http" || r.Party != (tc.want[i] == o1) ||
					r.Types.Has(ingest.Erase) || !r.Types.Has(ingest.Telemetry) || len(r.Key) != 2 {
					t.Errorf("record %d: %+v %s %s", i, r, r.Key, r.Payload)
				}
			}
		})
	}
}

func TestRefusals(t *testing.T) {
	big := `{"type":"telemetry","vin":"V1","x":"` + strings.Repeat("x", ingest.MaxPayload) + `"}`
	cases := []struct {
		name, contentType, body string
		status                  int
		entry                   int // -1: the body as a whole
		reason, field           string
	}{
		{"second of two", "application/json", "[" + v1 + `,{"type":"telemetry","vin":"V2","signals":{"odometer":"x"}}]`, 400, 1, "value", "signals.odometer"},
		{"second line", "application/x-ndjson", v1 + "\n{\n", 400, 1, "syntax", ""},
		{"empty", "application/json", "", 400, -1, "empty", ""},
		{"empty array", "application/json", "[]", 400, -1, "empty", ""},
		{"truncated array", "application/json", "[" + v1, 400, -1, "syntax", ""},
		{"type unknown", "application/json", `{"type":"x","vin":"V1"}`, 400, 0, "type", "type"},
		{"type not accepted", "application/json", `{"type":"erase","vin":"V1"}`, 400, 0, "not_allowed", "type"},
		{"no vin", "application/json", `{"type":"telemetry","signals":{"odometer":1}}`, 400, 0, "vin", "vin"},
		{"too large an event", "application/json", "[" + v1 + "," + big + "]", 400, 1, "oversize", ""},
		{"not a cloud event's data", "application/cloudevents+json", cloud(`{"type":"telemetry","vin":"V1","signals":{"speed":true}}`), 400, 0, "value", "signals.speed"},
		{"latin", "application/json; charset=latin1", v1, 415, -1, "", ""},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			s := newSink(true)
			h := newHandler(t, Options{Sink: s})
			w := post(h, tc.contentType, tc.body)
			var got problem
			if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
				t.Fatal(err)
			}
			entry := -1
			if got.Entry != nil {
				entry = *got.Entry
			}
			if w.Code != tc.status || got.Status != tc.status || entry != tc.entry || got.Reason != tc.reason || got.Field != tc.field {
				t.Fatalf("%d %s", w.Code, w.Body)
			}
			if s.takes != 0 || h.Stats().Refused != 1 {
				t.Fatalf("%d takes, stats %+v", s.takes, h.Stats())
			}
		})
	}
}

func TestTooLarge(t *testing.T) {
	s := newSink(true)
	h := newHandler(t, Options{Sink: s})
	body := strings.Repeat(" ", ingest.MaxPacket+1)
	if w := post(h, "application/json", body); w.Code != 413 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	r := httptest.NewRequest(http.MethodPost, Path, io.MultiReader(strings.NewReader(body))) // of unknown length
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Code != 413 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	if w := post(h, "application/x-ndjson", strings.Repeat(v1+"\n", maxEntries+1)); w.Code != 413 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	if w := post(h, "application/json", v1, "Content-Encoding", "gzip"); w.Code != 415 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	if s.takes != 0 || h.Stats().Refused != 4 {
		t.Fatalf("%d takes, stats %+v", s.takes, h.Stats())
	}
	if !h.bodies.TryAcquire(bodyBudget) {
		t.Fatal("the budget was not given back")
	}
}

func TestMethodAndTokens(t *testing.T) {
	s := newSink(true)
	h := newHandler(t, Options{Sink: s, Authorize: func(token string) (string, bool) { return "crm", token == "secret" }})
	for _, header := range [][]string{nil, {"Authorization", "Bearer wrong"}, {"Authorization", "Basic secret"}, {"Authorization", "Bearer "}} {
		if w := post(h, "", v1, header...); w.Code != 401 || w.Header().Get("WWW-Authenticate") == "" {
			t.Fatalf("%v: %d", header, w.Code)
		}
	}
	if w := post(h, "", v1, "Authorization", "bearer secret"); w.Code != 202 || s.recs[0].Topic != "crm" {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, Path, nil))
	if w.Code != 405 || w.Header().Get("Allow") != "POST" {
		t.Fatalf("%d", w.Code)
	}
}

// All entries of a request share a number and a repeated request has another (S5); keys are per client.
func TestIdempotencyKey(t *testing.T) {
	s := newSink(true)
	h := newHandler(t, Options{Sink: s, Authorize: func(token string) (string, bool) { return token, true }})
	send := func(client, key string) {
		if w := post(h, "", "["+v1+","+v2+"]", "Authorization", "Bearer "+client, "Idempotency-Key", key); w.Code != 202 {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
	}
	send("a", "k")
	send("a", "k")
	send("a", "other")
	send("b", "k")
	send("a", "")
	r := s.recs
	if r[0].Origin == "" || r[0].Origin != r[1].Origin || r[0].Seq != r[1].Seq {
		t.Errorf("entries of one request differ: %+v %+v", r[0], r[1])
	}
	if r[2].Origin != r[0].Origin || r[2].Seq == r[0].Seq {
		t.Errorf("a repeated request: %q %d, first %q %d", r[2].Origin, r[2].Seq, r[0].Origin, r[0].Seq)
	}
	if r[4].Origin == r[0].Origin || r[6].Origin == r[0].Origin || r[8].Origin != "" {
		t.Errorf("origins %q %q %q", r[4].Origin, r[6].Origin, r[8].Origin)
	}
	if w := post(h, "", v1, "Authorization", "Bearer a", "Idempotency-Key", strings.Repeat("k", 256)); w.Code != 400 {
		t.Errorf("%d for a key of 256 bytes", w.Code)
	}
}

// A real connection: 202 comes when the records are durable and not before.
func TestAnswersOnlyWhenDurable(t *testing.T) {
	s := newSink(false)
	srv := httptest.NewServer(newHandler(t, Options{Sink: s}))
	defer srv.Close()
	defer http.DefaultClient.CloseIdleConnections()
	answered := make(chan int)
	go func() {
		resp, err := http.Post(srv.URL+Path, "application/json", strings.NewReader(v1))
		if err != nil {
			t.Error(err)
			close(answered)
			return
		}
		resp.Body.Close()
		answered <- resp.StatusCode
	}()
	ack := <-s.waiting
	select {
	case code := <-answered:
		t.Fatalf("answered %d before the records were durable", code)
	default:
	}
	ack.Acked(0, nil)
	if code := <-answered; code != 202 {
		t.Fatalf("answered %d", code)
	}
}

func TestFailedLog(t *testing.T) {
	s := newSink(false)
	h := newHandler(t, Options{Sink: s})
	go func() { (<-s.waiting).Acked(0, errors.New("disk gone")) }()
	if w := post(h, "", v1); w.Code != 503 || w.Header().Get("Retry-After") == "" {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	s.refuse = errors.New("engine is ending")
	if w := post(h, "", v1); w.Code != 503 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	if st := h.Stats(); st.Unfinished != 2 || st.Refused != 0 || st.Taken != 0 {
		t.Fatalf("stats %+v", st)
	}
}

func TestClientThatLeaves(t *testing.T) {
	s := newSink(false)
	h := newHandler(t, Options{Sink: s})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, Path, strings.NewReader(v1)).WithContext(ctx))
	}()
	ack := <-s.waiting
	cancel()
	<-done
	ack.Acked(0, nil) // late, and nobody is blocked by it
	if st := h.Stats(); st.Unfinished != 1 || st.Taken != 0 {
		t.Fatalf("stats %+v", st)
	}
}
