package app

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// openHeld has the dispatcher hold what the data folder says is held, before it sends anything.
func (c *Core) openHeld() error {
	h, err := openHolds(c.fs, c.opt.Data)
	if err != nil {
		return err
	}
	c.holds = h
	for _, r := range h.file.Released {
		c.disp.Release(r.Destination, r.At)
	}
	for _, x := range h.file.Holds {
		c.disp.Hold(x.Destination)
		c.log.Warn().Str("destination", x.Name()).Str("reason", x.Reason).Str("by", x.By).Time("since", x.Since).
			Msg("held: nothing is sent there until `milepost release`")
	}
	return nil
}

// Hold stops sending to a destination, or to all with "": calls under way end, nothing is begun, and what
// waits stays in the outbox until Release. It lasts over restarts.
func (c *Core) Hold(_ context.Context, destination, by, reason string) error {
	if err := checkHold(reason); err != nil {
		return err
	}
	if destination != "" && !c.disp.Known(destination) {
		return fmt.Errorf("destination %q: %w (see milepost status)", destination, ErrUnknown)
	}
	if err := c.holds.add(Hold{Destination: destination, Reason: reason, By: by, Since: c.clock.Time().UTC()}); err != nil {
		return err
	}
	c.disp.Hold(destination)
	c.log.Warn().Str("destination", holdName(destination)).Str("reason", reason).Str("by", by).Msg("held: nothing is sent there until `milepost release`")
	return nil
}

func checkHold(reason string) error {
	if strings.TrimSpace(reason) == "" {
		return fmt.Errorf("hold: %w: no reason given: whoever is to release it must know why", ErrInvalid)
	}
	return nil
}

// Release lets a destination send again, or with "" all that are not held by themselves. It returns the
// hold that ended.
func (c *Core) Release(_ context.Context, destination, by string) (*Hold, error) {
	now := c.clock.Time().UTC()
	was, err := c.holds.remove(destination, by, now)
	if err != nil || was == nil {
		return was, notHeld(destination, was, err)
	}
	c.disp.Release(destination, now.UnixMilli())
	c.log.Info().Str("destination", was.Name()).Str("by", by).Str("was", was.Reason).Msg("released")
	return was, nil
}

func notHeld(destination string, was *Hold, err error) error {
	if err == nil && was == nil {
		return fmt.Errorf("release %s: %w: it is not held", holdName(destination), ErrInvalid)
	}
	return err
}

// Hold implements Admin on a stopped engine's folder: the next start holds.
func (o *Offline) Hold(_ context.Context, destination, by, reason string) error {
	if err := checkHold(reason); err != nil {
		return err
	}
	h, err := openHolds(o.fs(), o.cfg.Data)
	if err != nil {
		return err
	}
	return h.add(Hold{Destination: destination, Reason: reason, By: by, Since: time.Now().UTC()})
}

// Release implements Admin.
func (o *Offline) Release(_ context.Context, destination, by string) (*Hold, error) {
	h, err := openHolds(o.fs(), o.cfg.Data)
	if err != nil {
		return nil, err
	}
	was, err := h.remove(destination, by, time.Now().UTC())
	return was, notHeld(destination, was, err)
}

// HoldRequest is the body of POST /api/v1/hold and /api/v1/release.
type HoldRequest struct {
	Destination string `json:"destination"` // "": all
	Reason      string `json:"reason"`
	// By is who asks, as the command line knows it; the name of the token stands beside it.
	By string `json:"by"`
}

func (e *Engine) postHold(r *http.Request) (any, error) {
	q, err := e.readHold(r)
	if err != nil {
		return nil, err
	}
	if err := e.Hold(r.Context(), q.Destination, q.By, q.Reason); err != nil {
		return nil, err
	}
	return map[string]any{"holds": e.holds.list()}, nil
}

func (e *Engine) postRelease(r *http.Request) (any, error) {
	q, err := e.readHold(r)
	if err != nil {
		return nil, err
	}
	was, err := e.Release(r.Context(), q.Destination, q.By)
	if err != nil {
		return nil, err
	}
	return was, nil
}

func (e *Engine) readHold(r *http.Request) (q HoldRequest, err error) {
	if err := json.NewDecoder(io.LimitReader(r.Body, 16<<10)).Decode(&q); err != nil {
		return q, fmt.Errorf("%s: %w: %w", r.URL.Path, ErrInvalid, err)
	}
	q.By = e.askedBy(r, q.By)
	return q, nil
}

// askedBy is who a request is from: the name of its token, else what it says of itself, else its address.
func (e *Engine) askedBy(r *http.Request, says string) string {
	name := e.id.guard.Name(r)
	switch {
	case name != "" && says != "":
		return fmt.Sprintf("%s (%.100s)", name, says)
	case name != "":
		return name
	case says != "":
		return fmt.Sprintf("%.100s", says)
	}
	return r.RemoteAddr
}
