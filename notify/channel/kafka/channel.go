// Package kafka is the channel that writes events to a topic of the user's cluster, as CloudEvents in
// structured mode: the event is the value, its vehicle the key.
package kafka

import (
	"context"
	"errors"

	"github.com/milepost-io/milepost/ingest/kafka"
	"github.com/milepost-io/milepost/notify"
)

// contentType marks a structured CloudEvent (Kafka Protocol Binding for CloudEvents 1.0.2, section 3.3).
const contentType = "application/cloudevents+json; charset=UTF-8"

// detailCap bounds what is told of a failure.
const detailCap = 300

// Producer writes one message; *kafka.Producer does.
type Producer interface {
	Send(ctx context.Context, topic string, m *kafka.Message) error
}

// Channel writes entries to one topic. It implements notify.Channel and may be used concurrently: what is
// sent at once leaves in one request. An event may stand in the topic twice, under the same id.
type Channel struct {
	producer Producer
	topic    string
}

var _ notify.Wide = (*Channel)(nil)

// concurrency is how many events are on their way at once: they share requests, so a request may carry
// that many.
const concurrency = 64

// Concurrency implements notify.Wide.
func (c *Channel) Concurrency() int { return concurrency }

// New returns the channel of a topic. The producer stays the caller's.
func New(p Producer, topic string) *Channel { return &Channel{producer: p, topic: topic} }

// Send implements notify.Channel. A record that the topic will never take is refused; all else is tried
// again: a topic that is missing or closed to us says nothing against the event.
func (c *Channel) Send(ctx context.Context, e *notify.Entry) notify.Answer {
	err := c.producer.Send(ctx, c.topic, &kafka.Message{Key: []byte(e.VIN), Value: e.Body, ContentType: contentType})
	if err == nil {
		return notify.Answer{}
	}
	a := notify.Answer{Outcome: notify.Retry, Detail: err.Error()}
	if len(a.Detail) > detailCap {
		a.Detail = a.Detail[:detailCap]
	}
	var failed *kafka.ProduceError
	if errors.As(err, &failed) && failed.Reason == kafka.Rejected {
		a.Outcome = notify.Refused
	}
	return a
}
