package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/pprof"
	"strconv"
	"strings"
	"time"

	"github.com/milepost-io/milepost/ingest/httpapi"
	"github.com/milepost-io/milepost/notify/console"
	"github.com/milepost-io/milepost/rules"
)

// serveHTTP serves console, API, metrics and health until told to stop.
func (e *Engine) serveHTTP(ctx context.Context) error {
	tok, err := readTokens(e.cfg.HTTP.TokensFile)
	if err != nil {
		return err
	}
	srv := &http.Server{
		Handler: e.routes(tok), ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
	}
	servers := []*http.Server{srv}
	fs := []func(context.Context) error{func(context.Context) error { return srv.Serve(e.httpListener) }}
	if addr := e.cfg.HTTP.DebugListen; addr != "" {
		debug := &http.Server{Addr: addr, Handler: debugRoutes(), ReadHeaderTimeout: 10 * time.Second}
		servers = append(servers, debug)
		fs = append(fs, func(context.Context) error { return debug.ListenAndServe() })
	}
	fs = append(fs, func(ctx context.Context) error {
		<-ctx.Done()
		// Streams end with the engine; a request that waits for durability has its answer by now.
		limit, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		for _, s := range servers {
			if err := s.Shutdown(limit); err != nil {
				_ = s.Close()
			}
		}
		return nil
	})
	err = all(ctx, fs...)
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

func debugRoutes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	return mux
}

// routes is every address the engine answers, each with the role it needs.
func (e *Engine) routes(tok tokens) http.Handler {
	mux := http.NewServeMux()
	read := func(h http.HandlerFunc) http.Handler { return tok.require("read", h) }
	admin := func(h http.HandlerFunc) http.Handler { return tok.require("admin", h) }
	page := console.Handler(e, e.read, e.ending)

	mux.Handle("GET /{$}", page)
	mux.Handle("GET /static/", page)
	mux.Handle("GET /api/v1/stream", read(page.ServeHTTP))
	mux.Handle(httpapi.Path, e.sources.http)
	mux.Handle("GET /api/v1/status", read(answer(func(r *http.Request) (any, error) { return e.Status(r.Context()) })))
	mux.Handle("GET /api/v1/vehicles", read(answer(func(r *http.Request) (any, error) { return e.Recent(r.Context(), limitOf(r, 100)) })))
	mux.Handle("GET /api/v1/vehicles/{vin}", read(answer(func(r *http.Request) (any, error) { return e.Vehicle(r.Context(), r.PathValue("vin")) })))
	mux.Handle("GET /api/v1/vehicles/{vin}/timeline", read(answer(func(r *http.Request) (any, error) {
		t, err := e.Timeline(r.Context(), r.PathValue("vin"), r.URL.Query().Get("lang"), limitOf(r, 200))
		return map[string]any{"entries": t}, err
	})))
	mux.Handle("POST /api/v1/vehicles/{vin}/odometer", admin(answer(e.postOdometer)))
	mux.Handle("GET /api/v1/signals", read(answer(func(*http.Request) (any, error) { return e.Signals(), nil })))
	mux.Handle("GET /api/v1/leads", read(answer(func(r *http.Request) (any, error) {
		return e.read.Leads(r.URL.Query().Get("all") == "true", limitOf(r, 200)), nil
	})))
	mux.Handle("GET /api/v1/messages", read(answer(func(r *http.Request) (any, error) { return e.read.Messages(limitOf(r, 200)), nil })))
	mux.Handle("GET /api/v1/outbox", admin(answer(func(r *http.Request) (any, error) { return e.Outbox(r.Context(), limitOf(r, 1000)) })))
	mux.Handle("POST /api/v1/outbox/{endpoint}/requeue", admin(answer(func(r *http.Request) (any, error) {
		n, err := e.RequeueOutbox(r.Context(), r.PathValue("endpoint"))
		return map[string]int{"requeued": n}, err
	})))
	mux.Handle("GET /api/v1/deadletters", admin(answer(func(r *http.Request) (any, error) {
		return e.DeadLetters(r.Context(), r.URL.Query().Get("after"), limitOf(r, 500))
	})))
	mux.Handle("GET /api/v1/deadletters/{id}", admin(answer(func(r *http.Request) (any, error) { return e.DeadLetter(r.Context(), r.PathValue("id")) })))
	mux.Handle("POST /api/v1/deadletters/{id}/requeue", admin(answer(func(r *http.Request) (any, error) {
		return map[string]string{"requeued": r.PathValue("id")}, e.RequeueDead(r.Context(), r.PathValue("id"))
	})))
	mux.Handle("DELETE /api/v1/deadletters/{id}", admin(answer(func(r *http.Request) (any, error) {
		return map[string]string{"dropped": r.PathValue("id")}, e.DropDead(r.Context(), r.PathValue("id"))
	})))
	mux.Handle("POST /api/v1/backup", admin(answer(e.postBackup)))
	mux.Handle("GET /api/v1/backup", admin(answer(func(*http.Request) (any, error) { return e.BackupStatus(), nil })))
	mux.Handle("DELETE /api/v1/backup", admin(answer(func(*http.Request) (any, error) { return e.StopBackup(), nil })))
	mux.Handle("POST /api/v1/hold", admin(answer(e.postHold)))
	mux.Handle("POST /api/v1/release", admin(answer(e.postRelease)))
	mux.Handle("POST /-/reload", admin(e.reloadHandler))
	mux.Handle("GET /metrics", e.metrics())
	mux.HandleFunc("GET /-/healthy", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("healthy\n")) })
	mux.HandleFunc("GET /-/ready", func(w http.ResponseWriter, _ *http.Request) {
		if !e.ready.Load() {
			http.Error(w, "replaying the log", http.StatusServiceUnavailable)
			return
		}
		_, _ = w.Write([]byte("ready\n"))
	})
	return http.NewCrossOriginProtection().Handler(mux)
}

// postOdometer takes {"km": 12345.6} as what the odometer shows, and answers the vehicle as it then stands.
func (e *Engine) postOdometer(r *http.Request) (any, error) {
	var body struct {
		KM *float64 `json:"km"`
	}
	vin := r.PathValue("vin")
	switch err := json.NewDecoder(io.LimitReader(r.Body, 1<<10)).Decode(&body); {
	case err != nil:
		return nil, fmt.Errorf("vehicle %q: %w: %w", vin, ErrInvalid, err)
	case body.KM == nil:
		return nil, fmt.Errorf("vehicle %q: %w: the body has no km", vin, ErrInvalid)
	}
	if err := e.SetOdometer(r.Context(), vin, *body.KM); err != nil {
		return nil, err
	}
	return e.Vehicle(r.Context(), vin)
}

// require lets a request pass whose bearer token has the role.
func (t tokens) require(role string, h http.Handler) http.Handler {
	check := t.authorize(role)
	if check == nil {
		return h
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		name, ok := check(token)
		if !ok {
			w.Header().Set("WWW-Authenticate", "Bearer")
			problem(w, http.StatusUnauthorized, "a bearer token with role "+role+" or admin is needed")
			return
		}
		h.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), tokenName{}, name)))
	})
}

const (
	defaultPage = 100
	// queryTimeout bounds a question to the shards.
	queryTimeout = 10 * time.Second
)

func limitOf(r *http.Request, most int) int {
	n, err := strconv.Atoi(r.URL.Query().Get("limit"))
	if err != nil || n < 1 {
		n = defaultPage
	}
	return min(n, most)
}

// answer writes what f returns as JSON, or its error as a problem.
func answer(f func(*http.Request) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), queryTimeout)
		defer cancel()
		v, err := f(r.WithContext(ctx))
		switch {
		case errors.Is(err, ErrUnknown):
			problem(w, http.StatusNotFound, err.Error())
		case errors.Is(err, ErrInvalid):
			problem(w, http.StatusBadRequest, err.Error())
		case errors.Is(err, ErrBusy):
			problem(w, http.StatusConflict, err.Error())
		case errors.Is(err, context.DeadlineExceeded):
			problem(w, http.StatusServiceUnavailable, "the shards are busy; try again")
		case err != nil:
			problem(w, http.StatusInternalServerError, err.Error())
		default:
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Cache-Control", "no-store")
			enc := json.NewEncoder(w)
			enc.SetEscapeHTML(false)
			_ = enc.Encode(v) // the client has gone: nothing to tell it
		}
	}
}

func problem(w http.ResponseWriter, status int, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"status": status, "title": http.StatusText(status), "detail": detail})
}

func (e *Engine) reloadHandler(w http.ResponseWriter, r *http.Request) {
	changed, err := e.Reload(r.Context())
	switch {
	case errors.As(err, new(rules.Problems)):
		problem(w, http.StatusUnprocessableEntity, err.Error())
	case err != nil:
		problem(w, http.StatusInternalServerError, err.Error())
	default:
		version := e.rules.inForce().Version
		answer(func(*http.Request) (any, error) { return map[string]any{"changed": changed, "version": version}, nil })(w, r)
	}
}
