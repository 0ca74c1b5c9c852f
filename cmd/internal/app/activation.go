package app

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/milepost-io/milepost/rules"
	"github.com/milepost-io/milepost/state"
	"github.com/milepost-io/milepost/state/log"
)

// activation is the rule set in force and what leads to the next one.
type activation struct {
	mu   sync.Mutex        // held while one is put in force
	seen [sha256.Size]byte // of the files looked at last, under mu
	// force is read without waiting for mu: what the vehicles are told to run.
	force atomic.Pointer[ruleSet]
}

// ruleSet is one rule set, ready to be told; it is never changed.
type ruleSet struct {
	rules.Activation
	program *rules.Program
	payload []byte // of the control record
}

// inForce is the rule set in force; before the first it is empty.
func (a *activation) inForce() *ruleSet {
	if f := a.force.Load(); f != nil {
		return f
	}
	return &ruleSet{}
}

// watchEvery is how often the rule files are looked at for changes.
const watchEvery = 2 * time.Second

// inForce is the rule set that the shards have; same is false when a crash left them with several: the
// newest is to be put in force again.
func (c *Core) inForce(ctx context.Context) (newest rules.Activation, same bool, err error) {
	same = true
	for i, s := range c.shards {
		if s.part.Stream != log.Events {
			continue
		}
		var a rules.Activation
		err := c.view(ctx, s, func(v state.View) error {
			payload := v.Control()
			if len(payload) == 0 {
				return nil
			}
			var err error
			a, _, err = rules.ParseActivation(payload)
			return err
		})
		if err != nil {
			return newest, false, err
		}
		same = same && (i == 0 || a.Version == newest.Version)
		if a.Number > newest.Number || i == 0 {
			newest = a
		}
	}
	return newest, same, nil
}

// Activate puts a rule set in force, if it is not already; the error of a bad one is a rules.Problems,
// and the old one stays. Its number follows the last one.
func (c *Core) Activate(ctx context.Context, a rules.Activation) (changed bool, err error) {
	c.rules.mu.Lock()
	defer c.rules.mu.Unlock()
	same := true
	if c.rules.inForce().Number == 0 {
		var newest rules.Activation
		if newest, same, err = c.inForce(ctx); err != nil {
			return false, err
		}
		c.rules.force.Store(&ruleSet{Activation: newest})
	}
	return c.put(ctx, a, !same)
}

// put appends the control record to every partition and waits until the vehicles have it. The notify shards
// get it first: a notice of the new rules comes after it in their log and finds its endpoints. c.rules.mu is
// held.
func (c *Core) put(ctx context.Context, a rules.Activation, force bool) (changed bool, err error) {
	now := c.rules.inForce()
	a.Number = now.Number + 1
	a, prog, payload, err := rules.BuildActivation(a)
	if err != nil {
		return false, err
	}
	if a.Version == now.Version && !force {
		c.rules.force.Store(&ruleSet{now.Activation, prog, payload})
		return false, nil
	}
	for i := len(c.shards) - 1; i >= 0; i-- {
		if _, err := c.intake.append(c.shards[i].part, &log.Record{Kind: log.Control, Payload: payload}, log.Ack{}); err != nil {
			return false, err
		}
	}
	c.rules.force.Store(&ruleSet{a, prog, payload})
	if err := c.waitApplied(ctx, log.Events); err != nil {
		return false, err
	}
	c.log.Info().Str("version", a.Version).Int("number", a.Number).Int("rules", len(prog.Rules)).Int("plans", len(prog.Plans)).Msg("rules in force")
	return true, nil
}

// alignNotices gives the rule set in force to notify shards that have another one: a crash may have fallen
// between the appends of put.
func (c *Core) alignNotices(ctx context.Context) error {
	c.rules.mu.Lock()
	defer c.rules.mu.Unlock()
	for _, s := range c.shards {
		now := c.rules.inForce()
		if s.part.Stream != log.Notices || now.payload == nil {
			continue
		}
		var a rules.Activation
		err := c.view(ctx, s, func(v state.View) error {
			if len(v.Control()) == 0 {
				return nil
			}
			return json.Unmarshal(v.Control(), &a)
		})
		if err != nil {
			return err
		}
		if a.Version == now.Version {
			continue
		}
		if _, err := c.intake.append(s.part, &log.Record{Kind: log.Control, Payload: now.payload}, log.Ack{}); err != nil {
			return err
		}
	}
	return nil
}

// activateAtStart puts the files in force where they differ from what the shards have. Bad files leave
// the old rules in force; without old ones the engine does not start.
func (e *Engine) activateAtStart(ctx context.Context) error {
	newest, same, err := e.inForce(ctx)
	if err != nil {
		return err
	}
	e.rules.mu.Lock()
	defer e.rules.mu.Unlock()
	e.rules.force.Store(&ruleSet{Activation: newest})
	changed, err := e.activate(ctx, !same)
	switch {
	case err == nil:
		if !changed {
			e.log.Info().Str("version", newest.Version).Int("number", newest.Number).Msg("rules unchanged")
		}
		return nil
	case newest.Number == 0 || !errors.As(err, new(rules.Problems)):
		return err
	default:
		e.log.Error().Int("number", newest.Number).Msgf("the rule files are wrong; the rules of before stay in force:\n%v", err)
		_, err := e.put(ctx, newest, !same)
		return err
	}
}

// Reload puts the rule files in force if they have changed (S48). The error of bad files is a
// rules.Problems, and the old rules stay.
func (e *Engine) Reload(ctx context.Context) (changed bool, err error) {
	e.rules.mu.Lock()
	defer e.rules.mu.Unlock()
	return e.activate(ctx, false)
}

// activate puts the files and the configuration of this moment in force.
func (e *Engine) activate(ctx context.Context, force bool) (bool, error) {
	a, err := Activation(e.cfg.Rules, e.cfg, 0)
	if err != nil {
		return false, err
	}
	e.rules.seen = digest(a.Files)
	return e.put(ctx, a, force)
}

// watchRules reloads when a rule file has changed.
func (e *Engine) watchRules(ctx context.Context) error {
	t := time.NewTicker(watchEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-e.opt.Hup:
			if err := e.id.watch.Reload(); err != nil {
				e.log.Error().Err(err).Msg("credentials cannot be read; those of before stay in force")
			}
			e.reload(ctx)
			continue
		case <-t.C:
		}
		files, err := ReadRules(e.cfg.Rules)
		if err != nil {
			continue // half-written or being replaced: the next look sees it whole
		}
		files = append(files, policyFile(e.cfg)...)
		e.rules.mu.Lock()
		changed := digest(files) != e.rules.seen
		e.rules.mu.Unlock()
		if !changed {
			continue
		}
		e.reload(ctx)
	}
}

func (e *Engine) reload(ctx context.Context) {
	if _, err := e.Reload(ctx); err != nil && ctx.Err() == nil {
		e.log.Error().Msgf("the rule files are wrong; the rules of before stay in force:\n%v", err)
	}
}

func digest(files []rules.File) [sha256.Size]byte {
	h := sha256.New()
	for _, f := range files {
		fmt.Fprintf(h, "%d %s %d %s", len(f.Name), f.Name, len(f.Content), f.Content)
	}
	return [sha256.Size]byte(h.Sum(nil))
}
