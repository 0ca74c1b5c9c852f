package app

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/milepost-io/milepost/cmd/internal/config"
	"github.com/milepost-io/milepost/cmd/internal/gate"
	"github.com/milepost-io/milepost/ingest"
	jsoncodec "github.com/milepost-io/milepost/ingest/json"
	"github.com/milepost-io/milepost/state"
	"github.com/milepost-io/milepost/state/erasure"
	"github.com/milepost-io/milepost/state/log"
	"github.com/milepost-io/milepost/state/log/journal"
)

// Erasure is how the erasure of a vehicle or party goes.
type Erasure struct {
	// Hash stands for the id, which is not named any more; Kind is "vehicle" or "party".
	Hash string    `json:"hash"`
	Kind string    `json:"kind"`
	At   time.Time `json:"at"`
	// Step is what is being done: waiting, state, memory, shards, stores, journal, done.
	Step string `json:"step"`
	Done bool   `json:"done"`
	// Error is why the last attempt ended; it is tried again.
	Error string `json:"error,omitempty"`
	// Records of the journal were blanked, together with the other ids erased with it; Vehicles were told to
	// forget the party.
	Records  int `json:"records"`
	Vehicles int `json:"vehicles,omitempty"`
	// Known is false when nothing was held about the id.
	Known bool `json:"known"`
	// Remains is what this engine cannot erase.
	Remains []Remains `json:"remains"`
}

// Remains is a place where something about an erased id may still be, and until when.
type Remains struct {
	Where string `json:"where"`
	What  string `json:"what"`
	Until string `json:"until"`
}

// EraseRequest names what to erase: one of the two.
type EraseRequest struct {
	VIN   string `json:"vin,omitempty"`
	Party string `json:"party,omitempty"`
}

func (r *EraseRequest) id() (kind erasure.Kind, id string, err error) {
	switch {
	case (r.VIN == "") == (r.Party == ""):
		return 0, "", fmt.Errorf("erase: %w: name either a vin or a party", ErrInvalid)
	case r.VIN != "":
		kind, id = erasure.Vehicle, r.VIN
	default:
		kind, id = erasure.Party, r.Party
	}
	if !ingest.ValidKey([]byte(id)) {
		return 0, "", fmt.Errorf("erase: %s id %q: %w: 1 to 64 of A-Z a-z 0-9 _ . : -", kind, id, ErrInvalid)
	}
	return kind, id, nil
}

// eraseRecord is the erase event of an id as an operator asks for it, and the partition it goes to.
func eraseRecord(kind erasure.Kind, id string, shards func(log.Stream) int) (log.Partition, log.Record) {
	p, member := log.Partition{Stream: log.Events}, "vin"
	if kind == erasure.Party {
		p.Stream, member = log.Notices, "party"
	}
	p.Shard = log.ShardOf([]byte(id), shards(p.Stream))
	return p, log.Record{
		Kind: log.Event, Key: []byte(id), Types: gate.MayErase, Source: []byte("operator"), Codec: []byte(jsoncodec.Name),
		Payload: fmt.Appendf(nil, `{"type":"erase","%s":%q}`, member, id), // an id needs no escapes
	}
}

// openErasure opens the list of erased ids and the erasures under way.
func (c *Core) openErasure() error {
	list, err := erasure.Open(c.opt.FS, c.opt.Data)
	if err != nil {
		return err
	}
	c.closers = append(c.closers, list.Close)
	pending, err := erasure.OpenPending(c.opt.FS, c.opt.Data)
	if err != nil {
		return err
	}
	c.erased = list
	c.eraser = newEraser(c, list, pending)
	c.intake.erased = gate.New(list, pending)
	c.intake.begun = c.eraser.began
	return nil
}

// archive opens the journal to be read whole.
func (c *Core) archive() (*journal.Archive, error) {
	return journal.OpenReadOnly(c.opt.FS, JournalDir(c.opt.Data))
}

// Erase erases a vehicle or a party: when it returns the erasure is durable, nothing of the id comes in any
// more and no event about it leaves; Erased waits until every trace is gone.
func (c *Core) Erase(ctx context.Context, kind erasure.Kind, id string) (erasure.Hash, error) {
	h := c.erased.Hash(kind, []byte(id))
	p, rec := c.eraseRecord(kind, id)
	off, err := c.intake.append(p, &rec, log.Ack{})
	if err == nil {
		err = c.journal.WaitDurable(ctx, p, off+1)
	}
	if err == nil {
		err = c.shardAt(p).WaitApplied(ctx, off+1)
	}
	return h, err
}

// Erased waits until the erasure is done, or something of it has changed since the caller saw it.
func (c *Core) Erased(ctx context.Context, h erasure.Hash) error {
	for {
		x, changed, ok := c.eraser.look(h)
		if !ok {
			return fmt.Errorf("erasure %x: %w", h, ErrUnknown)
		}
		if x.Done {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// look returns what is known of an erasure, and what is closed when that changes.
func (e *eraser) look(h erasure.Hash) (x Erasure, changed <-chan struct{}, ok bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	p := e.progress[h]
	if p == nil {
		return x, nil, false
	}
	return *p, e.changed, true
}

// Erase implements Admin.
func (e *Engine) Erase(ctx context.Context, r EraseRequest) (*Erasure, error) {
	kind, id, err := r.id()
	if err != nil {
		return nil, err
	}
	known, err := e.knows(ctx, kind, id)
	if err != nil {
		return nil, err
	}
	h, err := e.Core.Erase(ctx, kind, id)
	if err != nil {
		return nil, err
	}
	e.eraser.mu.Lock()
	if x := e.eraser.progress[h]; x != nil {
		x.Known = known
	}
	e.eraser.mu.Unlock()
	return e.Erasure(ctx, fmt.Sprintf("%x", h))
}

// Erasure implements Admin.
func (e *Engine) Erasure(_ context.Context, hash string) (*Erasure, error) {
	b, err := hex.DecodeString(hash)
	var h erasure.Hash
	if err != nil || copy(h[:], b) != len(b) || len(b) != len(h) {
		return nil, fmt.Errorf("erasure %q: %w", hash, ErrUnknown)
	}
	x, _, ok := e.eraser.look(h)
	if !ok {
		return nil, fmt.Errorf("erasure %q: %w: it is done, or the engine was started since and goes on with it", hash, ErrUnknown)
	}
	x.Remains = remains(e.cfg)
	return &x, nil
}

// knows reports whether anything is held under an id.
func (e *Engine) knows(ctx context.Context, kind erasure.Kind, id string) (known bool, err error) {
	stream := log.Events
	if kind == erasure.Party {
		stream = log.Notices
	}
	err = e.view(ctx, e.of(stream, []byte(id)), func(v state.View) error {
		return v.Documents([]byte(id), func(_, _ []byte) bool {
			known = true
			return false
		})
	})
	return known, err
}

// remains lists where something about an erased id may still be.
func remains(cfg *config.Config) []Remains {
	const theirs = "whoever runs it deletes it"
	out := []Remains{
		{"backups made before", "all that was held then", "you delete them; a restore with this folder's " + erasure.ListFile + " erases it again"},
		{"data folder, " + erasure.ListFile, "a keyed hash of the id, with the time", "for good: what comes in and what is restored is compared with it"},
	}
	for _, w := range cfg.Notify.Webhooks {
		out = append(out, Remains{"webhook " + w.Name, "events delivered before", theirs})
	}
	for _, topic := range []string{cfg.Notify.Kafka.Alerts, cfg.Notify.Kafka.Leads} {
		if topic != "" {
			out = append(out, Remains{"kafka topic " + topic, "events delivered before", theirs})
		}
	}
	if f := cfg.Notify.Log; f != "" && f != "-" {
		out = append(out, Remains{"file " + f + " (notify.log)", "events written before", "you delete it"})
	}
	for _, t := range cfg.Kafka.Topics {
		out = append(out, Remains{"kafka topic " + t.Name, "what was sent there", theirs})
	}
	if cfg.MQTT.Connect.URL != "" {
		out = append(out, Remains{"mqtt broker " + cfg.MQTT.Connect.URL, "messages it keeps or retains", theirs})
	}
	return out
}

// postErase takes {"vin": …} or {"party": …}.
func (e *Engine) postErase(r *http.Request) (any, error) {
	var body EraseRequest
	d := json.NewDecoder(io.LimitReader(r.Body, 1<<10))
	d.DisallowUnknownFields()
	if err := d.Decode(&body); err != nil {
		return nil, fmt.Errorf("erase: %w: %w", ErrInvalid, err)
	}
	return e.Erase(r.Context(), body)
}

// Erasing is how many erasures are not done.
func (c *Core) Erasing() int { return len(c.eraser.pending.All()) }

// ErasedHash is what the list of erased ids keeps of an id.
func (c *Core) ErasedHash(kind erasure.Kind, id string) erasure.Hash {
	return c.erased.Hash(kind, []byte(id))
}
