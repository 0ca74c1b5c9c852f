package app

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"path/filepath"
	"time"

	"github.com/milepost-io/milepost/cmd/internal/config"
	"github.com/milepost-io/milepost/state"
	"github.com/milepost-io/milepost/state/backup"
	"github.com/milepost-io/milepost/state/erasure"
	"github.com/milepost-io/milepost/state/log"
	"github.com/milepost-io/milepost/state/log/journal"
)

// restoredFile says that a data folder was restored, from what and when. It stays.
const restoredFile = "restored.json"

// Restored is the mark of a data folder that was restored from a backup.
type Restored struct {
	At     time.Time `json:"at"`
	By     string    `json:"by"`
	From   string    `json:"from"`   // the backup's folder
	Backup time.Time `json:"backup"` // when it was made
	// Was and Journal are the ids of the log that was backed up and of this folder's, in hex (E15).
	Was     string `json:"was"`
	Journal string `json:"journal"`
	// Lost says what a damaged backup did not have; "" for nothing.
	Lost string `json:"lost,omitempty"`
	// Erased says that what the backup held of ids erased since was asked to go.
	Erased bool `json:"erased,omitempty"`
}

// RestoreRequest says what to restore from where.
type RestoreRequest struct {
	Dir string
	By  string
	// Erased is the installation's list of erased ids as it is now, with its key beside it: from the old data
	// folder or a copy kept apart from backups. "": there is none, on the operator's word.
	Erased    string
	AcceptGap bool
	// Expect and Did are told how many bytes there are to read and write, and how many were; nil: nobody asks.
	Expect, Did func(n int64)
}

// CheckBackup verifies a backup, and that it can be restored into the folder of a configuration.
func CheckBackup(ctx context.Context, cfg *config.Config, q RestoreRequest) (*backup.Check, error) {
	o, err := restoreOptions(ctx, cfg, &q)
	if err != nil {
		return nil, err
	}
	return o.Check, o.CheckTarget()
}

func restoreOptions(ctx context.Context, cfg *config.Config, q *RestoreRequest) (o backup.RestoreOptions, err error) {
	o = backup.RestoreOptions{FS: state.MachineFS(), Shards: journal.Shards{Events: cfg.Shards, Notices: cfg.Shards}, Did: q.Did}
	if o.Dir, err = filepath.Abs(q.Dir); err != nil {
		return o, err
	}
	if o.Data, err = filepath.Abs(cfg.Data); err != nil {
		return o, err
	}
	m, err := backup.ReadManifest(o.FS, o.Dir)
	if err == nil && q.Erased != "" {
		_, err = erasure.Read(o.FS, q.Erased)
	}
	if err != nil {
		return o, err
	}
	if q.Expect != nil {
		q.Expect(2 * m.Bytes()) // read to be verified, then to be copied
	}
	o.Check, err = backup.Verify(ctx, o.FS, o.Dir, q.Did)
	return o, err
}

// Restore makes the data folder of a configuration from a backup. Its engine holds all sends until somebody
// releases them: what was sent after the backup would go out again, and only a person knows what that does.
func Restore(ctx context.Context, cfg *config.Config, q RestoreRequest) (*Restored, error) {
	o, err := restoreOptions(ctx, cfg, &q)
	if err != nil {
		return nil, err
	}
	if err := o.CheckTarget(); err != nil {
		return nil, fmt.Errorf("restore: %w", err)
	}
	if err := o.Check.Err(q.AcceptGap); err != nil {
		return nil, fmt.Errorf("restore %s: %w", o.Dir, err)
	}
	return RestoreInto(ctx, o, q, time.Now())
}

// RestoreInto restores what was checked and marks the folder. The list of the erased is put there first, so
// that nothing that was erased after the backup comes back with it.
func RestoreInto(ctx context.Context, o backup.RestoreOptions, q RestoreRequest, now time.Time) (*Restored, error) {
	m := o.Check.Manifest
	mark := &Restored{At: now.UTC(), By: q.By, From: o.Dir, Backup: m.Time, Was: m.Journal, Lost: o.Check.Loss()}
	o.Finish = func(id log.ID) error {
		if q.Erased != "" {
			if err := erasure.Copy(o.FS, q.Erased, o.FS, o.Data); err != nil {
				return err
			}
		}
		mark.Journal = hex.EncodeToString(id[:])
		return markRestored(o.FS, o.Data, mark)
	}
	_, err := backup.Restore(ctx, o)
	return mark, err
}

// markRestored leaves the hold of all sends, the line in the audit file and the mark.
func markRestored(fs state.FS, data string, m *Restored) error {
	h, err := openHolds(fs, data)
	if err != nil {
		return err
	}
	reason := fmt.Sprintf("restored from %s (backup of %s)", m.From, m.Backup.Format(time.RFC3339))
	if err := Audit(fs, data, AuditLine{At: m.At, By: m.By, Action: "restore", Subject: m.From, Reason: m.Lost}); err != nil {
		return err
	}
	if err := h.add(Hold{Reason: reason, By: m.By, Since: m.At}); err != nil {
		return err
	}
	return m.write(fs, data)
}

// readMarks refuses a folder that is half restored, reads whether it was restored at all, and removes what a
// backup left that died with its process.
func (c *Core) readMarks() (err error) {
	if err := backup.CheckFinished(c.fs, c.opt.Data); err != nil {
		return err
	}
	if err := backup.ClearStage(c.fs, c.opt.Data); err != nil {
		return err
	}
	c.restored, err = readRestored(c.fs, c.opt.Data)
	return err
}

// eraseRestored erases again what the backup holds of ids that were erased after it was made, before anything
// comes in and while all sends are held (S47). Asking twice, after a crash, changes nothing.
func (c *Core) eraseRestored(ctx context.Context) error {
	m := c.restored
	if m == nil || m.Erased {
		return nil
	}
	n, err := c.EraseListed(ctx, m.Backup.UnixMilli())
	if err != nil {
		return fmt.Errorf("erase what the backup held: %w", err)
	}
	c.log.Info().Int("ids", n).Msg("restored: the ids erased since the backup are erased again")
	m.Erased = true
	return m.write(c.fs, c.opt.Data)
}

// readRestored returns the mark of a data folder, nil when there is none.
func readRestored(fs state.FS, data string) (*Restored, error) {
	b, err := state.ReadFile(fs, fs.PathJoin(data, restoredFile))
	if err != nil || b == nil {
		return nil, err
	}
	m := new(Restored)
	if err := json.Unmarshal(b, m); err != nil {
		return nil, fmt.Errorf("%s: %w", restoredFile, err)
	}
	return m, nil
}

func (m *Restored) write(fs state.FS, data string) error {
	b, err := json.Marshal(m)
	if err == nil {
		err = state.ReplaceFile(fs, fs.PathJoin(data, restoredFile), append(b, '\n'))
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", restoredFile, err)
	}
	return nil
}
