package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"

	"github.com/spf13/cobra"

	"github.com/milepost-io/milepost/cmd/internal/app"
)

// target is what hold and release are about.
type target struct {
	all               bool
	destination, rule string
}

func (t *target) flags(c *cobra.Command, verb string) {
	c.Flags().BoolVar(&t.all, "all", false, verb+" every destination")
	c.Flags().StringVar(&t.destination, "destination", "", verb+" the destination of this `name`")
	c.Flags().StringVar(&t.rule, "rule", "", "not in this version")
	_ = c.Flags().MarkHidden("rule")
}

func (t *target) check() error {
	switch {
	case t.rule != "":
		return errors.New("--rule is not in this version")
	case t.all == (t.destination != ""):
		return errors.New("name one --destination, or --all")
	}
	return nil
}

func newHold(s *session) *cobra.Command {
	var t target
	var reason string
	c := &cobra.Command{
		Use:   "hold --all | --destination NAME --reason TEXT",
		Short: "Stop sending; what is to be sent waits",
		Long: "Stops sending to a destination, or to all of them, until `milepost release`. Calls under way end, none is\n" +
			"begun, not even a retry. Nothing is lost and nothing expires: what is to be sent waits in the outbox, over\n" +
			"restarts. The audit file of the data folder says who held it, when and why.",
		Args: func(_ *cobra.Command, args []string) error {
			if err := positional()(nil, args); err != nil {
				return err
			}
			if err := t.check(); err != nil {
				return err
			}
			if reason == "" {
				return errors.New("--reason is missing: whoever is to release it must know why")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := ask(cmd.Context(), s, func(ctx context.Context, a app.Admin) (struct{}, error) {
				return struct{}{}, a.Hold(ctx, t.destination, operator(), reason)
			})
			if err == nil {
				fmt.Fprintf(s.Out, "%s: held until milepost release %s\n", t.name(), t.flag())
			}
			return err
		},
	}
	t.flags(c, "hold")
	c.Flags().StringVar(&reason, "reason", "", "`why`, for whoever is to release it")
	return s.offlineFlag(c)
}

func newRelease(s *session) *cobra.Command {
	var t target
	c := &cobra.Command{
		Use:   "release --all | --destination NAME",
		Short: "Send again what was held",
		Long: "Ends a hold: what waited is sent, in order of creation per vehicle, each event under the id it always had.\n" +
			"--all ends the hold of all destinations and leaves those that are held by name.",
		Args: func(_ *cobra.Command, args []string) error {
			if err := positional()(nil, args); err != nil {
				return err
			}
			return t.check()
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			was, err := ask(cmd.Context(), s, func(ctx context.Context, a app.Admin) (*app.Hold, error) {
				return a.Release(ctx, t.destination, operator())
			})
			if err == nil {
				fmt.Fprintf(s.Out, "%s: released; held since %s by %s: %s\n", t.name(), was.Since.Format("2006-01-02 15:04:05Z07:00"), was.By, was.Reason)
			}
			return err
		},
	}
	t.flags(c, "release")
	return s.offlineFlag(c)
}

func (t *target) name() string {
	if t.all {
		return "all destinations"
	}
	return t.destination
}

func (t *target) flag() string {
	if t.all {
		return "--all"
	}
	return "--destination " + t.destination
}

// operator is who runs the command line, for the audit file.
func operator() string {
	name := "uid " + fmt.Sprint(os.Getuid())
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	host, err := os.Hostname()
	if err != nil {
		return name
	}
	return name + "@" + host
}
