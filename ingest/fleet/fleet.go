// Package fleet is a virtual fleet: a seed goes in, the events of believable cars, owners and workshops
// come out, in the order of their arrival.
//
// Cars commute, drive taxis, deliver or stand in a garage; they wear, overheat, lose tyre pressure and
// 12 V batteries; they fall silent and send their backlog in a burst, send twice, believe in 1970, and
// lose their odometers. Their owners book and visit workshops. Time is virtual: a Fleet reads no clock
// and waits for nothing; who consumes it sets the pace.
//
// The same Config yields the same bytes on every machine: randomness comes from seeded generators, one a
// car, and arithmetic is kept to + - * / .
package fleet

import (
	"container/heap"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/milepost-io/milepost/ingest"
)

// Config says what fleet to make.
type Config struct {
	// Vehicles is how many cars there are, at least 1; Seed tells fleets apart.
	Vehicles int
	Seed     uint64
	// Start is when the stream begins; no event arrives before it. A fraction of a millisecond is cut.
	Start time.Time
	// Every is the pause between samples of a car that drives; default 10 minutes. The start and the end
	// of each drive are sent whatever it is.
	Every time.Duration
	// Story adds the cars of Story to the fleet.
	Story bool
	// Language of all owners and dealers, "zh" or "en"; empty: what is spoken where they live.
	Language string
}

// Event is one message as it arrives.
type Event struct {
	// At is the arrival.
	At time.Time
	// Topic is the MQTT topic, Key the vehicle id or, with Party, the party id in it.
	Topic, Key string
	Party      bool
	Type       ingest.Type
	// Payload is canonical JSON. It belongs to the receiver.
	Payload []byte
}

// Fleet is an endless stream of events. It is used by one goroutine at a time.
type Fleet struct {
	every   int64 // ms
	start   int64
	regions []region
	queue   queue
}

// New makes a fleet.
func New(cfg Config) (*Fleet, error) {
	if cfg.Vehicles < 1 || cfg.Vehicles > 20_000_000 {
		return nil, fmt.Errorf("fleet: %d vehicles; expected 1 to 20,000,000", cfg.Vehicles)
	}
	if y := cfg.Start.UTC().Year(); y < 2016 || y > 2200 {
		return nil, fmt.Errorf("fleet: start %s; expected a year from 2016 to 2200", cfg.Start.Format(time.RFC3339))
	}
	if cfg.Every == 0 {
		cfg.Every = 10 * time.Minute
	}
	if cfg.Every < time.Second {
		return nil, fmt.Errorf("fleet: a sample every %s; expected at least 1s", cfg.Every)
	}
	if cfg.Language != "" && cfg.Language != "zh" && cfg.Language != "en" {
		return nil, fmt.Errorf("fleet: language %q; expected zh, en or none", cfg.Language)
	}
	f := &Fleet{every: cfg.Every.Milliseconds(), start: cfg.Start.UnixMilli(), regions: regionsIn(cfg.Language)}
	f.queue = make(queue, 0, cfg.Vehicles+2)
	f.queue = append(f.queue, &cast{id: -2, out: parties(f.regions, cfg.Vehicles, f.start)})
	if cfg.Story {
		f.queue = append(f.queue, &cast{id: -1, out: tell(cfg.Start, cfg.Language)})
	}
	for id := range cfg.Vehicles {
		f.queue = append(f.queue, newVehicle(f, cfg.Seed, id))
	}
	heap.Init(&f.queue)
	return f, nil
}

// Next returns the next event.
func (f *Fleet) Next() Event {
	for {
		s := f.queue[0]
		e, ok := s.next()
		if s.due() == never {
			heap.Pop(&f.queue)
		} else {
			heap.Fix(&f.queue, 0)
		}
		if ok {
			return e
		}
	}
}

// Skip passes over the events that arrive before a time, faster than Next would: cars are independent of
// one another, so each is moved on by itself, on all processors.
func (f *Fleet) Skip(until time.Time) {
	to := until.UnixMilli()
	var wg sync.WaitGroup
	workers := runtime.GOMAXPROCS(0)
	for w := range workers {
		wg.Go(func() {
			for i := w; i < len(f.queue); i += workers {
				for s := f.queue[i]; s.due() < to; {
					s.next()
				}
			}
		})
	}
	wg.Wait()
	f.queue = slices.DeleteFunc(f.queue, func(s source) bool { return s.due() == never })
	heap.Init(&f.queue)
}

// source is one car, or a fixed list of events.
type source interface {
	// due is when the next event arrives, or a time before it; never: there is none. Unix ms.
	due() int64
	// next returns the event of that time, or false when the source has only moved on.
	next() (Event, bool)
	// rank orders sources of the same time.
	rank() int
}

const never = int64(1<<63 - 1)

// queue is a heap of sources by time, then rank.
type queue []source

func (q queue) Len() int      { return len(q) }
func (q queue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q queue) Less(i, j int) bool {
	if a, b := q[i].due(), q[j].due(); a != b {
		return a < b
	}
	return q[i].rank() < q[j].rank()
}
func (q *queue) Push(x any) { *q = append(*q, x.(source)) }
func (q *queue) Pop() any {
	old := *q
	last := old[len(old)-1]
	*q = old[:len(old)-1]
	return last
}

// cast is a fixed list of events in order.
type cast struct {
	id  int
	out []Event
}

func (c *cast) rank() int { return c.id }

func (c *cast) due() int64 {
	if len(c.out) == 0 {
		return never
	}
	return c.out[0].At.UnixMilli()
}

func (c *cast) next() (Event, bool) {
	e := c.out[0]
	c.out = c.out[1:]
	return e, true
}
