package state

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/milepost-io/milepost/state/log"
)

const (
	// originFor is how long an origin is remembered, in ms (S5).
	originFor = int64(24 * time.Hour / time.Millisecond)
	// maxOrigins bounds the origins remembered by a shard: 3 requests a second for a day, some 20 MB.
	maxOrigins = 1 << 18
	// forgetPerRecord is how many old origins go with each record that has one: more than come.
	forgetPerRecord = 8
)

// origins remembers the requests whose entries were taken, so that one that is sent again changes nothing
// (S5). They are kept as rows of the write-back, under the offset of the request's first entry: so they
// stand with the position (E3), and a replay remembers the same.
//
// Requests are told apart by inequality of Seq, since the number of a request says nothing about its age.
// Sources whose Seq rises are remembered in offsets.
type origins struct {
	seen  map[originID]seenOrigin
	queue []originAt // by offset; the first head of them have been forgotten
	head  int
	max   int
}

// originID stands for an Origin: half of its SHA-256, so that entries are small and hold no pointers.
type originID [16]byte

type seenOrigin struct {
	seq uint64
	at  int64 // arrival of the first entry, Unix ms
	off log.Offset
}

type originAt struct {
	id  originID
	at  int64
	off log.Offset
}

// originRow is an origin's row: under its offset (8, big-endian), id (16) | seq (8) | arrival (8).
const (
	originRow     = Space('i')
	originRowSize = 32
)

func newOrigins() origins { return origins{seen: map[originID]seenOrigin{}, max: maxOrigins} }

// repeated reports whether the event is of a request of which another delivery was taken, and remembers
// it otherwise. Age is counted in arrivals, which do not fall within a partition (S3): the clock of a
// Notices shard begins only when the rules shards are heard.
func (m *Machine) repeated(rec *log.Record) bool {
	if len(rec.Origin) == 0 {
		return false
	}
	if rec.Rising {
		return m.offsets.redelivered(rec)
	}
	o := &m.origins
	for n := 0; n < forgetPerRecord && o.head < len(o.queue) && rec.Arrival-o.queue[o.head].at > originFor; n++ {
		m.forgetOrigin()
	}
	sum := sha256.Sum256(rec.Origin)
	id := originID(sum[:])
	if s, ok := o.seen[id]; ok && rec.Arrival-s.at <= originFor {
		return s.seq != rec.Seq
	}
	m.rememberOrigin(id, seenOrigin{rec.Seq, rec.Arrival, m.at})
	return false
}

func (m *Machine) rememberOrigin(id originID, s seenOrigin) {
	o := &m.origins
	if len(o.queue)-o.head >= o.max {
		m.forgetOrigin()
		m.counters[counter{"origins", "forgotten_early"}]++
	}
	o.add(id, s)
	if m.opt.Backing != nil {
		v := binary.BigEndian.AppendUint64(append(make([]byte, 0, originRowSize), id[:]...), s.seq)
		m.rows.put(RowOp{Space: originRow, Key: originKey(s.off), Value: binary.BigEndian.AppendUint64(v, uint64(s.at))})
	}
}

func (o *origins) add(id originID, s seenOrigin) {
	o.seen[id] = s
	o.queue = append(o.queue, originAt{id, s.at, s.off})
}

// forgetOrigin forgets the oldest.
func (m *Machine) forgetOrigin() {
	o := &m.origins
	old := o.queue[o.head]
	if o.head++; o.head*2 > len(o.queue) {
		o.queue = append(o.queue[:0], o.queue[o.head:]...)
		o.head = 0
	}
	if o.seen[old.id].off == old.off { // else it was taken again since
		delete(o.seen, old.id)
	}
	if m.opt.Backing != nil {
		m.rows.put(RowOp{Space: originRow, Key: originKey(old.off), Delete: true})
	}
}

func originKey(off log.Offset) string {
	return string(binary.BigEndian.AppendUint64(nil, uint64(off)))
}

func (m *Machine) restoreOrigins() error {
	var bad error
	err := m.opt.Backing.Scan([]byte{byte(originRow), '/'}, spaceEnd(byte(originRow)), func(k, v []byte) bool {
		if len(k) != 2+8 || len(v) != originRowSize {
			bad = fmt.Errorf("origin %x: %d bytes, expected %d", k, len(v), originRowSize)
			return false
		}
		m.origins.add(originID(v), seenOrigin{
			seq: binary.BigEndian.Uint64(v[16:]), at: int64(binary.BigEndian.Uint64(v[24:])),
			off: log.Offset(binary.BigEndian.Uint64(k[2:])),
		})
		return true
	})
	if err == nil {
		err = bad
	}
	return err
}
