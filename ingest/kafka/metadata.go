package kafka

import (
	"context"
	"encoding/hex"
	"fmt"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
)

// topicID is the identity of a topic: a topic deleted and made again under its name has another (E15).
// Zero: the broker has none (before 2.8).
type topicID [16]byte

func (id topicID) String() string {
	if id == (topicID{}) {
		return "-"
	}
	h := hex.EncodeToString(id[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// topicInfo is what the cluster says of a topic.
type topicInfo struct {
	err     error
	id      topicID
	leaders map[int32]int32 // by partition; negative: none at present
}

// Metadata versions: 9 is the first with tagged fields, 10 brings topic ids.
const (
	metadataMin = 9
	metadataMax = 12
	metadataIDs = 10
)

// metadata asks the cluster for topics. It creates none.
func (c *client) metadata(ctx context.Context, topics []string) (map[string]topicInfo, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	x := &exchange{api: protocol.Metadata, broker: -1, clientID: c.transport.ClientID, min: metadataMin, max: metadataMax}
	x.body = func(b []byte, version int16) []byte { return appendMetadataRequest(b, version, topics) }
	if _, err := c.transport.RoundTrip(ctx, c.Addr, x); err != nil {
		return nil, fmt.Errorf("metadata: %w", err)
	}
	return decodeMetadata(x.answer, x.version)
}

func appendMetadataRequest(b []byte, version int16, topics []string) []byte {
	b = appendCount(b, len(topics))
	for _, t := range topics {
		if version >= metadataIDs {
			b = append(b, make([]byte, len(topicID{}))...)
		}
		b = append(appendString(b, t), 0)
	}
	b = append(b, 0) // allow_auto_topic_creation
	if version <= 10 {
		b = append(b, 0) // include_cluster_authorized_operations
	}
	return append(b, 0, 0) // include_topic_authorized_operations, tags
}

func decodeMetadata(p []byte, version int16) (map[string]topicInfo, error) {
	d := decoder{p: p}
	d.tags() // of the header
	d.int32()
	for n := d.count(); n > 0 && !d.bad; n-- { // brokers: the transport follows them
		d.int32()
		d.bytes()
		d.int32()
		d.bytes()
		d.tags()
	}
	d.bytes()
	d.int32()
	out := map[string]topicInfo{}
	for n := d.count(); n > 0 && !d.bad; n-- {
		name, t := decodeTopic(&d, version)
		out[name] = t
	}
	if d.bad {
		return nil, fmt.Errorf("metadata: %w", errAnswer)
	}
	return out, nil
}

func decodeTopic(d *decoder, version int16) (string, topicInfo) {
	t := topicInfo{leaders: map[int32]int32{}}
	if code := d.int16(); code != 0 {
		t.err = kafka.Error(code)
	}
	name := string(d.bytes())
	if version >= metadataIDs {
		t.id = d.uuid()
	}
	d.take(1) // is_internal
	for n := d.count(); n > 0 && !d.bad; n-- {
		code, index, leader := d.int16(), d.int32(), d.int32()
		d.int32()     // leader epoch
		for range 3 { // replicas: all, in sync, offline
			d.take(4 * d.count())
		}
		d.tags()
		if code != 0 && code != int16(kafka.ReplicaNotAvailable) {
			leader = -1
		}
		t.leaders[index] = leader
	}
	d.int32()
	d.tags()
	return name, t
}
