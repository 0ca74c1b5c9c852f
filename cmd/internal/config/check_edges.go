package config

import (
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
)

// checkContent checks what a topic of any broker carries.
func checkContent(at, codec string, types []string) []string {
	var bad []string
	add := func(f string, a ...any) { bad = append(bad, at+"."+fmt.Sprintf(f, a...)) }
	if codec != "json" {
		add("codec: %q is not in this version (expected json)", codec)
	}
	if len(types) == 0 {
		add("types: empty (expected some of telemetry, vehicle, party, service, feedback and erase)")
	}
	for _, typ := range types {
		switch typ {
		case "telemetry", "vehicle", "party", "service", "feedback", "erase":
		default:
			add("types: %q (expected telemetry, vehicle, party, service, feedback or erase)", typ)
		}
	}
	return bad
}

func (m *MQTTConnect) check(filters int) []string {
	var bad []string
	add := func(f string, a ...any) { bad = append(bad, "mqtt.connect."+fmt.Sprintf(f, a...)) }
	if m.URL == "" {
		return nil
	}
	u, err := url.Parse(m.URL)
	if err != nil || u.Hostname() == "" || !slices.Contains([]string{"mqtt", "tcp", "tls", "ssl", "mqtts"}, u.Scheme) {
		add("url: %q (expected mqtt://host:1883 or tls://host:8883)", m.URL)
	} else if u.User != nil {
		add("url: holds a user (expected it in username and password_file, so that it is in no log)")
	}
	if m.ClientID == "" {
		add("client_id: empty: the broker keeps messages for a client by its id")
	}
	switch {
	case m.Connections < 1 || m.Connections > 64:
		add("connections: %d is outside 1 to 64", m.Connections)
	case m.Share == "" && m.Connections > filters:
		add("connections: %d for %d filters in mqtt.topics: a filter has one connection, so %d would be idle (expected at most %d, or share)", m.Connections, filters, m.Connections-filters, filters)
	}
	if strings.ContainsAny(m.Share, "/+#") {
		add("share: %q (expected a name without /, + and #)", m.Share)
	}
	if m.PasswordFile != "" && m.Username == "" {
		add("username: missing beside password_file")
	}
	return append(bad, m.TLS.check("mqtt.connect.tls")...)
}

func (t *TLSClient) check(at string) []string {
	if (t.CertFile == "") != (t.KeyFile == "") {
		return []string{at + ".cert_file: cert_file and key_file belong together"}
	}
	return nil
}

func (k *Kafka) check() []string {
	var bad []string
	add := func(f string, a ...any) { bad = append(bad, "kafka."+fmt.Sprintf(f, a...)) }
	for i, b := range k.Brokers {
		if _, _, err := net.SplitHostPort(b); err != nil {
			add("brokers[%d]: %q is no address (expected host:port)", i, b)
		}
	}
	if len(k.Topics) > 0 && len(k.Brokers) == 0 {
		add("brokers: missing beside topics (expected [host:port])")
	}
	if k.Group == "" {
		add("group: empty")
	}
	if k.Start != "earliest" && k.Start != "latest" {
		add("start: %q (expected earliest or latest)", k.Start)
	}
	switch k.SASL.Mechanism {
	case "":
		if k.SASL.Username != "" {
			add("sasl.mechanism: missing beside username (expected plain, scram-sha-256 or scram-sha-512)")
		}
	case "plain", "scram-sha-256", "scram-sha-512":
		if k.SASL.Username == "" || k.SASL.PasswordFile == "" {
			add("sasl: needs username and password_file")
		}
	default:
		add("sasl.mechanism: %q (expected plain, scram-sha-256 or scram-sha-512)", k.SASL.Mechanism)
	}
	bad = append(bad, k.TLS.check("kafka.tls")...)
	names := map[string]bool{}
	for i, t := range k.Topics {
		at := fmt.Sprintf("kafka.topics[%d]", i)
		switch {
		case t.Name == "":
			bad = append(bad, at+".name: missing")
		case names[t.Name]:
			bad = append(bad, fmt.Sprintf("%s.name: %q stands twice", at, t.Name))
		}
		names[t.Name] = true
		bad = append(bad, checkContent(at, t.Codec, t.Types)...)
	}
	return bad
}
