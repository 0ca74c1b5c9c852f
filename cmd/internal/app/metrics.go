package app

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/milepost-io/milepost/state/log/journal"
)

// metrics serves the engine's figures to Prometheus, from a registry of its own.
func (e *Engine) metrics() http.Handler {
	reg := prometheus.NewRegistry()
	reg.MustRegister(collector{e}, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return promhttp.HandlerFor(reg, promhttp.HandlerOpts{})
}

// collector asks the engine at each scrape, so that nothing is counted twice and the hot path counts only
// what it has to.
type collector struct{ e *Engine }

// Describe implements prometheus.Collector: which counters there are follows from the rules in force.
func (collector) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (c collector) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), queryTimeout)
	defer cancel()
	st, err := c.e.Status(ctx)
	if err != nil {
		return
	}
	m := sink(ch)
	m.counter("milepost_ingest_received_total", "events durable in the log", float64(st.Counters.Received))
	for _, o := range []struct {
		name string
		n    uint64
	}{{"applied", st.Counters.Applied}, {"duplicate", st.Counters.Duplicate}, {"late", st.Counters.Late}, {"quarantined", st.Counters.Quarantined}} {
		m.counter("milepost_state_events_total", "events by what became of them; they sum to received", float64(o.n), "outcome", o.name)
	}
	for name, n := range st.Counts {
		what, label, _ := strings.Cut(name, ":")
		m.counter("milepost_step_count_total", "what the steps counted", float64(n), "what", what, "label", label)
	}
	for _, s := range st.Shards {
		m.gauge("milepost_state_shard_lag_records", "records in the log that the shard has not applied", float64(s.Lag), "shard", s.Name)
		m.gauge("milepost_state_shard_unstored_records", "applied records that a crash would replay", float64(max(0, s.Applied-s.Stored)), "shard", s.Name)
		m.gauge("milepost_state_shard_clock_seconds", "the shard's clock", float64(s.Clock.UnixMilli())/1000, "shard", s.Name)
	}
	for _, s := range st.Sources {
		m.counter("milepost_ingest_source_records_total", "records taken since the start", float64(s.Received), "source", s.Name)
		m.counter("milepost_ingest_source_refused_total", "requests or connections refused since the start", float64(s.Refused), "source", s.Name)
	}
	c.collectSubscriber(m)
	c.collectKafka(m)
	for _, d := range st.Outbox {
		m.gauge("milepost_notify_outbox_entries", "events that wait for a destination", float64(d.Pending), "endpoint", d.Name)
		m.gauge("milepost_notify_breaker_open", "1 while nothing is sent to the destination", boolValue(d.Breaker != "closed" || d.Disabled), "endpoint", d.Name)
		m.gauge("milepost_notify_held", "1 while an operator holds the destination", boolValue(d.Held), "endpoint", d.Name)
		m.counter("milepost_notify_delivered_total", "events delivered since the start", float64(d.Delivered), "endpoint", d.Name)
		m.counter("milepost_notify_attempts_total", "attempts since the start", float64(d.Attempts), "endpoint", d.Name)
		m.counter("milepost_notify_failed_total", "events given up since the start", float64(d.Dead+d.Expired), "endpoint", d.Name)
	}
	m.gauge("milepost_dead_letters", "dead letters that wait for somebody to look", float64(st.DeadLetters))
	c.collectDisk(m, &st.Disk)
	m.gauge("milepost_engine_ready", "1 when sources are open", boolValue(st.Ready))
	c.collectIdentity(m)
	c.collectHealth(m, st)
	c.collectJournal(m)
}

func (c collector) collectDisk(m sink, d *DiskStatus) {
	m.gauge("milepost_disk_free_bytes", "free space of the data folder's disk", float64(d.Free))
	m.gauge("milepost_disk_reserve_bytes", "free space below which intake stops", float64(d.Reserve))
	m.gauge("milepost_disk_waiting_writers", "writes that wait for room on the disk", float64(d.Waiting))
	for _, reason := range []string{stoppedReserve, stoppedFull} {
		m.gauge("milepost_intake_stopped", "1 while nothing is taken in", boolValue(d.IntakeStopped == reason), "reason", reason)
	}
	m.gauge("milepost_sending_stopped", "1 while nothing is sent because that might not be recorded", boolValue(d.SendingStopped))
	for _, s := range c.e.shards {
		h, name := s.store.Health(), shardName(s.part)
		m.counter("milepost_state_store_write_errors_total", "flushes and compactions that failed and were tried again", float64(h.WriteErrors), "shard", name)
		m.counter("milepost_state_store_slow_writes_total", "writes of a store that took over 5 s", float64(h.SlowWrites), "shard", name)
		m.counter("milepost_state_store_stalls_total", "write-backs that had to wait for flushes or compactions", float64(h.Stalls), "shard", name)
	}
}

func (c collector) collectJournal(m sink) {
	j := c.e.journal.Stats()
	m.counter("milepost_journal_bytes_total", "bytes written since the start", float64(j.Bytes))
	m.gauge("milepost_journal_kept_bytes", "size of the kept segments", float64(j.SegmentBytes))
	m.counter("milepost_journal_shed_segments_total", "segments given up before journal.keep was over, to make room", float64(j.Shed))
	m.gauge("milepost_journal_unsynced_bytes", "bytes that wait for their sync", float64(j.UnsyncedBytes))
	buckets := map[float64]uint64{}
	var sum uint64
	for i, n := range j.Syncs.Buckets {
		sum += n
		if b := journal.DurationBound(i); b < time.Hour {
			buckets[b.Seconds()] = sum
		}
	}
	d := prometheus.NewDesc("milepost_journal_sync_seconds", "how long syncs took", nil, nil)
	m <- prometheus.MustNewConstHistogram(d, j.Syncs.Count, j.Syncs.Sum.Seconds(), buckets)
}

type sink chan<- prometheus.Metric

func (s sink) counter(name, help string, v float64, labels ...string) {
	s.add(prometheus.CounterValue, name, help, v, labels)
}

func (s sink) gauge(name, help string, v float64, labels ...string) {
	s.add(prometheus.GaugeValue, name, help, v, labels)
}

func (s sink) add(kind prometheus.ValueType, name, help string, v float64, labels []string) {
	names, values := make([]string, 0, len(labels)/2), make([]string, 0, len(labels)/2)
	for i := 0; i < len(labels); i += 2 {
		names, values = append(names, labels[i]), append(values, labels[i+1])
	}
	s <- prometheus.MustNewConstMetric(prometheus.NewDesc(name, help, names, nil), kind, v, values...)
}

func boolValue(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
