package kafka

import (
	"errors"
	"fmt"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
)

// Reason is why a message was not written.
type Reason uint8

const (
	// Unavailable: no broker answers, or the partition has no leader; it may work at once or later.
	Unavailable Reason = 1 + iota
	// NotAllowed: the topic is not there or the user may not write to it; it works when somebody has
	// mended that.
	NotAllowed
	// Rejected: the cluster will never take this record.
	Rejected
)

// ProduceError says why a message was not written, and what to do.
type ProduceError struct {
	Topic  string
	Reason Reason
	Advice string // empty where there is none
	Err    error
}

func (e *ProduceError) Error() string {
	if e.Advice == "" {
		return fmt.Sprintf("write to topic %s: %v", e.Topic, e.Err)
	}
	return fmt.Sprintf("write to topic %s: %s (%v)", e.Topic, e.Advice, e.Err)
}

func (e *ProduceError) Unwrap() error { return e.Err }

// reasonOf is 0 for no error.
func reasonOf(err error) Reason {
	var e *ProduceError
	if errors.As(err, &e) {
		return e.Reason
	}
	return 0
}

// classify makes a ProduceError of what the client or the broker said; nil stays nil.
func (p *Producer) classify(topic string, err error) error {
	if err == nil {
		return nil
	}
	e := &ProduceError{Topic: topic, Reason: Unavailable, Err: err}
	var code kafka.Error
	if !errors.As(err, &code) {
		if errors.Is(err, protocol.ErrNoTopic) {
			e.Reason, e.Advice = NotAllowed, noTopic
		}
		e.Err = p.cluster.Explain(err)
		return e
	}
	switch code {
	case kafka.UnknownTopicOrPartition, kafka.InvalidTopic:
		e.Reason, e.Advice = NotAllowed, noTopic
	case kafka.TopicAuthorizationFailed, kafka.ClusterAuthorizationFailed:
		e.Reason, e.Advice = NotAllowed, "the user may not write to it: give it the right to Write and Describe the topic"
	case kafka.SASLAuthenticationFailed, kafka.UnsupportedSASLMechanism, kafka.IllegalSASLState:
		e.Reason, e.Err = NotAllowed, p.cluster.Explain(err)
	case kafka.InvalidRequiredAcks, kafka.UnsupportedVersion, kafka.PolicyViolation:
		e.Reason = NotAllowed
	case kafka.MessageSizeTooLarge, kafka.RecordListTooLarge, kafka.InvalidMessageSize:
		e.Reason, e.Advice = Rejected, "the record is larger than the topic takes: raise its max.message.bytes"
	case kafka.InvalidTimestamp, kafka.InvalidRecord:
		e.Reason, e.Advice = Rejected, "the topic's settings refuse the record"
	}
	return e
}

const noTopic = "the topic does not exist: create it, or mend its name"
