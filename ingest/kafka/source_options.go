package kafka

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rs/zerolog"

	"github.com/milepost-io/milepost/ingest"
	"github.com/milepost-io/milepost/ingest/json"
)

// Options say which topics of which cluster are taken and where that goes.
type Options struct {
	Cluster Cluster
	// Group is the consumer group; its members share the partitions.
	Group string
	// Latest: a group without offsets begins at the end of the topics, not at their beginning.
	Latest bool
	Topics []Topic
	// Sink takes the records. Required.
	Sink ingest.Sink
	// Codecs are what the codecs named by Topics know of batches and keys; default: DefaultCodecs.
	Codecs map[string]Codec
	// Source is the name of this way in, as people read it in dead letters; default "kafka".
	Source string

	// Origins lists the origins whose positions the state holds, so that a topic that was made again while
	// we were away is noticed; nil: none. It is asked when partitions are assigned.
	Origins func(ctx context.Context) ([]string, error)
	// Position is told from time to time how far an origin is durable in the log: every record with a Seq
	// below next. nil: nobody asks. It may block; records are taken meanwhile.
	Position func(origin string, next uint64)
	// Restored says where to begin with an origin after a restore from a backup: at the record with the Seq
	// next, whatever the group has committed; nil: nothing was restored.
	Restored func(origin string) (next uint64, ok bool)

	// SessionTimeout is how long the cluster waits for a sign of life before it gives our partitions to
	// other members, and how long a member that was killed waits for its own; default 10 s, brokers take 6 s
	// and more. A tenth of it is the time between heartbeats.
	SessionTimeout time.Duration
	// DrainTimeout is how long partitions that are taken away wait for records to become durable, so that
	// their offsets can be committed; below SessionTimeout, default 5 s.
	DrainTimeout time.Duration
	// CommitInterval is the time between commits of offsets; default 1 s.
	CommitInterval time.Duration
	// RetryStopped is how long a partition that was stopped for a reason rests before it is tried again;
	// default 1 min.
	RetryStopped time.Duration
	Logger       zerolog.Logger
}

// Topic says what a Kafka topic carries. The key of a message is the vehicle id, or the party id of a
// party's event; a message without key names it in its value.
type Topic struct {
	Name string
	// Codec names how values are encoded ("json").
	Codec string
	// Types are the event types accepted here.
	Types ingest.Types
}

// Codec is what routing needs to know of values. Both functions may be called concurrently.
type Codec struct {
	// IsBatch reports whether a value is an array of events.
	IsBatch func(payload []byte) bool
	// Split calls yield for each event of a value. The entries are parts of the value. An error means that
	// the value does not split: it is one record then, and ends in the dead letters.
	Split func(payload []byte, yield func(json.Entry) error) error
}

// DefaultCodecs is the json codec alone.
func DefaultCodecs() map[string]Codec {
	return map[string]Codec{json.Name: {IsBatch: json.IsBatch, Split: json.Split}}
}

func (o *Options) setDefaults() {
	if o.Codecs == nil {
		o.Codecs = DefaultCodecs()
	}
	if o.Source == "" {
		o.Source = "kafka"
	}
	for _, d := range []struct {
		value    *time.Duration
		standard time.Duration
	}{
		{&o.SessionTimeout, 10 * time.Second}, {&o.DrainTimeout, 5 * time.Second},
		{&o.CommitInterval, time.Second}, {&o.RetryStopped, time.Minute},
	} {
		if *d.value == 0 {
			*d.value = d.standard
		}
	}
}

func (o *Options) validate() error {
	if err := o.Cluster.validate(); err != nil {
		return err
	}
	switch {
	case o.Sink == nil:
		return errors.New("kafka: no sink")
	case o.Group == "":
		return errors.New("kafka: no group")
	case len(o.Topics) == 0:
		return errors.New("kafka: no topics")
	case o.DrainTimeout >= o.SessionTimeout:
		return fmt.Errorf("kafka: drain timeout %v: expected less than the session timeout of %v", o.DrainTimeout, o.SessionTimeout)
	}
	names := map[string]bool{}
	for _, t := range o.Topics {
		if names[t.Name] || t.Name == "" {
			return fmt.Errorf("kafka topic %q: a name that is empty or stands twice", t.Name)
		}
		names[t.Name] = true
		if t.Types == 0 {
			return fmt.Errorf("kafka topic %q: no event type is allowed on it", t.Name)
		}
		if _, ok := o.Codecs[t.Codec]; !ok {
			return fmt.Errorf("kafka topic %q: unknown codec %q", t.Name, t.Codec)
		}
	}
	return nil
}
