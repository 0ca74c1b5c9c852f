package app

import (
	"fmt"
	"net"

	"github.com/milepost-io/milepost/ingest/mqtt"
)

// subscriberSource names a broker of the user's where people read of sources: by the key that configures it.
const subscriberSource = "mqtt.connect"

// openSubscriber makes the subscriber at the user's own broker, if there is one. It connects to nothing yet;
// what a person can mend before is told here.
func (e *Engine) openSubscriber() error {
	c := &e.cfg.MQTT.Connect
	if c.URL == "" {
		return nil
	}
	tlsConfig, err := clientTLS("mqtt.connect.tls", c.TLS)
	if err != nil {
		return err
	}
	password := func() (string, error) { return readPassword("mqtt.connect.password_file", c.PasswordFile) }
	if _, err := password(); err != nil {
		return err
	}
	s, err := mqtt.NewSubscriber(mqtt.SubscriberOptions{
		URL: c.URL, ClientID: c.ClientID, Connections: c.Connections, Share: c.Share,
		Username: c.Username, Password: password, TLS: tlsConfig,
		Topics: topics(e.cfg), Sink: e.intake, Source: subscriberSource, Logger: e.log,
	})
	if err != nil {
		return fmt.Errorf("mqtt.connect: %w", err)
	}
	if c.PasswordFile != "" && !s.Encrypted() && !isLoopback(s.Address()) {
		e.log.Warn().Str("broker", s.Address()).Msg("mqtt.connect.password_file: the password goes over the network unencrypted; use tls://")
	}
	e.sources.subscriber = s
	return nil
}

func isLoopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	ip := net.ParseIP(host)
	return err == nil && (host == "localhost" || ip != nil && ip.IsLoopback())
}

func subscriberStatus(s *mqtt.Subscriber) SourceStatus {
	st := s.Stats()
	return SourceStatus{
		Name: subscriberSource, Address: s.Address(), Connections: int64(st.Connected), Received: st.Records, Refused: st.Refused,
		Waiting: int64(st.Waiting), Reconnects: st.Reconnects, Trouble: st.Trouble,
	}
}

// collectSubscriber tells Prometheus how the connections to the user's broker are.
func (c collector) collectSubscriber(m sink) {
	s := c.e.sources.subscriber
	if s == nil {
		return
	}
	st := s.Stats()
	m.gauge("milepost_mqtt_connections", "connections to the broker that there are to be", float64(st.Connections))
	m.gauge("milepost_mqtt_connected", "connections that are made and subscribed", float64(st.Connected))
	m.gauge("milepost_mqtt_unacknowledged_messages", "messages taken that wait for their acknowledgement", float64(st.Waiting))
	m.counter("milepost_mqtt_reconnects_total", "connections made after the first of each since the start", float64(st.Reconnects))
	m.counter("milepost_mqtt_failures_total", "attempts and connections that failed since the start", float64(st.Failures))
	m.counter("milepost_mqtt_redelivered_total", "messages that the broker says to have sent before, since the start", float64(st.Redelivered))
	m.counter("milepost_mqtt_retained_total", "retained messages since the start", float64(st.Retained))
	m.counter("milepost_mqtt_unmatched_total", "messages under no filter, for the dead letters, since the start", float64(st.Unmatched))
}
