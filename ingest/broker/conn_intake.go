package broker

import (
	"errors"
	"strings"

	"github.com/milepost-io/milepost/ingest"
	"github.com/milepost-io/milepost/ingest/json"
)

// maxEntries is how many entries one array may have (E11): a megabyte of "[0,0,…" is one bad record,
// not half a million.
const maxEntries = 10_000

var errTooManyEntries = errors.New("too many entries")

// message is one publish as a client sent it.
type message struct {
	topic    string
	payload  []byte
	qos      byte
	packetID uint16
}

// intake is the scratch space of a connection's handler; the Sink copies what it takes.
type intake struct {
	key     []byte
	entries []json.Entry
	recs    []ingest.Record
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
	c.intake.reset()
	c.intake.busy = false
	if err != nil {
		return err
	}
	c.broker.counters.taken.Add(1)
	c.broker.counters.records.Add(uint64(n))
	return nil
}

// reset lets go of the payload, and of space that only an array needed.
func (in *intake) reset() {
	const keep = 64
	if cap(in.recs) > keep || cap(in.entries) > keep {
		in.recs, in.entries = nil, nil
		return
	}
	clear(in.recs)
	clear(in.entries)
	in.recs, in.entries = in.recs[:0], in.entries[:0]
}

// records makes the records of a message: one an entry of an array, otherwise one. They are valid until
// the next message.
func (c *conn) records(m message) []ingest.Record {
	in := &c.intake
	rec := ingest.Record{Source: c.broker.opts.Source, Topic: m.topic, Payload: m.payload}
	route, key := c.broker.routes.match(m.topic)
	if route == nil {
		// No event type is allowed and no codec named: quarantined with reason topic.
		c.broker.counters.unmatched.Add(1)
		c.broker.log.warn(causeTopic).Str("topic", maskTopic(m.topic)).
			Msg("mqtt topic matches no filter; the message goes to the dead letters, add a filter under mqtt.topics to take it")
	} else if !c.who.may(route, key) {
		c.broker.offend(c.who.name, m.topic)
		rec.Codec, rec.Source = ingest.WrongClient, c.who.source
		route = nil // what another is said to have said is not even split
	} else {
		rec.Types, rec.Codec, rec.Party = route.types, route.name, route.party
		in.key = append(in.key[:0], key...)
		if ingest.ValidKey(in.key) {
			rec.Key = in.key
		}
	}
	switch {
	case len(m.payload) > ingest.MaxPayload:
		c.broker.counters.oversize.Add(1)
		rec.Oversize, rec.Payload = true, ingest.Oversize(m.payload)
	case route != nil && in.split(route, m.payload):
		for _, e := range in.entries {
			rec.Payload = e.Payload
			if route.key < 0 {
				rec.Key, rec.Party = e.Key, e.Party
			}
			in.recs = append(in.recs, rec)
		}
		return in.recs
	}
	in.recs = append(in.recs, rec)
	return in.recs
}

// split cuts an array, or a payload that has to name its key, into in.entries; it reports false when the
// payload stays one record.
func (in *intake) split(route *route, payload []byte) bool {
	if route.key >= 0 && !route.codec.IsBatch(payload) {
		return false
	}
	err := route.codec.Split(payload, func(e json.Entry) error {
		if len(in.entries) == maxEntries {
			return errTooManyEntries
		}
		in.entries = append(in.entries, e)
		return nil
	})
	return err == nil && len(in.entries) > 0
}

// maskTopic keeps of each level of a topic its last four characters: a level may be a VIN.
func maskTopic(topic string) string {
	levels := strings.SplitN(topic, "/", 8)
	for i, l := range levels {
		levels[i] = mask(l)
	}
	return strings.Join(levels, "/")
}
