//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"github.com/segmentio/kafka-go"
)

// topology is what deploy/local/up started.
type topology struct {
	t     *testing.T
	dir   string
	addrs map[string]string
}

func startTopology(t *testing.T) *topology {
	t.Helper()
	const script = deployed + "local/up"
	top := &topology{t: t, addrs: map[string]string{}}
	base := t.TempDir() // removed after the clean-up below, which needs it
	t.Cleanup(func() {
		if _, err := os.Stat(top.dir); err != nil {
			return
		}
		if out, err := exec.Command(script, "down", top.dir).CombinedOutput(); err != nil {
			t.Errorf("deploy/local/up down: %v\n%s", err, out)
		}
		logs, _ := filepath.Glob(filepath.Join(top.dir, "*.log"))
		for _, log := range logs {
			if b, _ := os.ReadFile(log); t.Failed() {
				t.Logf("%s:\n%s", filepath.Base(log), b)
			}
		}
	})
	// A port that another process takes between the choice and the start costs another try.
	for try := 1; ; try++ {
		top.dir = filepath.Join(base, fmt.Sprint("topology-", try))
		cmd := exec.Command(script, top.dir)
		cmd.Env = append(os.Environ(), "PORTS=free")
		out, err := cmd.CombinedOutput()
		if err == nil {
			break
		}
		if try == 5 || !bytes.Contains(bytes.ToLower(out), []byte("address already in use")) {
			t.Fatalf("deploy/local/up: %v\n%s", err, out)
		}
	}
	for line := range strings.Lines(top.file("addresses")) {
		name, addr, _ := strings.Cut(strings.TrimSpace(line), " ")
		top.addrs[name] = addr
	}
	return top
}

func (top *topology) file(name string) string {
	top.t.Helper()
	b, err := os.ReadFile(filepath.Join(top.dir, name))
	if err != nil {
		top.t.Fatal(err)
	}
	return string(b)
}

// secret is what follows prefix in a line of a secret's file.
func (top *topology) secret(name, prefix string) string {
	top.t.Helper()
	for line := range strings.Lines(top.file("secrets/" + name)) {
		if s, ok := strings.CutPrefix(strings.TrimSpace(line), prefix); ok {
			return s
		}
	}
	top.t.Fatalf("secrets/%s has no line %s…", name, prefix)
	return ""
}

func (top *topology) get(url string) string {
	top.t.Helper()
	req, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		top.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+top.secret("prometheus_token", ""))
	r, err := http.DefaultClient.Do(req)
	if err != nil {
		top.t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil || r.StatusCode != http.StatusOK {
		top.t.Fatalf("GET %s: %s %v\n%s", url, r.Status, err, b)
	}
	return string(b)
}

func (top *topology) until(what string, ok func() bool) {
	top.t.Helper()
	deadline := time.Now().Add(serverLimit)
	for !ok() {
		if time.Now().After(deadline) {
			top.t.Fatalf("not within %v: %s", serverLimit, what)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// TestTopology runs the compose topology without docker: an event by Mosquitto and one by Kafka are applied, and
// whatever alerts and dashboards ask for is in /metrics. Against Mosquitto, Apache Kafka and Prometheus.
func TestTopology(t *testing.T) {
	t.Parallel()
	top := startTopology(t)
	gateway := mqtt.NewClient(mqtt.NewClientOptions().AddBroker("tcp://" + top.addrs["mosquitto"]).SetClientID("gateway").
		SetUsername("gateway").SetPassword(top.secret("mosquitto_users", "gateway:")))
	done(t, gateway.Connect())
	defer gateway.Disconnect(0)
	ctx, cancel := context.WithTimeout(context.Background(), serverLimit)
	defer cancel()
	writer := &kafka.Writer{Addr: kafka.TCP(top.addrs["kafka"]), Topic: "milepost.events", Balancer: &kafka.Hash{}, BatchTimeout: time.Millisecond}
	defer writer.Close()
	if err := writer.WriteMessages(ctx, kafka.Message{Key: []byte("V2"), Value: []byte(`{"type":"telemetry","vin":"V2","signals":{"odometer":100}}`)}); err != nil {
		t.Fatal(err)
	}
	done(t, gateway.Publish("vehicles/V1/telemetry", 1, false, `{"type":"telemetry","signals":{"odometer":8900,"unheard_of":1}}`))
	top.until("one event of each broker is applied", func() bool {
		var s struct {
			Counters counters
			Sources  []struct {
				Name     string
				Received uint64
			}
		}
		out, err := exec.Command(binary(t), "status", "-o", "json", "--config", filepath.Join(top.dir, "milepost.yaml")).Output()
		if err != nil || json.Unmarshal(out, &s) != nil {
			return false
		}
		by := map[string]uint64{}
		for _, source := range s.Sources {
			by[source.Name] += source.Received
		}
		return s.Counters.Applied == 2 && by["kafka"] == 1 && by["http"] == 0
	})
	top.holdMetrics()
	if prometheus := top.addrs["prometheus"]; prometheus != "" {
		top.until("Prometheus has scraped Milepost", func() bool {
			return strings.Contains(top.get(prometheus+"/api/v1/query?query=milepost_engine_ready"), `"milepost_engine_ready"`)
		})
		if rules := top.get(prometheus + "/api/v1/rules"); !strings.Contains(rules, "MilepostDown") || strings.Contains(rules, `"health":"err"`) {
			t.Errorf("rules in Prometheus: %s", rules)
		}
	}
}

// holdMetrics compares what alerts and dashboards ask for with what the engine serves.
func (top *topology) holdMetrics() {
	top.t.Helper()
	served := top.get(top.addrs["milepost"] + "/metrics")
	alerts, err := os.ReadFile(deployed + "prometheus/alerts.yaml")
	if err != nil {
		top.t.Fatal(err)
	}
	asked := alerts
	files, _ := filepath.Glob(deployed + "grafana/dashboards/*.json")
	for _, f := range files {
		asked = append(asked, strings.Join(queries(top.t, f), "\n")...)
	}
	names := map[string]bool{}
	for _, name := range regexp.MustCompile(`\b(milepost|process)_[a-z0-9_]+`).FindAll(asked, -1) {
		names[string(name)] = true
	}
	// Nothing speaks TLS here.
	delete(names, "milepost_tls_certificate_expiry_timestamp_seconds")
	if len(names) < 20 {
		top.t.Errorf("alerts and dashboards name only %d metrics", len(names))
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if !bytes.Contains([]byte(served), []byte("\n"+name+"{")) && !bytes.Contains([]byte(served), []byte("\n"+name+" ")) {
			top.t.Errorf("no %s in /metrics", name)
		}
	}
}
