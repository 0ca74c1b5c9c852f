package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestEmptyFileIsValid(t *testing.T) {
	c, err := Parse("milepost.yaml", nil, "/srv/mp", nil)
	if err != nil {
		t.Fatal(err)
	}
	if c.HTTP.Listen != "127.0.0.1:8080" || c.Shards != 4 || time.Duration(c.Journal.Keep) != 7*24*time.Hour || c.Journal.Max != 20<<30 || len(c.MQTT.Topics) != 5 {
		t.Fatalf("defaults: %+v", c)
	}
	if c.Data != "/srv/mp/data" || c.Rules != "/srv/mp/rules" {
		t.Fatalf("paths are the file's: %q %q", c.Data, c.Rules)
	}
}

func TestExample(t *testing.T) {
	const file = `
source: /milepost/cn-passenger
timezone: Asia/Shanghai
data: ./d
rules: /etc/milepost/rules
http: {listen: "127.0.0.1:0", tokens_file: ./tokens}
mqtt:
  listen: "127.0.0.1:0"
  topics: [{filter: "cars/+/t", codec: json, types: [telemetry, service]}]
journal: {keep: 3d, max: 1GiB}
policy: {group: {wait: 0s}}
notify:
  webhooks:
    - {name: dealer-crm, url: "http://127.0.0.1:9/hooks", secret_file: ./crm.secret, to: [dealer], allow_private: true}
    - {name: app-backend, url: "https://app.example/hooks", secret_file: ./app.secret, to: [owner]}
`
	c, err := Parse("milepost.yaml", []byte(file), "/srv", []string{"MILEPOST_SHARDS=2", "HOME=/root"})
	if err != nil {
		t.Fatal(err)
	}
	if c.Shards != 2 || c.Policy.Group.Wait != 0 || c.MQTT.Topics[0].Types[1] != "service" || len(c.MQTT.Topics) != 1 || c.Notify.Webhooks[0].SecretFile != "/srv/crm.secret" || !c.Notify.Webhooks[0].AllowPrivate {
		t.Fatalf("%+v", c)
	}
}

func TestMistakes(t *testing.T) {
	for _, x := range []struct{ name, file, want string }{
		{"unknown key", "htpp: {listen: x}", `f.yaml:1:1: unknown key "htpp"; did you mean "http"?`},
		{"nested unknown key", "mqtt:\n  lisen: x", `f.yaml:2:3: unknown key "mqtt.lisen"; did you mean "listen"?` + "\n    lisen: x\n    ^"},
		{"later", "kafka: {brokers: [x]}", `"kafka" is not in this version`},
		{"later, nested", "retention: {services: 5y}", `"retention.services" is not in this version`},
		{"short retention", "retention: {timeline: 12h}", `retention.timeline: 12h0m0s is below 1d`},
		{"off loopback", `http: {listen: "0.0.0.0:8080"}`, `f.yaml:1:16: http.listen: "0.0.0.0:8080" is not a loopback address`},
		{"duration", "journal: {keep: 7days}", `"7days" is no duration`},
		{"size", "journal: {max: 20G}", `"20G" is no size`},
		{"bool", "notify: {webhooks: [{name: a, url: 'https://x', secret_file: s, to: [owner], allow_private: yes}]}", `(expected true or false)`},
		{"list", "notify: {webhooks: {name: a}}", `expected a list`},
		{"plain http", "notify: {webhooks: [{name: a, url: 'http://x/', secret_file: s, to: [owner]}]}", `http needs allow_private`},
		{"zone", "timezone: Asia/Shangai", `is no IANA zone`},
		{"twice", "shards: 1\nshards: 2", `f.yaml`},
		{"type", "mqtt: {topics: [{filter: 'a/+', types: [telemetri]}]}", `"telemetri" (expected telemetry`},
	} {
		t.Run(x.name, func(t *testing.T) {
			_, err := Parse("f.yaml", []byte(x.file), ".", nil)
			if err == nil || !strings.Contains(err.Error(), x.want) {
				t.Fatalf("got  %v\nwant %s", err, x.want)
			}
		})
	}
}

func TestUnknownEnvironment(t *testing.T) {
	_, err := Parse("f.yaml", nil, ".", []string{"MILEPOST_HTTP_LISTN=1"})
	if err == nil || !strings.Contains(err.Error(), `did you mean "MILEPOST_HTTP_LISTEN"?`) {
		t.Fatal(err)
	}
}

func TestReferenceIsUpToDate(t *testing.T) {
	path := filepath.Join("..", "..", "..", "docs", "configuration.md")
	if os.Getenv("REWRITE") != "" {
		if err := os.WriteFile(path, []byte(Reference()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != Reference() {
		t.Fatal("docs/configuration.md is old: REWRITE=1 go test ./cmd/internal/config")
	}
}
