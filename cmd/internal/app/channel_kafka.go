package app

import (
	"fmt"

	"github.com/milepost-io/milepost/cmd/internal/config"
	"github.com/milepost-io/milepost/ingest/kafka"
	"github.com/milepost-io/milepost/notify"
	kafkachannel "github.com/milepost-io/milepost/notify/channel/kafka"
	"github.com/milepost-io/milepost/rules"
)

// kafkaOut are the outputs to Kafka that a configuration asks for: the endpoint, its part of all events
// and its topic.
func kafkaOut(cfg *config.Config) []struct{ endpoint, feed, topic string } {
	var out []struct{ endpoint, feed, topic string }
	if topic := cfg.Notify.Kafka.Alerts; topic != "" {
		out = append(out, struct{ endpoint, feed, topic string }{config.KafkaAlertsEndpoint, rules.FeedAlerts, topic})
	}
	if topic := cfg.Notify.Kafka.Leads; topic != "" {
		out = append(out, struct{ endpoint, feed, topic string }{config.KafkaLeadsEndpoint, rules.FeedLeads, topic})
	}
	return out
}

// kafkaEndpoints are those outputs as the rules see them: they get every event of their part, also one
// that nobody is told of (S41).
func kafkaEndpoints(cfg *config.Config) []rules.Endpoint {
	var out []rules.Endpoint
	for _, o := range kafkaOut(cfg) {
		out = append(out, rules.Endpoint{Name: o.endpoint, Feed: o.feed})
	}
	return out
}

// openKafkaOut adds the channels of those outputs. It connects to nothing: a cluster that is away is no
// reason not to start.
func (e *Engine) openKafkaOut(channels map[string]notify.Channel) error {
	outs := kafkaOut(e.cfg)
	if len(outs) == 0 {
		return nil
	}
	cluster, err := kafkaCluster(e.cfg)
	if err != nil {
		return err
	}
	var topics []string
	for _, o := range outs {
		topics = append(topics, o.topic)
	}
	p, err := kafka.NewProducer(cluster, topics, kafka.ProducerOptions{})
	if err != nil {
		return fmt.Errorf("notify.kafka: %w", err)
	}
	e.closers = append(e.closers, p.Close)
	for _, o := range outs {
		channels[o.endpoint] = kafkachannel.New(p, o.topic)
	}
	return nil
}
