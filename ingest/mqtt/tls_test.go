package mqtt

import (
	"crypto/tls"
	"crypto/x509"
	"strings"
	"testing"
	"time"

	"github.com/milepost-io/milepost/ingest/certtest"
)

// What is wrong with certificates is told by the key that mends it, once a minute, and tried again. A fake
// broker that speaks TLS; the same at Mosquitto in cmd/internal/e2e.
func TestFakeBrokerSpeaksTLS(t *testing.T) {
	ca, other := certtest.New(t, t.TempDir()), certtest.New(t, t.TempDir())
	server, client, stranger := ca.Pair("server", "broker"), ca.Pair("client", "engine"), other.Pair("stranger", "engine")
	expired, err := tls.LoadX509KeyPair(ca.Issue("expired", "broker", -time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		name   string
		server tls.Certificate
		trust  *x509.CertPool
		client []tls.Certificate
		host   string
		want   string // "" is a connection
	}{
		{"in order", server, ca.Pool(), []tls.Certificate{client}, "", ""},
		{"unknown authority", server, other.Pool(), []tls.Certificate{client}, "", "mqtt.connect.tls.ca_file"},
		{"another name", server, ca.Pool(), []tls.Certificate{client}, "broker.example", "mqtt.connect.tls.server_name"},
		{"expired", expired, ca.Pool(), []tls.Certificate{client}, "", "mqtt.connect.url: the broker's certificate has expired"},
		{"no client certificate", server, ca.Pool(), nil, "", "mqtt.connect.tls.cert_file"},
		{"a stranger's", server, ca.Pool(), []tls.Certificate{stranger}, "", "mqtt.connect.tls.cert_file"},
	} {
		t.Run(x.name, func(t *testing.T) {
			f, l := newFakeBroker(t), newLog(true)
			plain := f.listener
			f.listener = tls.NewListener(plain, &tls.Config{Certificates: []tls.Certificate{x.server}, ClientCAs: ca.Pool(), ClientAuth: tls.RequireAndVerifyClientCert})
			s, out, _ := subscribe(t, SubscriberOptions{
				URL: strings.Replace(f.url(), "mqtt", "tls", 1), Sink: l, Topics: one(),
				TLS: &tls.Config{RootCAs: x.trust, Certificates: x.client, ServerName: x.host},
			})
			if x.want == "" {
				nc, err := f.listener.Accept()
				if err != nil {
					t.Fatal(err)
				}
				c := f.greet(nc)
				c.subscriptions(1)
				c.send(publish("vehicles/V1/telemetry", 2, 1, "{}"))
				c.acks(0x40, 1)
				return
			}
			done := make(chan struct{})
			go func() { // let each attempt fail
				defer close(done)
				for {
					nc, err := f.listener.Accept()
					if err != nil {
						return
					}
					_ = nc.(*tls.Conn).Handshake()
					nc.Close()
				}
			}()
			eventually(t, "it is tried again and told", func() bool { st := s.Stats(); return st.Failures >= 3 && strings.Contains(st.Trouble, x.want) })
			if n := strings.Count(out.String(), x.want); n != 1 {
				t.Fatalf("%q stands %d times in\n%s", x.want, n, out)
			}
			plain.Close()
			<-done
		})
	}
}

func TestFakeBrokerSpeaksNoTLS(t *testing.T) {
	f := newFakeBroker(t)
	s, _, _ := subscribe(t, SubscriberOptions{URL: strings.Replace(f.url(), "mqtt", "tls", 1), Sink: newLog(true), Topics: one()})
	for _, answer := range []string{"HTTP/1.1 400 Bad Request\r\n\r\n", ""} {
		nc, err := f.listener.Accept()
		if err != nil {
			t.Fatal(err)
		}
		_, _ = nc.Write([]byte(answer))
		nc.Close()
		eventually(t, "it is told", func() bool { return strings.Contains(s.Stats().Trouble, "mqtt.connect.url: what listens there") })
	}
}
