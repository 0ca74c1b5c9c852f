package app_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
	"github.com/rs/zerolog"

	"github.com/milepost-io/milepost/cmd/internal/app"
	"github.com/milepost-io/milepost/cmd/internal/config"
)

// patience bounds every wait of a test.
const patience = 20 * time.Second

// testEngine is a whole engine in this process: broker, HTTP, journal, shards.
type testEngine struct {
	app.Addresses
	logs *bytes.Buffer // read when it has ended
}

// startEngine runs an engine on a folder of its own until the test ends; then it must stop cleanly.
func startEngine(t *testing.T, extra string) *testEngine {
	t.Helper()
	return startConfig(t, t.TempDir(), "http: {listen: \"127.0.0.1:0\"}\nmqtt: {listen: \"127.0.0.1:0\"}\nshards: 2\n"+extra)
}

// startConfig is startEngine with a whole configuration in a folder.
func startConfig(t *testing.T, dir, content string) *testEngine {
	t.Helper()
	cfg, err := config.Parse("milepost.yaml", []byte(content), dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	e := &testEngine{logs: &bytes.Buffer{}}
	ctx, cancel := context.WithCancel(context.Background())
	started, ended := make(chan app.Addresses, 1), make(chan error, 1)
	go func() {
		ended <- app.Run(ctx, cfg, app.Options{Logger: zerolog.New(zerolog.SyncWriter(e.logs)), Build: "test", Started: func(a app.Addresses) { started <- a }})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the engine ended with %v\n%s", err, e.logs)
		}
	})
	select {
	case e.Addresses = <-started:
	case err := <-ended:
		ended <- nil
		t.Fatalf("the engine did not start: %v\n%s", err, e.logs)
	}
	return e
}

// connection is a car's.
type connection struct{ paho.Client }

func (e *testEngine) connect(t *testing.T, id string) connection {
	t.Helper()
	return e.connectAs(t, id, "", "")
}

// connectAs is connect with a user's name and password.
func (e *testEngine) connectAs(t *testing.T, id, user, password string) connection {
	t.Helper()
	opt := paho.NewClientOptions().AddBroker("tcp://" + e.MQTT).SetClientID(id).SetAutoReconnect(false).SetUsername(user).SetPassword(password)
	c := paho.NewClient(opt)
	if tok := c.Connect(); !tok.WaitTimeout(patience) || tok.Error() != nil {
		t.Fatalf("connect: %v", tok.Error())
	}
	t.Cleanup(func() { c.Disconnect(0) })
	return connection{c}
}

// publish sends with QoS 1 and wants the acknowledgement.
func (c connection) publish(t *testing.T, topic string, payload []byte) {
	t.Helper()
	tok := c.Publish(topic, 1, false, payload)
	if !tok.WaitTimeout(patience) || tok.Error() != nil {
		t.Fatalf("%s: %.80q was not acknowledged: %v", topic, payload, tok.Error())
	}
}

// post sends an event over HTTP.
func (e *testEngine) post(t *testing.T, body string) (status int, answer []byte) {
	t.Helper()
	r, err := http.Post("http://"+e.HTTP+"/api/v1/events", "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	if answer, err = io.ReadAll(r.Body); err != nil {
		t.Fatal(err)
	}
	return r.StatusCode, answer
}

// get asks the engine.
func (e *testEngine) get(t *testing.T, path string, to any) {
	t.Helper()
	r, err := http.Get("http://" + e.HTTP + path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	if r.StatusCode != http.StatusOK {
		t.Fatalf("GET %s: %s", path, r.Status)
	}
	if err := json.NewDecoder(r.Body).Decode(to); err != nil {
		t.Fatal(err)
	}
}

// settled returns the status once that many records are received and each has its outcome.
func (e *testEngine) settled(t *testing.T, received uint64) app.Status {
	t.Helper()
	var st app.Status
	e.until(t, "every record has its outcome", func() bool {
		st = app.Status{}
		e.get(t, "/api/v1/status", &st)
		k := st.Counters
		return k.Received >= received && k.Received == k.Applied+k.Duplicate+k.Late+k.Quarantined
	})
	return st
}

func (e *testEngine) deadLetters(t *testing.T) []app.DeadLetter {
	t.Helper()
	var out []app.DeadLetter
	for after := ""; ; {
		var page []app.DeadLetter
		e.get(t, "/api/v1/deadletters?limit=10&after="+after, &page)
		if len(page) == 0 {
			return out
		}
		out = append(out, page...)
		after = page[len(page)-1].ID
	}
}

func (e *testEngine) odometer(t *testing.T, vin string) float64 {
	t.Helper()
	var v struct{ Odometer struct{ KM float64 } }
	e.get(t, "/api/v1/vehicles/"+vin, &v)
	return v.Odometer.KM
}

// until polls with a deadline.
func (e *testEngine) until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	limit := time.NewTimer(patience)
	defer limit.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-limit.C:
			t.Fatalf("not within %v: %s", patience, what)
		case <-tick.C:
		}
	}
}
