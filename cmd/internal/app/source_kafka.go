package app

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/milepost-io/milepost/ingest"
	"github.com/milepost-io/milepost/ingest/kafka"
	"github.com/milepost-io/milepost/state"
	"github.com/milepost-io/milepost/state/log"
)

// openKafka makes the source of the user's topics, if there are any. It connects to nothing yet.
func (e *Engine) openKafka() error {
	c := &e.cfg.Kafka
	if len(c.Topics) == 0 {
		return nil
	}
	cluster, err := kafkaCluster(e.cfg)
	if err != nil {
		return err
	}
	o := kafka.Options{
		Cluster: cluster, Group: c.Group, Latest: c.Start == "latest", Sink: e.intake, Logger: e.log,
		Origins: e.origins, Position: e.noteSourcePosition, Restored: e.Restored,
	}
	for _, t := range c.Topics {
		o.Topics = append(o.Topics, kafka.Topic{Name: t.Name, Codec: t.Codec, Types: eventTypes(t.Types)})
	}
	e.sources.kafka, err = kafka.New(o)
	return err
}

// eventTypes are the types of these names, which the configuration has checked.
func eventTypes(names []string) (types ingest.Types) {
	for _, name := range names {
		if t, ok := ingest.ParseType(name); ok {
			types |= ingest.TypeSet(t)
		}
	}
	return types
}

// origins lists the origins of which the state knows how far they were taken.
func (e *Engine) origins(ctx context.Context) ([]string, error) {
	var out []string
	s := e.shardAt(log.Partition{Stream: log.Events})
	err := e.view(ctx, s, func(v state.View) error {
		for _, p := range v.SourcePositions() {
			out = append(out, string(p.Origin))
		}
		return nil
	})
	return out, err
}

// noteSourcePosition puts how far an origin is durable into the log. What fails here ends the engine
// elsewhere.
func (e *Engine) noteSourcePosition(origin string, next uint64) {
	_ = e.intake.appendSourcePosition(origin, next, log.Ack{})
}

const kafkaSource = "kafka"

func kafkaStatus(s *kafka.Source) SourceStatus {
	st := s.Stats()
	out := SourceStatus{Name: kafkaSource, Address: strings.Join(s.Brokers(), ","), Received: st.Records, Trouble: st.Failure}
	if st.Joined {
		out.Connections = int64(len(st.Partitions))
	}
	var stopped []string
	var lag int64
	known := st.Joined
	for _, p := range st.Partitions {
		n, ok := p.Lag()
		lag, known = lag+n, known && ok
		if p.Stopped != "" {
			stopped = append(stopped, fmt.Sprintf("%s/%d: %s", p.Topic, p.Partition, p.Stopped))
		}
	}
	if known {
		out.Lag = &lag
	}
	switch {
	case len(stopped) > 0:
		out.Trouble = strings.Join(stopped, "\n")
	case out.Trouble == "" && !st.Joined:
		out.Trouble = "not a member of the group at present: joining"
	}
	return out
}

// collectKafka tells Prometheus how far the user's topics are taken.
func (c collector) collectKafka(m sink) {
	s := c.e.sources.kafka
	if s == nil {
		return
	}
	st := s.Stats()
	m.gauge("milepost_kafka_joined", "1 while a member of the group with its partitions", boolValue(st.Joined))
	m.counter("milepost_kafka_generations_total", "how often the group shared its partitions out since the start", float64(st.Generations))
	m.counter("milepost_kafka_errors_total", "requests and answers that failed since the start", float64(st.Errors))
	m.counter("milepost_kafka_unreadable_batches_total", "batches left out for a dead letter since the start", float64(st.Unreadable))
	m.counter("milepost_kafka_aborted_records_total", "records of aborted transactions, which are left out, since the start", float64(st.Aborted))
	for _, p := range st.Partitions {
		labels := []string{"topic", p.Topic, "partition", strconv.Itoa(int(p.Partition))}
		if n, ok := p.Lag(); ok {
			m.gauge("milepost_kafka_lag_messages", "offsets of the topic that are not durable here yet", float64(n), labels...)
		}
		m.gauge("milepost_kafka_stopped", "1 while nothing is taken from the partition for a reason that status names", boolValue(p.Stopped != ""), labels...)
	}
}
