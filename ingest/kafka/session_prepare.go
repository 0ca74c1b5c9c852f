package kafka

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/segmentio/kafka-go"
)

// prepare finds out where each partition begins and starts the workers; it tries until it has, or the
// generation ends (false): returning earlier would make the group share out its partitions again and again.
func (s *session) prepare(ctx context.Context) bool {
	for failures := 0; ; failures++ {
		err := s.tryPrepare(ctx)
		switch {
		case ctx.Err() != nil:
			return false
		case err == nil:
			s.setFailure(nil)
			return true
		}
		err = s.source.opts.Cluster.Explain(err)
		s.setFailure(err)
		s.source.log.Warn(causePrepare).Err(err).Msg("kafka: cannot find out where to begin; trying again")
		pause(ctx, backoff(failures), nil)
	}
}

func (s *session) tryPrepare(ctx context.Context) error {
	infos, err := s.client.metadata(ctx, s.source.names)
	if err != nil {
		return err
	}
	topics := s.assignments(infos)
	var all []*partition
	for _, t := range topics {
		all = append(all, t.parts...)
	}
	if err := s.locate(ctx, all, infos); err != nil {
		return err
	}
	s.mu.Lock()
	s.topics = topics
	s.mu.Unlock()
	s.startWorkers(ctx)
	s.askMetadata()
	return nil
}

// assignments are our partitions, each topic's in order.
func (s *session) assignments(infos map[string]topicInfo) []assigned {
	var out []assigned
	for _, t := range s.source.opts.Topics {
		info := infos[t.Name]
		a := assigned{name: t.Name, partitions: len(info.leaders)}
		r := newRoute(t, s.source.opts.Codecs)
		for _, pa := range s.gen.Assignments[t.Name] {
			p := &partition{topic: t.Name, id: int32(pa.ID), label: fmt.Sprintf("%s/%d", t.Name, pa.ID), route: r, leader: -1, bad: -1}
			if leader, ok := info.leaders[p.id]; ok {
				p.leader = leader
			}
			p.committed, p.noted = -1, -1
			p.ledger.settled, p.ledger.durable = s.settled, -1
			p.highWater.Store(-1)
			p.taken.Store(-1)
			a.parts = append(a.parts, p)
		}
		slices.SortFunc(a.parts, func(x, y *partition) int { return int(x.id - y.id) })
		out = append(out, a)
	}
	return out
}

// beginning is where a partition begins: at an offset, or at an end of the log.
type beginning struct {
	offset int64 // kafka.FirstOffset, kafka.LastOffset or an offset
	// committed is what the group has of it from us, -1: it is to be committed.
	committed int64
	// refused says why it does not begin.
	refused string
}

// locate sets where partitions begin, or stops them with the reason.
func (s *session) locate(ctx context.Context, parts []*partition, infos map[string]topicInfo) error {
	if len(parts) == 0 {
		return nil
	}
	offsets, err := s.committedOffsets(ctx, infos)
	if err != nil {
		return err
	}
	var origins []string
	if s.source.opts.Origins != nil {
		if origins, err = s.source.opts.Origins(ctx); err != nil {
			return fmt.Errorf("origins of the state: %w", err)
		}
	}
	begins := make([]beginning, len(parts))
	var ends []*partition
	for i, p := range parts {
		if info := infos[p.topic]; info.err == nil && len(info.leaders) > 0 { // else it went away just now
			begins[i] = s.beginning(p, info.id, offsets[p.topic], origins)
		}
		if begins[i].refused == "" && begins[i].offset < 0 && p.leader >= 0 {
			ends = append(ends, p)
		}
	}
	bounds, err := s.bounds(ctx, ends)
	if err != nil {
		return err
	}
	for i, p := range parts {
		info := infos[p.topic]
		if info.err != nil || len(info.leaders) == 0 {
			continue
		}
		if begins[i].refused == "" && begins[i].offset < 0 {
			b, ok := bounds[p]
			if !ok {
				s.postpone(p) // nobody leads it at present; the others need not wait
				continue
			}
			if begins[i].offset == kafka.FirstOffset {
				begins[i].offset = b.first
			} else {
				begins[i].offset = b.last
			}
		}
		s.begin(p, info.id, begins[i])
	}
	return nil
}

func (s *session) begin(p *partition, id topicID, b beginning) {
	s.commitMu.Lock()
	defer s.commitMu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if b.refused != "" {
		s.stopLocked(p, b.refused)
		return
	}
	p.topicID, p.origin = id, originOf(p.topic, p.id, id)
	p.next, p.committed, p.noted, p.bad = b.offset, b.committed, -1, -1
	p.ledger.begin(b.offset)
	p.taken.Store(b.offset)
	p.located, p.stopped, p.tries = true, "", 0
	s.source.setID(p.topic, id)
	s.wake()
}

// committedOffsets asks for the group's offsets of whole topics: a partition without one is new if its
// neighbours have theirs.
func (s *session) committedOffsets(ctx context.Context, infos map[string]topicInfo) (map[string][]kafka.OffsetFetchPartition, error) {
	req := kafka.OffsetFetchRequest{GroupID: s.gen.GroupID, Topics: map[string][]int{}}
	for name, info := range infos {
		for _, id := range slices.Sorted(maps.Keys(info.leaders)) {
			req.Topics[name] = append(req.Topics[name], int(id))
		}
	}
	if len(req.Topics) == 0 {
		return nil, nil
	}
	res, err := s.client.OffsetFetch(ctx, &req)
	if err == nil {
		err = res.Error
	}
	if err != nil {
		return nil, fmt.Errorf("offsets of group %s: %w", s.gen.GroupID, err)
	}
	for topic, parts := range res.Topics {
		for _, p := range parts {
			if p.Error != nil {
				return nil, fmt.Errorf("offset of group %s in %s/%d: %w", s.gen.GroupID, topic, p.Partition, p.Error)
			}
		}
	}
	return res.Topics, nil
}

// beginning decides, in this order: a restored backup's word, the group's offset if it is of this very
// topic or set by a person, a stop if a topic of this name but another id was taken before, and the
// configured start. A new partition of a topic that is being taken begins at its first message.
func (s *session) beginning(p *partition, id topicID, offsets []kafka.OffsetFetchPartition, origins []string) beginning {
	if s.source.opts.Restored != nil {
		if next, ok := s.source.opts.Restored(originOf(p.topic, p.id, id)); ok {
			return beginning{offset: offsetOf(next), committed: -1}
		}
	}
	others := false
	for _, o := range offsets {
		if o.CommittedOffset < 0 {
			continue
		}
		if o.Partition != int(p.id) {
			others = true
			continue
		}
		was, ours := strings.CutPrefix(o.Metadata, commitPrefix)
		switch {
		case !ours:
			return beginning{offset: o.CommittedOffset, committed: -1}
		case was != id.String():
			return beginning{refused: recreated(p.topic, was, id, s.gen.GroupID)}
		}
		return beginning{offset: o.CommittedOffset, committed: o.CommittedOffset}
	}
	if was := s.source.formerID(p.topic, id, origins); was != "" {
		return beginning{refused: recreated(p.topic, was, id, s.gen.GroupID)}
	}
	if s.source.opts.Latest && !others {
		return beginning{offset: kafka.LastOffset, committed: -1}
	}
	return beginning{offset: kafka.FirstOffset, committed: -1}
}

// formerID is another id under which a topic of this name was taken, by this process or by the state it
// stands on; empty if there is none, or the topic itself was.
func (s *Source) formerID(topic string, id topicID, origins []string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if was, ok := s.ids[topic]; ok && was != id {
		return was.String()
	}
	former := ""
	for _, o := range origins {
		name, _, was, ok := parseOrigin(o)
		switch {
		case !ok || name != topic:
		case was == id.String():
			return ""
		default:
			former = was
		}
	}
	return former
}

func (s *Source) setID(topic string, id topicID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ids[topic] = id
}

// bounds are where a partition begins and ends: the first offset and the one behind the last.
type bounds struct{ first, last int64 }

// bounds asks for those of partitions. It leaves out partitions whose leader does not tell.
func (s *session) bounds(ctx context.Context, parts []*partition) (map[*partition]bounds, error) {
	if len(parts) == 0 {
		return nil, nil
	}
	req := kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{}}
	for _, p := range parts {
		req.Topics[p.topic] = append(req.Topics[p.topic], kafka.FirstOffsetOf(int(p.id)), kafka.LastOffsetOf(int(p.id)))
	}
	res, err := s.client.ListOffsets(ctx, &req)
	if err != nil {
		return nil, fmt.Errorf("first and last offsets: %w", err)
	}
	out := map[*partition]bounds{}
	for _, p := range parts {
		i := slices.IndexFunc(res.Topics[p.topic], func(r kafka.PartitionOffsets) bool { return r.Partition == int(p.id) })
		if i < 0 {
			continue
		}
		if r := res.Topics[p.topic][i]; r.Error == nil && r.FirstOffset >= 0 && r.LastOffset >= r.FirstOffset {
			out[p] = bounds{r.FirstOffset, r.LastOffset}
		} else {
			s.source.log.Warn(causePartition).Err(r.Error).Str("partition", p.label).Msg("kafka: the broker does not say where a partition begins; trying again")
		}
	}
	return out, nil
}
