package kafka

import "sync/atomic"

// counters are since the start.
type counters struct {
	records, aborted, unreadable, errors, generations atomic.Uint64
}

// Stats is one look at a Source.
type Stats struct {
	// Joined: we are a member of the group and have our partitions.
	Joined bool
	// Failure is what keeps us from the cluster, for people; empty: nothing.
	Failure string
	// Records were handed to the Sink since the start. Unreadable are batches left out for a dead letter,
	// Aborted the records of aborted transactions, Errors the answers and requests that failed, Generations
	// how often partitions were shared out.
	Records, Unreadable, Aborted, Errors, Generations uint64
	Partitions                                        []PartitionStats
}

// PartitionStats is one partition that is ours at present.
type PartitionStats struct {
	Topic     string
	Partition int32
	// Durable is the offset before which everything is in the log, HighWater that of the next message to be
	// written to the topic; -1: not known yet.
	Durable, HighWater int64
	// Stopped says why nothing is taken; empty: it is.
	Stopped string
}

// Lag is how many offsets are not in our log yet, false while that is not known.
func (p PartitionStats) Lag() (n int64, known bool) {
	if p.Durable < 0 || p.HighWater < 0 {
		return 0, false
	}
	return max(0, p.HighWater-p.Durable), true
}

// Stats may be called at any time.
func (s *Source) Stats() Stats {
	s.mu.Lock()
	out := Stats{Joined: s.joined, Failure: s.failure}
	sess := s.current
	s.mu.Unlock()
	c := &s.stats
	out.Records, out.Unreadable, out.Aborted = c.records.Load(), c.unreadable.Load(), c.aborted.Load()
	out.Errors, out.Generations = c.errors.Load(), c.generations.Load()
	if sess == nil || !out.Joined {
		return out
	}
	for _, p := range sess.parts() {
		durable, _, _ := p.ledger.state()
		sess.mu.Lock()
		stopped := p.stopped
		sess.mu.Unlock()
		out.Partitions = append(out.Partitions, PartitionStats{p.topic, p.id, durable, p.highWater.Load(), stopped})
	}
	return out
}

// Brokers are the addresses the source begins with.
func (s *Source) Brokers() []string { return s.opts.Cluster.Brokers }
