package cli

import (
	"context"
	"fmt"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/milepost-io/milepost/cmd/internal/app"
)

func newStatus(s *session) *cobra.Command {
	return s.offlineFlag(&cobra.Command{
		Use:   "status",
		Short: "One screen: sources, shards, outbox, disk, rules",
		Args:  positional(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			st, err := ask(cmd.Context(), s, func(ctx context.Context, a app.Admin) (*app.Status, error) { return a.Status(ctx) })
			if err != nil {
				return err
			}
			if s.json() {
				return s.encode(st)
			}
			s.printStatus(st)
			return nil
		},
	})
}

func (s *session) printStatus(st *app.Status) {
	state := "stopped"
	switch {
	case st.Disk.IntakeStopped != "" && st.Ready:
		state = "intake stopped"
	case st.Ready:
		state = "ready"
	case st.Running:
		state = "replaying its log"
	}
	if st.Version != "" { // of a stopped engine nobody knows
		state += "  version " + st.Version
	}
	fmt.Fprintf(s.Out, "%s  %s  rules %d (%.19s)\n", st.Source, state, st.RulesNumber, st.RulesVersion)
	c := st.Counters
	fmt.Fprintf(s.Out, "received %d = applied %d + duplicate %d + late %d + quarantined %d\n", c.Received, c.Applied, c.Duplicate, c.Late, c.Quarantined)
	fmt.Fprintf(s.Out, "clock %s  dead letters %d  disk free %s%s  journal %s\n", st.Clock.Format(time.RFC3339), st.DeadLetters, size(st.Disk.Free), daysLeft(st.Disk.Days), size(st.Disk.Journal))
	if st.Disk.Problem != "" {
		fmt.Fprintf(s.Out, "\nintake has stopped: %s\n", st.Disk.Problem)
	}
	w := tabwriter.NewWriter(s.Out, 2, 8, 2, ' ', 0)
	fmt.Fprintln(w, "\nSHARD\tAPPLIED\tLAG\tTO REPLAY\tCLOCK")
	for _, x := range st.Shards {
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%s\n", x.Name, x.Applied, x.Lag, max(0, x.Applied-x.Stored), x.Clock.Format(time.RFC3339))
	}
	if len(st.Sources) > 0 {
		fmt.Fprintln(w, "\nSOURCE\tADDRESS\tCLIENTS\tRECEIVED\tREFUSED\tLAG")
		for _, x := range st.Sources {
			lag := "-"
			if x.Lag != nil {
				lag = strconv.FormatInt(*x.Lag, 10)
			}
			fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%d\t%s\n", x.Name, x.Address, x.Connections, x.Received, x.Refused, lag)
		}
	}
	for _, x := range st.Sources {
		if x.Trouble != "" {
			fmt.Fprintf(w, "%s: %s\n", x.Name, x.Trouble)
		}
		for _, o := range x.Offenders[:min(len(x.Offenders), 10)] {
			fmt.Fprintf(w, "  %s\tclient %s published %d for other vehicles\n", x.Name, o.Client, o.Messages)
		}
	}
	if len(st.Outbox) > 0 {
		fmt.Fprintln(w, "\nDESTINATION\tBREAKER\tWAITING\tOLDEST\tDELIVERED\tGIVEN UP\tLAST ERROR")
		for _, x := range st.Outbox {
			oldest, breaker := "-", x.Breaker
			if x.Oldest > 0 {
				oldest = st.Clock.Sub(time.UnixMilli(x.Oldest)).Round(time.Second).String()
			}
			if x.Disabled {
				breaker = "disabled"
			}
			if x.Held {
				breaker = "held"
			}
			fmt.Fprintf(w, "%s\t%s\t%d\t%s\t%d\t%d\t%s\n", x.Name, breaker, x.Pending, oldest, x.Delivered, x.Dead+x.Expired, x.LastError)
		}
	}
	if len(st.Holds) > 0 {
		fmt.Fprintln(w, "\nHELD (nothing is sent)\tSINCE\tBY\tREASON")
		for i := range st.Holds {
			h := &st.Holds[i]
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", h.Name(), h.Since.Format(time.RFC3339), h.By, h.Reason)
		}
	}
	if len(st.Held) > 0 {
		fmt.Fprintln(w, "\nHELD BACK\tMESSAGES")
		for _, k := range sorted(st.Held) {
			fmt.Fprintf(w, "%s\t%d\n", k, st.Held[k])
		}
	}
	_ = w.Flush()
}

func daysLeft(d float64) string {
	if d <= 0 {
		return ""
	}
	return fmt.Sprintf(" (%.0f days at this rate)", d)
}

func size(n int64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	}
	return fmt.Sprintf("%d KiB", n>>10)
}
