package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/milepost-io/milepost/cmd/internal/app"
	"github.com/milepost-io/milepost/ingest/fleet"
	"github.com/milepost-io/milepost/ingest/mqtt"
)

// follower knows an engine's clock: it asks a few times a second and lets time run on in between. While
// the engine does not answer, time stands.
type follower struct {
	url   string
	at    atomic.Int64 // Unix ms of the engine
	asked atomic.Int64 // Unix nanoseconds of the answer, 0: no answer
}

const followEvery = 150 * time.Millisecond

func (f *follower) run(ctx context.Context) error {
	t := time.NewTicker(followEvery)
	defer t.Stop()
	for {
		var st app.Status
		c := &client{base: f.url}
		ask, cancel := context.WithTimeout(ctx, time.Second)
		err := c.call(ask, http.MethodGet, "/api/v1/status", &st)
		cancel()
		if err != nil || !st.Ready {
			f.asked.Store(0)
		} else {
			f.at.Store(st.Clock.UnixMilli())
			f.asked.Store(time.Now().UnixNano())
		}
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		}
	}
}

// now is the engine's time, Unix ms; ok is false while it does not answer.
func (f *follower) now() (ms int64, ok bool) {
	asked := f.asked.Load()
	if asked == 0 {
		return 0, false
	}
	since := min(time.Duration(time.Now().UnixNano()-asked), 2*followEvery)
	return f.at.Load() + int64(float64(since.Milliseconds())*demoScale), true
}

// runDemoFleet publishes the fleet's events as their time comes on the engine's clock. acked, if not nil,
// is told how many were acknowledged so far.
func runDemoFleet(ctx context.Context, d *demoSetup, a app.Addresses, logger zerolog.Logger, acked *atomic.Uint64) error {
	fl, err := fleet.New(fleet.Config{Vehicles: d.world.Vehicles, Seed: d.world.Seed, Start: d.world.Start, Every: time.Hour, Story: true, Language: d.language})
	if err != nil {
		return err
	}
	p, err := mqtt.NewPublisher(mqtt.PublisherOptions{URL: "tcp://" + a.MQTT, ClientID: "demo-fleet", Window: 2000, RetryMax: 300 * time.Millisecond, WriteMax: 2 * time.Second, Logger: logger.Level(zerolog.ErrorLevel)})
	if err != nil {
		return err
	}
	f := &follower{url: "http://" + a.HTTP}
	stops := []func() error{background(ctx, p.Run), background(ctx, f.run)}
	defer func() {
		for _, stop := range stops {
			_ = stop()
		}
	}()
	if err := catchUp(ctx, fl, f, d.world.Runs > 1); err != nil {
		return nil //nolint:nilerr // told to stop before the engine was ready
	}
	for _, e := range pasteCar(d) {
		if err := p.Publish(ctx, e.Topic, e.Payload); err != nil {
			return nil //nolint:nilerr // told to stop
		}
	}
	for {
		e := fl.Next()
		for {
			now, ok := f.now()
			if ok && now >= e.At.UnixMilli() {
				break
			}
			pause(ctx, 2*time.Millisecond)
			if ctx.Err() != nil {
				return nil
			}
		}
		if err := p.Publish(ctx, e.Topic, e.Payload); err != nil {
			return nil //nolint:nilerr // told to stop
		}
		if acked != nil {
			acked.Store(p.Stats().Acked)
		}
	}
}

// catchUp waits until the engine answers, and in a later run passes over what was lived before: what was
// due while this took, too, or the fleet would begin with a burst of the past.
func catchUp(ctx context.Context, fl *fleet.Fleet, f *follower, again bool) error {
	for {
		now, ok := f.now()
		switch {
		case !ok:
			pause(ctx, 10*time.Millisecond)
		case !again:
			return nil
		default:
			fl.Skip(time.UnixMilli(now))
			if after, ok := f.now(); ok && after-now < (6*time.Hour).Milliseconds() {
				return nil
			}
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}

// pasteCar introduces the car of the line to paste, shortly before its service.
func pasteCar(d *demoSetup) []fleet.Event {
	vin := d.pasteVIN()
	profile, _ := json.Marshal(map[string]any{"type": "vehicle", "vin": vin, "profile": map[string]any{
		"model": "A5", "powertrain": "ice", "plate": vin, "owner": "O-" + vin, "dealer": "D1024", "plan": "mileage-only", "language": d.language,
	}})
	return []fleet.Event{
		{Topic: "vehicles/" + vin + "/profile", Payload: profile},
		{Topic: "vehicles/" + vin + "/telemetry", Payload: fmt.Appendf(nil, `{"type":"telemetry","vin":%q,"signals":{"odometer":9050}}`, vin)},
	}
}
