package notify_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/milepost-io/milepost/notify"
)

// call is one attempt a scripted endpoint has seen.
type call struct {
	id, body string
	at       time.Duration // since the endpoint was made
}

// endpoint answers as its script says and remembers the calls.
type endpoint struct {
	began  time.Time
	mu     sync.Mutex
	calls  []call
	script func(n int, e *notify.Entry) notify.Answer
}

func newEndpoint(script func(n int, e *notify.Entry) notify.Answer) *endpoint {
	return &endpoint{began: time.Now(), script: script}
}

func (p *endpoint) Send(_ context.Context, e *notify.Entry) notify.Answer {
	p.mu.Lock()
	n := len(p.calls)
	p.calls = append(p.calls, call{e.ID, string(e.Body), time.Since(p.began)})
	p.mu.Unlock()
	return p.script(n, e)
}

func (p *endpoint) seen() []call {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.calls)
}

func accept(int, *notify.Entry) notify.Answer { return notify.Answer{} }

func retry(int, *notify.Entry) notify.Answer {
	return notify.Answer{Outcome: notify.Retry, Detail: "503 Service Unavailable"}
}

func channels(name string, ch notify.Channel) map[string]notify.Channel {
	return map[string]notify.Channel{name: ch}
}

// never keeps the breaker out of a test that is about something else.
var never = notify.BreakerOptions{Failures: 1 << 30, Calls: 1 << 30}

// S45: entries of a vehicle go one after another in order of creation; other vehicles do not wait.
func TestOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newEndpoint(func(n int, e *notify.Entry) notify.Answer {
			if e.ID == "V1-001" && n < 3 {
				return retry(n, e)
			}
			time.Sleep(time.Second)
			return notify.Answer{}
		})
		k := newDesk(t, notify.DispatcherOptions{Channels: channels("app", p), Breaker: never})
		stop := k.run()
		k.put("app", "V1", 2) // created second, released first
		k.put("app", "V1", 1)
		k.put("app", "V2", 1)
		k.wait(3)
		stop()
		if got := k.outcome(); got[0] == "app V1-001 delivered" {
			t.Errorf("results %v: V1's first failed three times and V2 waited for it", got)
		}
		var v1 []string
		for _, r := range k.outcome() {
			if strings.Contains(r, "V1") {
				v1 = append(v1, r)
			}
		}
		if len(v1) != 2 {
			t.Errorf("results of V1 %v, want 2", v1)
		}
	})
}

// S45: the next waits for the former to end, at most 15 minutes.
func TestOrderWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newEndpoint(func(n int, e *notify.Entry) notify.Answer {
			if e.ID == "V1-001" {
				return retry(n, e)
			}
			return notify.Answer{}
		})
		k := newDesk(t, notify.DispatcherOptions{Channels: channels("app", p), Breaker: never, RetryMax: 10 * time.Second})
		stop := k.run()
		k.put("app", "V1", 1)
		k.put("app", "V1", 2)
		k.put("app", "V1", 3)
		time.Sleep(15*time.Minute - time.Second)
		synctest.Wait()
		k.want()
		time.Sleep(time.Second)
		synctest.Wait()
		k.want("app V1-002 delivered", "app V1-003 delivered")
		stop()
	})
}

// A retry waits a random time below min(RetryMax, RetryMin·2^n), or what Retry-After says up to an hour,
// and sends the same bytes.
func TestRetryDelays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newEndpoint(func(n int, e *notify.Entry) notify.Answer {
			switch {
			case n == 5:
				return notify.Answer{Outcome: notify.Retry, After: 30 * time.Minute}
			case n == 6:
				return notify.Answer{Outcome: notify.Retry, After: 9 * time.Hour}
			case n < 9:
				return retry(n, e)
			}
			return notify.Answer{}
		})
		k := newDesk(t, notify.DispatcherOptions{Channels: channels("app", p), Breaker: never, RetryMax: time.Minute})
		stop := k.run()
		k.put("app", "V1", 1)
		k.wait(1)
		stop()
		calls := p.seen()
		if len(calls) != 10 || k.results[0].Attempts != 10 {
			t.Fatalf("%d calls, result %+v, want 10", len(calls), k.results[0])
		}
		jittered := 0
		for n := 1; n < len(calls); n++ {
			gap, limit := calls[n].at-calls[n-1].at, min(time.Minute, time.Second<<(n-1))
			switch {
			case n == 6 && gap != 30*time.Minute, n == 7 && gap != time.Hour:
				t.Errorf("call %d came after %v, want what Retry-After said, at most an hour", n, gap)
			case n != 6 && n != 7 && gap > limit:
				t.Errorf("call %d came after %v, want at most %v", n, gap, limit)
			case n != 6 && n != 7 && gap != limit:
				jittered++
			}
			if calls[n].body != calls[0].body || calls[n].id != calls[0].id {
				t.Errorf("call %d sent %v, the first sent %v", n, calls[n], calls[0])
			}
		}
		if jittered < 5 {
			t.Errorf("only %d of the delays are random", jittered)
		}
	})
}

// Owners' messages are tried for 24 h, leads for 72 h; the age an entry has when it is taken counts.
func TestHorizon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newDesk(t, notify.DispatcherOptions{Channels: channels("app", newEndpoint(retry)), Breaker: never})
		stop := k.run()
		k.put("app", "V1", 1)
		lead := notify.Entry{Endpoint: "app", Audience: notify.Dealer, ID: "lead", Type: "t", VIN: "V2", Party: "O1", Released: time.Now().UnixMilli(), Body: []byte("{}")}
		k.putEntry(&lead)
		old := lead
		old.ID, old.VIN, old.Released = "old", "V3", time.Now().Add(-71*time.Hour).UnixMilli()
		k.putEntry(&old)
		k.put("gone", "V1", 1) // no such endpoint in the configuration
		time.Sleep(time.Hour + 2*time.Minute)
		synctest.Wait()
		k.want("app old expired")
		time.Sleep(23 * time.Hour)
		synctest.Wait()
		if got := k.outcome(); len(got) != 3 || !slices.Contains(got, "app V1-001 expired") || !slices.Contains(got, "gone V1-001 expired") {
			t.Errorf("results after a day %v", got)
		}
		time.Sleep(48 * time.Hour)
		synctest.Wait()
		if got := k.outcome(); len(got) != 4 || got[3] != "app lead expired" {
			t.Errorf("results after three days %v", got)
		}
		if r := k.results[0]; r.Detail != "503 Service Unavailable" || len(r.Entry) == 0 {
			t.Errorf("result %+v, want the last error and the entry", r)
		}
		stop()
	})
}

// A breaker opens at 5 failures in a row, lets one probe through after 30 s, and consumes no attempts.
func TestBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		broken := true
		p := newEndpoint(func(n int, e *notify.Entry) notify.Answer {
			mu.Lock()
			defer mu.Unlock()
			if broken {
				return retry(n, e)
			}
			return notify.Answer{}
		})
		k := newDesk(t, notify.DispatcherOptions{Channels: channels("app", p), Concurrency: 1, RetryMax: time.Millisecond})
		stop := k.run()
		for i := range 20 {
			k.put("app", fmt.Sprintf("V%d", i), 1)
		}
		time.Sleep(29 * time.Second)
		synctest.Wait()
		if n := len(p.seen()); n != 5 {
			t.Fatalf("%d calls before the breaker may be probed, want 5", n)
		}
		if s := k.d.Status()[0]; s.Breaker != "open" || s.Openings != 1 || s.Pending != 20 || s.LastError == "" {
			t.Errorf("status %+v, want open with 20 pending", s)
		}
		time.Sleep(2 * time.Second) // 30 s: one probe, which fails
		synctest.Wait()
		if n := len(p.seen()); n != 6 {
			t.Fatalf("%d calls after a failed probe, want 6", n)
		}
		mu.Lock()
		broken = false
		mu.Unlock()
		time.Sleep(58 * time.Second) // twice as long now
		synctest.Wait()
		if n := len(p.seen()); n != 6 {
			t.Fatalf("%d calls while it is open again, want 6", n)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if n := len(k.outcome()); n != 20 {
			t.Errorf("%d results after the destination came back, want 20", n)
		}
		attempts := 0
		for _, r := range k.results {
			attempts += r.Attempts
		}
		if attempts != len(p.seen()) {
			t.Errorf("%d attempts counted, %d calls seen", attempts, len(p.seen()))
		}
		stop()
	})
}

// A breaker that may be probed lets one call through, whatever else is free.
func TestBreakerProbe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newEndpoint(func(n int, e *notify.Entry) notify.Answer {
			time.Sleep(10 * time.Second)
			return retry(n, e)
		})
		k := newDesk(t, notify.DispatcherOptions{Channels: channels("app", p), RetryMax: time.Millisecond})
		stop := k.run()
		for i := range 20 {
			k.put("app", fmt.Sprintf("V%d", i), 1)
		}
		time.Sleep(39 * time.Second)
		before := len(p.seen()) // what was under way when it opened
		time.Sleep(5 * time.Second)
		if n := len(p.seen()) - before; n != 1 {
			t.Errorf("%d calls during the probe, want 1", n)
		}
		stop()
	})
}

// The breaker opens too when half of 20 calls in 30 s failed, though never five in a row.
func TestBreakerRatio(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newEndpoint(func(n int, e *notify.Entry) notify.Answer {
			if n%2 == 0 {
				return retry(n, e)
			}
			return notify.Answer{}
		})
		k := newDesk(t, notify.DispatcherOptions{Channels: channels("app", p), Concurrency: 1})
		stop := k.run()
		for i := range 100 {
			k.put("app", fmt.Sprintf("V%d", i), 1)
		}
		time.Sleep(20 * time.Second)
		synctest.Wait()
		if n := len(p.seen()); n != 20 {
			t.Errorf("%d calls, want 20", n)
		}
		stop()
	})
}

// 410 disables an endpoint: nothing more is sent, what waits becomes dead letters; the others go on.
func TestGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gone := newEndpoint(func(int, *notify.Entry) notify.Answer { return notify.Answer{Outcome: notify.Gone, Detail: "410 Gone"} })
		k := newDesk(t, notify.DispatcherOptions{Generation: 3, Channels: map[string]notify.Channel{"app": gone, "crm": newEndpoint(accept)}})
		stop := k.run()
		k.put("app", "V1", 1)
		k.put("app", "V1", 2)
		synctest.Wait()
		k.put("app", "V2", 1)
		synctest.Wait()
		k.put("crm", "V1", 1)
		synctest.Wait()
		k.want("app V1-001 disabled", "app V1-002 disabled", "app V2-001 disabled", "crm V1-001 delivered")
		if n := len(gone.seen()); n != 1 {
			t.Errorf("%d calls, want 1", n)
		}
		if r := k.results[1]; r.Generation != 3 || len(r.Entry) == 0 {
			t.Errorf("result %+v, want generation 3 and the entry", r)
		}
		if !k.d.Enable("app") {
			t.Error("the endpoint was not disabled")
		}
		k.put("app", "V3", 1)
		synctest.Wait()
		if n := len(gone.seen()); n != 2 {
			t.Errorf("%d calls after it was enabled, want 2", n)
		}
		stop()
	})
}

// A refusal ends an entry at once and says nothing against the destination.
func TestRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newEndpoint(func(int, *notify.Entry) notify.Answer { return notify.Answer{Outcome: notify.Refused, Detail: "400"} })
		k := newDesk(t, notify.DispatcherOptions{Channels: channels("app", p)})
		stop := k.run()
		for i := range 30 {
			k.put("app", fmt.Sprintf("V%d", i), 1)
		}
		synctest.Wait()
		if s := k.d.Status()[0]; s.Dead != 30 || s.Breaker != "closed" {
			t.Errorf("status %+v, want 30 dead and a closed breaker", s)
		}
		stop()
	})
}

// One dead destination slows nobody else, and no more than its calls are under way.
func TestIsolation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hang := make(chan struct{})
		var mu sync.Mutex
		under, most := 0, 0
		dead := channelFunc(func(ctx context.Context, _ *notify.Entry) notify.Answer {
			mu.Lock()
			under++
			most = max(most, under)
			mu.Unlock()
			select {
			case <-hang:
			case <-ctx.Done():
			}
			mu.Lock()
			under--
			mu.Unlock()
			return notify.Answer{Outcome: notify.Retry, Detail: "timeout"}
		})
		k := newDesk(t, notify.DispatcherOptions{Channels: map[string]notify.Channel{"dead": dead, "well": newEndpoint(accept)}})
		stop := k.run()
		for i := range 1000 {
			k.put("dead", fmt.Sprintf("V%d", i), 1)
			k.put("well", fmt.Sprintf("V%d", i), 1)
		}
		synctest.Wait() // no time has passed
		if n := len(k.outcome()); n != 1000 {
			t.Errorf("%d of the healthy destination's 1000 entries delivered at once", n)
		}
		if most != 8 {
			t.Errorf("%d calls at once, want 8", most)
		}
		close(hang)
		stop()
	})
}

// What does not fit into the queue stays in the store and is found there, in order.
func TestSpill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newEndpoint(func(int, *notify.Entry) notify.Answer {
			time.Sleep(time.Second)
			return notify.Answer{}
		})
		k := newDesk(t, notify.DispatcherOptions{Channels: channels("app", p), Queue: 10})
		for i := range 30 { // before Run
			k.put("app", "V1", i)
		}
		stop := k.run()
		synctest.Wait()
		if s := k.d.Status()[0]; s.Pending > 10 || !s.More {
			t.Errorf("status %+v, want at most 10 in memory and more in the store", s)
		}
		for i := 30; i < 60; i++ {
			k.put("app", "V1", i)
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		var ids []string
		for _, c := range p.seen() {
			ids = append(ids, c.id)
		}
		if len(ids) != 60 || !slices.IsSorted(ids) {
			t.Errorf("sent %v, want 60 in order, each once", ids)
		}
		if s := k.d.Status()[0]; s.Pending != 0 || s.More {
			t.Errorf("status %+v, want nothing left", s)
		}
		stop()
	})
}

// A row that is refused while the store is read is found by the next reading.
func TestSpillDuringScan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var k *desk
		once := false
		scan := func(ctx context.Context, prefix []byte, yield func(key, value []byte) bool) error {
			err := k.scan(ctx, prefix, yield)
			if len(prefix) > 0 && !once {
				once = true
				k.put("app", "V9", 1)
			}
			return err
		}
		k = newDesk(t, notify.DispatcherOptions{Channels: channels("app", newEndpoint(accept)), Scan: scan})
		stop := k.run()
		synctest.Wait()
		k.want("app V9-001 delivered")
		stop()
	})
}

// A row that is taken away is not sent, and its successor does not wait for it.
func TestRecalled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newEndpoint(func(n int, e *notify.Entry) notify.Answer {
			if e.ID == "V1-001" {
				return notify.Answer{Outcome: notify.Retry, After: time.Hour}
			}
			return notify.Answer{}
		})
		k := newDesk(t, notify.DispatcherOptions{Channels: channels("app", p)})
		stop := k.run()
		k.put("app", "V1", 1)
		k.put("app", "V1", 2)
		synctest.Wait()
		k.mu.Lock()
		key := k.keys["appV1-001"]
		delete(k.rows, key)
		k.mu.Unlock()
		k.d.Remove([]byte(key))
		synctest.Wait()
		k.want("app V1-002 delivered")
		stop()
	})
}

// When results cannot be recorded Run ends with the reason; the entry is still there for the next Run, with
// the same bytes.
func TestResultsFail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newEndpoint(accept)
		k := newDesk(t, notify.DispatcherOptions{Channels: channels("app", p)})
		k.failing = true
		k.put("app", "V1", 1)
		err := k.d.Run(context.Background())
		if err == nil || !strings.Contains(err.Error(), "V1-001") || !strings.Contains(err.Error(), "log: closed") {
			t.Errorf("Run returned %v, want the entry and the reason", err)
		}
		k.failing = false
		stop := k.run()
		k.wait(1)
		if err := stop(); err != nil {
			t.Errorf("Run returned %v after it was stopped", err)
		}
		if c := p.seen(); len(c) != 2 || c[0].body != c[1].body {
			t.Errorf("calls %v, want the same twice", c)
		}
	})
}

// Stopping waits for calls under way for the grace and no longer.
func TestStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := channelFunc(func(ctx context.Context, e *notify.Entry) notify.Answer {
			wait := time.Second
			if e.VIN == "V2" {
				wait = time.Minute
			}
			select {
			case <-time.After(wait):
				return notify.Answer{}
			case <-ctx.Done():
				return notify.Answer{Outcome: notify.Retry, Detail: ctx.Err().Error()}
			}
		})
		k := newDesk(t, notify.DispatcherOptions{Channels: channels("app", slow)})
		stop := k.run()
		k.put("app", "V1", 1)
		k.put("app", "V2", 1)
		k.put("app", "V1", 2) // must not start after the stop
		synctest.Wait()
		began := time.Now()
		if err := stop(); err != nil {
			t.Errorf("Run returned %v", err)
		}
		if d := time.Since(began); d != 2*time.Second {
			t.Errorf("stopping took %v, want the grace of 2s", d)
		}
		k.want("app V1-001 delivered")
	})
}

// What is recalled between its turn and its call is not sent at all, and not as an empty message.
func TestRecalledAtItsTurn(t *testing.T) {
	var empty atomic.Int64
	k := newDesk(t, notify.DispatcherOptions{Channels: channels("app", channelFunc(func(_ context.Context, e *notify.Entry) notify.Answer {
		if e.ID == "" || len(e.Body) == 0 {
			empty.Add(1)
		}
		return notify.Answer{}
	}))})
	stop := k.run()
	for i := range 20_000 {
		k.put("app", fmt.Sprintf("V%d", i), 1)
		k.mu.Lock()
		key := k.keys[fmt.Sprintf("appV%d-001", i)]
		delete(k.rows, key)
		k.mu.Unlock()
		k.d.Remove([]byte(key))
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	if n := empty.Load(); n > 0 {
		t.Errorf("%d messages without id or body were sent", n)
	}
}

// While it is paused nothing is sent and nothing given up; then everything is.
func TestPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newEndpoint(accept)
		k := newDesk(t, notify.DispatcherOptions{Channels: channels("app", p)})
		k.d.Pause(true)
		stop := k.run()
		k.put("app", "V1", 1)
		time.Sleep(48 * time.Hour)
		synctest.Wait()
		if n := len(p.seen()); n != 0 || len(k.outcome()) != 0 {
			t.Errorf("%d calls and results %v while paused", n, k.outcome())
		}
		k.put("app", "V2", 1)
		k.d.Pause(false)
		synctest.Wait()
		if n := len(p.seen()); n == 0 {
			t.Error("nothing was sent after the pause")
		}
		stop()
	})
}
