package app

import (
	"errors"
	"sync"
	"sync/atomic"

	"github.com/milepost-io/milepost/ingest"
	"github.com/milepost-io/milepost/state/log"
)

// intake is the one door into the log: it stamps arrival, finds the partition and passes the answer of
// the log back to the source. Safe for concurrent use.
//
// Stamps do not fall within a partition: a stamp is taken and its record appended under the partition's
// lock (S3, E9).
type intake struct {
	log   log.Log
	clock *Clock
	parts [2][]partIntake // by stream, by shard
	open  chan struct{}   // closed when records may come in
	done  chan struct{}   // closed when the engine ends
}

// partIntake is one partition's door.
type partIntake struct {
	mu    sync.Mutex
	heard ring
}

var errEnding = errors.New("intake: the engine is ending")

func newIntake(l log.Log, clock *Clock) *intake {
	in := &intake{log: l, clock: clock, open: make(chan struct{}), done: make(chan struct{})}
	in.parts[0] = make([]partIntake, l.Shards(log.Events))
	in.parts[1] = make([]partIntake, l.Shards(log.Notices))
	return in
}

func (in *intake) door(p log.Partition) *partIntake { return &in.parts[p.Stream-log.Events][p.Shard] }

// append stamps one record and appends it. The engine's own records (ticks, results, control) take
// this way too.
func (in *intake) append(p log.Partition, rec *log.Record, ack log.Ack) (log.Offset, error) {
	one := [1]log.Record{*rec}
	return in.appendAll(p, one[:], ack)
}

// appendAll stamps and appends records that belong together: they have one arrival, and all of them
// survive a crash, or none.
func (in *intake) appendAll(p log.Partition, recs []log.Record, ack log.Ack) (log.Offset, error) {
	d := in.door(p)
	d.mu.Lock()
	defer d.mu.Unlock()
	now := in.clock.Now()
	for i := range recs {
		recs[i].Arrival = now
	}
	off, err := in.log.Append(p, recs, ack)
	if err != nil || p.Stream != log.Events {
		return off, err
	}
	for i := range recs {
		if recs[i].Kind == log.Event {
			d.heard.note(recs[i].Key, now, uint64(off)+uint64(i))
		}
	}
	return off, nil
}

// recent lists the vehicles heard last, in no order.
func (in *intake) recent() []heard {
	var out []heard
	for i := range in.parts[0] {
		d := &in.parts[0][i]
		d.mu.Lock()
		out = d.heard.appendTo(out)
		d.mu.Unlock()
	}
	return out
}

// Take implements ingest.Sink. Records of one call may go to several partitions; the source is told once,
// when the last of them is durable. Those of one partition go in together: a request of which a crash had
// left a part would be taken for a repetition when it is sent again, and the rest of it lost (S5, E4).
func (in *intake) Take(recs []ingest.Record, ack ingest.Acker, id uint64) error {
	select {
	case <-in.open:
	case <-in.done:
		return errEnding
	}
	if len(recs) == 0 {
		if ack != nil {
			ack.Acked(id, nil)
		}
		return nil
	}
	if len(recs) == 1 {
		p, rec := in.route(&recs[0])
		to := log.Ack{}
		if ack != nil {
			to = log.Ack{To: ack, ID: id}
		}
		_, err := in.append(p, &rec, to)
		return err
	}
	groups := in.group(recs)
	to := log.Ack{}
	if ack != nil {
		all := &joint{to: ack, id: id}
		all.left.Store(int32(len(groups)))
		to = log.Ack{To: all}
	}
	for _, g := range groups {
		if _, err := in.appendAll(g.part, g.recs, to); err != nil {
			return err
		}
	}
	return nil
}

// group is the records of one call for one partition, in their order.
type group struct {
	part log.Partition
	recs []log.Record
}

func (in *intake) group(recs []ingest.Record) []group {
	var groups []group
	at := map[log.Partition]int{}
	for i := range recs {
		p, rec := in.route(&recs[i])
		g, ok := at[p]
		if !ok {
			g = len(groups)
			at[p] = g
			groups = append(groups, group{part: p})
		}
		groups[g].recs = append(groups[g].recs, rec)
	}
	return groups
}

// route makes the log's record and finds its partition.
func (in *intake) route(r *ingest.Record) (log.Partition, log.Record) {
	stream := log.Events
	if r.Party {
		stream = log.Notices
	}
	return log.Partition{Stream: stream, Shard: log.ShardOf(r.Key, in.log.Shards(stream))}, log.Record{
		Kind: log.Event, Oversize: r.Oversize, Types: uint32(r.Types), Key: r.Key,
		Source: []byte(r.Source), Topic: []byte(r.Topic), Origin: []byte(r.Origin), Seq: r.Seq,
		Codec: []byte(r.Codec), Payload: r.Payload,
	}
}

// joint tells a source once, when the last of several appends has been answered.
type joint struct {
	to   ingest.Acker
	id   uint64
	left atomic.Int32
	err  atomic.Pointer[error]
}

// Acked implements log.Acker.
func (j *joint) Acked(_ uint64, err error) {
	if err != nil {
		j.err.CompareAndSwap(nil, &err)
	}
	if j.left.Add(-1) > 0 {
		return
	}
	if e := j.err.Load(); e != nil {
		err = *e
	}
	j.to.Acked(j.id, err)
}
