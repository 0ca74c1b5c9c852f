package cli

import (
	"context"
	"errors"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/milepost-io/milepost/cmd/internal/app"
	"github.com/milepost-io/milepost/cmd/internal/config"
	"github.com/milepost-io/milepost/state/backup"
)

func newRestore(s *session) *cobra.Command {
	var q app.RestoreRequest
	var noErased, dryRun bool
	c := &cobra.Command{
		Use:   "restore DIR --erased FILE | --no-erased",
		Short: "Make the data folder from a backup",
		Long: "Restores a backup into the data folder of the configuration, which must be empty or not there. Every file\n" +
			"is verified before anything is written. The engine that starts on it holds all sends until\n" +
			"`milepost release --all`: what was sent after the backup would go out again, under the same ids.\n" +
			"--erased names the installation's list of erased ids as it is now (erased.list, with erased.key beside it),\n" +
			"so that nobody comes back who was erased after the backup; --no-erased says that nobody ever was.\n" +
			"Never let the old folder and the restored one run at the same time.",
		Args: func(_ *cobra.Command, args []string) error {
			if err := positional("DIR")(nil, args); err != nil {
				return err
			}
			if !dryRun && noErased == (q.Erased != "") {
				return errors.New("name the list of erased ids with --erased, or say --no-erased if nobody was ever erased: without it those who were come back")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := s.config()
			if err != nil {
				return err
			}
			q.Dir, q.By = args[0], operator()
			w := s.work()
			defer w.end()
			q.Expect, q.Did = w.expect, w.did
			if dryRun {
				return s.checkBackup(cmd.Context(), cfg, q, w)
			}
			return s.restore(cmd.Context(), cfg, q, w)
		},
	}
	c.Flags().StringVar(&q.Erased, "erased", "", "`file` with the list of erased ids as it is now")
	c.Flags().BoolVar(&noErased, "no-erased", false, "nobody was ever erased")
	c.Flags().BoolVar(&q.AcceptGap, "accept-gap", false, "restore what a damaged log leaves; the refusal without it says what is lost")
	c.Flags().BoolVar(&dryRun, "dry-run", false, "verify every file, say what would be done, write nothing")
	return c
}

// checkBackup tells what a restore would find and do.
func (s *session) checkBackup(ctx context.Context, cfg *config.Config, q app.RestoreRequest, w *work) error {
	c, target := app.CheckBackup(ctx, cfg, q)
	w.end()
	if c == nil {
		return target
	}
	if s.json() {
		if err := s.encode(c); err != nil {
			return err
		}
	} else {
		s.printBackup(c.Manifest)
	}
	if err := errors.Join(target, c.Err(q.AcceptGap)); err != nil {
		return err
	}
	if !s.json() {
		fmt.Fprintf(s.Out, "\nevery file is as it was written; it would be restored into %s, and nothing sent until milepost release --all\n", cfg.Data)
	}
	return nil
}

func (s *session) printBackup(m *backup.Manifest) {
	fmt.Fprintf(s.Out, "backup of %s at %s by version %s: %s in %s, journal %.8s\n", m.Source, m.Time.Format(time.RFC3339), m.Build, size(m.Bytes()), counted(len(m.Files), "file"), m.Journal)
	w := tabwriter.NewWriter(s.Out, 2, 8, 2, ' ', 0)
	fmt.Fprintln(w, "\nSTORE\tSTANDS AT\tTO REPLAY\tCLOCK")
	for i, st := range m.Stores {
		fmt.Fprintf(w, "%s\t%d\t%d\t%s\n", st.Folder, st.Next, m.Ends[i]-st.Next, time.UnixMilli(st.Clock).UTC().Format(time.RFC3339))
	}
	_ = w.Flush()
}

func (s *session) restore(ctx context.Context, cfg *config.Config, q app.RestoreRequest, w *work) error {
	begin := time.Now()
	m, err := app.Restore(ctx, cfg, q)
	w.end()
	if err != nil {
		return err
	}
	if s.json() {
		return s.encode(m)
	}
	fmt.Fprintf(s.Out, "restored the backup of %s into %s in %.1f s, as journal %.8s\n", m.Backup.Format(time.RFC3339), cfg.Data, time.Since(begin).Seconds(), m.Journal)
	if m.Lost != "" {
		fmt.Fprintf(s.Out, "lost: %s\n", m.Lost)
	}
	fmt.Fprintln(s.Out, "Sends are held: start the engine, look at milepost status and milepost outbox list, then milepost release --all.\nThe old engine must not run any more.")
	return nil
}
