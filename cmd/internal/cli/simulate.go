package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/milepost-io/milepost/ingest/fleet"
	"github.com/milepost-io/milepost/ingest/mqtt"
)

// simulateFlags are the options of `milepost simulate`.
type simulateFlags struct {
	vehicles  int
	rate      float64
	seed      uint64
	count     int
	start     string
	mqtt, out string
	kafka     string
	topic     string
	codec     string
}

func newSimulate(s *session) *cobra.Command {
	var f simulateFlags
	c := &cobra.Command{
		Use:   "simulate --vehicles N --rate R --seed S [--mqtt URL | --kafka BROKERS --topic NAME | --out FILE]",
		Short: "A virtual fleet: same seed, same stream",
		Long: "Makes the events of a virtual fleet with believable mileage, wear, faults, gaps, bursts and bad clocks.\n" +
			"--out writes lines that backtest reads, each with its arrival; --mqtt publishes with QoS 1.\n" +
			"--kafka writes to a topic with the vehicle as key; user and TLS are those of the configuration.",
		Args: positional(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case f.codec != "json":
				return usageError{fmt.Errorf("--codec %q is not in this version (expected json)", f.codec)}
			case f.mqtt != "" && f.out != "", f.mqtt != "" && f.kafka != "", f.kafka != "" && f.out != "":
				return usageError{errors.New("--mqtt, --kafka and --out exclude each other")}
			case (f.kafka == "") != (f.topic == ""):
				return usageError{errors.New("--kafka and --topic belong together: --kafka 127.0.0.1:9092 --topic milepost.events")}
			case f.mqtt != "" && !brokerURL(f.mqtt):
				return usageError{fmt.Errorf("--mqtt %q: expected the address of a broker like tcp://127.0.0.1:1883", f.mqtt)}
			case f.vehicles < 1 || f.count < 0 || f.rate < 0:
				return usageError{errors.New("--vehicles, --count and --rate: expected 1 or more, 0 or more, 0 or more")}
			}
			start := time.Now().UTC().Truncate(time.Second)
			if f.start != "" {
				var err error
				if start, err = time.Parse(time.RFC3339, f.start); err != nil {
					return usageError{fmt.Errorf("--start %q: expected a time like 2026-03-01T08:00:00Z", f.start)}
				}
			}
			fl, err := fleet.New(fleet.Config{Vehicles: f.vehicles, Seed: f.seed, Start: start})
			if err != nil {
				return err
			}
			if f.mqtt != "" {
				return s.simulateMQTT(cmd.Context(), fl, f)
			}
			if f.kafka != "" {
				return s.simulateKafka(cmd.Context(), fl, f)
			}
			return s.simulateFile(cmd.Context(), fl, f)
		},
	}
	fl := c.Flags()
	fl.IntVar(&f.vehicles, "vehicles", 1000, "cars in the fleet")
	fl.Float64Var(&f.rate, "rate", 0, "events per second; 0: as fast as they are taken")
	fl.Uint64Var(&f.seed, "seed", 1, "same seed, same stream")
	fl.IntVar(&f.count, "count", 100_000, "events to make; 0: until stopped (with --mqtt or --kafka)")
	fl.StringVar(&f.start, "start", "", "when the stream begins (RFC 3339); default now")
	fl.StringVar(&f.mqtt, "mqtt", "", "publish to the broker at this `URL`, tcp://127.0.0.1:1883")
	fl.StringVar(&f.kafka, "kafka", "", "write to the cluster of these `brokers`, host:9092 or host:9092,host:9092")
	fl.StringVar(&f.topic, "topic", "", "`topic` of --kafka")
	fl.StringVar(&f.out, "out", "", "write to this `file`; default standard output")
	fl.StringVar(&f.codec, "codec", "json", "how payloads are encoded")
	return c
}

// brokerURL reports whether a URL may be a broker's; whether one is there, the publisher finds out.
func brokerURL(s string) bool {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" {
		return false
	}
	switch u.Scheme {
	case "tcp", "mqtt", "ssl", "tls", "mqtts":
		return true
	}
	return false
}

// simulateFile writes events as lines with their arrival.
func (s *session) simulateFile(ctx context.Context, fl *fleet.Fleet, f simulateFlags) error {
	to := s.Out
	if f.out != "" && f.out != "-" {
		file, err := os.Create(f.out)
		if err != nil {
			return err
		}
		defer file.Close()
		to = file
	}
	w := bufio.NewWriterSize(to, 1<<20)
	for i := 0; i < f.count && ctx.Err() == nil; i++ {
		e := fl.Next()
		if err := writeRecorded(w, &e); err != nil {
			return err
		}
	}
	return w.Flush()
}

// writeRecorded writes an event as a line that carries its arrival. What is no JSON object (the fleet
// sends broken bytes too, as cars do) is written as it is.
func writeRecorded(w io.Writer, e *fleet.Event) error {
	line := e.Payload
	if json.Valid(line) && len(line) > 2 && line[0] == '{' {
		line = append([]byte(`{"arrival":"`+e.At.UTC().Format("2006-01-02T15:04:05.000Z07:00")+`",`), line[1:]...)
	}
	_, err := w.Write(append(line, '\n'))
	return err
}

// simulateMQTT publishes and waits for the acknowledgements.
func (s *session) simulateMQTT(ctx context.Context, fl *fleet.Fleet, f simulateFlags) error {
	p, err := mqtt.NewPublisher(mqtt.PublisherOptions{URL: f.mqtt, ClientID: fmt.Sprintf("milepost-simulate-%d", os.Getpid()), Window: 1000, Logger: s.quiet()})
	if err != nil {
		return usageError{err}
	}
	stop := background(context.WithoutCancel(ctx), p.Run)
	begin := time.Now()
	prog := newProgress(s.Err, s.Terminal)
	for i := 0; (f.count == 0 || i < f.count) && ctx.Err() == nil; i++ {
		if f.rate > 0 {
			pause(ctx, time.Until(begin.Add(time.Duration(float64(i)/f.rate*float64(time.Second)))))
		}
		e := fl.Next()
		if err := p.Publish(ctx, e.Topic, e.Payload); err != nil {
			break
		}
		prog.at(i + 1)
	}
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	flushed := p.Flush(drain)
	prog.end()
	err = stop()
	st := p.Stats()
	if flushed != nil {
		flushed = fmt.Errorf("%d events were not acknowledged within 10 s: does a broker listen on %s?", st.Published-st.Acked, f.mqtt)
	}
	fmt.Fprintf(s.Err, "%d published, %d acknowledged in %.1fs\n", st.Published, st.Acked, time.Since(begin).Seconds())
	return errors.Join(flushed, err)
}

// pause waits, or ends with the context.
func pause(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
