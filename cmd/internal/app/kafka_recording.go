package app

import (
	"context"
	"fmt"
	"net/url"
	"strings"

	"github.com/milepost-io/milepost/cmd/internal/config"
	"github.com/milepost-io/milepost/ingest"
	jsoncodec "github.com/milepost-io/milepost/ingest/json"
	"github.com/milepost-io/milepost/ingest/kafka"
)

// OpenKafkaRecording opens a topic as recorded events: address is kafka://host:port/topic, with several
// brokers host:port,host:port. User and TLS are those of the configuration, and so is what the topic
// carries if it stands there; otherwise every type but erase.
func OpenKafkaRecording(ctx context.Context, cfg *config.Config, address string) (*kafka.Recording, error) {
	brokers, topic, err := parseKafkaAddress(address)
	if err != nil {
		return nil, err
	}
	cluster, err := kafkaCluster(cfg)
	if err != nil {
		return nil, err
	}
	cluster.Brokers = brokers
	t := kafka.Topic{Name: topic, Codec: jsoncodec.Name, Types: ingest.TypeSet(ingest.Telemetry, ingest.Vehicle, ingest.Party, ingest.Service, ingest.Feedback)}
	for _, c := range cfg.Kafka.Topics {
		if c.Name == topic {
			t.Codec, t.Types = c.Codec, eventTypes(c.Types)
		}
	}
	return kafka.OpenRecording(ctx, cluster, t)
}

// OpenKafkaProducer makes a producer for a topic of the brokers given, with user and TLS of the
// configuration.
func OpenKafkaProducer(cfg *config.Config, brokers, topic string) (*kafka.Producer, error) {
	cluster, err := kafkaCluster(cfg)
	if err != nil {
		return nil, err
	}
	cluster.Brokers = strings.Split(brokers, ",")
	return kafka.NewProducer(cluster, []string{topic}, kafka.ProducerOptions{})
}

func parseKafkaAddress(address string) (brokers []string, topic string, err error) {
	u, err := url.Parse(address)
	if err == nil {
		topic = strings.TrimPrefix(u.Path, "/")
	}
	if err != nil || u.Scheme != "kafka" || u.Host == "" || u.User != nil || topic == "" || strings.Contains(topic, "/") {
		return nil, "", fmt.Errorf("%q: expected kafka://host:9092/topic", address)
	}
	return strings.Split(u.Host, ","), topic, nil
}
