// Package app wires the engine: configuration in, a running process out. It is the only place that knows
// all parts; what they do is theirs.
package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"github.com/milepost-io/milepost/cmd/internal/config"
	"github.com/milepost-io/milepost/notify"
	"github.com/milepost-io/milepost/state/log"
	"github.com/milepost-io/milepost/state/log/journal"
)

// Options are what an engine gets besides its configuration.
type Options struct {
	Logger zerolog.Logger
	Build  string
	// Clock makes the engine's clock, which must not stand below floor (Unix ms); nil: WallClock.
	Clock func(floor int64) *Clock
	// Tick is how often an idle shard moves its clock while something is due; 0: 1 s.
	Tick time.Duration
	// Replay is a file of recorded events to take in at the start; "" for none.
	Replay string
	// Hup asks for a reload with each value; nil: nobody asks.
	Hup <-chan os.Signal
	// Started is told the addresses once sources are open; nil: nobody asks.
	Started func(Addresses)
}

// Addresses are what the engine listens on; MQTT is empty without a broker.
type Addresses struct {
	HTTP string `json:"http"`
	MQTT string `json:"mqtt,omitempty"`
	PID  int    `json:"pid"`
}

// Engine is one process's engine on one data folder.
type Engine struct {
	cfg     *config.Config
	opt     Options
	log     zerolog.Logger
	clock   *Clock
	journal *journal.Journal
	shards  []*shard // events first, then notices
	intake  *intake
	read    *notify.ReadModel
	rules   activation
	sources sources
	disp    *notify.Dispatcher
	closers []func() error

	httpListener net.Listener
	started      time.Time
	ready        atomic.Bool
	dead         atomic.Int64 // dead letters
	ending       chan struct{}
}

// Run opens the folder, serves until ctx ends and stops cleanly: sources first, so that nothing new comes
// in, then the dispatcher, whose results still go into the log, then the shards, which write back, then
// the log.
func Run(ctx context.Context, cfg *config.Config, o Options) error {
	e := &Engine{cfg: cfg, opt: o, log: o.Logger, read: notify.NewReadModel(), started: time.Now(), ending: make(chan struct{})}
	err := e.open()
	if err == nil {
		err = e.run(ctx)
	}
	return errors.Join(err, e.close())
}

// open does all that can fail for a reason the user can mend: addresses, folder, rules, endpoints.
func (e *Engine) open() error {
	if err := e.listen(); err != nil {
		return err
	}
	if err := os.MkdirAll(e.cfg.Data, 0o755); err != nil {
		return fmt.Errorf("data folder: %w", err)
	}
	j, err := journal.Open(journal.Options{
		Dir: filepath.Join(e.cfg.Data, journalDir), Shards: journal.Shards{Events: e.cfg.Shards, Notices: e.cfg.Shards},
		Keep: time.Duration(e.cfg.Journal.Keep), MaxBytes: int64(e.cfg.Journal.Max), Logger: e.log,
		Now: func() time.Time { return e.clock.Time() },
	})
	if err != nil {
		return err
	}
	e.journal = j
	e.closers = append(e.closers, j.Close)
	floor, err := lastArrival(j)
	if err != nil {
		return err
	}
	if e.opt.Clock != nil {
		e.clock = e.opt.Clock(floor)
	} else {
		e.clock = WallClock(time.Now, floor)
	}
	e.intake = newIntake(j, e.clock)
	if err := e.openShards(); err != nil {
		return err
	}
	if err := e.openDispatcher(); err != nil {
		return err
	}
	return e.openSources()
}

// The parts of a data folder.
const (
	journalDir = "journal"
	stateDir   = "state"
	runFile    = "engine.json"
)

// lastArrival is the newest arrival among the last records of all partitions, 0 without any.
func lastArrival(l log.Log) (int64, error) {
	var newest int64
	for _, s := range []log.Stream{log.Events, log.Notices} {
		for i := range l.Shards(s) {
			p := log.Partition{Stream: s, Shard: uint16(i)}
			first, next := l.Range(p)
			if next <= first {
				continue
			}
			r, err := l.Read(p, next-1)
			if err != nil {
				return 0, err
			}
			_, recs, err := r.Poll(1)
			for i := range recs {
				newest = max(newest, recs[i].Arrival)
			}
			if err := errors.Join(err, r.Close()); err != nil {
				return 0, err
			}
		}
	}
	return newest, nil
}

func (e *Engine) listen() error {
	l, err := net.Listen("tcp", e.cfg.HTTP.Listen)
	if err != nil {
		return fmt.Errorf("http.listen: %w", err)
	}
	e.httpListener = l
	e.closers = append(e.closers, func() error {
		if err := l.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			return err
		}
		return nil
	})
	return nil
}

// run starts everything in order and waits for the end.
func (e *Engine) run(ctx context.Context) error {
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	web := e.start(fail, "http", e.serveHTTP)
	shards := e.start(fail, "shards", e.runShards)
	watch := e.start(fail, "watch", e.watchLog)
	parts := []*part{shards, watch, web}
	err := e.begin(ctx)
	if err == nil {
		disp := e.start(fail, "dispatcher", e.disp.Run)
		src := e.start(fail, "sources", e.runSources)
		reload := e.start(fail, "reload", e.watchRules)
		flight := e.start(fail, "flight recorder", e.recordFlight)
		parts = append([]*part{reload, src, disp, flight}, parts...)
		e.ready.Store(true)
		e.announce()
		<-ctx.Done()
	}
	e.ready.Store(false)
	close(e.ending)
	close(e.intake.done)
	e.log.Info().Msg("stopping: sources, dispatcher, shards, log")
	for _, p := range parts {
		err = errors.Join(err, p.stop())
	}
	if cause := context.Cause(ctx); err == nil && cause != nil && !errors.Is(cause, context.Canceled) {
		err = cause
	}
	_ = os.Remove(filepath.Join(e.cfg.Data, runFile))
	return err
}

// begin brings the state up to the log: replay, own starts applied, notices of the replay applied (E13),
// the rule set of the files in force (E10). Only then may anything leave or come in.
func (e *Engine) begin(ctx context.Context) error {
	if err := e.waitLive(ctx); err != nil {
		return err
	}
	if err := e.activateAtStart(ctx); err != nil {
		return err
	}
	close(e.intake.open)
	return nil
}

// part is something that runs until it is stopped.
type part struct {
	name   string
	cancel context.CancelFunc
	done   chan struct{}
	err    error
}

// start runs f; if it ends with an error, or before it was told to, the engine ends.
func (e *Engine) start(fail context.CancelCauseFunc, name string, f func(context.Context) error) *part {
	ctx, cancel := context.WithCancel(context.Background())
	p := &part{name: name, cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(p.done)
		err := f(ctx)
		if err != nil && !errors.Is(err, context.Canceled) {
			p.err = fmt.Errorf("%s: %w", name, err)
			fail(p.err)
		} else if ctx.Err() == nil {
			fail(fmt.Errorf("%s ended by itself", name))
		}
	}()
	return p
}

func (p *part) stop() error {
	p.cancel()
	<-p.done
	return p.err
}

// watchLog ends the engine when the log has failed: nothing may be acknowledged any more (E4).
func (e *Engine) watchLog(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case <-e.journal.Failed():
		return e.journal.Err()
	}
}

func (e *Engine) close() error {
	var err error
	for i := len(e.closers) - 1; i >= 0; i-- {
		err = errors.Join(err, e.closers[i]())
	}
	return err
}

// announce writes where the engine listens for the command line, and tells whoever asked.
func (e *Engine) announce() {
	a := e.addresses()
	if err := writeJSON(filepath.Join(e.cfg.Data, runFile), a); err != nil {
		e.log.Warn().Err(err).Msg("the command line will not find the engine by its data folder")
	}
	e.log.Info().Str("http", "http://"+a.HTTP+"/").Str("mqtt", a.MQTT).Str("data", e.cfg.Data).Msg("ready")
	if e.opt.Started != nil {
		e.opt.Started(a)
	}
}

func (e *Engine) addresses() Addresses {
	a := Addresses{HTTP: e.httpListener.Addr().String(), PID: os.Getpid()}
	if b := e.sources.broker; b != nil && b.Addr() != nil {
		a.MQTT = b.Addr().String()
	}
	return a
}

// all runs functions side by side until the first error.
func all(ctx context.Context, fs ...func(context.Context) error) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, f := range fs {
		g.Go(func() error { return f(ctx) })
	}
	return g.Wait()
}
