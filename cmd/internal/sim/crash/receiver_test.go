package crash

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/milepost-io/milepost/notify"
	"github.com/milepost-io/milepost/state/log"
	"github.com/milepost-io/milepost/state/log/journal"
)

// mood is how the receivers answer.
type mood uint8

const (
	healthy   mood = iota
	slow           // milliseconds
	failing        // every other call, some of them after the message was taken
	refusing       // now and then, for good
	forgetful      // takes everything and says it did not
	moods
	deaf // takes nothing
)

// receivers are the world outside: they outlive every crash.
type receivers struct {
	mu      sync.Mutex
	rng     *rand.Rand
	mood    mood
	got     map[string]map[string][]byte // by endpoint and id: the body
	refused map[string]map[string]bool
	ended   map[string]bool // "endpoint id" of what the log has as delivered when the engine starts
	repeats int
	calls   int
	wrong   []string
}

func newReceivers(seed uint64) *receivers {
	r := &receivers{rng: rand.New(rand.NewPCG(seed, 7)), got: map[string]map[string][]byte{}, refused: map[string]map[string]bool{}}
	for _, name := range []string{toOwner, toDealer, toAll} {
		r.got[name], r.refused[name] = map[string][]byte{}, map[string]bool{}
	}
	return r
}

func (r *receivers) be(m mood) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.mood = m
}

// heard is how often anybody was called.
func (r *receivers) heard() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.calls
}

// take decides what a receiver does with a message, and remembers it.
func (r *receivers) take(e *notify.Entry) (notify.Answer, time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls++
	no := notify.Answer{Outcome: notify.Retry, Detail: "not now"}
	switch {
	case r.mood == deaf, r.mood == failing && r.rng.IntN(4) == 0, r.mood == slow && r.rng.IntN(8) == 0:
		return no, 0
	case r.mood == refusing && r.rng.IntN(6) == 0:
		r.refused[e.Endpoint][e.ID] = true
		return notify.Answer{Outcome: notify.Refused, Detail: "never"}, 0
	}
	if r.ended[e.Endpoint+" "+e.ID] {
		r.wrong = append(r.wrong, fmt.Sprintf("%s got %s again although its delivery is in the log (E13)", e.Endpoint, e.ID))
	}
	if before, ok := r.got[e.Endpoint][e.ID]; ok {
		r.repeats++
		if !bytes.Equal(before, e.Body) {
			r.wrong = append(r.wrong, fmt.Sprintf("%s got %s as\n%s\nand as\n%s", e.Endpoint, e.ID, before, e.Body))
		}
	}
	r.got[e.Endpoint][e.ID] = bytes.Clone(e.Body)
	switch {
	case r.mood == forgetful, r.mood == failing && r.rng.IntN(4) == 0:
		return no, 0
	case r.mood == slow:
		return notify.Answer{}, time.Duration(r.rng.IntN(4)) * time.Millisecond
	}
	return notify.Answer{}, 0
}

// channel is the way from one life of the engine to the receivers.
type channel struct {
	life *life
	to   *receivers
}

// Send implements notify.Channel. A call from before a crash that arrives after it never was: the power
// was off.
func (c channel) Send(ctx context.Context, e *notify.Entry) notify.Answer {
	a, wait, ok := c.reach(e)
	if !ok {
		return notify.Answer{Outcome: notify.Retry, Detail: "no power"}
	}
	if wait > 0 {
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return notify.Answer{Outcome: notify.Retry, Detail: "given up"}
		}
	}
	return a
}

func (c channel) reach(e *notify.Entry) (a notify.Answer, wait time.Duration, ok bool) {
	c.life.mu.Lock()
	defer c.life.mu.Unlock()
	if c.life.clone != nil {
		return a, 0, false
	}
	a, wait = c.to.take(e)
	return a, wait, true
}

// remember takes note of the deliveries that a journal has.
func (r *receivers) remember(t *testing.T, a *journal.Archive) {
	t.Helper()
	ended := map[string]bool{}
	for e, err := range a.All() {
		if err != nil {
			t.Fatal(err)
		}
		if e.Record.Kind != log.Result {
			continue
		}
		var res notify.Result
		if err := json.Unmarshal(e.Record.Payload, &res); err != nil {
			t.Fatal(err)
		}
		ended[res.Endpoint+" "+res.ID] = true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ended = ended
}
