package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sort"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/milepost-io/milepost/cmd/internal/app"
	"github.com/milepost-io/milepost/cmd/internal/config"
	"github.com/milepost-io/milepost/cmd/internal/replay"
)

// backtestFlags are the options of one backtest.
type backtestFlags struct {
	rules, input, out, until string
}

func newBacktest(s *session) *cobra.Command {
	var f backtestFlags
	var against string
	c := &cobra.Command{
		Use:   "backtest --rules DIR --input FILE|journal:DIR|kafka://HOST/TOPIC [--out FILE] [--until T]",
		Short: "What these rules would have done on recorded events",
		Long: "Runs recorded events through the steps that serve, with one clock for the whole input.\n" +
			"The input is NDJSON, one event a line with an optional arrival (.zst too), or the journal of a data folder,\n" +
			"or a Kafka topic from its beginning to its end, each record's timestamp being its arrival.\n" +
			"--out gets one JSON line per event that would have left or was held, in order of creation.",
		Args: positional(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case against != "":
				return usageError{errors.New("--against is not in this version")}
			case f.rules == "":
				return usageError{errors.New("--rules is missing: name the folder of the rules")}
			case f.input == "":
				return usageError{errors.New("--input is missing: name a file of events, journal:DIR or kafka://host:9092/topic")}
			}
			return s.backtest(cmd, f)
		},
	}
	c.Flags().StringVar(&f.rules, "rules", "", "`folder` (or file) of rules")
	c.Flags().StringVar(&f.input, "input", "", "recorded events: a `file`, journal:DIR with a data folder, or kafka://host:9092/topic")
	c.Flags().StringVar(&f.out, "out", "", "`file` for the events, - for standard output")
	c.Flags().StringVar(&f.until, "until", "", "let time pass to this moment after the last record (RFC 3339)")
	c.Flags().StringVar(&against, "against", "", "not in this version")
	return c
}

func (s *session) backtest(cmd *cobra.Command, f backtestFlags) error {
	until := int64(replay.NoEnd)
	if f.until != "" {
		t, err := time.Parse(time.RFC3339Nano, f.until)
		if err != nil {
			return usageError{fmt.Errorf("--until %q: expected a time like 2026-03-01T08:00:00Z", f.until)}
		}
		until = t.UnixMilli()
	}
	cfg, err := s.config()
	if err != nil {
		return err
	}
	files, err := readRules(f.rules)
	if err != nil {
		return err
	}
	act, err := app.Activation(f.rules, cfg, 1)
	if err != nil {
		return err
	}
	r, err := replay.New(replay.Options{Activation: act})
	if err != nil {
		if ps := placed(err, f.rules, files); len(ps) > 0 {
			return ps
		}
		return err
	}
	begin := time.Now()
	progress := newProgress(s.Err, s.Terminal)
	n, err := feedBacktest(cmd.Context(), cfg, r, f.input, progress.at)
	if err != nil {
		return err
	}
	if err := r.Finish(until); err != nil {
		return err
	}
	progress.end()
	if err := s.writeLines(f.out, r.Lines()); err != nil {
		return err
	}
	if f.out == "-" {
		return nil
	}
	return s.report(r, n, time.Since(begin))
}

// feedBacktest applies the input. A topic is read to the end that it has now.
func feedBacktest(ctx context.Context, cfg *config.Config, r *replay.Replay, input string, progress func(int)) (int, error) {
	if !strings.HasPrefix(input, "kafka:") {
		return replay.Feed(ctx, r, input, progress)
	}
	src, err := app.OpenKafkaRecording(ctx, cfg, input)
	if err != nil {
		return 0, fmt.Errorf("--input: %w", err)
	}
	defer src.Close()
	return replay.FeedFrom(ctx, r, src, progress)
}

// writeLines writes the events to a file, complete or not at all.
func (s *session) writeLines(path string, lines []replay.Line) error {
	var to io.Writer
	switch path {
	case "":
		return nil
	case "-":
		to = s.Out
	default:
		f, err := os.Create(path)
		if err != nil {
			return err
		}
		defer f.Close()
		to = f
	}
	w := bufio.NewWriter(to)
	for i := range lines {
		b, err := lines[i].MarshalJSON()
		if err != nil {
			return err
		}
		if _, err := w.Write(append(b, '\n')); err != nil {
			return err
		}
	}
	return w.Flush()
}

// report prints what came of the backtest.
func (s *session) report(r *replay.Replay, n int, took time.Duration) error {
	received, applied, duplicate, late, quarantined := r.Outcomes()
	byType := map[string]int{}
	held := map[string]int{}
	for _, l := range r.Lines() {
		var e struct{ Type string }
		if err := json.Unmarshal(l.Event, &e); err != nil {
			return err
		}
		byType[e.Type]++
		if l.Held != "" {
			held[l.Held]++
		}
	}
	if s.json() {
		return json.NewEncoder(s.Out).Encode(map[string]any{
			"records": n, "received": received, "applied": applied, "duplicate": duplicate, "late": late, "quarantined": quarantined,
			"events": byType, "held": held, "seconds": took.Seconds(),
		})
	}
	fmt.Fprintf(s.Out, "%d records in %.1fs (%.0f/s): %d applied, %d duplicate, %d late, %d quarantined\n", n, took.Seconds(), float64(n)/max(took.Seconds(), 1e-3), applied, duplicate, late, quarantined)
	fmt.Fprintf(s.Out, "%d events\n", len(r.Lines()))
	for _, k := range sorted(byType) {
		fmt.Fprintf(s.Out, "  %-28s %d\n", k, byType[k])
	}
	for _, k := range sorted(held) {
		fmt.Fprintf(s.Out, "  held %-23s %d\n", k, held[k])
	}
	return nil
}

func sorted(m map[string]int) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}
