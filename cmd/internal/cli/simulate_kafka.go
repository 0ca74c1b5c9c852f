package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/milepost-io/milepost/cmd/internal/app"
	"github.com/milepost-io/milepost/ingest/fleet"
	"github.com/milepost-io/milepost/ingest/kafka"
)

// Bounds of what simulateKafka writes at once.
const (
	kafkaBatch  = 2000
	kafkaLinger = 50 * time.Millisecond
)

// simulateKafka writes events in batches. An event's timestamp is its arrival, unless that lies ahead of
// the clock: brokers refuse such.
func (s *session) simulateKafka(ctx context.Context, fl *fleet.Fleet, f simulateFlags) error {
	cfg, err := s.config()
	if err != nil {
		return err
	}
	p, err := app.OpenKafkaProducer(cfg, f.kafka, f.topic)
	if err != nil {
		return usageError{err}
	}
	defer p.Close()
	begin := time.Now()
	prog := newProgress(s.Err, s.Terminal)
	written := 0
	for more := true; more && err == nil; {
		var batch []kafka.Message
		batch, more = fillKafka(ctx, fl, f, begin, written)
		if len(batch) == 0 {
			continue
		}
		// What was made is written also when the user has stopped: SendAll has its own patience.
		if err = p.SendAll(context.WithoutCancel(ctx), f.topic, batch); err == nil {
			written += len(batch)
			prog.at(written)
		}
	}
	prog.end()
	fmt.Fprintf(s.Err, "%d written in %.1fs\n", written, time.Since(begin).Seconds())
	var failed *kafka.ProduceError
	if errors.As(err, &failed) && failed.Reason == kafka.Unavailable {
		return fmt.Errorf("%w: is the cluster at %s there?", err, f.kafka)
	}
	return err
}

// fillKafka makes the events of the next batch; more is false when it is the last.
func fillKafka(ctx context.Context, fl *fleet.Fleet, f simulateFlags, begin time.Time, written int) (batch []kafka.Message, more bool) {
	until := time.Now().Add(kafkaLinger)
	for len(batch) < kafkaBatch && (len(batch) == 0 || time.Now().Before(until)) {
		n := written + len(batch)
		if f.count > 0 && n == f.count || ctx.Err() != nil {
			return batch, false
		}
		if f.rate > 0 {
			pause(ctx, time.Until(begin.Add(time.Duration(float64(n)/f.rate*float64(time.Second)))))
		}
		e := fl.Next()
		at := e.At
		if now := time.Now(); at.After(now) {
			at = now
		}
		batch = append(batch, kafka.Message{Key: []byte(e.Key), Value: e.Payload, Time: at})
	}
	return batch, true
}
