package notify_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/milepost-io/milepost/notify"
)

// A held destination sends nothing, not even a retry, and lets nothing expire however long that is; others
// go on. Released, it sends what waited, in order of creation.
func TestHold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		app := newEndpoint(func(n int, e *notify.Entry) notify.Answer {
			if n == 0 {
				return retry(n, e)
			}
			time.Sleep(time.Second)
			return notify.Answer{}
		})
		crm := newEndpoint(accept)
		k := newDesk(t, notify.DispatcherOptions{Channels: map[string]notify.Channel{"app": app, "crm": crm}, Breaker: never})
		stop := k.run()
		k.put("app", "V1", 1)
		synctest.Wait()
		k.d.Hold("app")
		k.put("app", "V1", 2)
		k.put("app", "V1", 3)
		k.put("crm", "V1", 1)
		time.Sleep(100 * time.Hour)
		synctest.Wait()
		if n := len(app.seen()); n != 1 {
			t.Fatalf("%d calls, want none after the first", n)
		}
		k.want("crm V1-001 delivered")
		if s := k.d.Status()[0]; !s.Held || s.Pending != 3 {
			t.Errorf("status %+v, want 3 held", s)
		}
		k.d.Release("app", time.Now().UnixMilli())
		k.wait(4)
		stop()
		k.want("crm V1-001 delivered", "app V1-001 delivered", "app V1-002 delivered", "app V1-003 delivered")
	})
}

// A call under way when its destination is held ends as it ends, and its result is recorded.
func TestHoldCallUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newEndpoint(func(int, *notify.Entry) notify.Answer {
			time.Sleep(time.Second)
			return notify.Answer{}
		})
		k := newDesk(t, notify.DispatcherOptions{Channels: channels("app", p), Breaker: never})
		stop := k.run()
		k.put("app", "V1", 1)
		k.put("app", "V1", 2)
		synctest.Wait()
		k.d.Hold("")
		k.wait(1)
		time.Sleep(time.Hour)
		synctest.Wait()
		k.want("app V1-001 delivered")
		stop()
	})
}

// A hold of all covers destinations that come later; its release leaves what is held by itself.
func TestHoldAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newEndpoint(accept), newEndpoint(accept)
		k := newDesk(t, notify.DispatcherOptions{Channels: map[string]notify.Channel{"a": a, "b": b}, Breaker: never})
		k.d.Hold("")
		k.d.Hold("b")
		stop := k.run()
		k.put("a", "V1", 1)
		k.put("b", "V1", 1)
		k.put("gone", "V1", 1)
		time.Sleep(100 * time.Hour)
		synctest.Wait()
		k.want()
		for _, s := range k.d.Status() {
			if !s.Held {
				t.Errorf("%s is not held", s.Name)
			}
		}
		k.d.Release("", time.Now().UnixMilli())
		k.wait(1)
		synctest.Wait()
		k.want("a V1-001 delivered")
		k.d.Release("b", time.Now().UnixMilli())
		k.wait(1)
		k.want("a V1-001 delivered", "b V1-001 delivered")
		stop()
	})
}

// A restart after a release does not take what was held for too old.
func TestHoldRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newDesk(t, notify.DispatcherOptions{Channels: channels("app", newEndpoint(retry)), Breaker: never})
		k.put("app", "V1", 1)
		time.Sleep(30 * time.Hour) // held, and released by another process
		k.d.Release("", time.Now().UnixMilli())
		stop := k.run()
		time.Sleep(20 * time.Hour)
		synctest.Wait()
		k.want()
		k.wait(1)
		k.want("app V1-001 expired")
		stop()
	})
}
