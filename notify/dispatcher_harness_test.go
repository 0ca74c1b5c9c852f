package notify_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/milepost-io/milepost/notify"
)

// channelFunc is a Channel made of a function.
type channelFunc func(ctx context.Context, e *notify.Entry) notify.Answer

func (f channelFunc) Send(ctx context.Context, e *notify.Entry) notify.Answer { return f(ctx, e) }

// desk stands for the shards: it holds the outbox rows, takes results in, and deletes the rows they end.
type desk struct {
	t       *testing.T
	d       *notify.Dispatcher
	mu      sync.Mutex
	rows    map[string][]byte
	results []notify.Result
	keys    map[string]string // endpoint + id -> row key
	failing bool
	ended   chan struct{} // a token a result
}

func newDesk(t *testing.T, o notify.DispatcherOptions) *desk {
	t.Helper()
	k := &desk{t: t, rows: map[string][]byte{}, keys: map[string]string{}, ended: make(chan struct{}, 100_000)}
	o.Results = k
	o.Log = zerolog.Nop()
	if o.Scan == nil {
		o.Scan = k.scan
	}
	d, err := notify.NewDispatcher(o)
	if err != nil {
		t.Fatal(err)
	}
	k.d = d
	return k
}

func (k *desk) scan(_ context.Context, prefix []byte, yield func(key, value []byte) bool) error {
	k.mu.Lock()
	var keys []string
	for key := range k.rows {
		if strings.HasPrefix(key, string(prefix)) {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	k.mu.Unlock()
	for _, key := range keys {
		k.mu.Lock()
		v := k.rows[key]
		k.mu.Unlock()
		if v != nil && !yield([]byte(key), v) {
			return nil
		}
	}
	return nil
}

// Append implements notify.Results.
func (k *desk) Append(_ context.Context, party string, payload []byte) error {
	var r notify.Result
	if err := json.Unmarshal(payload, &r); err != nil {
		return err
	}
	k.mu.Lock()
	if k.failing {
		k.mu.Unlock()
		return errors.New("log: closed")
	}
	k.results = append(k.results, r)
	key := k.keys[r.Endpoint+r.ID]
	delete(k.rows, key)
	k.d.Remove([]byte(key))
	k.mu.Unlock()
	k.ended <- struct{}{}
	return nil
}

// put sets the row of an entry; n orders those of a vehicle.
func (k *desk) put(endpoint, vin string, n int) string {
	e := notify.Entry{
		Endpoint: endpoint, Audience: notify.Owner, ID: fmt.Sprintf("%s-%03d", vin, n), Type: "milepost.alert.firing", VIN: vin, Party: "O1",
		Created: int64(n), N: uint32(n), Released: time.Now().UnixMilli(),
	}
	e.Body = []byte(`{"id":"` + e.ID + `"}`)
	return k.putEntry(&e)
}

func (k *desk) putEntry(e *notify.Entry) string {
	key, row := e.Key(), e.Append(nil)
	k.mu.Lock()
	k.rows[string(key)] = bytes.Clone(row)
	k.keys[e.Endpoint+e.ID] = string(key)
	k.d.Put(key, row) // a row's changes reach the dispatcher in their order
	k.mu.Unlock()
	return e.ID
}

// run starts the dispatcher; the returned function stops it and waits.
func (k *desk) run() (stop func() error) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- k.d.Run(ctx) }()
	return func() error {
		cancel()
		return <-done
	}
}

func (k *desk) wait(n int) {
	for range n {
		<-k.ended
	}
}

// outcome lists the results as "endpoint id verdict" in order.
func (k *desk) outcome() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	var out []string
	for _, r := range k.results {
		out = append(out, fmt.Sprintf("%s %s %s", r.Endpoint, r.ID, r.Result))
	}
	return out
}

func (k *desk) want(lines ...string) {
	k.t.Helper()
	if got := k.outcome(); !slices.Equal(got, lines) {
		k.t.Errorf("results\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(lines, "\n  "))
	}
}
