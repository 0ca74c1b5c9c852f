//go:build e2e

package e2e

import (
	"bytes"
	"crypto/sha256"
	"encoding/base32"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

const eraseRules = `
rules:
  - {id: hot, title: {en: Hot}, when: coolant_temp > 110, severity: critical, notify: {owner: now, dealer: lead}}
plans:
  - {id: p, applies_to: "true", items: [{id: oil, title: {en: Oil}, every: {km: 10000}}]}
`

// canary is an id or number that occurs nowhere else and shares nothing with others that compression could use.
func canary(what string, i int) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %d", what, i))
	return base32.StdEncoding.EncodeToString(sum[:])[:17]
}

// TestEraseUnderLoad erases 100 of 5,000 cars while all of them send: afterwards no byte of the data folder
// names one, nor does the log of the engine; that holds over a restart, and what they send is counted.
func TestEraseUnderLoad(t *testing.T) {
	const cars, gone = 5000, 100
	e := newEngine(t, "write_back: 200ms", eraseRules)
	e.start()
	var b strings.Builder
	for i := range cars {
		fmt.Fprintf(&b, `{"type":"vehicle","vin":%q,"profile":{"plan":"p","owner":%q,"channels":{"sms":%q}}}`+"\n", canary("car", i), canary("owner", i), canary("phone", i))
	}
	e.lines(b.String())
	round := func(n int) string {
		b.Reset()
		for i := range cars {
			fmt.Fprintf(&b, `{"type":"telemetry","vin":%q,"signals":{"odometer":%d,"coolant_temp":%d}}`+"\n", canary("car", i), 9000+n, 80+i%40)
		}
		return b.String()
	}
	e.lines(round(1))
	if len(e.find(canary("car", 1))) == 0 {
		t.Fatal("the search finds nothing before the erasure either")
	}

	var load sync.WaitGroup
	stop := make(chan struct{})
	load.Go(func() {
		for n := 2; ; n++ {
			select {
			case <-stop:
				return
			default:
				e.lines(round(n))
			}
		}
	})
	hashes := make([]string, 0, gone)
	for i := range gone {
		hashes = append(hashes, e.erase(canary("car", i)))
	}
	for _, h := range hashes {
		e.until("an erasure is done", 120*time.Second, func() bool { return e.erased(h) })
	}
	close(stop)
	load.Wait()
	out := e.run("erase", canary("car", 0)) // once more, by hand
	for _, want := range []string{"vehicle erased", "backups made before", "erased.list"} {
		if !strings.Contains(out, want) {
			t.Errorf("milepost erase says nothing of %q:\n%s", want, out)
		}
	}
	e.lines(round(10_000))
	e.settled()

	var ids []string
	for i := range gone {
		ids = append(ids, canary("car", i), canary("phone", i))
	}
	e.wantGone(ids)
	for _, id := range ids {
		if strings.Contains(e.out.String(), id) {
			t.Errorf("the log names %s", id)
		}
	}
	e.stop()
	e.wantGone(ids)
	e.start()
	before := e.countErased()
	e.lines(round(10_001))
	e.settled()
	if n := e.countErased() - before; n != gone {
		t.Errorf("%d events counted erased after the restart, want %d", n, gone)
	}
	if v := e.vehicle(canary("car", gone)); v.Odometer.KM == nil || *v.Odometer.KM < 9001 || len(v.Items) != 1 {
		t.Errorf("a neighbour is now %+v", v)
	}

	// An access request, before and after the end.
	var x struct {
		VIN     string
		Vehicle json.RawMessage
		Records []json.RawMessage
	}
	if err := json.Unmarshal([]byte(e.run("export", canary("car", gone))), &x); err != nil || x.Vehicle == nil || len(x.Records) < 3 {
		t.Errorf("export: %d records, %v", len(x.Records), err)
	}
	e.stop()
	if out := e.run("export", "--offline", canary("car", gone+1)); !strings.Contains(out, canary("phone", gone+1)) {
		t.Errorf("export --offline does not have the phone:\n%.400s", out)
	}
	if out := e.run("erase", "--offline", canary("car", gone+1)); !strings.Contains(out, "at the next start") {
		t.Errorf("erase --offline: %s", out)
	}
	e.start()
	e.until("what was asked for offline is done", 60*time.Second, func() bool {
		b, err := os.ReadFile(filepath.Join(e.dir, "data", "erasing.json"))
		return err == nil && !bytes.Contains(b, []byte(canary("car", gone+1)))
	})
	e.wantGone([]string{canary("car", gone+1), canary("phone", gone+1)})
}

// lines posts events, one a line.
func (e *engine) lines(events string) {
	e.t.Helper()
	r, err := http.Post("http://"+e.http+"/api/v1/events", "application/x-ndjson", strings.NewReader(events))
	if err != nil {
		e.t.Error(err)
		return
	}
	defer r.Body.Close()
	if r.StatusCode != http.StatusAccepted {
		e.t.Errorf("POST: %s", r.Status)
	}
}

// erase asks for an erasure and returns its hash.
func (e *engine) erase(vin string) string {
	e.t.Helper()
	r, err := http.Post("http://"+e.http+"/api/v1/erasures", "application/json", strings.NewReader(`{"vin":"`+vin+`"}`))
	if err != nil {
		e.t.Fatal(err)
	}
	defer r.Body.Close()
	var x struct{ Hash string }
	if err := json.NewDecoder(r.Body).Decode(&x); err != nil || r.StatusCode != http.StatusOK {
		e.t.Fatalf("erase: %s, %v", r.Status, err)
	}
	return x.Hash
}

func (e *engine) erased(hash string) bool {
	e.t.Helper()
	r, err := http.Get("http://" + e.http + "/api/v1/erasures/" + hash)
	if err != nil {
		e.t.Fatal(err)
	}
	defer r.Body.Close()
	var x struct{ Done bool }
	return json.NewDecoder(r.Body).Decode(&x) == nil && x.Done
}

func (e *engine) countErased() int64 {
	e.t.Helper()
	var s struct{ Counts map[string]int64 }
	if err := json.Unmarshal([]byte(e.run("status", "-o", "json")), &s); err != nil {
		e.t.Fatal(err)
	}
	return s.Counts["erased"]
}

// find lists the files of the data folder in which one of the texts stands.
func (e *engine) find(texts ...string) (found []string) {
	e.t.Helper()
	err := filepath.WalkDir(filepath.Join(e.dir, "data"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return nil // removed meanwhile
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return nil
		}
		for _, text := range texts {
			if i := bytes.Index(b, []byte(text)); i >= 0 {
				found = append(found, fmt.Sprintf("%s at %d: %q", path, i, b[max(0, i-40):min(len(b), i+40)]))
			}
		}
		return nil
	})
	if err != nil {
		e.t.Fatal(err)
	}
	return found
}

func (e *engine) wantGone(texts []string) {
	e.t.Helper()
	found := e.find(texts...)
	for _, f := range found[:min(5, len(found))] {
		e.t.Errorf("still there: %s", f)
	}
}
