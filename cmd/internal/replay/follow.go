package replay

import (
	"bytes"
	"fmt"

	"github.com/milepost-io/milepost/state"
	"github.com/milepost-io/milepost/state/log"
	"github.com/milepost-io/milepost/state/log/journal"
)

// Follower replays a recorded journal in the order in which it was lived: every partition's records at
// their offsets, control records and results among them, so that what it arrives at is what the engine
// that wrote the journal must hold. A handover in the journal must be, byte for byte, the one that the
// follower makes of the same record.
type Follower struct {
	*Replay
	made  map[link][]made
	until func(log.Partition) log.Offset
}

// link is a rules shard and a notify shard it hands over to.
type link struct{ sender, receiver uint16 }

// made is a handover that the follower's own machine made and the journal has not shown yet.
type made struct {
	off     log.Offset
	payload []byte
}

// FollowOptions say how a journal is followed.
type FollowOptions struct {
	// RoundTrip stores and loads every changed document after every record (E12).
	RoundTrip bool
	// Until is the offset in each partition below which records are applied; nil: all are.
	Until func(log.Partition) log.Offset
}

// Follow replays a journal, which must hold its records from the first on.
func Follow(a *journal.Archive, o FollowOptions) (*Follower, error) {
	shards := a.Shards()
	r, err := newReplay(&Options{EventShards: shards.Events, NoticeShards: shards.Notices, RoundTrip: o.RoundTrip, logID: a.ID()})
	if err != nil {
		return nil, err
	}
	f := &Follower{r, map[link][]made{}, o.Until}
	for e, err := range a.All() {
		if err == nil {
			err = f.entry(&e)
		}
		if err != nil {
			return nil, fmt.Errorf("follow %s/%d/%d: %w", e.Partition.Stream, e.Partition.Shard, e.Offset, err)
		}
	}
	return f, nil
}

func (f *Follower) entry(e *journal.Entry) error {
	shard, rec := e.Partition.Shard, &e.Record
	if e.Partition.Stream == log.Notices {
		if rec.Kind == log.Handover {
			if err := f.match(shard, rec); err != nil {
				return err
			}
		}
		if f.beyond(e) {
			return nil
		}
		if err := order(f.next.notify[shard], e.Offset); err != nil {
			return err
		}
		return f.notice(int(shard), rec)
	}
	if f.beyond(e) {
		return nil
	}
	if err := order(f.next.rules[shard], e.Offset); err != nil {
		return err
	}
	f.next.rules[shard]++
	m := f.rules[shard]
	if err := m.Apply(e.Offset, rec); err != nil {
		return err
	}
	for _, out := range m.Outbound() {
		l := link{shard, out.Shard}
		f.made[l] = append(f.made[l], made{e.Offset, bytes.Clone(out.Record.Payload)})
	}
	return nil
}

func (f *Follower) beyond(e *journal.Entry) bool {
	return f.until != nil && e.Offset >= f.until(e.Partition)
}

func order(want, off log.Offset) error {
	if off != want {
		return fmt.Errorf("record %d, expected %d: the journal is not kept from its beginning", off, want)
	}
	return nil
}

// match holds a handover of the journal against the one that the follower made of the same record. One
// that an engine appended again after a crash was matched before.
func (f *Follower) match(receiver uint16, rec *log.Record) error {
	h, err := state.DecodeHandover(rec.Payload)
	if err != nil {
		return err
	}
	l := link{h.Sender, receiver}
	queue := f.made[l]
	switch {
	case len(queue) == 0 || queue[0].off > h.Offset:
		return nil
	case queue[0].off < h.Offset:
		return fmt.Errorf("shard %d handed over what it made of record %d, not before that what it made of %d", h.Sender, h.Offset, queue[0].off)
	case !bytes.Equal(queue[0].payload, rec.Payload):
		return fmt.Errorf("shard %d made %q of its record %d, the replay makes %q", h.Sender, rec.Payload, h.Offset, queue[0].payload)
	}
	f.made[l] = queue[1:]
	return nil
}

// Lost is the number of handovers that the replay made and the journal does not hold.
func (f *Follower) Lost() int {
	n := 0
	for _, queue := range f.made {
		n += len(queue)
	}
	return n
}
