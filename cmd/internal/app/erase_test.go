package app_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/milepost-io/milepost/cmd/internal/app"
	"github.com/milepost-io/milepost/ingest"
	jsoncodec "github.com/milepost-io/milepost/ingest/json"
	"github.com/milepost-io/milepost/notify"
	"github.com/milepost-io/milepost/rules"
	"github.com/milepost-io/milepost/state"
	"github.com/milepost-io/milepost/state/erasure"
	"github.com/milepost-io/milepost/state/log"
	"github.com/milepost-io/milepost/state/log/journal"
)

// Ids and contact data that occur nowhere else and share no four bytes, so that compression cannot hide them.
const (
	canaryVIN   = "ZQ7XK2WV9TN4RB6YP"
	canaryOwner = "hJ3pD8sLmA5c"
	formerOwner = "uE9gV1bNxT7k"
	formerPhone = "+49-30-8812-5563"
	canaryPhone = "+86-159-4402-7716"
	canaryName  = "Qiu Wenbo"
	otherVIN    = "LOTHER00000000001"
	otherOwner  = "neighbour"
)

// site is an engine's data on a file system in memory, and the engine on it while it runs.
type site struct {
	t    *testing.T
	fs   *vfs.MemFS
	disk state.FS // fs as the engine sees it; nil: fs
	core *app.Core
	stop func()

	mu      sync.Mutex
	sent    []*notify.Entry // what the owner's endpoint was called with
	answer  notify.Answer
	blocked chan struct{} // not nil: calls wait for it
	calling chan struct{} // told of each call that waits
}

const siteRules = `
rules:
  - {id: hot, title: {en: Hot}, when: coolant_temp > 110, severity: critical, notify: {owner: now, dealer: lead}}
plans:
  - {id: p, applies_to: "true", items: [{id: oil, title: {en: Oil}, every: {km: 10000}}]}
policy: {group: {wait: 1h}}
`

func newSite(t *testing.T) *site {
	return &site{t: t, fs: vfs.NewMem(), calling: make(chan struct{}, 100)}
}

// Send implements notify.Channel.
func (s *site) Send(_ context.Context, e *notify.Entry) notify.Answer {
	s.mu.Lock()
	s.sent = append(s.sent, e)
	a, wait := s.answer, s.blocked
	s.mu.Unlock()
	if wait != nil {
		s.calling <- struct{}{}
		<-wait
	}
	return a
}

func (s *site) answers(a notify.Answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = a
}

func (s *site) start() {
	s.t.Helper()
	if s.disk == nil {
		s.disk = s.fs
	}
	core, err := app.OpenCore(app.CoreOptions{
		Data: "data", FS: s.disk, Shards: journal.Shards{Events: 2, Notices: 2}, Keep: 1e6 * time.Hour, MaxBytes: 1 << 40, Cache: 1 << 20,
		WriteBack: 5 * time.Millisecond, Tick: 10 * time.Millisecond, Build: "test",
		Dispatcher: notify.DispatcherOptions{
			Channels: map[string]notify.Channel{"owners": s, "dealers": s},
			RetryMin: time.Millisecond, RetryMax: 10 * time.Millisecond, OwnerHorizon: 1e5 * time.Hour, DealerHorizon: 1e5 * time.Hour,
			Breaker: notify.BreakerOptions{OpenMin: time.Millisecond, OpenMax: 2 * time.Millisecond},
		},
	})
	if err != nil {
		s.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ready, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		err := core.Run(ctx, app.Life{
			Begin: func(ctx context.Context) error {
				_, err := core.Activate(ctx, rules.Activation{
					Files:     []rules.File{{Name: "r.yaml", Content: siteRules}},
					Endpoints: []rules.Endpoint{{Name: "owners", Owner: true}, {Name: "dealers", Dealer: true}},
				})
				return err
			},
			Ready: func() { close(ready) },
		})
		ended <- errors.Join(err, core.Close())
	}()
	s.core = core
	s.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			s.t.Errorf("the engine ended with %v", err)
		}
	})
	s.t.Cleanup(s.stop)
	select {
	case <-ready:
	case err := <-ended:
		ended <- nil
		s.t.Fatalf("the engine did not start: %v", err)
	}
}

func (s *site) ctx() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 3*patience)
	s.t.Cleanup(cancel)
	return ctx
}

const anyType = ingest.Types(1<<ingest.Erase<<1 - 1)

// take takes events in, durably: "id: payload" for a vehicle, "party id: payload".
func (s *site) take(lines ...string) {
	s.t.Helper()
	done := make(acks, 1)
	recs := make([]ingest.Record, 0, len(lines))
	for _, l := range lines {
		id, payload, _ := strings.Cut(l, ": ")
		id, party := strings.CutPrefix(id, "party ")
		recs = append(recs, ingest.Record{
			Key: []byte(id), Party: party, Types: anyType, Source: "test", Topic: "vehicles/" + id + "/x", Codec: jsoncodec.Name, Payload: []byte(payload),
		})
	}
	if err := s.core.Sink().Take(recs, done, 1); err != nil {
		s.t.Fatal(err)
	}
	if err := <-done; err != nil {
		s.t.Fatal(err)
	}
	s.applied()
}

type acks chan error

func (a acks) Acked(_ uint64, err error) { a <- err }

func (s *site) applied() {
	s.t.Helper()
	if err := s.core.WaitApplied(s.ctx()); err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) erase(kind erasure.Kind, id string) {
	s.t.Helper()
	h, err := s.core.Erase(s.ctx(), kind, id)
	if err == nil {
		err = s.core.Erased(s.ctx(), h)
	}
	if err != nil {
		s.t.Fatalf("erase %s: %v", id, err)
	}
}

// dump is the documents of all shards but those of the ids named, one line each.
func (s *site) dump(without ...string) string {
	s.t.Helper()
	s.applied()
	var b bytes.Buffer
	err := s.core.View(s.ctx(), func(p log.Partition, v state.View) error {
		return v.Each(func(key, sub []byte, _ int64, body []byte) bool {
			for _, id := range without {
				if string(key) == id || string(sub) == id || string(key) == "v:"+id {
					return true
				}
			}
			fmt.Fprintf(&b, "%s %q %q %q\n", p.Stream, key, sub, body)
			return true
		})
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return b.String()
}

// counters sums the outcomes, and the events that were counted erased.
func (s *site) counters() (sum, applied uint64, erased int64) {
	s.t.Helper()
	s.applied()
	err := s.core.View(s.ctx(), func(_ log.Partition, v state.View) error {
		for _, n := range v.Outcomes() {
			sum += n
		}
		applied += v.Outcomes()[state.Applied]
		v.Counters(func(name, _ string, n int64) {
			if name == state.CountErased {
				erased += n
			}
		})
		return nil
	})
	if err != nil {
		s.t.Fatal(err)
	}
	if got := s.core.Received(); got != sum {
		s.t.Errorf("received %d, outcomes sum to %d (E5)", got, sum)
	}
	return sum, applied, erased
}

// find lists the files in which one of the texts stands, also as base64.
func (s *site) find(texts ...string) (found []string) {
	s.t.Helper()
	var forms [][]byte
	for _, text := range texts {
		forms = append(forms, []byte(text))
		for shift := range 3 {
			enc := base64.StdEncoding.EncodeToString(append(make([]byte, shift), text...))
			forms = append(forms, []byte(enc[(shift*8+5)/6:len(enc)-4]))
		}
	}
	var walk func(dir string)
	walk = func(dir string) {
		names, err := s.fs.List(dir)
		if err != nil {
			s.t.Fatal(err)
		}
		for _, name := range names {
			path := s.fs.PathJoin(dir, name)
			info, err := s.fs.Stat(path)
			if err != nil {
				continue // removed meanwhile
			}
			if info.IsDir() {
				walk(path)
				continue
			}
			f, err := s.fs.Open(path)
			if err != nil {
				continue
			}
			b, err := io.ReadAll(f)
			if err = errors.Join(err, f.Close()); err != nil {
				s.t.Fatal(err)
			}
			for _, form := range forms {
				if i := bytes.Index(b, form); i >= 0 {
					found = append(found, fmt.Sprintf("%s at %d: %q", path, i, b[max(0, i-60):min(len(b), i+60)]))
				}
			}
		}
	}
	walk("data")
	return found
}

func profileOf(vin, owner, phone string) string {
	return fmt.Sprintf(`%s: {"type":"vehicle","vin":%q,"profile":{"model":"A","plan":"p","dealer":"D1","owner":%q,"name":%q,"channels":{"sms":%q},"in_service":"2025-01-01"}}`,
		vin, vin, owner, canaryName, phone)
}

func telemetryOf(vin string, km int, temp int) string {
	return fmt.Sprintf(`%s: {"type":"telemetry","vin":%q,"signals":{"odometer":%d,"coolant_temp":%d}}`, vin, vin, km, temp)
}

// live takes in a car's life: two owners, reminders, an alert, a service, reactions, bad input.
func (s *site) live(vin string) {
	s.t.Helper()
	s.take(
		profileOf(vin, formerOwner, formerPhone),
		telemetryOf(vin, 9500, 80),
		telemetryOf(vin, 9510, 120),
	)
	s.take(
		profileOf(vin, canaryOwner, canaryPhone),
		"party "+canaryOwner+`: {"type":"party","id":"`+canaryOwner+`","role":"owner","name":"`+canaryName+`","channels":{"sms":"`+canaryPhone+`"}}`,
		telemetryOf(vin, 10050, 80),
		telemetryOf(vin, 10060, 121),
		vin+`: {"type":"feedback","vin":"`+vin+`","about":"a","by":"owner","action":"opened","note":"call `+canaryPhone+`"}`,
		vin+`: {"type":"service","vin":"`+vin+`","odometer":10070,"items":["oil"],"dealer":"D1","order":"R1"}`,
		vin+`: {"type":"telemetry","vin":"`+vin+`","signals":{"odometer":`,       // cut short
		otherVIN+`: [{"type":"telemetry","vin":"`+otherVIN+`"},{"vin":"`+vin+`"`, // does not split
		vin+`: {"type":"telemetry","vin":"SOMEBODYELSE","signals":{"odometer":1}}`,
		telemetryOf(vin, 20070, 80),
	)
}

func (s *site) neighbours() {
	s.t.Helper()
	for i := range 8 {
		vin := fmt.Sprintf("LOTHER0000000000%d", i)
		owner := []string{otherOwner, canaryOwner, formerOwner}[i%3]
		s.take(
			fmt.Sprintf(`%s: {"type":"vehicle","vin":%q,"profile":{"plan":"p","owner":%q,"dealer":"D2"}}`, vin, vin, owner),
			telemetryOf(vin, 9500, 80), telemetryOf(vin, 9501, 115),
			vin+`: {"type":"telemetry","vin":"`+canaryVIN+`","signals":{"odometer":1}}`, // quarantined under another key
		)
	}
}

func (s *site) wantGone(texts ...string) {
	s.t.Helper()
	for _, f := range s.find(texts...) {
		s.t.Errorf("still there: %s", f)
	}
}

func TestEraseVehicleLeavesNoByte(t *testing.T) {
	s := newSite(t)
	s.answers(notify.Answer{Outcome: notify.Retry, Detail: "down"})
	s.start()
	s.neighbours()
	s.live(canaryVIN)
	if len(s.find(canaryVIN)) == 0 || len(s.find(canaryPhone)) == 0 {
		t.Fatal("the search finds nothing before the erasure either")
	}
	others := s.dump(canaryVIN, canaryOwner, formerOwner)
	sum, _, _ := s.counters()

	s.erase(erasure.Vehicle, canaryVIN)
	s.wantGone(canaryVIN)
	if got := s.dump(canaryOwner, formerOwner); strings.Contains(got, canaryVIN) {
		t.Errorf("documents name it:\n%s", got)
	}
	if got := s.dump(canaryVIN, canaryOwner, formerOwner); got != others {
		t.Errorf("others have changed:\n%s", difference(got, others))
	}

	// What comes now changes nothing.
	s.take(telemetryOf(canaryVIN, 30000, 130), canaryVIN+": nonsense")
	after, _, erased := s.counters()
	if after != sum+3 || erased != 2 {
		t.Errorf("%d events after %d, %d of them erased: want 3 more (with the erase event), 2 erased", after, sum, erased)
	}
	s.wantGone(canaryVIN)
	whole := s.dump()

	// Nor does it after a restart, and a replay of the log alone comes to the same.
	s.stop()
	s.wantGone(canaryVIN)
	s.start()
	s.take(telemetryOf(canaryVIN, 30001, 130))
	if _, _, erased := s.counters(); erased != 3 {
		t.Errorf("%d erased after a restart, want 3", erased)
	}
	s.stop()
	if err := s.fs.RemoveAll("data/state"); err != nil {
		t.Fatal(err)
	}
	s.start()
	if got, _, erased := s.counters(); got != sum+4 || erased < 3 {
		t.Errorf("a replay counts %d events, %d erased", got, erased)
	}
	if got := s.dump(); got != whole {
		t.Errorf("a replay of the blanked log comes to\n%s", difference(got, whole))
	}
	s.wantGone(canaryVIN)

	// A vehicle event brings it back.
	s.take(profileOf(canaryVIN, otherOwner, "x"), telemetryOf(canaryVIN, 5, 80))
	if got := s.dump(); !strings.Contains(got, canaryVIN) {
		t.Error("a vehicle event has not brought it back")
	}
}

// difference lists the lines that only one of two dumps has.
func difference(got, want string) string {
	var out strings.Builder
	for _, c := range []struct{ mark, a, b string }{{"+", got, want}, {"-", want, got}} {
		for line := range strings.Lines(c.a) {
			if !strings.Contains(c.b, line) {
				out.WriteString(c.mark + line)
			}
		}
	}
	return out.String()
}
