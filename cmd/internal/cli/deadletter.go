package cli

import (
	"context"
	"errors"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/milepost-io/milepost/cmd/internal/app"
)

func newDeadletter(s *session) *cobra.Command {
	list := &cobra.Command{
		Use:   "list",
		Short: "Every dead letter, oldest first per shard",
		Args:  positional(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			letters, err := ask(cmd.Context(), s, allDead)
			if err != nil {
				return err
			}
			if s.json() {
				return s.encode(letters)
			}
			w := tabwriter.NewWriter(s.Out, 2, 8, 2, ' ', 0)
			fmt.Fprintln(w, "ID\tAT\tSOURCE\tTOPIC\tKEY\tREASON\tSIZE\tDETAIL")
			for _, d := range letters {
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%d\t%s\n", d.ID, d.At.Format(time.RFC3339), d.Source, d.Topic, d.Key, d.Reason, d.Size, d.Detail)
			}
			return w.Flush()
		},
	}
	show := &cobra.Command{
		Use:   "show ID",
		Short: "One dead letter with its bytes",
		Args:  positional("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			d, err := ask(cmd.Context(), s, func(ctx context.Context, a app.Admin) (*app.DeadLetter, error) { return a.DeadLetter(ctx, args[0]) })
			if err != nil {
				return err
			}
			if s.json() {
				return s.encode(d)
			}
			fmt.Fprintf(s.Out, "id      %s\nat      %s\nsource  %s\ntopic   %s\nkey     %s\nreason  %s\ndetail  %s\noffset  %d\nsize    %d\n\n%q\n", d.ID, d.At.Format(time.RFC3339Nano), d.Source, d.Topic, d.Key, d.Reason, d.Detail, d.Offset, d.Size, d.Bytes)
			return nil
		},
	}
	requeue := s.eachDead("requeue", "Send dead letters on their way again", "requeued", app.Admin.RequeueDead)
	drop := s.eachDead("drop", "Forget dead letters", "dropped", app.Admin.DropDead)
	c := group("deadletter", "Look at and re-drive what could not be taken or delivered", s.offlineFlag(list), s.offlineFlag(show), requeue, drop)
	c.Aliases = []string{"dlq"}
	return c
}

const deadPage = 500

// allDead follows the pages.
func allDead(ctx context.Context, a app.Admin) ([]app.DeadLetter, error) {
	out := []app.DeadLetter{}
	for after := ""; ; after = out[len(out)-1].ID {
		page, err := a.DeadLetters(ctx, after, deadPage)
		if err != nil || len(page) == 0 {
			return out, err
		}
		out = append(out, page...)
	}
}

// eachDead is a command over ids, or over all with --all.
func (s *session) eachDead(name, short, done string, do func(app.Admin, context.Context, string) error) *cobra.Command {
	var all bool
	var reason string
	c := &cobra.Command{
		Use:   name + " ID… | --all [--reason R]",
		Short: short,
		Args: func(_ *cobra.Command, args []string) error {
			switch {
			case all == (len(args) > 0):
				return errors.New("name dead letters, or --all")
			case reason != "" && !all:
				return errors.New("--reason goes with --all")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, ids []string) error {
			n, err := ask(cmd.Context(), s, func(ctx context.Context, a app.Admin) (int, error) {
				if all {
					letters, err := allDead(ctx, a)
					if err != nil {
						return 0, err
					}
					for _, d := range letters {
						if reason == "" || d.Reason == reason {
							ids = append(ids, d.ID)
						}
					}
				}
				for i, id := range ids {
					if err := do(a, ctx, id); err != nil {
						return i, err
					}
				}
				return len(ids), nil
			})
			fmt.Fprintf(s.Out, "%d %s\n", n, done)
			return err
		},
	}
	c.Flags().BoolVar(&all, "all", false, "all dead letters")
	c.Flags().StringVar(&reason, "reason", "", "with --all: only those of this `reason`")
	return s.offlineFlag(c)
}
