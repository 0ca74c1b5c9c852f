//go:build e2e

package e2e

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// demo is a `milepost demo` that runs.
type demo struct {
	*engine
	banner string
	url    string
}

// newDemo starts the demo on a folder and waits for its banner.
func newDemo(t *testing.T, dir string, args ...string) *demo {
	t.Helper()
	d := &demo{engine: &engine{t: t, dir: dir, out: &lockedBuffer{}, exited: make(chan struct{})}}
	d.cmd = exec.Command(binary(t), append([]string{"demo", "--data", dir, "--vehicles", "60"}, args...)...)
	d.cmd.Stdout, d.cmd.Stderr = d.out, d.out
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func(cmd *exec.Cmd, done chan struct{}) {
		_ = cmd.Wait()
		close(done)
	}(d.cmd, d.exited)
	t.Cleanup(d.kill)
	d.until("the banner", 15*time.Second, func() bool {
		d.banner = d.out.String()
		return strings.Contains(d.banner, "See it arrive")
	})
	d.url = regexp.MustCompile(`http://127\.0\.0\.1:\d+/`).FindString(d.banner)
	if first := regexp.MustCompile(`\S+://\S+`).FindString(d.banner); first != d.url {
		t.Errorf("the first URL printed is %s; expected the console", first)
	}
	return d
}

// get asks the demo's engine.
func (d *demo) get(path string, v any) bool {
	r, err := http.Get(d.url + path)
	if err != nil {
		return false
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	return err == nil && r.StatusCode == http.StatusOK && json.Unmarshal(b, v) == nil
}

// told reports whether a message of a type exists, of any vehicle when vin is "".
func (d *demo) told(vin, typ string) bool {
	var list []struct{ VIN, Type string }
	if !d.get("api/v1/messages?limit=200", &list) {
		return false
	}
	for _, m := range list {
		if m.Type == typ && (vin == "" || m.VIN == vin) {
			return true
		}
	}
	return false
}

type demoStatus struct {
	Clock    time.Time
	Counters counters
	Counts   map[string]int64
}

// paste runs a printed line as it stands, and wants the car's reminder within two seconds.
func (d *demo) paste(line, typ string) {
	d.t.Helper()
	vin := regexp.MustCompile(`DEMO-\d+`).FindString(line)
	if out, err := exec.Command("sh", "-c", line).CombinedOutput(); err != nil { //nolint:gosec // it is what people paste
		d.t.Fatalf("%s: %v\n%s", line, err, out)
	}
	d.until(typ+" for "+vin, 2*time.Second, func() bool { return d.told(vin, typ) })
}

// line is the printed line that begins with a command.
func (d *demo) line(command string) string {
	d.t.Helper()
	for l := range strings.Lines(d.banner) {
		if l = strings.TrimSpace(l); strings.HasPrefix(l, command) {
			return l
		}
	}
	d.t.Fatalf("no line to paste begins with %s:\n%s", command, d.banner)
	return ""
}

// TestDemo does what a newcomer does: starts the demo, looks, pastes a line, stops, and starts it again
// while something else has the usual port.
func TestDemo(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "demo")
	d := newDemo(t, dir)
	d.until("a reminder and an alert", 10*time.Second, func() bool {
		return d.told("", "milepost.reminder.soon") && d.told("", "milepost.alert.firing")
	})
	var page string
	if r, err := http.Get(d.url); err == nil {
		b, _ := io.ReadAll(r.Body)
		r.Body.Close()
		page = string(b)
	}
	if !strings.Contains(page, "<title>Milepost</title>") {
		t.Errorf("%s is not the console: %q", d.url, page)
	}
	d.paste(d.line("curl"), "milepost.reminder.due")
	var before, after demoStatus
	d.until("the status", 5*time.Second, func() bool { return d.get("api/v1/status", &before) })
	if took := d.stop(); took > 5*time.Second {
		t.Errorf("the demo took %v to stop; expected at most 5s", took)
	}

	busy, err := net.Listen("tcp", strings.TrimSuffix(strings.TrimPrefix(d.url, "http://"), "/"))
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	first := d.url
	d = newDemo(t, dir)
	if d.url == first || !strings.Contains(d.banner, "is busy") {
		t.Errorf("the port of %s is busy; the banner says:\n%s", first, d.banner)
	}
	d.until("the status", 5*time.Second, func() bool { return d.get("api/v1/status", &after) })
	if after.Counters.Applied < before.Counters.Applied || after.Clock.Before(before.Clock) {
		t.Errorf("a later run begins with %+v at %s; the earlier ended with %+v at %s", after.Counters, after.Clock, before.Counters, before.Clock)
	}
	untrusted, past := after.Counts["clock:untrusted"], after.Counters.Duplicate+after.Counters.Late
	d.until("the fleet drives on", 10*time.Second, func() bool {
		return d.get("api/v1/status", &after) && after.Counters.Applied > before.Counters.Applied+2000
	})
	if n := after.Counts["clock:untrusted"] - untrusted; n > 100 {
		t.Errorf("%d of the first %d records of a later run have clocks that are not believed", n, after.Counters.Applied-before.Counters.Applied)
	}
	if n := after.Counters.Duplicate + after.Counters.Late - past; n > 200 {
		t.Errorf("%d of the first %d records of a later run were there before", n, after.Counters.Received-before.Counters.Received)
	}
	if _, err := exec.LookPath("mosquitto_pub"); err == nil {
		d.paste(d.line("mosquitto_pub"), "milepost.reminder.due")
	}
	d.stop()
}

// TestDemoKill is `make demo-kill`, five times.
func TestDemoKill(t *testing.T) {
	cmd := exec.Command(binary(t), "demo", "--data", filepath.Join(t.TempDir(), "demo"), "--vehicles", "60", "--kill", "1s", "--kills", "5")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	lines := regexp.MustCompile(`(?m)^kill \d.*$`).FindAllString(string(out), -1)
	if len(lines) != 5 {
		t.Fatalf("expected five lines:\n%s", out)
	}
	for _, l := range lines {
		if !strings.Contains(l, "lost 0,") || !strings.Contains(l, "under a second id 0") {
			t.Error(l)
		}
	}
}
