package app_test

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/milepost-io/milepost/cmd/internal/app"
	"github.com/milepost-io/milepost/cmd/internal/config"
)

// scriptedBroker is a fake broker that sends what a test says and reads the acknowledgements.
type scriptedBroker struct {
	t *testing.T
	net.Listener
}

func newScriptedBroker(t *testing.T) scriptedBroker {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return scriptedBroker{t, l}
}

// message is a publish of QoS 1 about car V1.
type message struct {
	id, odometer int
	again        bool
}

// session accepts the engine, sends messages and ends the connection when the acknowledgements of as many as
// acks have come.
func (b scriptedBroker) session(acks int, ms ...message) {
	b.t.Helper()
	nc, err := b.Accept()
	if err != nil {
		b.t.Fatal(err)
	}
	defer nc.Close()
	if err := nc.SetDeadline(time.Now().Add(patience)); err != nil {
		b.t.Fatal(err)
	}
	r := bufio.NewReader(nc)
	for subscribed := 0; subscribed < 5; {
		switch kind, body := b.read(r); kind {
		case 0x10:
			b.write(nc, []byte{0x20, 2, 1, 0})
		case 0x82:
			b.write(nc, []byte{0x90, 3, body[0], body[1], 1})
			subscribed++
		}
	}
	const topic = "vehicles/V1/telemetry"
	for _, m := range ms {
		body := append([]byte{0, byte(len(topic))}, topic...)
		body = binary.BigEndian.AppendUint16(body, uint16(m.id))
		body = fmt.Appendf(body, `{"type":"telemetry","vin":"V1","boot":1,"seq":%d,"time":"2026-01-01T00:00:%02dZ","signals":{"odometer":%d}}`, m.odometer, m.odometer, m.odometer)
		first := byte(0x32)
		if m.again {
			first |= 8
		}
		b.write(nc, append(binary.AppendUvarint([]byte{first}, uint64(len(body))), body...))
	}
	for i := 0; i < acks; {
		if kind, body := b.read(r); kind == 0x40 {
			if id := int(binary.BigEndian.Uint16(body)); id != ms[i].id {
				b.t.Fatalf("acknowledgement %d is of %d, expected %d", i, id, ms[i].id)
			}
			i++
		}
	}
}

func (b scriptedBroker) read(r *bufio.Reader) (byte, []byte) {
	b.t.Helper()
	kind, err := r.ReadByte()
	if err != nil {
		b.t.Fatal(err)
	}
	n, err := binary.ReadUvarint(r)
	if err != nil {
		b.t.Fatal(err)
	}
	body := make([]byte, n)
	if _, err := io.ReadFull(r, body); err != nil {
		b.t.Fatal(err)
	}
	return kind, body
}

func (b scriptedBroker) write(nc net.Conn, p []byte) {
	b.t.Helper()
	if _, err := nc.Write(p); err != nil {
		b.t.Fatal(err)
	}
}

// A broker that sends again out of order what was not acknowledged, as mochi does, changes nothing that it
// should not: what was applied is a duplicate (S5), what was overtaken is late (S4).
func TestFakeBrokerRedeliversOutOfOrder(t *testing.T) {
	b := newScriptedBroker(t)
	e := startConfig(t, t.TempDir(), "http: {listen: \"127.0.0.1:0\"}\nshards: 2\nmqtt: {connect: {url: \"mqtt://"+b.Addr().String()+"\"}}\n")
	// The broker dies of the acknowledgements, so to speak: it knows nothing of them afterwards.
	b.session(3, message{1, 10, false}, message{2, 11, false}, message{3, 12, false})
	b.session(5, message{3, 12, true}, message{4, 14, false}, message{1, 10, true}, message{2, 11, true}, message{5, 13, false})
	st := e.settled(t, 8)
	if want := (app.Counters{Received: 8, Applied: 4, Duplicate: 3, Late: 1}); st.Counters != want {
		t.Fatalf("%+v, expected %+v", st.Counters, want)
	}
	if km := e.odometer(t, "V1"); km != 14 {
		t.Fatalf("odometer %v, expected that of the newest", km)
	}
	for _, s := range st.Sources {
		if s.Name == "mqtt" {
			t.Fatal("the embedded broker listens beside mqtt.connect, unasked")
		}
		if s.Name == "mqtt.connect" && s.Reconnects != 1 {
			t.Fatalf("%+v", s)
		}
	}
}

// What is wrong with files is told at the start, by the key that names them.
func TestConnectFilesAreChecked(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for want, connect := range map[string]string{
		"mqtt.connect.password_file: open":     `username: u, password_file: "` + dir + `/none"`,
		"mqtt.connect.password_file: the":      `username: u, password_file: "` + write("empty", "\n") + `"`,
		"mqtt.connect.tls.ca_file: open":       `tls: {ca_file: "` + dir + `/none"}`,
		"holds no PEM certificate":             `tls: {ca_file: "` + write("ca", "x") + `"}`,
		"mqtt.connect.tls.cert_file, key_file": `tls: {cert_file: "` + write("c", "x") + `", key_file: "` + write("k", "x") + `"}`,
	} {
		cfg, err := config.Parse("milepost.yaml", []byte("http: {listen: \"127.0.0.1:0\"}\nmqtt: {connect: {url: \"mqtt://127.0.0.1:1\", "+connect+"}}\n"), t.TempDir(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if err = app.Run(t.Context(), cfg, app.Options{Logger: zerolog.Nop()}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, expected %q", connect, err, want)
		}
	}
}
