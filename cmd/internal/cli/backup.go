package cli

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"github.com/milepost-io/milepost/cmd/internal/app"
)

func newBackup(s *session) *cobra.Command {
	c := &cobra.Command{
		Use:   "backup DIR",
		Short: "Back the data folder up, while the engine runs",
		Long: "Makes a backup in DIR, on the engine's machine: a folder that is empty or not there, best on another disk.\n" +
			"The engine makes it and goes on meanwhile; on the same file system it links what does not change. An\n" +
			"interrupted backup has no manifest.json and cannot be restored. The configuration, the secrets and the\n" +
			"list of the erased are not in it: keep them elsewhere.",
		Args: positional("DIR"),
		RunE: func(cmd *cobra.Command, args []string) error {
			dir, err := filepath.Abs(args[0])
			if err != nil {
				return err
			}
			make := s.backupRunning
			if s.offline {
				make = s.backupStopped
			}
			st, err := make(cmd.Context(), dir)
			if err != nil {
				return err
			}
			if s.json() {
				return s.encode(st)
			}
			fmt.Fprintf(s.Out, "%s: %s in %s, %.1f s\n", dir, size(st.Bytes), counted(st.Files, "file"), st.Seconds)
			return nil
		},
	}
	return s.offlineFlag(c)
}

// backupPoll is how often a running backup is asked about.
const backupPoll = 200 * time.Millisecond

// backupRunning has the engine make a backup and follows it. An interrupt stops the backup.
func (s *session) backupRunning(ctx context.Context, dir string) (*app.BackupStatus, error) {
	a, _, err := s.admin()
	if err != nil {
		return nil, err
	}
	c, ok := a.(*client)
	if !ok {
		return nil, errors.New("backup: the engine is not asked over its API")
	}
	var st app.BackupStatus
	if err := c.post(ctx, "/api/v1/backup", app.BackupRequest{Dir: dir, By: operator()}, &st); err != nil {
		return nil, err
	}
	p := newProgress(s.Err, s.Terminal)
	defer p.end()
	tick := time.NewTicker(backupPoll)
	defer tick.Stop()
	for st.State == "running" {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil, s.stopBackup(ctx, c)
		}
		if err := c.get(ctx, "/api/v1/backup", &st); err != nil {
			if ctx.Err() != nil {
				return nil, s.stopBackup(ctx, c)
			}
			return nil, fmt.Errorf("the backup is not known to have ended: %w", err)
		}
		p.bytes(st.Bytes, st.Total)
	}
	if st.State != "done" {
		return nil, errors.New(st.Error)
	}
	return &st, nil
}

func (s *session) stopBackup(ctx context.Context, c *client) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	var st app.BackupStatus
	if err := c.call(ctx, "DELETE", "/api/v1/backup", &st); err != nil {
		return fmt.Errorf("interrupted; the engine goes on with the backup: %w", err)
	}
	return errors.New("interrupted; the backup is stopped and removed")
}

// backupStopped makes a backup of a stopped engine's folder.
func (s *session) backupStopped(ctx context.Context, dir string) (*app.BackupStatus, error) {
	cfg, err := s.config()
	if err != nil {
		return nil, err
	}
	begin := time.Now()
	w := s.work()
	defer w.end()
	m, err := app.BackupOffline(ctx, cfg, s.Version, dir, w.expect, w.did)
	if err != nil {
		return nil, err
	}
	return &app.BackupStatus{State: "done", Dir: dir, Bytes: m.Bytes(), Total: m.Bytes(), Files: len(m.Files), Seconds: time.Since(begin).Seconds()}, nil
}

// work is progress that is counted in bytes by whoever works.
type work struct {
	*progress
	done, total atomic.Int64
}

func (s *session) work() *work { return &work{progress: newProgress(s.Err, s.Terminal)} }

func (w *work) expect(n int64) { w.total.Store(n) }
func (w *work) did(n int64)    { w.bytes(w.done.Add(n), w.total.Load()) }
