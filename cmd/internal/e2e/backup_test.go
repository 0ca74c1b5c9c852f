//go:build e2e

package e2e

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestBackup backs the engine up under MQTT load, lets it go on and dies, and restores the backup into an empty
// folder with another configuration: another machine. Nothing is sent until it is released, vehicles are
// what they were, and the receivers, who heard the old engine to its end, hear nothing under a second id. A car
// that was erased after the backup is in it, and gone from the restored folder.
func TestBackup(t *testing.T) {
	const cars = 100
	owner := newReceiver(t)
	const ruleFile = `
plans:
  - {id: basic, remind: {soon: {km: 20}, overdue: {km: 20}}, items: [{id: oil, every: {km: 60}}]}
rules:
  - {id: hot, when: coolant_temp > 110, severity: warning}
`
	config := fmt.Sprintf(`write_back: 200ms
policy: {group: {wait: 0s}}
notify:
  webhooks:
    - {name: app-backend, url: %q, secret_file: ./s, to: [owner], allow_private: true}`, owner.URL)
	e := newEngine(t, config, ruleFile)
	e.write("s", owner.secret+"\n")
	e.start()
	var profiles []string
	for i := range cars {
		profiles = append(profiles, fmt.Sprintf(`{"type":"vehicle","vin":"K%03d","profile":{"owner":"O%d","dealer":"D1","plan":"basic"}}`, i, i))
	}
	gone, phone := canary("car", 7), canary("phone", 7)
	profiles = append(profiles, fmt.Sprintf(`{"type":"vehicle","vin":%q,"profile":{"owner":"OX","dealer":"D1","plan":"basic","channels":{"sms":%q}}}`, gone, phone))
	e.post("[" + strings.Join(profiles, ",") + "]")
	load := newLoad(e.mqtt, cars)
	load.run(3000)
	e.until("events reach the owners", 30*time.Second, func() bool { return len(owner.all(t)) > cars/2 })
	acked := make([]int, cars)
	for i := range acked {
		acked[i] = load.acked(i)
	}
	dir := filepath.Join(t.TempDir(), "backup")
	told := strings.TrimSpace(e.run("backup", dir))
	before := len(owner.all(t))
	e.until("the engine goes on", 30*time.Second, func() bool { return len(owner.all(t)) > before })
	e.run("erase", gone)
	load.stop()
	e.kill()
	heard := len(owner.all(t))

	r := newEngine(t, config, ruleFile)
	r.write("s", owner.secret+"\n")
	if out := r.run("restore", dir, "--dry-run"); !strings.Contains(out, "every file is as it was written") {
		t.Error(out)
	}
	r.run("restore", dir, "--erased", filepath.Join(e.dir, "data", "erased.list"))
	if len(r.find(gone)) == 0 || len(r.find(phone)) == 0 {
		t.Error("the backup does not hold the erased car: this proves nothing")
	}
	again := owner.repeated()
	r.start()
	r.settled()
	for i := range cars {
		if v := r.vehicle(fmt.Sprintf("K%03d", i)); v.Odometer.KM == nil || *v.Odometer.KM < float64(acked[i]) {
			t.Errorf("K%03d: %d km were acknowledged before the backup, restored are %v", i, acked[i], v.Odometer.KM)
		}
	}
	r.until("the erased car is gone", 30*time.Second, func() bool { return len(r.find(gone, phone)) == 0 })
	if got := r.run("status"); !strings.Contains(got, "restored from "+dir) {
		t.Errorf("status does not say that sends are held:\n%s", got)
	}
	shown := r.run("vehicle", "show", "K000")
	// A car that gets hot now makes an event that has to wait with the others.
	for n := range 2 {
		r.post(fmt.Sprintf(`[{"type":"vehicle","vin":"NEW","profile":{"owner":"ON","plan":"basic"}},{"type":"telemetry","vin":"NEW","signals":{"coolant_temp":%d}}]`, 120+n))
	}
	r.until("the new event waits", 30*time.Second, func() bool { return strings.Contains(r.run("outbox", "list"), " NEW ") })
	if n := len(owner.all(t)); n != heard || owner.repeated() != again {
		t.Fatalf("%d events and %d repetitions were sent while all is held", n-heard, owner.repeated()-again)
	}
	r.run("release", "--all")
	r.until("the outbox is empty", 60*time.Second, func() bool { return strings.TrimSpace(r.run("outbox", "list", "-o", "json")) == "[]" })
	if n := underTwoIDs(owner.all(t)); n > 0 {
		t.Errorf("%d events under a second id", n)
	}
	r.stop()
	r.start()
	if got := r.run("vehicle", "show", "K000"); got != shown {
		t.Errorf("vehicle show\n%s\nwas\n%s", got, shown)
	}
	fmt.Printf("%s; %d events before it, %d by the old engine, %d in the end, sent again %d\n", told, before, heard, len(owner.all(t)), owner.repeated())
}

// repeated is how often an id came again.
func (r *receiver) repeated() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.again
}
