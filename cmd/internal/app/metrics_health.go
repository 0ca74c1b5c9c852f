package app

import (
	"crypto/x509"
	"encoding/pem"
	"os"
	"time"
)

const certificateHelp = "when the certificate of a key of the configuration runs out, Unix time"

// collectHealth tells what only an alert asks for.
func (c collector) collectHealth(m sink, st *Status) {
	now := time.Now()
	m.gauge("milepost_engine_clock_offset_seconds", "the engine's clock less the machine's: it never goes back and is slewed by 1 % at most", st.Clock.Sub(now).Seconds())
	for _, s := range st.Shards {
		m.gauge("milepost_state_shard_applied_position", "position in the log up to which records are applied", float64(s.Applied), "shard", s.Name)
		m.gauge("milepost_state_shard_stored_position", "position in the log up to which the effects are in the store", float64(s.Stored), "shard", s.Name)
	}
	for _, d := range st.Outbox {
		age := 0.0
		if d.Oldest > 0 {
			age = max(0, st.Clock.Sub(time.UnixMilli(d.Oldest)).Seconds())
		}
		m.gauge("milepost_notify_outbox_oldest_seconds", "how long the oldest event waits for the destination, 0: none does", age, "endpoint", d.Name)
	}
	cfg := c.e.cfg
	for _, f := range []struct{ key, file string }{
		{"mqtt.connect.tls", cfg.MQTT.Connect.TLS.CertFile}, {"kafka.tls", cfg.Kafka.TLS.CertFile},
	} {
		if f.file == "" {
			continue
		}
		if end, ok := certificateEnd(f.file); ok {
			m.gauge("milepost_tls_certificate_expiry_timestamp_seconds", certificateHelp, float64(end.Unix()), "key", f.key)
		}
	}
}

// certificateEnd is when the first certificate of a PEM file runs out. Read at each scrape: the file is small, and
// whoever renews it wants to see that.
func certificateEnd(file string) (end time.Time, ok bool) {
	rest, err := os.ReadFile(file)
	if err != nil {
		return end, false
	}
	for {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return end, false
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return end, false
		}
		return cert.NotAfter, true
	}
}
