package cli

import (
	"context"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/milepost-io/milepost/cmd/internal/app"
)

func newOutbox(s *session) *cobra.Command {
	var limit int
	list := &cobra.Command{
		Use:   "list",
		Short: "What waits for a destination",
		Args:  positional(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			entries, err := ask(cmd.Context(), s, func(ctx context.Context, a app.Admin) ([]app.OutboxEntry, error) { return a.Outbox(ctx, limit) })
			if err != nil {
				return err
			}
			if s.json() {
				return s.encode(entries)
			}
			w := tabwriter.NewWriter(s.Out, 2, 8, 2, ' ', 0)
			fmt.Fprintln(w, "DESTINATION\tEVENT\tTYPE\tVEHICLE\tCREATED")
			for _, e := range entries {
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", e.Endpoint, e.ID, e.Type, e.VIN, e.Created.Format(time.RFC3339))
			}
			return w.Flush()
		},
	}
	list.Flags().IntVar(&limit, "limit", 1000, "at most this `many` entries")
	requeue := &cobra.Command{
		Use:   "requeue DESTINATION",
		Short: "Send to a destination again that had answered 410 (gone)",
		Long: "Switches a destination on again that had answered 410 (gone), and tries at once what waits for it.\n" +
			"What was given up is among the dead letters: milepost deadletter requeue.",
		Args: positional("DESTINATION"),
		RunE: func(cmd *cobra.Command, args []string) error {
			n, err := ask(cmd.Context(), s, func(ctx context.Context, a app.Admin) (int, error) { return a.RequeueOutbox(ctx, args[0]) })
			if err == nil {
				fmt.Fprintf(s.Out, "%s: %s will be tried again\n", args[0], counted(n, "event"))
			}
			return err
		},
	}
	return group("outbox", "Look at and re-drive what waits for destinations", s.offlineFlag(list), s.offlineFlag(requeue))
}
