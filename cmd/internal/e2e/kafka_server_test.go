//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
)

// kafkaOptions are those of a broker of Apache Kafka. PLAINTEXT is always there.
type kafkaOptions struct {
	// Users adds listeners with users: password by name, for PLAIN, SCRAM-SHA-256 and SCRAM-SHA-512.
	Users map[string]string
	// TLS adds listeners with TLS; with Users one that has both.
	TLS bool
	// ClientCertificates makes the listeners with TLS demand a certificate of the client.
	ClientCertificates bool
	// Settings are the broker's, as key=value.
	Settings []string
}

// kafkaBroker is a real Apache Kafka on loopback, one node, in KRaft mode, without automatic topics.
type kafkaBroker struct {
	serverProcess
	dir   string
	ports map[string]int
}

const kafkaScript = "../../../deploy/local/kafka"

// startKafka runs a broker of the test's own; most tests do with sharedKafka.
func startKafka(t testing.TB, o kafkaOptions) *kafkaBroker {
	t.Helper()
	b, err := newKafka(t.TempDir(), o)
	if err != nil {
		t.Fatal(err)
	}
	b.ownedBy(t)
	return b
}

// newKafka formats and starts a broker in dir. A port that another process takes between the choice and the
// start costs another try.
func newKafka(dir string, o kafkaOptions) (*kafkaBroker, error) {
	for try := 1; ; try++ {
		b := &kafkaBroker{dir: filepath.Join(dir, "try"+strconv.Itoa(try)), ports: map[string]int{}}
		args, err := b.arguments(o)
		if err != nil {
			return nil, err
		}
		if out, err := exec.Command(kafkaScript, append([]string{"format", b.dir}, args...)...).CombinedOutput(); err != nil {
			return nil, fmt.Errorf("deploy/local/kafka format: %w\n%s", err, out)
		}
		b.serverProcess = serverProcess{
			name: "Apache Kafka", argv: []string{kafkaScript, "run", b.dir}, logFile: filepath.Join(b.dir, "broker.log"),
			started: func(said []byte) bool { return contains(said, "Kafka Server started") },
		}
		err = b.start()
		if err == nil {
			return b, nil
		}
		if !contains(b.tail(), "Address already in use") || try == 5 {
			return nil, err
		}
	}
}

// arguments are those of `kafka format`; ports are chosen.
func (b *kafkaBroker) arguments(o kafkaOptions) ([]string, error) {
	listeners := []string{"internal", "controller", "plain"}
	if o.TLS {
		listeners = append(listeners, "ssl")
	}
	if len(o.Users) > 0 {
		listeners = append(listeners, "sasl")
	}
	if o.TLS && len(o.Users) > 0 {
		listeners = append(listeners, "sasl-ssl")
	}
	var args []string
	for _, l := range listeners {
		port, err := serverPort()
		if err != nil {
			return nil, err
		}
		b.ports[l] = port
		args = append(args, "--"+l, strconv.Itoa(port))
	}
	for _, name := range slices.Sorted(maps.Keys(o.Users)) {
		args = append(args, "--user", name+":"+o.Users[name])
	}
	if o.ClientCertificates {
		args = append(args, "--client-certificates")
	}
	for _, s := range o.Settings {
		args = append(args, "--set", s)
	}
	return args, nil
}

func (b *kafkaBroker) addr(listener string) string {
	port, ok := b.ports[listener]
	if !ok {
		panic("this broker has no listener " + listener + ": see kafkaOptions")
	}
	return "127.0.0.1:" + strconv.Itoa(port)
}

// Addr is the listener without TLS and users.
func (b *kafkaBroker) Addr() string { return b.addr("plain") }

// AddrTLS is the listener with TLS.
func (b *kafkaBroker) AddrTLS() string { return b.addr("ssl") }

// AddrSASL is the listener with users.
func (b *kafkaBroker) AddrSASL() string { return b.addr("sasl") }

// AddrSASLTLS is the listener with TLS and users.
func (b *kafkaBroker) AddrSASLTLS() string { return b.addr("sasl-ssl") }

// CA is the file of the authority that signed the broker's certificate, which is for localhost and 127.0.0.1.
func (b *kafkaBroker) CA() string { return filepath.Join(b.dir, "tls", "ca.pem") }

// ClientCertificate is a certificate that the broker accepts, and its key.
func (b *kafkaBroker) ClientCertificate() (cert, key string) {
	return filepath.Join(b.dir, "tls", "client-cert.pem"), filepath.Join(b.dir, "tls", "client-key.pem")
}

// CreateTopic makes a topic with settings (key=value pairs in a row) and waits until each partition answers.
func (b *kafkaBroker) CreateTopic(t testing.TB, name string, partitions int, settings ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), serverLimit)
	defer cancel()
	client := &kafka.Client{Addr: kafka.TCP(b.Addr())}
	topic := kafka.TopicConfig{Topic: name, NumPartitions: partitions, ReplicationFactor: 1}
	for i := 0; i+1 < len(settings); i += 2 {
		topic.ConfigEntries = append(topic.ConfigEntries, kafka.ConfigEntry{ConfigName: settings[i], ConfigValue: settings[i+1]})
	}
	r, err := client.CreateTopics(ctx, &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{topic}})
	if err == nil {
		err = r.Errors[name]
	}
	if err != nil {
		t.Fatalf("create topic %s: %v", name, err)
	}
	b.AwaitTopic(t, name, partitions)
}

// AwaitTopic waits until the leader of each partition answers: metadata name leaders before they know.
func (b *kafkaBroker) AwaitTopic(t testing.TB, name string, partitions int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), serverLimit)
	defer cancel()
	client := &kafka.Client{Addr: kafka.TCP(b.Addr())}
	ends := make([]kafka.OffsetRequest, partitions)
	for i := range ends {
		ends[i] = kafka.LastOffsetOf(i)
	}
	for {
		r, err := client.ListOffsets(ctx, &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{name: ends}})
		if err == nil && len(r.Topics[name]) == partitions &&
			!slices.ContainsFunc(r.Topics[name], func(p kafka.PartitionOffsets) bool { return p.Error != nil }) {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("topic %s does not answer within %v: %v %+v", name, serverLimit, err, r)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// DeleteTopic removes a topic; one of the same name may be created afterwards with another id.
func (b *kafkaBroker) DeleteTopic(t testing.TB, name string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), serverLimit)
	defer cancel()
	r, err := (&kafka.Client{Addr: kafka.TCP(b.Addr())}).DeleteTopics(ctx, &kafka.DeleteTopicsRequest{Topics: []string{name}})
	if err == nil {
		err = r.Errors[name]
	}
	if err != nil {
		t.Fatalf("delete topic %s: %v", name, err)
	}
}

// shared is the broker of all tests that neither kill it nor need options; TestMain ends it.
var shared struct {
	once   sync.Once
	dir    string
	broker *kafkaBroker
	err    error
}

// sharedKafka is a broker without TLS and users that other tests use too: do not end it, use topics of your own
// (NewTopic).
func sharedKafka(t testing.TB) *kafkaBroker {
	t.Helper()
	shared.once.Do(func() {
		if shared.dir, shared.err = os.MkdirTemp("", "milepost-kafka-"); shared.err == nil {
			shared.broker, shared.err = newKafka(shared.dir, kafkaOptions{})
		}
	})
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("%s said:\n%s", shared.broker.name, shared.broker.tail())
		}
	})
	return shared.broker
}

func TestMain(m *testing.M) {
	code := m.Run()
	if shared.broker != nil {
		shared.broker.Kill()
	}
	if shared.dir != "" {
		_ = os.RemoveAll(shared.dir)
	}
	os.Exit(code)
}
