package kafka

import (
	"context"
	"fmt"
	"time"

	"github.com/segmentio/kafka-go/protocol"
)

// Fetch versions: 12 is the first with tagged fields, 13 names topics by their id, so that nothing of a
// topic made again is taken for the old one's. 15 begins to differ.
const (
	fetchMin = 12
	fetchMax = 13
	fetchIDs = 13
)

const (
	// fetchWait is how long a broker waits for records before it answers with none.
	fetchWait = 500 * time.Millisecond
	// fetchPartition and fetchTotal bound an answer, in bytes, but for its first batch, which is whole.
	fetchPartition = 1 << 20
	fetchTotal     = 8 << 20
	// fetchTimeout is how long an answer may take.
	fetchTimeout = 30 * time.Second
	// keepAnswer is how much of an answer's buffer is kept for the next.
	keepAnswer = 2 * fetchTotal
)

// wanted is one partition of a request.
type wanted struct {
	topic     string
	id        topicID
	partition int32
	offset    int64
}

// fetched is one partition of an answer. Its slices are valid until the next fetch.
type fetched struct {
	topic     []byte  // version 12
	id        topicID // version 13
	partition int32
	code      int16
	// highWater is the offset after the last record, stable that after the last one whose transaction has
	// ended, logStart the first that is kept.
	highWater, stable, logStart int64
	records                     []byte
}

// fetcher fetches from one broker, many partitions at a time. It is used by one goroutine.
type fetcher struct {
	client *client
	broker int32
	x      *exchange
	wanted []wanted
	d      decoder
	// aborted are the transactions of the partition that next returned last.
	aborted aborted

	topics, partitions int  // left of the answer
	within             bool // a topic, whose name or id is
	topic              []byte
	id                 topicID
}

func newFetcher(c *client, broker int32) *fetcher { return &fetcher{client: c, broker: broker} }

// fetch asks the broker for the partitions and waits until it has something, at most fetchWait. The answer
// is then read by next.
func (f *fetcher) fetch(ctx context.Context, wanted []wanted) error {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	if f.x == nil {
		f.x = &exchange{api: protocol.Fetch, broker: f.broker, clientID: f.client.transport.ClientID, min: fetchMin, max: fetchMax, body: f.request}
		if wanted[0].id == (topicID{}) {
			f.x.max = fetchMin
		}
	}
	if cap(f.x.answer) > keepAnswer {
		f.x.answer = nil
	}
	f.wanted = wanted
	if _, err := f.client.transport.RoundTrip(ctx, f.client.Addr, f.x); err != nil {
		f.x = nil // its goroutine may still be at it; and the broker may come back as another version
		return err
	}
	f.d = decoder{p: f.x.answer}
	f.d.tags() // of the header
	f.d.int32()
	code := f.d.int16()
	f.d.int32()
	f.topics, f.partitions, f.within = f.d.count(), 0, false
	if code != 0 {
		return fmt.Errorf("fetch: %w", kafkaError(code))
	}
	return f.check()
}

func (f *fetcher) check() error {
	if f.d.bad {
		f.x = nil
		return fmt.Errorf("fetch: %w", errAnswer)
	}
	return nil
}

// request appends the body of a request without a session: partitions change with every fetch.
func (f *fetcher) request(b []byte, version int16) []byte {
	b = appendInt32(b, -1) // replica_id
	b = appendInt32(b, int32(fetchWait/time.Millisecond))
	b = appendInt32(b, 1) // min_bytes
	b = appendInt32(b, fetchTotal)
	b = append(b, 1)       // isolation_level: read_committed
	b = appendInt32(b, 0)  // session_id
	b = appendInt32(b, -1) // session_epoch
	topics := 0
	for i := range f.wanted {
		if i == 0 || f.wanted[i].topic != f.wanted[i-1].topic {
			topics++
		}
	}
	b = appendCount(b, topics)
	for i := 0; i < len(f.wanted); {
		n := 1
		for i+n < len(f.wanted) && f.wanted[i+n].topic == f.wanted[i].topic {
			n++
		}
		b = appendWanted(b, version, f.wanted[i:i+n])
		i += n
	}
	b = appendCount(b, 0)   // forgotten_topics_data
	b = appendString(b, "") // rack_id
	return append(b, 0)     // tags
}

// appendWanted appends the partitions of one topic.
func appendWanted(b []byte, version int16, ws []wanted) []byte {
	if version >= fetchIDs {
		b = append(b, ws[0].id[:]...)
	} else {
		b = appendString(b, ws[0].topic)
	}
	b = appendCount(b, len(ws))
	for i := range ws {
		b = appendInt32(b, ws[i].partition)
		b = appendInt32(b, -1) // current_leader_epoch
		b = appendInt64(b, ws[i].offset)
		b = appendInt32(b, -1) // last_fetched_epoch
		b = appendInt64(b, -1) // log_start_offset
		b = appendInt32(b, fetchPartition)
		b = append(b, 0)
	}
	return append(b, 0)
}

// next returns the next partition of the answer, false when there is none left.
func (f *fetcher) next(out *fetched) (bool, error) {
	for f.partitions == 0 {
		if f.within {
			f.d.tags()
			f.within = false
		}
		if f.topics == 0 {
			return false, f.check()
		}
		f.topics--
		f.within = true
		if f.x.version >= fetchIDs {
			f.id = f.d.uuid()
		} else {
			f.topic = f.d.bytes()
		}
		f.partitions = f.d.count()
		if err := f.check(); err != nil {
			return false, err
		}
	}
	f.partitions--
	f.readPartition(out)
	return !f.d.bad, f.check()
}

func (f *fetcher) readPartition(out *fetched) {
	d := &f.d
	*out = fetched{topic: f.topic, id: f.id, partition: d.int32(), code: d.int16(), highWater: d.int64(), stable: d.int64(), logStart: d.int64()}
	f.aborted.reset()
	for n := d.count(); n > 0 && !d.bad; n-- {
		f.aborted.add(d.int64(), d.int64())
		d.tags()
	}
	f.aborted.begin()
	d.int32() // preferred_read_replica: we name no rack
	out.records = d.bytes()
	d.tags()
}
