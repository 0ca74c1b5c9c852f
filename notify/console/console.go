// Package console takes the read model and the engine's figures and puts out the web page that shows
// them: reminders, alerts and leads as they come, one vehicle with its story, sources and destinations.
//
// It reads only. Pages are embedded, one script and one style sheet; updates are server-sent events.
package console

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"io/fs"
	"net/http"
	"time"

	"github.com/milepost-io/milepost/notify"
)

// Engine is what the console asks of the engine.
type Engine interface {
	Overview(ctx context.Context) (Overview, error)
	// Recent lists the vehicles heard last, newest first.
	Recent(ctx context.Context, limit int) ([]VehicleRow, error)
}

// Overview is one look at the engine.
type Overview struct {
	Now          time.Time      `json:"now"`   // wall clock
	Clock        time.Time      `json:"clock"` // engine's clock
	Source       string         `json:"source"`
	Version      string         `json:"version"`
	RulesVersion string         `json:"rules_version"`
	Generation   uint64         `json:"generation"`
	Counters     Counters       `json:"counters"`
	Lag          int64          `json:"lag"`
	Unstored     int64          `json:"unstored"` // records a crash would replay
	Dead         int            `json:"dead"`
	Sources      []Source       `json:"sources"`
	Destinations []Destination  `json:"destinations"`
	Held         map[string]int `json:"held"`
	// Alarm says what is wrong with the engine and what to do, in one sentence; "" when nothing is.
	Alarm string `json:"alarm,omitempty"`
}

// Counters are those of E5.
type Counters struct {
	Received    uint64 `json:"received"`
	Applied     uint64 `json:"applied"`
	Duplicate   uint64 `json:"duplicate"`
	Late        uint64 `json:"late"`
	Quarantined uint64 `json:"quarantined"`
}

// Source is one way in.
type Source struct {
	Name        string `json:"name"`
	Address     string `json:"address,omitempty"`
	Connections int64  `json:"connections,omitempty"`
	Received    uint64 `json:"received"`
	Refused     uint64 `json:"refused"`
}

// Destination is one way out.
type Destination struct {
	Name      string     `json:"name"`
	Breaker   string     `json:"breaker"` // closed, open, half-open, disabled, held; Error then says why
	Waiting   int        `json:"waiting"`
	Delivered uint64     `json:"delivered"`
	Failed    uint64     `json:"failed"`
	Oldest    *time.Time `json:"oldest,omitempty"`
	Error     string     `json:"error,omitempty"`
}

// VehicleRow is a line of the vehicle list.
type VehicleRow struct {
	VIN      string   `json:"vin"`
	Model    string   `json:"model,omitempty"`
	Plate    string   `json:"plate,omitempty"`
	State    string   `json:"state"` // ok, or the worst item level, or the worst severity that fires
	Odometer *float64 `json:"odometer,omitempty"`
	Time     int64    `json:"time"` // arrival of the newest record, Unix ms
	Seen     uint64   `json:"seen"` // records applied since the engine started
}

const (
	snapshotMessages = 120
	snapshotLeads    = 200
	snapshotVehicles = 40
	// pushEvery bounds how often one page is told; figures move each second.
	pushEvery    = 250 * time.Millisecond
	figuresEvery = time.Second
)

//go:embed static
var static embed.FS

// Handler serves the page at /, its files under /static/ and its stream at /api/v1/stream. Streams end
// when done is closed.
func Handler(e Engine, m *notify.ReadModel, done <-chan struct{}) http.Handler {
	files, err := fs.Sub(static, "static")
	if err != nil {
		panic(err) // the folder is embedded
	}
	mux := http.NewServeMux()
	assets := http.StripPrefix("/static/", http.FileServerFS(files))
	mux.HandleFunc("GET /static/", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-cache")
		assets.ServeHTTP(w, r)
	})
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Referrer-Policy", "no-referrer")
		w.Header().Set("Cache-Control", "no-cache")
		http.ServeFileFS(w, r, files, "index.html")
	})
	mux.HandleFunc("GET /api/v1/stream", func(w http.ResponseWriter, r *http.Request) {
		s := &stream{engine: e, model: m, w: w, rc: http.NewResponseController(w)}
		s.run(r.Context(), done)
	})
	return mux
}

// stream is one page's connection.
type stream struct {
	engine Engine
	model  *notify.ReadModel
	w      http.ResponseWriter
	rc     *http.ResponseController
	seen   map[string]uint64
}

type update struct {
	Overview *Overview            `json:"overview,omitempty"`
	Messages []notify.MessageView `json:"messages,omitempty"`
	Leads    []notify.LeadView    `json:"leads,omitempty"`
	Vehicles []VehicleRow         `json:"vehicles,omitempty"`
}

func (s *stream) run(ctx context.Context, done <-chan struct{}) {
	s.w.Header().Set("Content-Type", "text/event-stream")
	s.w.Header().Set("Cache-Control", "no-store")
	sub := s.model.Subscribe()
	defer sub.Close()
	if err := s.snapshot(ctx); err != nil {
		return
	}
	push := time.NewTicker(pushEvery)
	defer push.Stop()
	figures := time.NewTicker(figuresEvery)
	defer figures.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			return
		case <-done:
			return
		case <-push.C:
			err = s.push(ctx, sub, false)
		case <-figures.C:
			err = s.push(ctx, sub, true)
		}
		if err != nil {
			return
		}
	}
}

func (s *stream) snapshot(ctx context.Context) error {
	o, err := s.engine.Overview(ctx)
	if err != nil {
		return err
	}
	vs, err := s.engine.Recent(ctx, snapshotVehicles)
	if err != nil {
		return err
	}
	s.seen = map[string]uint64{}
	for _, v := range vs {
		s.seen[v.VIN] = v.Seen
	}
	return s.send("snapshot", &update{Overview: &o, Messages: s.model.Messages(snapshotMessages), Leads: s.model.Leads(false, snapshotLeads), Vehicles: vs})
}

// push sends what changed since the last push, and the figures when asked.
func (s *stream) push(ctx context.Context, sub *notify.Subscription, figures bool) error {
	var u update
	ch := sub.Take()
	for _, m := range ch.Messages {
		u.Messages = append(u.Messages, m)
	}
	for _, l := range ch.Leads {
		u.Leads = append(u.Leads, l)
	}
	vs, err := s.engine.Recent(ctx, snapshotVehicles)
	if err != nil {
		return err
	}
	for i := len(vs) - 1; i >= 0; i-- { // newest last: the page puts each on top
		if v := vs[i]; s.seen[v.VIN] != v.Seen {
			s.seen[v.VIN] = v.Seen
			u.Vehicles = append(u.Vehicles, v)
		}
	}
	if figures {
		o, err := s.engine.Overview(ctx)
		if err != nil {
			return err
		}
		u.Overview = &o
	}
	if len(u.Messages)+len(u.Leads)+len(u.Vehicles) == 0 && u.Overview == nil {
		return nil
	}
	sortUpdate(&u)
	return s.send("update", &u)
}

func (s *stream) send(event string, u *update) error {
	b, err := json.Marshal(u)
	if err != nil {
		return err
	}
	if err := s.rc.SetWriteDeadline(time.Now().Add(10 * time.Second)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	for _, part := range [][]byte{[]byte("event: " + event + "\ndata: "), b, []byte("\n\n")} {
		if _, err := s.w.Write(part); err != nil {
			return err
		}
	}
	return s.rc.Flush()
}
