package broker

import (
	"github.com/milepost-io/milepost/ingest"
	"github.com/milepost-io/milepost/ingest/mqtt/receive"
)

// message is one publish as a client sent it.
type message struct {
	topic    string
	payload  []byte
	qos      byte
	packetID uint16
}

// intake is the scratch space of a connection's handler; the Sink copies what it takes.
type intake struct {
	receive.Splitter
	// busy is set while a message is being taken.
	busy bool
}

// take hands a message to the Sink. When it returns without error the message is in the log's hands and,
// with QoS 1, in the window; its PUBACK follows the sync.
func (c *conn) take(m message) error {
	seq, err := c.reserve(m)
	if err != nil {
		return err
	}
	var ack ingest.Acker
	if m.qos > 0 {
		ack = c
	}
	c.intake.busy = true
	recs := c.records(m)
	err = c.broker.opts.Sink.Take(recs, ack, seq)
	n := len(recs)
	c.intake.Reset()
	c.intake.busy = false
	if err != nil {
		return err
	}
	c.broker.counters.taken.Add(1)
	c.broker.counters.records.Add(uint64(n))
	return nil
}

// records makes the records of a message. They are valid until the next message.
func (c *conn) records(m message) []ingest.Record {
	route, key := c.broker.routes.Match(m.topic)
	if route == nil {
		c.broker.counters.unmatched.Add(1)
		c.broker.log.Warn(causeTopic).Str("topic", receive.MaskTopic(m.topic)).
			Msg("mqtt topic matches no filter; the message goes to the dead letters, add a filter under mqtt.topics to take it")
	}
	if len(m.payload) > ingest.MaxPayload {
		c.broker.counters.oversize.Add(1)
	}
	if route != nil && !c.who.may(route, key) {
		c.broker.offend(c.who.name, m.topic)
		// What another is said to have said is not even split.
		recs := c.intake.Records(nil, "", c.who.source, m.topic, m.payload)
		recs[0].Codec = ingest.WrongClient
		return recs
	}
	return c.intake.Records(route, key, c.broker.opts.Source, m.topic, m.payload)
}
