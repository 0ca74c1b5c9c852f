package cli

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/milepost-io/milepost/cmd/internal/app"
)

// demoKill ends the engine with kill -9 again and again under the fleet's load, and prints after each
// restart what came of it.
func (s *session) demoKill(ctx context.Context, f demoFlags, d *demoSetup, recv *receivers) error {
	eng, err := startEngineProcess(f.dir, s)
	if err != nil {
		return err
	}
	defer func() { eng.stop() }()
	a := app.Addresses{HTTP: d.http, MQTT: d.mqtt}
	c := &client{base: "http://" + d.http}
	st, err := waitReady(ctx, c, eng)
	if err != nil {
		return unlessStopped(ctx, err)
	}
	before := st.Counters.Received
	s.banner(d, a)
	var acked atomic.Uint64
	stopFleet := background(ctx, func(ctx context.Context) error { return runDemoFleet(ctx, d, a, s.quiet(), &acked) })
	defer func() { _ = stopFleet() }()
	lost := uint64(0)
	for kills := 1; f.count == 0 || kills <= f.count; kills++ {
		pause(ctx, f.kill)
		if ctx.Err() != nil {
			return nil
		}
		eng.kill()
		begin := time.Now()
		sure := acked.Load() // acknowledged before the kill: must be there after it
		if eng, err = startEngineProcess(f.dir, s); err != nil {
			return err
		}
		if st, err = waitReady(ctx, c, eng); err != nil {
			return unlessStopped(ctx, err)
		}
		if got := st.Counters.Received - before; got < sure {
			lost = max(lost, sure-got)
		}
		_, again, second := recv.counts()
		k := st.Counters
		fmt.Fprintf(s.Out, "kill %d, back in %.1fs: received %d = applied %d + duplicate %d + late %d + quarantined %d, lost %d, under a second id %d (sent again under the same id: %d)\n",
			kills, time.Since(begin).Seconds(), k.Received, k.Applied, k.Duplicate, k.Late, k.Quarantined, lost, second, again)
		if lost > 0 || second > 0 {
			return errors.New("lost or doubled: this must not happen")
		}
	}
	return nil
}

// unlessStopped is the error, or nil when it came of Ctrl-C.
func unlessStopped(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil //nolint:nilerr // the demo was told to stop
	}
	return err
}

// waitReady waits until the engine answers as ready and has applied all it has received.
func waitReady(ctx context.Context, c *client, eng *engineProcess) (app.Status, error) {
	deadline := time.Now().Add(30 * time.Second)
	for {
		var st app.Status
		err := c.call(ctx, http.MethodGet, "/api/v1/status", &st)
		k := st.Counters
		if err == nil && st.Ready && k.Received <= k.Applied+k.Duplicate+k.Late+k.Quarantined {
			return st, nil
		}
		select {
		case <-eng.done:
			return st, errors.New("the engine ended by itself")
		default:
		}
		if time.Now().After(deadline) {
			return st, fmt.Errorf("the engine was not ready within 30 s (%w)", err)
		}
		pause(ctx, 20*time.Millisecond)
		if err := ctx.Err(); err != nil {
			return st, err
		}
	}
}
