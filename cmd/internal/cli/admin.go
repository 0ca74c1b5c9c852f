package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/milepost-io/milepost/cmd/internal/app"
	"github.com/milepost-io/milepost/rules"
)

// offlineFlag adds to a command what says whom it asks: --offline, and the token for a running engine.
func (s *session) offlineFlag(c *cobra.Command) *cobra.Command {
	c.Flags().BoolVar(&s.offline, "offline", false, "open the data folder of a stopped engine instead of asking a running one")
	c.Flags().StringVar(&s.tokenFile, "token-file", "", "show the token in this `file` to the engine (default: $MILEPOST_TOKEN, else one of http.tokens_file)")
	return c
}

// admin is the running engine, or with --offline the folder of a stopped one.
func (s *session) admin() (a app.Admin, done func() error, err error) {
	cfg, err := s.config()
	if err != nil {
		return nil, nil, err
	}
	if s.offline {
		o, err := app.OpenOffline(cfg)
		if err != nil {
			return nil, nil, err
		}
		return o, o.Close, nil
	}
	running, err := s.newClient(cfg)
	return running, func() error { return nil }, err
}

// client asks a running engine over its API.
type client struct {
	base, token string
	http        http.Client
}

func (c *client) call(ctx context.Context, method, path string, out any) error {
	return c.send(ctx, method, path, nil, out)
}

// send is call with a JSON body; nil: none.
func (c *client) send(ctx context.Context, method, path string, body []byte, out any) error {
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	r, err := c.http.Do(req)
	if err != nil {
		var op *net.OpError
		if errors.As(err, &op) && op.Op == "dial" {
			return fmt.Errorf("no engine answers on %s: start it, or use --offline for the folder of a stopped one", c.base)
		}
		return err
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	if r.StatusCode >= 400 {
		var p struct{ Detail string }
		if json.Unmarshal(b, &p) != nil || p.Detail == "" {
			p.Detail = strings.TrimSpace(string(b))
		}
		return errors.New(p.Detail)
	}
	return json.NewDecoder(bytes.NewReader(b)).Decode(out)
}

func (c *client) get(ctx context.Context, path string, out any) error {
	return c.call(ctx, http.MethodGet, path, out)
}

// Status implements app.Admin, as do all that follow.
func (c *client) Status(ctx context.Context) (*app.Status, error) {
	var st app.Status
	err := c.get(ctx, "/api/v1/status", &st)
	return &st, err
}

func (c *client) Vehicle(ctx context.Context, vin string) (*rules.VehicleView, error) {
	var v rules.VehicleView
	err := c.get(ctx, "/api/v1/vehicles/"+url.PathEscape(vin), &v)
	return &v, err
}

func (c *client) Timeline(ctx context.Context, vin, lang string, limit int) ([]app.TimelineEntry, error) {
	var t struct{ Entries []app.TimelineEntry }
	err := c.get(ctx, "/api/v1/vehicles/"+url.PathEscape(vin)+"/timeline?lang="+url.QueryEscape(lang)+"&limit="+strconv.Itoa(limit), &t)
	return t.Entries, err
}

func (c *client) SetOdometer(ctx context.Context, vin string, km float64) error {
	body, err := json.Marshal(map[string]float64{"km": km})
	if err != nil {
		return fmt.Errorf("odometer %g km: %w", km, err)
	}
	var v rules.VehicleView
	return c.send(ctx, http.MethodPost, "/api/v1/vehicles/"+url.PathEscape(vin)+"/odometer", body, &v)
}

func (c *client) Outbox(ctx context.Context, limit int) ([]app.OutboxEntry, error) {
	var out []app.OutboxEntry
	err := c.get(ctx, "/api/v1/outbox?limit="+strconv.Itoa(limit), &out)
	return out, err
}

func (c *client) RequeueOutbox(ctx context.Context, endpoint string) (int, error) {
	var out struct{ Requeued int }
	err := c.call(ctx, http.MethodPost, "/api/v1/outbox/"+url.PathEscape(endpoint)+"/requeue", &out)
	return out.Requeued, err
}

func (c *client) DeadLetters(ctx context.Context, after string, limit int) ([]app.DeadLetter, error) {
	var out []app.DeadLetter
	err := c.get(ctx, "/api/v1/deadletters?after="+url.QueryEscape(after)+"&limit="+strconv.Itoa(limit), &out)
	return out, err
}

func (c *client) DeadLetter(ctx context.Context, id string) (*app.DeadLetter, error) {
	var d app.DeadLetter
	err := c.get(ctx, "/api/v1/deadletters/"+url.PathEscape(id), &d)
	return &d, err
}

func (c *client) RequeueDead(ctx context.Context, id string) error {
	var out struct{}
	return c.call(ctx, http.MethodPost, "/api/v1/deadletters/"+url.PathEscape(id)+"/requeue", &out)
}

func (c *client) DropDead(ctx context.Context, id string) error {
	var out struct{}
	return c.call(ctx, http.MethodDelete, "/api/v1/deadletters/"+url.PathEscape(id), &out)
}

func (c *client) Hold(ctx context.Context, destination, by, reason string) error {
	var out struct{}
	return c.post(ctx, "/api/v1/hold", app.HoldRequest{Destination: destination, Reason: reason, By: by}, &out)
}

func (c *client) Release(ctx context.Context, destination, by string) (*app.Hold, error) {
	var was app.Hold
	err := c.post(ctx, "/api/v1/release", app.HoldRequest{Destination: destination, By: by}, &was)
	return &was, err
}

// post sends a value and reads the answer.
func (c *client) post(ctx context.Context, path string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return c.send(ctx, http.MethodPost, path, body, out)
}

// ask runs a question against the engine and closes what it opened.
func ask[T any](ctx context.Context, s *session, f func(context.Context, app.Admin) (T, error)) (T, error) {
	var zero T
	a, done, err := s.admin()
	if err != nil {
		return zero, err
	}
	v, err := f(ctx, a)
	if e := done(); err == nil {
		err = e
	}
	return v, err
}

// encode writes a value as indented JSON.
func (s *session) encode(v any) error {
	enc := json.NewEncoder(s.Out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}
