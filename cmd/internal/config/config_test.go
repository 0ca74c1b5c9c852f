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
		{"unknown key", "htpp: {listen: x}", `f.yaml:1:1: unknown key "htpp" in the configuration`},
		{"nearest", "mqtt:\n  lisen: x", "f.yaml:2:3: unknown key \"lisen\" in mqtt\n    2 |   lisen: x\n      |   ^\n" +
			"        expected one of listen, users_file, tls, connect, topics\n        did you mean \"listen\"?"},
		{"later", "vehicle_defaults: {}", `f.yaml:1:1: "vehicle_defaults" is not in this version`},
		{"later below", "policy:\n  quiet_hours: {}", `f.yaml:2:3: "quiet_hours" is not in this version`},
		{"later, nested", "retention: {services: 5y}", `"services" is not in this version`},
		{"short retention", "retention: {timeline: 12h}", `retention.timeline: 12h0m0s is below 1d`},
		{"off loopback", `http: {listen: "0.0.0.0:8080"}`, `f.yaml:1:16: http.listen: "0.0.0.0:8080" is reached from elsewhere: it needs http.tokens_file`},
		{"off loopback, tokens alone", `http: {listen: ":8080", tokens_file: t}`, `f.yaml:1:16: http.listen: ":8080" is reached from elsewhere: it needs http.tls.cert_file and key_file (or http.tls_at_proxy: true`},
		{"off loopback, TLS alone", `http: {listen: "h:8443", tls: {cert_file: c, key_file: k}}`, `it needs http.tokens_file`},
		{"proxy without tokens", `http: {tls_at_proxy: true}`, `f.yaml:1:22: http.tls_at_proxy: others come through the proxy: it needs http.tokens_file`},
		{"broker off loopback", `mqtt: {listen: "[::]:8883"}`, `f.yaml:1:16: mqtt.listen: "[::]:8883" is reached from elsewhere: it needs mqtt.tls.cert_file and key_file`},
		{"broker off loopback, plain", `mqtt: {listen: ":8883", users_file: u}`, `it needs mqtt.tls.cert_file and key_file`},
		{"broker off loopback, nobody", `mqtt: {listen: ":8883", tls: {cert_file: c, key_file: k}}`, `it needs mqtt.users_file or mqtt.tls.client_ca_file`},
		{"client certificates without TLS", `mqtt: {tls: {client_ca_file: ca}}`, `f.yaml:1:30: mqtt.tls.client_ca_file: client certificates need`},
		{"half a pair", `http: {tls: {cert_file: c}}`, `f.yaml:1:13: http.tls: cert_file and key_file belong together`},
		{"profiles off loopback", `http: {debug_listen: ":6060"}`, `f.yaml:1:22: http.debug_listen: ":6060" is not a loopback address`},
		{"checked, not in the file", "notify: {webhooks: [{name: a, url: 'https://x/'}]}", "f.yaml:1:21: notify.webhooks[0].secret_file: missing"},
		{"duration", "journal: {keep: 7days}", "f.yaml:1:17: journal.keep is \"7days\"\n    1 | journal: {keep: 7days}\n      |                 ^\n" +
			"        expected a whole number with ms, s, m, h, d, w or y, such as 7d"},
		{"size", "journal: {max: 20G}", `journal.max is "20G"`},
		{"bool", "notify: {webhooks: [{name: a, allow_private: yes}]}", `f.yaml:1:46: notify.webhooks[0].allow_private is "yes"`},
		{"whole", "shards: 2.5", `shards is "2.5"`},
		{"text", "source: 1", `source is "1"`},
		{"nothing", "data:", `f.yaml:1:1: data is nothing`},
		{"list", "notify: {webhooks: {name: a}}", "notify.webhooks is a map"},
		{"map", "http: x", "f.yaml:1:7: http is text"},
		{"list at the top", "- a", "f.yaml:1:1: the configuration is a list"},
		{"plain http", "notify: {webhooks: [{name: a, url: 'http://x/', secret_file: s, to: [owner]}]}", `http needs allow_private`},
		{"name of an output", "kafka: {brokers: ['h:1']}\nnotify: {webhooks: [{name: kafka-alerts, url: 'https://x/', secret_file: s, to: [owner]}]}", `name: "kafka-alerts" is the name of an output`},
		{"topic without cluster", "notify: {kafka: {leads: x}}", `notify.kafka: needs kafka.brokers`},
		{"zone", "timezone: Asia/Shangai", `is no IANA zone`},
		{"twice", "shards: 1\nshards: 2", `f.yaml:2:1: key "shards" stands twice, first on line 1`},
		{"anchor", "data: &d x\nrules: *d", `f.yaml:1:7: anchors are not allowed`},
		{"documents", "shards: 1\n---\nshards: 2", `f.yaml:3:1: a second YAML document`},
		{"all of them", "shard: 1\njournal: {keep: 1}", `f.yaml:2:17: journal.keep is "1"`},
		{"idle connections", "mqtt: {connect: {url: 'mqtt://b', connections: 6}}", "mqtt.connect.connections: 6 for 5 filters in mqtt.topics: a filter has one connection, so 1 would be idle"},
		{"share", "mqtt: {connect: {url: 'mqtt://b', connections: 6, share: a/b}}", `mqtt.connect.share: "a/b" (expected a name`},
		{"broker's user", "mqtt: {connect: {url: 'mqtt://u:p@b'}}", `mqtt.connect.url: holds a user`},
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

// Off loopback with credentials is fine, as is everything on loopback without.
func TestListenersWithCredentials(t *testing.T) {
	for _, file := range []string{
		`http: {listen: "0.0.0.0:8443", tokens_file: t, tls: {cert_file: c, key_file: k}}`,
		`http: {listen: "0.0.0.0:8080", tokens_file: t, tls_at_proxy: true}`,
		`mqtt: {listen: ":8883", users_file: u, tls: {cert_file: c, key_file: k}}`,
		`mqtt: {listen: ":8883", tls: {cert_file: c, key_file: k, client_ca_file: ca}}`,
		`{http: {listen: "localhost:0"}, mqtt: {listen: "[::1]:0"}}`,
	} {
		if _, err := Parse("f.yaml", []byte(file), ".", []string{TokenVariable + "=secret"}); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
}

// A section whose keys are commented out is empty.
func TestEmptySection(t *testing.T) {
	c, err := Parse("f.yaml", []byte("mqtt:\n  # listen: x\njournal:\n"), ".", nil)
	if err != nil || c.MQTT.Listen != "127.0.0.1:1883" {
		t.Fatal(c, err)
	}
}

func TestEnvironmentMistakes(t *testing.T) {
	_, err := Parse("f.yaml", nil, ".", []string{"MILEPOST_HTTP_LISTN=1", "MILEPOST_SHARDS=two", "MILEPOST_ABC=1"})
	const want = `environment: MILEPOST_SHARDS is "two"
        expected a whole number
environment: no key for MILEPOST_ABC
environment: no key for MILEPOST_HTTP_LISTN
        did you mean "MILEPOST_HTTP_LISTEN"?`
	if err == nil || err.Error() != want {
		t.Fatalf("got:\n%v\nwant:\n%s", err, want)
	}
}

func TestUnits(t *testing.T) {
	for s, want := range map[string]time.Duration{"0s": 0, "250ms": 250 * time.Millisecond, "5m": 5 * time.Minute, "10y": 87600 * time.Hour} {
		if d, ok := ParseDuration(s); !ok || time.Duration(d) != want {
			t.Errorf("%s is %v, %v", s, d, ok)
		}
	}
	for s, want := range map[string]Size{"0B": 0, "16MiB": 16 << 20, "1TiB": 1 << 40} {
		if n, ok := ParseSize(s); !ok || n != want {
			t.Errorf("%s is %d, %v", s, n, ok)
		}
	}
	for _, s := range []string{"", "7", "1.5h", "-1ms", "1 d"} {
		if d, ok := ParseDuration(s); ok {
			t.Errorf("%q is taken as %v", s, d)
		}
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
