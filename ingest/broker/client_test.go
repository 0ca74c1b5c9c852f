package broker

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/milepost-io/milepost/ingest"
	"github.com/milepost-io/milepost/ingest/broker/users"
	"github.com/milepost-io/milepost/ingest/certtest"
)

// usersFile writes a users file; secrets are hashed, "-" stays.
func usersFile(t *testing.T, lines ...[3]string) (*users.Users, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "users")
	writeUsers(t, path, lines...)
	u, err := users.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return u, path
}

func writeUsers(t *testing.T, path string, lines ...[3]string) {
	t.Helper()
	var content strings.Builder
	for _, l := range lines {
		if l[2] != "-" {
			h, err := users.Hash(l[2], users.GeneratedIterations)
			if err != nil {
				t.Fatal(err)
			}
			l[2] = h
		}
		content.WriteString(strings.Join(l[:], " ") + "\n")
	}
	if err := os.WriteFile(path, []byte(content.String()), 0o600); err != nil {
		t.Fatal(err)
	}
}

// login sends a CONNECT and returns the CONNACK's code; -1 when the connection ended without one.
func (c *rawClient) login(id, user, password string) int {
	c.t.Helper()
	var flags byte = 2
	payload := str(id)
	if user != "" {
		flags |= 0x80
		payload = append(payload, str(user)...)
	}
	if password != "" {
		flags |= 0x40
		payload = append(payload, str(password)...)
	}
	c.send(frame(0x10, append([]byte{0, 4, 'M', 'Q', 'T', 'T', 4, flags, 0, 60}, payload...)))
	kind, body, err := c.readPacket()
	if err != nil {
		return -1
	}
	if kind != 0x20 {
		c.t.Fatalf("connack: got %x %x", kind, body)
	}
	return int(body[1])
}

func dialTLS(t *testing.T, b *Broker, cfg *tls.Config) *rawClient {
	t.Helper()
	c := dial(t, b)
	secure := tls.Client(c.Conn, cfg)
	return &rawClient{t, secure, bufio.NewReader(secure)}
}

func TestPasswords(t *testing.T) {
	sink := newHeldSink()
	us, _ := usersFile(t, [3]string{"V1", "vehicle", "one"}, [3]string{"G", "gateway", "gate"}, [3]string{"V2", "vehicle", "-"}, [3]string{"V3", "blocked", "three"})
	b, _ := start(t, Options{Sink: sink, Users: us, RefuseDelay: time.Millisecond})
	for _, x := range []struct {
		user, password string
		want           int
	}{
		{"V1", "one", 0}, {"G", "gate", 0}, {"V1", "two", 5}, {"V1", "", 5}, {"", "", 5}, {"V2", "", 5}, {"V3", "three", 5}, {"V9", "one", 5}, {"+", "one", 5},
	} {
		if got := dial(t, b).login("c", x.user, x.password); got != x.want {
			t.Errorf("%q %q: %d, want %d", x.user, x.password, got, x.want)
		}
	}
	if n := b.Stats().RefusedCredentials; n != 7 {
		t.Errorf("%d refused", n)
	}
	if n := b.Stats().RefusedProtocol; n != 0 {
		t.Errorf("%d breaches of the protocol", n)
	}
}

// A vehicle speaks for itself; what it says for others is acknowledged, quarantined and counted.
func TestVehicleSpeaksForItself(t *testing.T) {
	sink := newAutoSink(t, time.Millisecond)
	held := &recorder{Sink: sink}
	us, _ := usersFile(t, [3]string{"V1", "vehicle", "one"}, [3]string{"G", "gateway", "gate"})
	topics := []Topic{
		{Filter: "vehicles/+/telemetry", Codec: "json", Types: telemetry},
		{Filter: "parties/+", Codec: "json", Types: ingest.TypeSet(ingest.Party)},
		{Filter: "fleet", Codec: "json", Types: telemetry},
	}
	b, _ := start(t, Options{Sink: held, Users: us, Topics: topics})
	for _, x := range []struct {
		user, password, topic, key string
		refused                    bool
	}{
		{"V1", "one", "vehicles/V1/telemetry", "V1", false},
		{"V1", "one", "vehicles/V2/telemetry", "", true},
		{"V1", "one", "vehicles/v1/telemetry", "", true},
		{"V1", "one", "vehicles/V12/telemetry", "", true},
		{"V1", "one", "parties/V1", "", true},
		{"V1", "one", "fleet", "", true},
		{"G", "gate", "vehicles/V2/telemetry", "V2", false},
		{"G", "gate", "parties/O1", "O1", false},
		{"G", "gate", "fleet", "V7", false},
	} {
		c := dial(t, b)
		if code := c.login("c", x.user, x.password); code != 0 {
			t.Fatal(x.user, code)
		}
		c.send(publish(x.topic, 1, 7, "V7:x"))
		c.acks(1)
		got := held.last()
		wrong := got.codec == ingest.WrongClient && got.types == 0 && got.payload == "V7:x"
		if wrong != x.refused || got.key != x.key {
			t.Errorf("%s on %s: %+v", x.user, x.topic, got)
		}
		if x.refused && got.source != "mqtt client V1" {
			t.Errorf("source %q", got.source)
		}
		c.send([]byte{0xe0, 0})
		c.closed()
	}
	if s := b.Stats(); s.WrongClient != 5 {
		t.Errorf("%+v", s)
	}
	if o := b.Offenders(); len(o) != 1 || o[0] != (Offender{"V1", 5}) {
		t.Errorf("%+v", o)
	}
}

// recorder keeps what went to a sink.
type recorder struct {
	ingest.Sink
	mu   sync.Mutex
	recs []sourced
}

type sourced struct {
	taken
	source string
}

func (r *recorder) Take(recs []ingest.Record, ack ingest.Acker, id uint64) error {
	r.mu.Lock()
	for _, x := range recs {
		r.recs = append(r.recs, sourced{taken{string(x.Key), string(x.Payload), x.Topic, x.Codec, x.Party, x.Oversize, x.Types}, x.Source})
	}
	r.mu.Unlock()
	return r.Sink.Take(recs, ack, id)
}

func (r *recorder) last() sourced {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.recs[len(r.recs)-1]
}

// The last will of a vehicle is held to the same rule.
func TestWillSpeaksForItsVehicle(t *testing.T) {
	us, _ := usersFile(t, [3]string{"V1", "vehicle", "one"})
	sink := newHeldSink()
	b, _ := start(t, Options{Sink: sink, Users: us})
	c := dial(t, b)
	payload := append(append(append(append(str("c"), str("vehicles/V2/telemetry")...), str("bye")...), str("V1")...), str("one")...)
	c.send(frame(0x10, append([]byte{0, 4, 'M', 'Q', 'T', 'T', 4, 0xc0 | 0x04 | 2, 0, 60}, payload...)))
	if kind, body := c.packet(); kind != 0x20 || body[1] != 0 {
		t.Fatalf("%x %x", kind, body)
	}
	c.Close()
	if got := sink.await(1)[0]; got.codec != ingest.WrongClient || got.key != "" {
		t.Errorf("%+v", got)
	}
}

// Nobody takes over the session of another user by choosing its client id; one's own is taken over.
func TestClientIDsAreTheUsersOwn(t *testing.T) {
	us, _ := usersFile(t, [3]string{"V1", "vehicle", "one"}, [3]string{"V2", "vehicle", "two"})
	b, _ := start(t, Options{Sink: newHeldSink(), Users: us})
	first, second := dial(t, b), dial(t, b)
	if first.login("V1", "V1", "one") != 0 || second.login("V1", "V2", "two") != 0 {
		t.Fatal("refused")
	}
	first.ping()
	second.ping()
	again := dial(t, b)
	if again.login("V1", "V1", "one") != 0 {
		t.Fatal("refused")
	}
	first.closed()
	again.ping()
	second.ping()
}

func TestClientCertificates(t *testing.T) {
	dir := t.TempDir()
	ca := certtest.New(t, dir)
	stranger := certtest.New(t, t.TempDir())
	server := &tls.Config{Certificates: []tls.Certificate{ca.Pair("server", "broker")}, ClientCAs: ca.Pool(), ClientAuth: tls.VerifyClientCertIfGiven, MinVersion: tls.VersionTLS12}
	us, _ := usersFile(t, [3]string{"G", "gateway", "-"}, [3]string{"V3", "blocked", "-"}, [3]string{"V4", "vehicle", "four"})
	b, _ := start(t, Options{Sink: newHeldSink(), Users: us, TLS: server, ClientCertificates: true, RefuseDelay: time.Millisecond})
	for _, x := range []struct {
		name, cert, user, password string
		want                       int
		role                       users.Role
	}{
		{"vehicle", "V1", "", "", 0, users.Vehicle},
		{"the same name", "V1", "V1", "x", 0, users.Vehicle},
		{"another name", "V1", "V4", "four", 5, 0},
		{"gateway", "G", "", "", 0, users.Gateway},
		{"blocked", "V3", "", "", 5, 0},
		{"wildcard", "+", "", "", 5, 0},
		{"no name", "", "", "", 5, 0},
		{"password", "none", "V4", "four", 0, users.Vehicle},
		{"nothing", "none", "", "", 5, 0},
	} {
		t.Run(x.name, func(t *testing.T) {
			cfg := &tls.Config{RootCAs: ca.Pool(), ServerName: "127.0.0.1", MinVersion: tls.VersionTLS12}
			if x.cert != "none" {
				cfg.Certificates = []tls.Certificate{ca.Pair("client", x.cert)}
			}
			c := dialTLS(t, b, cfg)
			if got := c.login("c", x.user, x.password); got != x.want {
				t.Fatalf("%d, want %d", got, x.want)
			}
			if x.want == 0 {
				c.ping()
			}
		})
	}
	t.Run("stranger", func(t *testing.T) {
		// Go's client leaves out a certificate that the server's authorities have not signed.
		pair := stranger.Pair("client", "V1")
		c := dialTLS(t, b, &tls.Config{RootCAs: ca.Pool(), ServerName: "127.0.0.1", MinVersion: tls.VersionTLS12,
			GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }})
		if err := c.Conn.(*tls.Conn).Handshake(); err == nil {
			c.closed()
		}
	})
	t.Run("plain", func(t *testing.T) {
		c := dial(t, b)
		c.send(frame(0x10, append([]byte{0, 4, 'M', 'Q', 'T', 'T', 4, 2, 0, 60}, str("c")...)))
		c.closed()
	})
	waitFor(t, func() bool { return b.Stats().RefusedTLS == 2 })
}

// waitFor returns when the condition holds.
func waitFor(t *testing.T, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !holds(); {
		if time.Now().After(deadline) {
			t.Fatal("it did not come to that")
		}
		pause(t.Context(), time.Millisecond)
	}
}

func TestMessagesOverTLS(t *testing.T) {
	ca := certtest.New(t, t.TempDir())
	us, _ := usersFile(t, [3]string{"V1", "vehicle", "one"})
	sink := newAutoSink(t, time.Millisecond)
	b, stop := start(t, Options{Sink: sink, Users: us, TLS: &tls.Config{Certificates: []tls.Certificate{ca.Pair("server", "broker")}, MinVersion: tls.VersionTLS12}})
	c := dialTLS(t, b, &tls.Config{RootCAs: ca.Pool(), ServerName: "127.0.0.1", MinVersion: tls.VersionTLS12})
	if code := c.login("c", "V1", "one"); code != 0 {
		t.Fatal(code)
	}
	large := strings.Repeat("x", 200_000)
	for i := range 100 {
		c.send(publish("vehicles/V1/telemetry", 1, i+1, large))
	}
	c.acks(100)
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	c.closed()
}

// Who is blocked, or has another secret, is let go when the file is read again; the others stay.
func TestRecheck(t *testing.T) {
	one, two := [3]string{"V1", "vehicle", "one"}, [3]string{"V2", "vehicle", "two"}
	us, path := usersFile(t, one, two)
	kept, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b, _ := start(t, Options{Sink: newHeldSink(), Users: us})
	first, second := dial(t, b), dial(t, b)
	if first.login("c", "V1", "one") != 0 || second.login("c", "V2", "two") != 0 {
		t.Fatal("refused")
	}
	lines := bytes.SplitAfter(kept, []byte("\n"))
	if err := os.WriteFile(path, append([]byte("V1 blocked -\n"), lines[1]...), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := us.Load(); err != nil {
		t.Fatal(err)
	}
	b.Recheck()
	first.closed()
	second.ping()
}

func TestPendingConnectionsAreBounded(t *testing.T) {
	us, _ := usersFile(t, [3]string{"V1", "vehicle", "one"})
	b, _ := start(t, Options{Sink: newHeldSink(), Users: us})
	for range maxPendingFrom {
		dial(t, b)
	}
	waitFor(t, func() bool { return b.Stats().Connections == maxPendingFrom })
	dial(t, b).closed()
	if n := b.Stats().RefusedPending; n != 1 {
		t.Errorf("%d refused", n)
	}
}

func TestPending(t *testing.T) {
	p := pending{from: map[netip.Addr]int{}}
	here, there := netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("::1")
	for range maxPendingFrom {
		if !p.wait(here) {
			t.Fatal("refused")
		}
	}
	if p.wait(here) || !p.wait(there) {
		t.Error("the bound is not by address")
	}
	p.done(there)
	for range maxPendingFrom {
		p.done(here)
	}
	if p.all != 0 || len(p.from) != 0 {
		t.Errorf("%+v", p)
	}
}

// A wrong password is answered late, so that trying is slow; the log has no name in full.
func TestWrongPasswordWaits(t *testing.T) {
	us, _ := usersFile(t, [3]string{"LSVAA49J132000001", "vehicle", "one"})
	out := &syncWriter{}
	b, err := New(Options{Sink: newHeldSink(), Users: us, Listen: "127.0.0.1:0", RefuseDelay: time.Hour, DrainTimeout: time.Millisecond, Logger: zerolog.New(out)})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Listen(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- b.Run(ctx) }()
	c := dial(t, b)
	c.send(frame(0x10, append(append(append([]byte{0, 4, 'M', 'Q', 'T', 'T', 4, 0xc2, 0, 60}, str("c")...), str("LSVAA49J132000001")...), str("wrong")...)))
	waitFor(t, func() bool { return b.Stats().RefusedCredentials == 1 })
	if err := c.SetReadDeadline(time.Now().Add(50 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	var ne net.Error
	if _, _, err := c.readPacket(); !errors.As(err, &ne) || !ne.Timeout() {
		t.Errorf("answered at once: %v", err)
	}
	cancel()
	if err := <-ended; err != nil { // and it holds up nobody's end
		t.Fatal(err)
	}
	if s := out.String(); !strings.Contains(s, "…0001") || strings.Contains(s, "LSVAA49J132000001") || strings.Contains(s, "wrong\"") {
		t.Errorf("log %s", s)
	}
}

type syncWriter struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncWriter) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncWriter) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}
