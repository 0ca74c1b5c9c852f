package kafka

import (
	"context"
	"errors"
	"slices"

	"github.com/segmentio/kafka-go"
)

// commitPrefix begins the metadata of offsets that we commit; the topic's id follows. Offsets without it
// were set by a person, who is taken at their word.
const commitPrefix = "milepost:"

// commit commits what is durable. An offset that lies elsewhere than the group's, be it lower, is committed
// too: somebody decided so.
func (s *session) commit() {
	s.commitMu.Lock()
	defer s.commitMu.Unlock()
	req := kafka.OffsetCommitRequest{GroupID: s.gen.GroupID, GenerationID: int(s.gen.ID), MemberID: s.gen.MemberID, Topics: map[string][]kafka.OffsetCommit{}}
	type sent struct {
		p      *partition
		offset int64
	}
	var all []sent
	for _, p := range s.parts() {
		if durable, _, err := p.ledger.state(); err == nil && durable > p.committed {
			all = append(all, sent{p, durable})
			req.Topics[p.topic] = append(req.Topics[p.topic], kafka.OffsetCommit{Partition: int(p.id), Offset: durable, Metadata: commitPrefix + p.topicID.String()})
		}
	}
	if len(all) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), min(requestTimeout, s.source.opts.DrainTimeout))
	defer cancel()
	res, err := s.client.OffsetCommit(ctx, &req)
	if err != nil {
		s.commitFailed(err)
		return
	}
	for _, c := range all {
		i := slices.IndexFunc(res.Topics[c.p.topic], func(r kafka.OffsetCommitPartition) bool { return r.Partition == int(c.p.id) })
		switch {
		case i < 0:
		case res.Topics[c.p.topic][i].Error != nil:
			s.commitFailed(res.Topics[c.p.topic][i].Error)
		default:
			c.p.committed = c.offset
		}
	}
}

func (s *session) commitFailed(err error) {
	s.source.stats.errors.Add(1)
	if errors.Is(err, kafka.IllegalGeneration) || errors.Is(err, kafka.UnknownMemberId) || errors.Is(err, kafka.RebalanceInProgress) {
		return // a new generation is on its way
	}
	s.source.log.Warn(causeCommit).Err(s.source.opts.Cluster.Explain(err)).Msg("kafka: offsets cannot be committed; trying again. What is taken is safe and would come again after a restart, changing nothing")
}

// tellPositions passes on how far each origin is durable.
func (s *session) tellPositions() {
	if s.source.opts.Position == nil {
		return
	}
	for _, p := range s.parts() {
		if durable, _, err := p.ledger.state(); err == nil && durable > p.noted && durable >= 0 {
			s.source.opts.Position(p.origin, seqOf(durable, 0))
			p.noted = durable
		}
	}
}
