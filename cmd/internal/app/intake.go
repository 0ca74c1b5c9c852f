package app

import (
	"errors"
	"sync"
	"sync/atomic"

	"github.com/milepost-io/milepost/cmd/internal/gate"
	"github.com/milepost-io/milepost/ingest"
	"github.com/milepost-io/milepost/state/erasure"
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
	gate  roomGate        // shut while there is no room
	room  atomic.Int64    // bytes that may be taken until the disk is looked at again
	short func()          // called when they are used up; it does not block. nil: nobody looks
	done  chan struct{}   // closed when the engine ends

	erased *gate.Gate                    // nil: nobody is erased
	begun  func(erasure.Job, log.Offset) // told of erase events that are in the log; must not block

	takes, joints sync.Pool // of *taken and *joint
}

// partIntake is one partition's door.
type partIntake struct {
	mu    sync.Mutex
	heard ring
	floor int64 // least stamp
}

var errEnding = errors.New("intake: the engine is ending")

func newIntake(l log.Log, clock *Clock) *intake {
	in := &intake{log: l, clock: clock, open: make(chan struct{}), done: make(chan struct{})}
	in.parts[0] = make([]partIntake, l.Shards(log.Events))
	in.parts[1] = make([]partIntake, l.Shards(log.Notices))
	in.takes.New = in.newTaken
	in.joints.New = func() any { return new(joint) }
	return in
}

func (in *intake) door(p log.Partition) *partIntake { return &in.parts[p.Stream-log.Events][p.Shard] }

// append stamps one record and appends it. The engine's own records (ticks, results, control) take
// this way too.
func (in *intake) append(p log.Partition, rec *log.Record, ack log.Ack) (log.Offset, error) {
	one := [1]log.Record{*rec}
	return in.appendAll(p, one[:], ack)
}

// appendSourcePosition notes that every record of origin below next is in the log and durable: what a
// store restored from a backup resumes the source at. It is no input (E5).
func (in *intake) appendSourcePosition(origin string, next uint64, ack log.Ack) error {
	rec := log.Record{Kind: log.SourcePosition, Origin: []byte(origin), Seq: next, Rising: true}
	_, err := in.append(log.Partition{Stream: log.Events}, &rec, ack)
	return err
}

// appendAll stamps and appends records that belong together: they have one arrival, and all of them
// survive a crash, or none.
func (in *intake) appendAll(p log.Partition, recs []log.Record, ack log.Ack) (log.Offset, error) {
	d := in.door(p)
	d.mu.Lock()
	defer d.mu.Unlock()
	now := max(in.clock.Now(), d.floor)
	for i := range recs {
		recs[i].Arrival = now
	}
	var begun []gate.Begun
	if in.erased != nil {
		var err error
		if begun, err = in.erased.Pass(p, recs, now); err != nil {
			return 0, err
		}
		if len(begun) > 0 { // what comes after an erasure is told from what it erases by its stamp
			d.floor = now + 1
			for i := begun[0].N + 1; i < len(recs); i++ {
				recs[i].Arrival = d.floor
			}
		}
	}
	off, err := in.log.Append(p, recs, ack)
	if err != nil {
		return off, err
	}
	for _, b := range begun {
		d.heard.forget(b.ID)
		in.begun(b.Job, off+log.Offset(b.N))
	}
	if p.Stream != log.Events {
		return off, nil
	}
	for i := range recs {
		if recs[i].Kind == log.Event && !recs[i].Erased {
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
// when the last of them is durable; while there is no room on the disk it waits. Those of one partition go in
// together: a request of which a crash had left a part would be taken for a repetition when it is sent again,
// and the rest of it lost (S5, E4).
func (in *intake) Take(recs []ingest.Record, ack ingest.Acker, id uint64) error {
	return in.take(recs, ack, id, in.gate.wait)
}

// take is Take with what to do at the gate.
func (in *intake) take(recs []ingest.Record, ack ingest.Acker, id uint64, pass func(ending <-chan struct{}) error) error {
	select {
	case <-in.open:
	case <-in.done:
		return errEnding
	}
	if err := pass(in.done); err != nil {
		return err
	}
	if len(recs) == 0 {
		if ack != nil {
			ack.Acked(id, nil)
		}
		return nil
	}
	t := in.takes.Get().(*taken)
	defer in.release(t)
	for i := range recs {
		t.add(in, &recs[i])
	}
	if in.room.Add(-t.size) < 0 && in.short != nil {
		in.short()
	}
	to := t.ack(in, ack, id)
	for i := range t.parts {
		if part := &t.parts[i]; len(part.recs) > 0 {
			if _, err := in.appendAll(part.to, part.recs, to); err != nil {
				return err
			}
		}
	}
	return nil
}

// taken is the scratch space of one Take: its records by partition. The log copies what it is given.
type taken struct {
	parts []takenPart
	text  []byte // the strings of the records
	used  int    // partitions with records
	size  int64  // about what the records take in the log
}

type takenPart struct {
	to   log.Partition
	recs []log.Record
}

func (in *intake) newTaken() any {
	t := &taken{}
	for _, p := range partitions(len(in.parts[0]), len(in.parts[1])) {
		t.parts = append(t.parts, takenPart{to: p})
	}
	return t
}

func (t *taken) add(in *intake, r *ingest.Record) {
	i := 0
	if r.Party {
		i = len(in.parts[0]) + int(log.ShardOf(r.Key, len(in.parts[1])))
	} else {
		i = int(log.ShardOf(r.Key, len(in.parts[0])))
	}
	part := &t.parts[i]
	if len(part.recs) == 0 {
		t.used++
	}
	t.size += int64(len(r.Key) + len(r.Payload) + len(r.Source) + len(r.Topic) + len(r.Origin) + 16)
	part.recs = append(part.recs, log.Record{
		Kind: log.Event, Oversize: r.Oversize, Types: uint32(r.Types), Key: r.Key,
		Source: t.bytes(r.Source), Topic: t.bytes(r.Topic), Origin: t.bytes(r.Origin), Seq: r.Seq, Rising: r.Rising,
		Codec: t.bytes(r.Codec), Payload: r.Payload,
	})
}

// bytes copies a string into the scratch space: a conversion would allocate.
func (t *taken) bytes(s string) []byte {
	from := len(t.text)
	t.text = append(t.text, s...)
	return t.text[from:len(t.text):len(t.text)]
}

// ack is whom the log has to tell.
func (t *taken) ack(in *intake, ack ingest.Acker, id uint64) log.Ack {
	switch {
	case ack == nil:
		return log.Ack{}
	case t.used == 1:
		return log.Ack{To: ack, ID: id}
	}
	all := in.joints.Get().(*joint)
	all.in, all.to, all.id = in, ack, id
	all.left.Store(int32(t.used))
	return log.Ack{To: all}
}

// release lets go of the records, and of space that only a large request needed.
func (in *intake) release(t *taken) {
	const keep = 256
	for i := range t.parts {
		part := &t.parts[i]
		clear(part.recs)
		part.recs = part.recs[:0]
		if cap(part.recs) > keep {
			part.recs = nil
		}
	}
	t.text, t.used, t.size = t.text[:0], 0, 0
	if cap(t.text) > keep<<8 {
		t.text = nil
	}
	in.takes.Put(t)
}

// joint tells a source once, when the last of several appends has been answered.
type joint struct {
	in   *intake
	to   ingest.Acker
	id   uint64
	left atomic.Int32
	err  atomic.Pointer[error]
}

// Acked implements log.Acker.
func (j *joint) Acked(_ uint64, err error) {
	if err != nil {
		failed := err // a copy, so that success allocates nothing
		j.err.CompareAndSwap(nil, &failed)
	}
	if j.left.Add(-1) > 0 {
		return
	}
	if e := j.err.Swap(nil); e != nil {
		err = *e
	}
	in, to, id := j.in, j.to, j.id
	j.in, j.to = nil, nil
	in.joints.Put(j)
	to.Acked(id, err)
}
