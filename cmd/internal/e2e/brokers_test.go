//go:build e2e

package e2e

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/sasl"
	"github.com/segmentio/kafka-go/sasl/plain"
	"github.com/segmentio/kafka-go/sasl/scram"
)

// TestSharedKafka proves that the broker the other tests share takes and gives messages. Against Apache Kafka.
func TestSharedKafka(t *testing.T) {
	t.Parallel()
	b := sharedKafka(t)
	b.CreateTopic(t, t.Name(), 3)
	throughKafka(t, b.Addr(), t.Name(), &kafka.Transport{}, &kafka.Dialer{})
}

// TestKafkaListeners proves TLS, users and what a broker remembers over kill -9. Against Apache Kafka.
func TestKafkaListeners(t *testing.T) {
	t.Parallel()
	b := startKafka(t, kafkaOptions{Users: map[string]string{"milepost": "s3cret"}, TLS: true, ClientCertificates: true})
	b.CreateTopic(t, "telemetry", 1, "cleanup.policy", "compact")
	certificate := clientTLS(t, b.CA(), b.ClientCertificate)
	scram256, err := scram.Mechanism(scram.SHA256, "milepost", "s3cret")
	if err != nil {
		t.Fatal(err)
	}
	scram512, err := scram.Mechanism(scram.SHA512, "milepost", "s3cret")
	if err != nil {
		t.Fatal(err)
	}
	password := plain.Mechanism{Username: "milepost", Password: "s3cret"}
	b.Restart(t)
	b.AwaitTopic(t, "telemetry", 1)
	for _, c := range []struct {
		name, addr string
		tls        *tls.Config
		mechanism  sasl.Mechanism
	}{
		{"PLAINTEXT", b.Addr(), nil, nil},
		{"SSL", b.AddrTLS(), certificate, nil},
		{"PLAIN", b.AddrSASL(), nil, password},
		{"SCRAM-SHA-256", b.AddrSASL(), nil, scram256},
		{"SCRAM-SHA-512 over TLS", b.AddrSASLTLS(), certificate, scram512},
	} {
		t.Run(c.name, func(t *testing.T) {
			throughKafka(t, c.addr, "telemetry", &kafka.Transport{TLS: c.tls, SASL: c.mechanism}, &kafka.Dialer{TLS: c.tls, SASLMechanism: c.mechanism})
		})
	}
	_, err = (&kafka.Dialer{SASLMechanism: plain.Mechanism{Username: "milepost", Password: "wrong"}}).Dial("tcp", b.AddrSASL())
	if !errors.Is(err, kafka.SASLAuthenticationFailed) {
		t.Errorf("a wrong password: %v", err)
	}
}

// throughKafka writes one message and reads it back.
func throughKafka(t *testing.T, addr, topic string, transport *kafka.Transport, dialer *kafka.Dialer) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), serverLimit)
	defer cancel()
	conn, err := dialer.DialLeader(ctx, "tcp", addr, topic, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	end, err := conn.ReadLastOffset()
	if err != nil {
		t.Fatal(err)
	}
	defer transport.CloseIdleConnections()
	_, err = (&kafka.Client{Addr: kafka.TCP(addr), Transport: transport}).Produce(ctx, &kafka.ProduceRequest{
		Topic: topic, Partition: 0, RequiredAcks: kafka.RequireAll,
		Records: kafka.NewRecordReader(kafka.Record{Key: kafka.NewBytes([]byte("VIN1")), Value: kafka.NewBytes([]byte(t.Name()))}),
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Seek(end, kafka.SeekAbsolute); err != nil {
		t.Fatal(err)
	}
	m, err := conn.ReadMessage(1 << 16)
	if err != nil || string(m.Value) != t.Name() || string(m.Key) != "VIN1" || m.Offset != end {
		t.Fatalf("read %s: %s at %d, %v; expected VIN1: %s at %d", m.Key, m.Value, m.Offset, err, t.Name(), end)
	}
}

// clientTLS trusts ca and shows the client's certificate.
func clientTLS(t testing.TB, ca string, certificate func() (cert, key string)) *tls.Config {
	t.Helper()
	pem, err := os.ReadFile(ca)
	if err != nil {
		t.Fatal(err)
	}
	c := &tls.Config{RootCAs: x509.NewCertPool(), MinVersion: tls.VersionTLS12}
	c.RootCAs.AppendCertsFromPEM(pem)
	cert, err := tls.LoadX509KeyPair(certificate())
	if err != nil {
		t.Fatal(err)
	}
	c.Certificates = []tls.Certificate{cert}
	return c
}

// TestMosquitto proves users, TLS, and that a message for a session that is away outlives a restart.
// Against Mosquitto.
func TestMosquitto(t *testing.T) {
	t.Parallel()
	for _, o := range []mosquittoOptions{{}, {Users: map[string]string{"car": "s3cret"}}, {TLS: true, ClientCertificates: true}} {
		t.Run(fmt.Sprintf("users %v certificates %v", len(o.Users) > 0, o.ClientCertificates), func(t *testing.T) {
			t.Parallel()
			throughMosquitto(t, startMosquitto(t, o), o)
		})
	}
}

func throughMosquitto(t *testing.T, b *mosquittoBroker, o mosquittoOptions) {
	t.Helper()
	settings := func(id string) *mqtt.ClientOptions {
		c := mqtt.NewClientOptions().AddBroker("tcp://" + b.Addr()).SetClientID(id).SetCleanSession(false).SetAutoReconnect(false)
		for name, password := range o.Users {
			c.SetUsername(name).SetPassword(password)
		}
		if o.ClientCertificates {
			c.Servers = nil
			c.AddBroker("ssl://" + b.Addr()).SetTLSConfig(clientTLS(t, b.CA(), b.ClientCertificate))
		}
		return c
	}
	got := make(chan string, 1)
	connect := func(id string) mqtt.Client {
		c := mqtt.NewClient(settings(id).SetDefaultPublishHandler(func(_ mqtt.Client, m mqtt.Message) { got <- string(m.Payload()) }))
		done(t, c.Connect())
		return c
	}
	reader := connect("reader")
	done(t, reader.Subscribe("vehicles/#", 1, nil))
	reader.Disconnect(0)
	writer := connect("writer")
	done(t, writer.Publish("vehicles/VIN1/telemetry", 1, false, t.Name()))
	writer.Disconnect(0)
	b.Restart(t)
	reader = connect("reader")
	defer reader.Disconnect(0)
	select {
	case m := <-got:
		if m != t.Name() {
			t.Fatalf("received %q", m)
		}
	case <-time.After(serverLimit):
		t.Fatal("the message of before the restart did not come")
	}
	if len(o.Users) > 0 {
		stranger := mqtt.NewClient(settings("stranger").SetPassword("wrong"))
		if token := stranger.Connect(); token.Wait() && token.Error() == nil {
			t.Error("a wrong password was accepted")
		}
	}
}

func done(t testing.TB, token mqtt.Token) {
	t.Helper()
	if !token.WaitTimeout(serverLimit) {
		t.Fatal("no answer")
	}
	if err := token.Error(); err != nil {
		t.Fatal(err)
	}
}
