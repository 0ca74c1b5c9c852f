package app

import (
	"net/http"

	"github.com/milepost-io/milepost/cmd/internal/credentials"
	"github.com/milepost-io/milepost/ingest/httpapi"
	"github.com/milepost-io/milepost/notify/console"
)

// route is one address that the engine answers and the role it needs.
type route struct {
	pattern string // as http.ServeMux has it
	role    credentials.Role
	handler http.Handler
}

// routes is every address the engine answers: what is not in the table is not there, and what is in it has
// a role. The page itself is open, it holds no data; what it shows is asked for with a token.
func (e *Engine) routes() []route {
	const open, events, read, admin = credentials.Open, credentials.Events, credentials.Read, credentials.Admin
	page := console.Handler(e, e.read, e.ending)
	return []route{
		{"GET /{$}", open, page},
		{"GET /static/", open, page},
		{"GET /-/healthy", open, http.HandlerFunc(healthy)},
		{"GET /-/ready", open, http.HandlerFunc(e.getReady)},

		{httpapi.Path, events, e.sources.http},

		{"GET /api/v1/stream", read, page},
		{"GET /api/v1/status", read, answer(func(r *http.Request) (any, error) { return e.Status(r.Context()) })},
		{"GET /api/v1/vehicles", read, answer(func(r *http.Request) (any, error) { return e.Recent(r.Context(), limitOf(r, 100)) })},
		{"GET /api/v1/vehicles/{vin}", read, answer(func(r *http.Request) (any, error) { return e.Vehicle(r.Context(), r.PathValue("vin")) })},
		{"GET /api/v1/vehicles/{vin}/timeline", read, answer(e.getTimeline)},
		{"GET /api/v1/signals", read, answer(func(*http.Request) (any, error) { return e.Signals(), nil })},
		{"GET /api/v1/leads", read, answer(func(r *http.Request) (any, error) {
			return e.read.Leads(r.URL.Query().Get("all") == "true", limitOf(r, 200)), nil
		})},
		{"GET /api/v1/messages", read, answer(func(r *http.Request) (any, error) { return e.read.Messages(limitOf(r, 200)), nil })},
		{"GET /metrics", read, e.metrics()},

		{"POST /api/v1/vehicles/{vin}/odometer", admin, answer(e.postOdometer)},
		{"GET /api/v1/vehicles/{vin}/export", admin, answerWithin(exportTimeout, func(r *http.Request) (any, error) { return e.Export(r.Context(), r.PathValue("vin")) })},
		{"POST /api/v1/erasures", admin, answer(e.postErase)},
		{"GET /api/v1/erasures/{hash}", admin, answer(func(r *http.Request) (any, error) { return e.Erasure(r.Context(), r.PathValue("hash")) })},
		{"GET /api/v1/outbox", admin, answer(func(r *http.Request) (any, error) { return e.Outbox(r.Context(), limitOf(r, 1000)) })},
		{"POST /api/v1/outbox/{endpoint}/requeue", admin, answer(func(r *http.Request) (any, error) {
			n, err := e.RequeueOutbox(r.Context(), r.PathValue("endpoint"))
			return map[string]int{"requeued": n}, err
		})},
		{"GET /api/v1/deadletters", admin, answer(func(r *http.Request) (any, error) {
			return e.DeadLetters(r.Context(), r.URL.Query().Get("after"), limitOf(r, 500))
		})},
		{"GET /api/v1/deadletters/{id}", admin, answer(func(r *http.Request) (any, error) { return e.DeadLetter(r.Context(), r.PathValue("id")) })},
		{"POST /api/v1/deadletters/{id}/requeue", admin, answer(func(r *http.Request) (any, error) {
			return map[string]string{"requeued": r.PathValue("id")}, e.RequeueDead(r.Context(), r.PathValue("id"))
		})},
		{"DELETE /api/v1/deadletters/{id}", admin, answer(func(r *http.Request) (any, error) {
			return map[string]string{"dropped": r.PathValue("id")}, e.DropDead(r.Context(), r.PathValue("id"))
		})},
		{"POST /api/v1/backup", admin, answer(e.postBackup)},
		{"GET /api/v1/backup", admin, answer(func(*http.Request) (any, error) { return e.BackupStatus(), nil })},
		{"DELETE /api/v1/backup", admin, answer(func(*http.Request) (any, error) { return e.StopBackup(), nil })},
		{"POST /api/v1/hold", admin, answer(e.postHold)},
		{"POST /api/v1/release", admin, answer(e.postRelease)},
		{"POST /-/reload", admin, http.HandlerFunc(e.reloadHandler)},
	}
}

// handler serves routes, each to who has its role. Pages of others cannot make a browser change anything.
func handler(routes []route, guard *credentials.Guard) http.Handler {
	mux := http.NewServeMux()
	for _, r := range routes {
		mux.Handle(r.pattern, guard.Require(r.role, r.handler))
	}
	return http.NewCrossOriginProtection().Handler(mux)
}

func healthy(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("healthy\n")) }

func (e *Engine) getReady(w http.ResponseWriter, _ *http.Request) {
	if !e.ready.Load() {
		why := "replaying the log"
		if d := e.Core.disk.status(); d.IntakeStopped != "" {
			why += "; " + d.why(e.cfg.Data)
		}
		http.Error(w, why, http.StatusServiceUnavailable)
		return
	}
	if why, stopped := e.intake.gate.closed(); stopped {
		http.Error(w, "intake is stopped: "+why, http.StatusServiceUnavailable)
		return
	}
	_, _ = w.Write([]byte("ready\n"))
}

func (e *Engine) getTimeline(r *http.Request) (any, error) {
	t, err := e.Timeline(r.Context(), r.PathValue("vin"), r.URL.Query().Get("lang"), limitOf(r, 200))
	return map[string]any{"entries": t}, err
}
