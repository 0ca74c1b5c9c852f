package app_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/milepost-io/milepost/cmd/internal/app"
	"github.com/milepost-io/milepost/ingest"
	"github.com/milepost-io/milepost/ingest/broker/users"
)

// TestWrongClient: what a vehicle publishes for another touches neither of them, on either stream: it is
// acknowledged, counted once, and waits among the dead letters with the name of who sent it.
func TestWrongClient(t *testing.T) {
	dir := t.TempDir()
	hash, err := users.Hash("secret", users.GeneratedIterations)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "users"), []byte("V1 vehicle "+hash+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	e := startConfig(t, dir, "http: {listen: \"127.0.0.1:0\"}\nmqtt: {listen: \"127.0.0.1:0\", users_file: users}\nshards: 2\n")
	c := e.connectAs(t, "anything", "V1", "secret")
	c.publish(t, "vehicles/V1/telemetry", []byte(`{"type":"telemetry","signals":{"odometer":100}}`))
	c.publish(t, "vehicles/V2/telemetry", []byte(`{"type":"telemetry","vin":"V2","signals":{"odometer":100}}`))
	c.publish(t, "vehicles/V1/telemetry", []byte(`{"type":"telemetry","vin":"V2","signals":{"odometer":100}}`))
	c.publish(t, "parties/O1", []byte(`{"type":"party","id":"O1","role":"owner"}`))
	st := e.settled(t, 4)
	if k := st.Counters; k != (app.Counters{Received: 4, Applied: 1, Quarantined: 3}) {
		t.Errorf("%+v", k)
	}
	reasons := map[string]int{}
	for _, d := range e.deadLetters(t) {
		reasons[d.Reason]++
		if d.Reason == ingest.ReasonWrongClient && (!strings.Contains(d.Detail, "mqtt client V1 may not publish to topic") || d.Key != "" || len(d.Bytes) == 0) {
			t.Errorf("%+v", d)
		}
	}
	if reasons[ingest.ReasonWrongClient] != 2 || reasons[ingest.ReasonVIN] != 1 {
		t.Errorf("%v", reasons)
	}
	for _, s := range st.Sources {
		if s.Name == "mqtt" && (len(s.Offenders) != 1 || s.Offenders[0].Client != "V1" || s.Offenders[0].Messages != 2) {
			t.Errorf("%+v", s)
		}
	}
}
