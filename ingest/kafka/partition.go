package kafka

import (
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/milepost-io/milepost/ingest"
)

// partition is one partition that a generation of the group gave us.
type partition struct {
	topic   string
	id      int32
	topicID topicID
	label   string // "topic/3", for people
	origin  string
	route   *route
	ledger  ledger
	// committed is what the group has of us, noted what Position was told; by the session's keeper.
	committed, noted int64

	// By the session, under its lock.
	leader int32
	// located: it is known where to begin.
	located bool
	// held: a worker is at it. next, bad and badTries are that worker's.
	held      bool
	notBefore time.Time
	tries     int
	stopped   string // why nothing is taken; empty: it is

	next int64
	// bad is the offset of the batch that could not be read, and how often.
	bad      int64
	badTries int

	highWater, taken atomic.Int64
}

// seqEntries is how many entries of one message can be told apart: the low bits of a Seq.
const (
	seqEntryBits = 16
	// maxEntries is how many entries one message may have (E11): a megabyte of "[0,0,…" is one bad record,
	// not half a million.
	maxEntries = 10_000
)

// seqOf is the Seq of an entry: it rises with the offset and within a message, so one number per origin
// tells what was taken, of messages of several entries too.
func seqOf(offset int64, entry int) uint64 { return uint64(offset)<<seqEntryBits | uint64(entry) }

func offsetOf(seq uint64) int64 { return int64(seq >> seqEntryBits) }

const originPrefix = "kafka:"

// originOf names a partition for ever. The topic's name is in it so that a topic that was made again is
// noticed after a restart.
func originOf(topic string, partition int32, id topicID) string {
	return fmt.Sprintf("%s%s/%d/%v", originPrefix, topic, partition, id)
}

// parseOrigin is the inverse of originOf.
func parseOrigin(origin string) (topic string, partition int32, id string, ok bool) {
	rest, ok := strings.CutPrefix(origin, originPrefix)
	parts := strings.Split(rest, "/")
	if !ok || len(parts) != 3 {
		return "", 0, "", false
	}
	n, err := strconv.ParseInt(parts[1], 10, 32)
	return parts[0], int32(n), parts[2], err == nil
}

// route is a Topic made ready for use.
type route struct {
	types ingest.Types
	name  string // of the codec
	codec Codec
	// party: every event is about a party. mixed: the event says whether it is.
	party, mixed bool
}

func newRoute(t Topic, codecs map[string]Codec) *route {
	party := ingest.TypeSet(ingest.Party)
	return &route{
		types: t.Types, name: t.Codec, codec: codecs[t.Codec], party: t.Types == party,
		mixed: t.Types != party && (t.Types.Has(ingest.Party) || t.Types.Has(ingest.Erase)),
	}
}
