package app_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/milepost-io/milepost/notify"
	"github.com/milepost-io/milepost/state/erasure"
)

func TestErasePartyLeavesNoByte(t *testing.T) {
	s := newSite(t)
	s.answers(notify.Answer{Outcome: notify.Retry, Detail: "down"})
	s.start()
	s.neighbours()
	s.live(canaryVIN)
	fleet := make([]string, 0, 1000)
	for i := range cap(fleet) {
		fleet = append(fleet, profileOf(fmt.Sprintf("FLEET%04d", i), canaryOwner, canaryPhone))
	}
	s.take(fleet...)
	s.take(telemetryOf("FLEET0007", 10500, 130))
	s.take(profileOf("FLEET0008", otherOwner, "+1-111")) // sold: what it said of the former owner goes all the same
	sum, _, _ := s.counters()

	s.erase(erasure.Party, canaryOwner)
	calls := s.calls()
	s.wantGone(canaryOwner, canaryPhone)
	after, _, _ := s.counters()
	if after < sum+1 {
		t.Errorf("%d events after %d", after, sum)
	}
	got := s.dump()
	for _, vin := range []string{canaryVIN, "FLEET0007", "FLEET0008", "LOTHER00000000001"} {
		if !strings.Contains(got, `events "`+vin+`" "v"`) {
			t.Errorf("vehicle %s has gone with its owner", vin)
		}
	}
	if !strings.Contains(got, `notices "v:FLEET0007" "FLEET0007"`) {
		t.Error("a vehicle without owner has no party that its lead can be with")
	}
	for _, e := range s.sentSince(calls) {
		if e.Party == canaryOwner {
			t.Errorf("an event for the erased owner left: %s", e.ID)
		}
	}

	// What it says is counted, what names it anew is news, and its own record brings it back.
	record := "party " + canaryOwner + `: {"type":"party","id":"` + canaryOwner + `","name":"` + canaryName + `"}`
	s.stop()
	s.wantGone(canaryOwner, canaryPhone)
	s.start()
	if again := s.dump(); again != got {
		t.Errorf("a restart changes\n%s", difference(again, got))
	}
	s.take(profileOf("FLEET0001", canaryOwner, canaryPhone))
	if !strings.Contains(s.dump(), `notices "`+canaryOwner+`" "FLEET0001"`) {
		t.Error("a profile that names it anew is not believed")
	}
	s.take(record)
	if len(s.find(canaryName)) == 0 {
		t.Error("its own record has not brought it back")
	}
}

func (s *site) calls() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.sent)
}

func (s *site) sentSince(n int) []*notify.Entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sent[n:]
}

// A call under way when its vehicle is erased: its answer is recorded nowhere, and it is not tried again.
func TestEraseWithACallInFlight(t *testing.T) {
	s := newSite(t)
	s.blocked = make(chan struct{})
	s.start()
	s.take(profileOf(canaryVIN, canaryOwner, canaryPhone), telemetryOf(canaryVIN, 9500, 130))
	<-s.calling
	h, err := s.core.Erase(s.ctx(), erasure.Vehicle, canaryVIN)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.core.Erased(s.ctx(), h); err != nil {
		t.Fatal(err)
	}
	s.answers(notify.Answer{Outcome: notify.Retry, Detail: "again"})
	s.mu.Lock()
	wait := s.blocked
	s.blocked = nil
	s.mu.Unlock()
	close(wait)
	s.take(telemetryOf(otherVIN, 1, 1))
	s.wantGone(canaryVIN)
	before := s.calls()
	s.stop()
	s.wantGone(canaryVIN)
	if n := s.calls(); n != before {
		t.Errorf("%d calls after the erasure", n-before)
	}
}

func TestEraseTwiceAndUnknown(t *testing.T) {
	s := newSite(t)
	s.start()
	s.neighbours()
	others := s.dump()
	s.erase(erasure.Vehicle, canaryVIN)
	s.erase(erasure.Party, canaryOwner)
	s.wantGone(canaryVIN)
	s.live(canaryVIN)
	s.erase(erasure.Vehicle, canaryVIN)
	s.take(profileOf(canaryVIN, otherOwner, "x"), canaryVIN+`: {"type":"erase","vin":"`+canaryVIN+`"}`, telemetryOf(canaryVIN, 10, 10))
	s.erase(erasure.Vehicle, canaryVIN)
	s.wantGone(canaryVIN)
	if got := s.dump(); difference(got, others) != "" && strings.Contains(got, canaryVIN) {
		t.Errorf("it is still there\n%s", difference(got, others))
	}
}

// An erase event and the vehicle event that ends it may be in one request: what comes between changes nothing,
// what comes after is a new car's, and the erasure that goes on in the background leaves that alone.
func TestEraseAndReturnAtOnce(t *testing.T) {
	s := newSite(t)
	s.start()
	s.live(canaryVIN)
	s.take(
		canaryVIN+`: {"type":"erase","vin":"`+canaryVIN+`"}`,
		telemetryOf(canaryVIN, 30000, 130),
		canaryVIN+`: {"type":"vehicle","vin":"`+canaryVIN+`","profile":{"plan":"p","owner":"`+otherOwner+`","dealer":"D1"}}`,
		telemetryOf(canaryVIN, 9800, 130),
	)
	if err := s.core.Erased(s.ctx(), s.core.ErasedHash(erasure.Vehicle, canaryVIN)); err != nil {
		t.Fatal(err)
	}
	s.wantGone(formerPhone)
	got := s.dump(canaryOwner, formerOwner)
	for _, want := range []string{`events "` + canaryVIN + `" "profile" "{\"dealer\":\"D1\",\"owner\":\"` + otherOwner, `notices "` + otherOwner + `" "` + canaryVIN + `"`} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s after it came back", want)
		}
	}
	if _, _, erased := s.counters(); erased != 1 {
		t.Errorf("%d erased, want the one in between", erased)
	}
	s.stop()
	if err := s.fs.RemoveAll("data/state"); err != nil {
		t.Fatal(err)
	}
	s.start()
	if again := s.dump(canaryOwner, formerOwner); again != got {
		t.Errorf("a replay of the log comes to\n%s", difference(again, got))
	}
}

// A backup of before, restored with the list: who was erased since is erased again, also who has come back.
func TestErasedStayErasedAfterARestore(t *testing.T) {
	s := newSite(t)
	s.start()
	s.live(canaryVIN)
	s.neighbours()
	s.applied()
	s.stop()
	backup := vfs.NewMem()
	if ok, err := vfs.Clone(s.fs, backup, "data", "data", vfs.CloneSync); !ok || err != nil {
		t.Fatalf("clone: %v, %v", ok, err)
	}
	s.start()
	s.erase(erasure.Vehicle, canaryVIN)
	s.erase(erasure.Party, canaryOwner)
	s.take(profileOf(canaryVIN, otherOwner, "x"))
	s.stop()

	again := newSite(t)
	again.fs = backup
	if err := erasure.Copy(s.fs, "data/"+erasure.ListFile, backup, "data"); err != nil {
		t.Fatal(err)
	}
	again.start()
	again.applied()
	if n, err := again.core.EraseListed(again.ctx(), 0); n != 2 || err != nil {
		t.Fatalf("%d ids erased again, %v; want the vehicle and its owner", n, err)
	}
	again.until("the erasures are done", func() bool { return again.core.Erasing() == 0 })
	again.wantGone(canaryVIN, canaryOwner, canaryPhone)
	if !strings.Contains(again.dump(), otherVIN) {
		t.Error("somebody else has gone")
	}
}
