package kafka_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	ingestkafka "github.com/milepost-io/milepost/ingest/kafka"
	"github.com/milepost-io/milepost/notify"
	"github.com/milepost-io/milepost/notify/channel/kafka"
)

// answers is a producer that answers what a cluster would.
type answers struct {
	err  error
	sent ingestkafka.Message
}

func (a *answers) Send(_ context.Context, _ string, m *ingestkafka.Message) error {
	a.sent = *m
	return a.err
}

// Only a record that the topic will never take is refused: a topic that is missing, or closed to us, or a
// cluster that is away, loses no event.
func TestAnswers(t *testing.T) {
	failed := func(r ingestkafka.Reason) error {
		return &ingestkafka.ProduceError{Topic: "milepost.alerts", Reason: r, Advice: "mend it", Err: errors.New(strings.Repeat("x", 1000))}
	}
	for _, c := range []struct {
		name string
		err  error
		want notify.Outcome
	}{
		{"written", nil, notify.Accepted},
		{"away", failed(ingestkafka.Unavailable), notify.Retry},
		{"not allowed", failed(ingestkafka.NotAllowed), notify.Retry},
		{"too large", failed(ingestkafka.Rejected), notify.Refused},
		{"given up", context.Canceled, notify.Retry},
	} {
		p := &answers{err: c.err}
		a := kafka.New(p, "milepost.alerts").Send(t.Context(), &notify.Entry{ID: "e", VIN: "V1", Body: []byte("{}")})
		if a.Outcome != c.want || len(a.Detail) > 300 || (c.err != nil) != (a.Detail != "") {
			t.Errorf("%s: %+v, expected outcome %d", c.name, a, c.want)
		}
		if string(p.sent.Key) != "V1" || string(p.sent.Value) != "{}" || p.sent.ContentType != "application/cloudevents+json; charset=UTF-8" {
			t.Errorf("%s: sent %+v", c.name, p.sent)
		}
	}
}
