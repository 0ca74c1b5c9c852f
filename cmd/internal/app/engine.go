// Package app wires the engine: configuration in, a running process out. It is the only place that knows
// all parts; what they do is theirs.
package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/rs/zerolog"

	"github.com/milepost-io/milepost/cmd/internal/config"
	"github.com/milepost-io/milepost/notify"
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
	// TLS says that HTTP is spoken over TLS.
	TLS  bool   `json:"tls,omitempty"`
	MQTT string `json:"mqtt,omitempty"`
	PID  int    `json:"pid"`
}

// ReadAddresses is what the engine that runs on a data folder listens on.
func ReadAddresses(data string) (a Addresses, err error) {
	b, err := os.ReadFile(filepath.Join(data, runFile))
	if err == nil {
		err = json.Unmarshal(b, &a)
	}
	if err == nil && a.HTTP == "" {
		err = errors.New("no address")
	}
	if err != nil {
		return Addresses{}, fmt.Errorf("address of the engine on %s: %w", data, err)
	}
	return a, nil
}

// Engine is one process's engine on one data folder: a Core with sources, console and command line.
type Engine struct {
	*Core
	cfg     *config.Config
	opt     Options
	sources sources
	backups *backups
	id      identity

	httpListener net.Listener
	started      time.Time
	looked       lastLook
	ending       chan struct{}
}

// Run opens the folder, serves until ctx ends and stops cleanly.
func Run(ctx context.Context, cfg *config.Config, o Options) error {
	e := &Engine{Core: newCore(o.Logger), cfg: cfg, opt: o, started: time.Now(), ending: make(chan struct{}), backups: newBackups()}
	err := e.open()
	if err == nil {
		err = e.run(ctx)
	}
	return errors.Join(err, e.Close())
}

// open does all that can fail for a reason the user can mend: addresses, folder, rules, endpoints.
func (e *Engine) open() error {
	if err := e.openIdentity(); err != nil {
		return err
	}
	if err := e.listen(); err != nil {
		return err
	}
	if err := os.MkdirAll(e.cfg.Data, 0o755); err != nil {
		return advise(e.cfg.Data, fmt.Errorf("data folder: %w", err))
	}
	channels, err := e.openChannels()
	if err != nil {
		return err
	}
	err = e.openCore(CoreOptions{
		Data: e.cfg.Data, Shards: journal.Shards{Events: e.cfg.Shards, Notices: e.cfg.Shards},
		Keep: time.Duration(e.cfg.Journal.Keep), MaxBytes: int64(e.cfg.Journal.Max), Memory: int64(e.cfg.Memory),
		KeepTimeline: time.Duration(e.cfg.Retention.Timeline), KeepDead: time.Duration(e.cfg.Retention.Deadletter),
		WriteBack: time.Duration(e.cfg.WriteBack), Tick: e.opt.Tick, Build: e.opt.Build, Clock: e.opt.Clock,
		Dispatcher: notify.DispatcherOptions{Channels: channels}, Logger: e.log, Reserve: int64(e.cfg.DiskReserve),
	})
	if err != nil {
		return advise(e.cfg.Data, err)
	}
	return e.openSources()
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

// run serves until ctx ends.
func (e *Engine) run(ctx context.Context) error {
	err := e.Core.Run(ctx, Life{
		Beside: []Task{{"http", e.serveHTTP}},
		Begin:  e.activateAtStart,
		Serve:  []Task{{"flight recorder", e.recordFlight}, {"reload", e.watchRules}, {"credentials", e.watchIdentity}, {"sources", e.runSources}, {"backups", e.runBackups}},
		Ready:  e.announce,
		Ending: func() { close(e.ending) },
	})
	_ = os.Remove(filepath.Join(e.cfg.Data, runFile))
	return err
}

// announce writes where the engine listens for the command line, and tells whoever asked.
func (e *Engine) announce() {
	a := e.addresses()
	if err := writeJSON(filepath.Join(e.cfg.Data, runFile), a); err != nil {
		e.log.Warn().Err(err).Msg("the command line will not find the engine by its data folder")
	}
	e.log.Info().Str("http", e.scheme()+"://"+a.HTTP+"/").Str("mqtt", a.MQTT).Str("data", e.cfg.Data).Msg("ready")
	if e.opt.Started != nil {
		e.opt.Started(a)
	}
}

func (e *Engine) addresses() Addresses {
	a := Addresses{HTTP: e.httpListener.Addr().String(), TLS: e.id.http != nil, PID: os.Getpid()}
	if b := e.sources.broker; b != nil && b.Addr() != nil {
		a.MQTT = b.Addr().String()
	}
	return a
}
