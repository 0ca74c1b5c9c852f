package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	stdlog "log"
	"net"
	"net/http"
	"net/http/pprof"
	"strconv"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/milepost-io/milepost/ingest"
	"github.com/milepost-io/milepost/rules"
)

// serveHTTP serves console, API, metrics and health until told to stop.
func (e *Engine) serveHTTP(ctx context.Context) error {
	srv := &http.Server{
		Handler: handler(e.routes(), e.id.guard), ErrorLog: stdlog.New(httpLog{log: e.log}, "", 0),
		ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
	}
	serve := srv.Serve
	if cert := e.id.http; cert != nil {
		srv.TLSConfig = cert.TLS()
		serve = func(l net.Listener) error { return srv.ServeTLS(l, "", "") }
	}
	servers := []*http.Server{srv}
	fs := []func(context.Context) error{func(context.Context) error { return serve(e.httpListener) }}
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
	err := all(ctx, fs...)
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// httpLog passes on what the HTTP server has to say of single connections, such as handshakes that failed,
// as debug lines: anybody can cause them.
type httpLog struct{ log zerolog.Logger }

func (l httpLog) Write(p []byte) (int, error) {
	l.log.Debug().Str("detail", strings.TrimSpace(string(p))).Msg("http connection")
	return len(p), nil
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

const (
	defaultPage = 100
	// queryTimeout bounds a question to the shards.
	queryTimeout = 10 * time.Second
	// answerTimeout bounds how long a client may take to read what was answered.
	answerTimeout = 30 * time.Second
	// exportTimeout bounds a look through the whole journal.
	exportTimeout = 10 * time.Minute
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
	return answerWithin(queryTimeout, f)
}

func answerWithin(timeout time.Duration, f func(*http.Request) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), timeout)
		defer cancel()
		v, err := f(r.WithContext(ctx))
		switch {
		case errors.Is(err, ErrUnknown):
			problem(w, http.StatusNotFound, err.Error())
		case errors.Is(err, ErrInvalid):
			problem(w, http.StatusBadRequest, err.Error())
		case errors.Is(err, ErrBusy):
			problem(w, http.StatusConflict, err.Error())
		case errors.As(err, new(*ingest.Stopped)):
			problem(w, http.StatusServiceUnavailable, err.Error())
		case errors.Is(err, context.DeadlineExceeded):
			problem(w, http.StatusServiceUnavailable, "the shards are busy; try again")
		case err != nil:
			problem(w, http.StatusInternalServerError, err.Error())
		default:
			// A recorder in a test has no deadlines; a server's connection has.
			_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(answerTimeout))
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
	if err := e.id.watch.Reload(); err != nil {
		problem(w, http.StatusUnprocessableEntity, err.Error())
		return
	}
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
