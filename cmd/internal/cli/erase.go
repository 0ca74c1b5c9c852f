package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/milepost-io/milepost/cmd/internal/app"
)

// erasePoll is how often a running engine is asked how an erasure goes.
const erasePoll = 200 * time.Millisecond

func newErase(s *session) *cobra.Command {
	var party string
	c := &cobra.Command{
		Use:   "erase VIN | --party ID",
		Short: "Erase a vehicle, or a person, and every trace of them",
		Long: `Erase a vehicle: its state, timeline, messages, dead letters, and its events in the log. With --party a
person: the record, contact data and messages, and what the vehicles' profiles say of them. The command waits
until every trace is gone from the data folder and prints what remains elsewhere, and until when. What comes
in about it later is counted and changes nothing, until a vehicle event (a party event) brings it back.
With --offline the next start erases.`,
		Args: func(_ *cobra.Command, args []string) error {
			if (len(args) == 1) == (party != "") || len(args) > 1 {
				return usageError{errors.New("expected one VIN, or --party ID")}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			r := app.EraseRequest{Party: party}
			if len(args) == 1 {
				r.VIN = args[0]
			}
			x, err := ask(cmd.Context(), s, func(ctx context.Context, a app.Admin) (*app.Erasure, error) {
				x, err := a.Erase(ctx, r)
				if err != nil || s.offline {
					return x, err
				}
				return s.awaitErasure(ctx, a, x)
			})
			if err != nil {
				return err
			}
			if s.json() {
				return s.encode(x)
			}
			s.printErasure(x)
			return nil
		},
	}
	c.Flags().StringVar(&party, "party", "", "erase the owner or dealer with this `id`")
	return s.offlineFlag(c)
}

// awaitErasure asks until the erasure is done and shows on a terminal how it goes.
func (s *session) awaitErasure(ctx context.Context, a app.Admin, x *app.Erasure) (*app.Erasure, error) {
	tick := time.NewTicker(erasePoll)
	defer tick.Stop()
	told := ""
	for !x.Done {
		if now := x.Step + x.Error; s.Terminal && now != told {
			told = now
			fmt.Fprintf(s.Err, "\r\033[Kerasing: %s %s", x.Step, x.Error)
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("not waited for: the engine goes on with the erasure: %w", ctx.Err())
		case <-tick.C:
		}
		next, err := a.Erasure(ctx, x.Hash)
		if err != nil {
			return nil, fmt.Errorf("the erasure goes on: %w", err)
		}
		next.Known = x.Known
		x = next
	}
	if s.Terminal {
		fmt.Fprint(s.Err, "\r\033[K")
	}
	return x, nil
}

func (s *session) printErasure(x *app.Erasure) {
	switch {
	case !x.Done:
		fmt.Fprintf(s.Out, "%s to be erased at the next start (%s)\n", x.Kind, x.Hash)
	default:
		fmt.Fprintf(s.Out, "%s erased (%s)\n", x.Kind, x.Hash)
		fmt.Fprintf(s.Out, "gone: state, timeline, messages, outbox, dead letters; %d records of the journal blanked\n", x.Records)
	}
	if x.Vehicles > 0 {
		fmt.Fprintf(s.Out, "%d vehicles forgot the party\n", x.Vehicles)
	}
	if !x.Known {
		fmt.Fprintln(s.Out, "nothing was held under this id; it is on the list of erased ones all the same")
	}
	fmt.Fprintln(s.Out, "\nwhat may remain, and until when:")
	w := tabwriter.NewWriter(s.Out, 2, 8, 2, ' ', 0)
	for _, r := range x.Remains {
		fmt.Fprintf(w, "  %s\t%s\t%s\n", r.Where, r.What, r.Until)
	}
	_ = w.Flush()
}

func newExport(s *session) *cobra.Command {
	c := &cobra.Command{
		Use:   "export VIN",
		Short: "Everything held about one vehicle, as JSON, for an access request",
		Args:  positional("VIN"),
		RunE: func(cmd *cobra.Command, args []string) error {
			x, err := ask(cmd.Context(), s, func(ctx context.Context, a app.Admin) (*app.Export, error) { return a.Export(ctx, args[0]) })
			if err != nil {
				return err
			}
			return s.encode(x)
		},
	}
	return s.offlineFlag(c)
}

// Erase implements app.Admin, as do all that follow.
func (c *client) Erase(ctx context.Context, r app.EraseRequest) (*app.Erasure, error) {
	body, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	var x app.Erasure
	err = c.send(ctx, http.MethodPost, "/api/v1/erasures", body, &x)
	return &x, err
}

func (c *client) Erasure(ctx context.Context, hash string) (*app.Erasure, error) {
	var x app.Erasure
	err := c.get(ctx, "/api/v1/erasures/"+url.PathEscape(hash), &x)
	return &x, err
}

func (c *client) Export(ctx context.Context, vin string) (*app.Export, error) {
	var x app.Export
	err := c.get(ctx, "/api/v1/vehicles/"+url.PathEscape(vin)+"/export", &x)
	return &x, err
}
