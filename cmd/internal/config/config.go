// Package config turns one strict YAML file into the engine's settings: every key has a unit and a
// default, an unknown key is an error that names the nearest one, relative paths are the file's.
//
// Config is data: it opens nothing and knows no component.
package config

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Config is the whole file. The tags are the source of the reference in docs/configuration.md: key,
// default as written, and what it is for.
type Config struct {
	Source      string    `key:"source" default:"/milepost" doc:"name of this installation: the source of every CloudEvent"`
	Timezone    string    `key:"timezone" default:"UTC" doc:"IANA zone of vehicles whose profile names none"`
	Data        string    `key:"data" default:"./data" doc:"folder of journal and state; made when missing"`
	Rules       string    `key:"rules" default:"./rules" doc:"folder of rule, plan and policy files; a missing folder is an empty rule set"`
	Signals     string    `key:"signals" default:"" doc:"file that extends the built-in signal catalogue"`
	Shards      int       `key:"shards" default:"4" doc:"partitions of each stream, 1 to 64; fixed when the data folder is made"`
	HTTP        HTTP      `key:"http"`
	MQTT        MQTT      `key:"mqtt"`
	Kafka       Kafka     `key:"kafka"`
	Journal     Journal   `key:"journal"`
	Retention   Retention `key:"retention"`
	Policy      Policy    `key:"policy"`
	Notify      Notify    `key:"notify"`
	DiskReserve Size      `key:"disk_reserve" default:"0B" doc:"free space of the data folder's file system below which intake stops; 0B: the smaller of 5 % of it and 1GiB"`
	Memory      Size      `key:"memory" default:"1GiB" doc:"bound of the documents kept decoded in memory, all shards together"`
	WriteBack   Duration  `key:"write_back" default:"5s" doc:"how often changed documents are written to the store; bounds the replay after a crash"`

	// Dir is the folder of the file, File its path as given ("" without one).
	Dir  string `key:"-"`
	File string `key:"-"`
}

// HTTP is the address of console, API and metrics.
type HTTP struct {
	Listen      string    `key:"listen" default:"127.0.0.1:8080" doc:"console, API, metrics. Off loopback it needs tokens_file, and tls or tls_at_proxy"`
	TokensFile  string    `key:"tokens_file" default:"" doc:"bearer tokens, a line each: name role token; roles events, read, admin. Read again when it changes. Absent: open on loopback"`
	TLS         TLSServer `key:"tls"`
	TLSAtProxy  bool      `key:"tls_at_proxy" default:"false" doc:"a proxy in front ends TLS and sets X-Forwarded-For; permits plain HTTP off loopback, between the two only"`
	DebugListen string    `key:"debug_listen" default:"" doc:"address of pprof; off when empty; loopback only"`
}

// TLSServer is the identity of something that listens.
type TLSServer struct {
	CertFile string `key:"cert_file" default:"" doc:"PEM certificate chain; with key_file: only TLS is spoken. Read again when it changes"`
	KeyFile  string `key:"key_file" default:"" doc:"PEM key of the certificate"`
}

// MQTTServerTLS is TLSServer with client certificates.
type MQTTServerTLS struct {
	CertFile     string `key:"cert_file" default:"" doc:"PEM certificate chain; with key_file: only TLS is spoken. Read again when it changes"`
	KeyFile      string `key:"key_file" default:"" doc:"PEM key of the certificate"`
	ClientCAFile string `key:"client_ca_file" default:"" doc:"PEM authorities of client certificates: a client with one is who its common name says, a vehicle unless users_file has another role for it. Without users_file a certificate is required"`
}

// TLSClient is how a connection to somebody else's server is secured.
type TLSClient struct {
	Enabled    bool   `key:"enabled" default:"false" doc:"speak TLS; implied by the files and by a tls:// address"`
	CAFile     string `key:"ca_file" default:"" doc:"PEM authorities to trust; empty: the system's"`
	CertFile   string `key:"cert_file" default:"" doc:"PEM client certificate"`
	KeyFile    string `key:"key_file" default:"" doc:"PEM key of the client certificate"`
	ServerName string `key:"server_name" default:"" doc:"name the server's certificate must carry; empty: the address"`
}

// MQTT is where cars publish: the embedded broker, or one of the user's own.
type MQTT struct {
	Listen    string        `key:"listen" default:"127.0.0.1:1883" doc:"embedded MQTT 3.1.1 broker; empty, or with connect.url and no listen: none. Off loopback it needs tls, and users_file or tls.client_ca_file"`
	UsersFile string        `key:"users_file" default:"" doc:"users of the embedded broker, a line each: name role secret; roles vehicle, gateway, blocked; lines are made by milepost password. Read again when it changes. Absent: open on loopback"`
	TLS       MQTTServerTLS `key:"tls"`
	Connect   MQTTConnect   `key:"connect"`
	Topics    []Topic       `key:"topics" default:"vehicles/+/{telemetry,profile,service,feedback}, parties/+" doc:"what is taken from which topic"`
}

// MQTTConnect is a broker of the user's.
type MQTTConnect struct {
	URL          string    `key:"url" default:"" doc:"broker to subscribe at instead of the embedded one: mqtt://host:1883 or tls://host:8883"`
	ClientID     string    `key:"client_id" default:"milepost" doc:"client id; the second connection adds -2, and so on. The broker keeps what arrives for it while it is away; each engine needs its own"`
	Connections  int       `key:"connections" default:"1" doc:"connections, 1 to 64, at most as many as filters in topics; each has every n-th filter, so what comes under a filter keeps its order"`
	Share        string    `key:"share" default:"" doc:"group of a shared subscription ($share): the broker spreads every filter over all connections. Faster, but a car's messages may overtake each other: what was overtaken counts as late"`
	Username     string    `key:"username" default:"" doc:"user name at the broker"`
	PasswordFile string    `key:"password_file" default:"" doc:"file with the password in its first line; read again at each attempt to connect"`
	TLS          TLSClient `key:"tls"`
}

// Kafka is the user's cluster.
type Kafka struct {
	Brokers []string     `key:"brokers" default:"none" doc:"addresses to begin with, host:port"`
	Group   string       `key:"group" default:"milepost" doc:"consumer group; members share the partitions"`
	Start   string       `key:"start" default:"earliest" doc:"where a group without offsets begins: earliest or latest"`
	SASL    SASL         `key:"sasl"`
	TLS     TLSClient    `key:"tls"`
	Topics  []KafkaTopic `key:"topics" default:"none" doc:"what is taken from which topic"`
}

// SASL is a Kafka user.
type SASL struct {
	Mechanism    string `key:"mechanism" default:"" doc:"plain, scram-sha-256 or scram-sha-512; empty: no user"`
	Username     string `key:"username" default:"" doc:"user name"`
	PasswordFile string `key:"password_file" default:"" doc:"file with the password in its first line"`
}

// KafkaTopic says what a Kafka topic carries.
type KafkaTopic struct {
	Name  string   `key:"name" doc:"topic; the key of a message is the vehicle (or party) id"`
	Codec string   `key:"codec" default:"json" doc:"how values are encoded"`
	Types []string `key:"types" default:"[telemetry]" doc:"event types the topic may carry; others are quarantined"`
}

// Topic says what a filter carries.
type Topic struct {
	Filter string   `key:"filter" doc:"MQTT topic filter; its first + is the vehicle (or party) id"`
	Codec  string   `key:"codec" default:"json" doc:"how payloads are encoded"`
	Types  []string `key:"types" default:"[telemetry]" doc:"event types the topic may carry; others are quarantined"`
}

// Journal bounds the log on disk.
type Journal struct {
	Keep Duration `key:"keep" default:"7d" doc:"how long records are kept for backtests; never less than recovery needs"`
	Max  Size     `key:"max" default:"20GiB" doc:"how much is kept; whichever of keep and max is reached first"`
}

// Retention is how long what was stored stays.
type Retention struct {
	Timeline   Duration `key:"timeline" default:"400d" doc:"how long vehicle timelines are kept, in whole days"`
	Deadletter Duration `key:"deadletter" default:"30d" doc:"how long dead letters are kept, in whole days"`
}

// Policy may also stand in a file of the rules folder; each key stands once.
type Policy struct {
	Group          Group  `key:"group"`
	ConsentDefault string `key:"consent_default" default:"granted" doc:"consent of an owner who said nothing: granted or denied"`
	DayStarts      string `key:"day_starts" default:"09:00" doc:"local time at which a new day counts for dates"`

	// Given are the keys that the file or the environment sets ("policy.group.wait"), in order.
	Given []string `key:"-"`
}

// Group is how messages gather.
type Group struct {
	Wait Duration `key:"wait" default:"10m" doc:"how long a reminder waits for others of the same visit"`
}

// Notify is where messages and leads go.
type Notify struct {
	Log      string    `key:"log" default:"" doc:"file that gets every event as a JSON line; - is standard output"`
	Webhooks []Webhook `key:"webhooks" default:"none" doc:"endpoints"`
	Kafka    KafkaOut  `key:"kafka"`
}

// Endpoint names that are no webhook's.
const (
	LogEndpoint         = "log"
	KafkaAlertsEndpoint = "kafka-alerts"
	KafkaLeadsEndpoint  = "kafka-leads"
)

// KafkaOut are topics of the cluster under kafka.
type KafkaOut struct {
	Alerts string `key:"alerts" default:"" doc:"topic that gets every reminder and alert, key = VIN, for example milepost.alerts"`
	Leads  string `key:"leads" default:"" doc:"topic that gets every lead, key = VIN, for example milepost.leads"`
}

// Webhook is one endpoint.
type Webhook struct {
	Name         string   `key:"name" doc:"unique name, ^[a-z0-9-]{1,32}$"`
	URL          string   `key:"url" doc:"https address; http only with allow_private"`
	SecretFile   string   `key:"secret_file" doc:"one whsec_… a line; all sign, so that secrets can be rotated"`
	To           []string `key:"to" doc:"owner: reminders and alerts; dealer: leads"`
	AllowPrivate bool     `key:"allow_private" default:"false" doc:"permits http, loopback and private addresses"`
}

// later are keys that a coming version reads: refused by name, not as unknown.
func later(path string) bool {
	switch path {
	case "vehicle_defaults", "policy.quiet_hours", "policy.caps", "policy.inhibit", "policy.escalate", "policy.back_off", "retention.services", "segments":
		return true
	}
	return false
}

// Default is the configuration of an empty file, with relative paths in dir.
func Default(dir string) (*Config, error) { return Parse("", []byte(""), dir, nil) }

// Load reads, decodes and checks a file. env are the environment's variables ("K=V"): MILEPOST_HTTP_LISTEN
// overrides http.listen.
func Load(path string, env []string) (*Config, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	return Parse(path, b, filepath.Dir(path), env)
}

// check holds what a decoder cannot see.
func (c *Config) check() []string {
	var bad []string
	add := func(f string, a ...any) { bad = append(bad, fmt.Sprintf(f, a...)) }
	if _, err := time.LoadLocation(c.Timezone); err != nil || c.Timezone == "Local" {
		add("timezone: %q is no IANA zone (expected for example Asia/Shanghai)", c.Timezone)
	}
	if c.Shards < 1 || c.Shards > 64 {
		add("shards: %d is outside 1 to 64", c.Shards)
	}
	if c.WriteBack < Duration(100*time.Millisecond) || c.WriteBack > Duration(time.Minute) {
		add("write_back: %v is outside 100ms to 1m", c.WriteBack)
	}
	if c.Memory < 16<<20 {
		add("memory: %v is below 16MiB", c.Memory)
	}
	for _, r := range []struct {
		key  string
		keep Duration
	}{{"timeline", c.Retention.Timeline}, {"deadletter", c.Retention.Deadletter}} {
		if r.keep < Duration(24*time.Hour) {
			add("retention.%s: %v is below 1d", r.key, r.keep)
		}
	}
	bad = append(bad, c.checkListeners()...)
	for i, t := range c.MQTT.Topics {
		at := fmt.Sprintf("mqtt.topics[%d]", i)
		if t.Filter == "" || strings.ContainsAny(t.Filter, "#\x00") {
			add("%s.filter: %q (expected a filter with + levels and without #)", at, t.Filter)
		}
		bad = append(bad, checkContent(at, t.Codec, t.Types)...)
	}
	bad = append(bad, c.MQTT.Connect.check(len(c.MQTT.Topics))...)
	bad = append(bad, c.Kafka.check()...)
	if (c.Notify.Kafka.Alerts != "" || c.Notify.Kafka.Leads != "") && len(c.Kafka.Brokers) == 0 {
		add("notify.kafka: needs kafka.brokers")
	}
	if c.Policy.ConsentDefault != "granted" && c.Policy.ConsentDefault != "denied" {
		add("policy.consent_default: %q (expected granted or denied)", c.Policy.ConsentDefault)
	}
	if _, err := time.Parse("15:04", c.Policy.DayStarts); err != nil {
		add("policy.day_starts: %q (expected hh:mm)", c.Policy.DayStarts)
	}
	names := map[string]bool{}
	for i, w := range c.Notify.Webhooks {
		bad = append(bad, w.check(fmt.Sprintf("notify.webhooks[%d]", i), names)...)
	}
	return bad
}

func (w *Webhook) check(at string, names map[string]bool) []string {
	var bad []string
	add := func(f string, a ...any) { bad = append(bad, at+"."+fmt.Sprintf(f, a...)) }
	ok := w.Name != "" && len(w.Name) <= 32
	for _, r := range w.Name {
		ok = ok && (r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-')
	}
	switch {
	case !ok:
		add("name: %q (expected a to z, 0 to 9 and -, at most 32)", w.Name)
	case names[w.Name]:
		add("name: %q stands twice", w.Name)
	case w.Name == LogEndpoint || w.Name == KafkaAlertsEndpoint || w.Name == KafkaLeadsEndpoint:
		add("name: %q is the name of an output of its own (expected any but %s, %s and %s)", w.Name, LogEndpoint, KafkaAlertsEndpoint, KafkaLeadsEndpoint)
	}
	names[w.Name] = true
	u, err := url.Parse(w.URL)
	switch {
	case err != nil || u.Host == "":
		add("url: %q is no address (expected https://host/path)", w.URL)
	case u.Scheme != "https" && (u.Scheme != "http" || !w.AllowPrivate):
		add("url: scheme %q (expected https; http needs allow_private: true)", u.Scheme)
	}
	if w.SecretFile == "" {
		add("secret_file: missing: name a file with one whsec_… a line")
	}
	if len(w.To) == 0 {
		add("to: missing (expected [owner], [dealer] or both)")
	}
	for _, to := range w.To {
		if to != "owner" && to != "dealer" {
			add("to: %q (expected owner or dealer)", to)
		}
	}
	return bad
}
