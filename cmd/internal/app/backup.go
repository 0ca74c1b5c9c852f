package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/milepost-io/milepost/cmd/internal/config"
	"github.com/milepost-io/milepost/state"
	"github.com/milepost-io/milepost/state/backup"
	"github.com/milepost-io/milepost/state/log"
	"github.com/milepost-io/milepost/state/log/journal"
)

// backupExtra are the files of a data folder, beside log and stores, that are backed up: what is condemned
// (E17), what is held, and who decided what. The list of the erased is not among them: it must outlive
// every backup.
func backupExtra() []string { return []string{state.GuardFile, HoldsFile, auditFile} }

// storeFolder is the place of a partition's store in a data folder, with slashes.
func storeFolder(p log.Partition) string {
	return fmt.Sprintf("%s/%s-%02d", stateDir, p.Stream, p.Shard)
}

// Backup makes a backup of the running engine in dir, which is empty or not there. Shards and sources do
// not wait for it. expect is told how many bytes there are to copy, did how many were since its last call.
func (c *Core) Backup(ctx context.Context, dir, source string, expect, did func(int64)) (*backup.Manifest, error) {
	data, err := absolute(c.fs, c.opt.Data)
	if err != nil {
		return nil, err
	}
	o := backup.TakeOptions{
		FS: c.fs, Dir: dir, Data: data, Journal: c.journal, Extra: backupExtra(), Build: c.opt.Build,
		Source: source, Time: c.clock.Time(), Expect: expect, Did: did,
	}
	for _, s := range c.shards {
		o.Stores = append(o.Stores, backup.Source{Partition: s.part, Folder: storeFolder(s.part), Checkpoint: s.store.Checkpoint})
	}
	return backup.Take(ctx, o)
}

// absolute makes paths comparable on the machine's file system; a file system of a test has no working folder.
func absolute(fs state.FS, path string) (string, error) {
	if fs != state.MachineFS() {
		return path, nil
	}
	return filepath.Abs(path)
}

// BackupOffline makes a backup of the folder of a stopped engine.
func BackupOffline(ctx context.Context, cfg *config.Config, build, dir string, expect, did func(int64)) (m *backup.Manifest, err error) {
	o := backup.TakeOptions{
		FS: state.MachineFS(), Dir: dir, Extra: backupExtra(), Build: build, Source: cfg.Source, Time: time.Now(), Expect: expect, Did: did,
	}
	if o.Data, err = filepath.Abs(cfg.Data); err != nil {
		return nil, err
	}
	if err := backup.CheckFinished(o.FS, o.Data); err != nil {
		return nil, err
	}
	arch, err := journal.OpenReadOnly(o.FS, JournalDir(o.Data))
	if err != nil {
		return nil, fmt.Errorf("%s holds no engine's data: %w", cfg.Data, err)
	}
	shards := arch.Shards()
	// Opened to be written: this holds off an engine, and cuts what was never acknowledged off the tail.
	o.Journal, err = journal.Open(journal.Options{FS: o.FS, Dir: JournalDir(o.Data), Shards: shards})
	if err != nil {
		return nil, fmt.Errorf("%w: does the engine still run? Then ask it without --offline", err)
	}
	defer func() { err = errors.Join(err, o.Journal.Close()) }()
	for _, p := range partitions(shards.Events, shards.Notices) {
		o.Stores = append(o.Stores, backup.Source{Partition: p, Folder: storeFolder(p)})
	}
	return backup.Take(ctx, o)
}

// BackupStatus is how the last backup of this process does.
type BackupStatus struct {
	// State is none, running, done or failed.
	State   string     `json:"state"`
	Dir     string     `json:"dir,omitempty"`
	Started *time.Time `json:"started,omitempty"`
	// Bytes were copied or checked of about Total, which is 0 until it is known.
	Bytes int64 `json:"bytes"`
	Total int64 `json:"total"`
	Files int   `json:"files"`
	// Seconds it took, or takes by now.
	Seconds float64 `json:"seconds"`
	Error   string  `json:"error,omitempty"`
}

// BackupRequest is the body of POST /api/v1/backup: an absolute path on the engine's machine.
type BackupRequest struct {
	Dir string `json:"dir"`
	By  string `json:"by"`
}

// backups makes one backup at a time, as a task of the engine.
type backups struct {
	ask          chan wantedBackup
	bytes, total atomic.Int64

	mu   sync.Mutex
	last BackupStatus
	stop context.CancelFunc // of the last one
}

// wantedBackup is a backup that was asked for; ctx ends when it is called off.
type wantedBackup struct {
	ctx context.Context
	dir string
}

func newBackups() *backups {
	return &backups{ask: make(chan wantedBackup, 1), last: BackupStatus{State: "none"}, stop: func() {}}
}

// runBackups makes the backups that are asked for until ctx ends, and ends one that is under way then.
func (e *Engine) runBackups(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case w := <-e.backups.ask:
			e.backup(ctx, w)
		}
	}
}

func (e *Engine) backup(ctx context.Context, w wantedBackup) {
	b := e.backups
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(w.ctx, cancel)()
	m, err := e.Backup(ctx, w.dir, e.cfg.Source, b.total.Store, func(n int64) { b.bytes.Add(n) })
	if ctx.Err() != nil {
		err = errors.Join(errors.New("the backup was stopped"), err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	st := &b.last
	st.Seconds = time.Since(*st.Started).Seconds()
	if err != nil {
		st.State, st.Error = "failed", err.Error()
		e.log.Error().Err(err).Str("dir", w.dir).Msg("backup failed")
		return
	}
	st.State, st.Bytes, st.Total, st.Files = "done", m.Bytes(), m.Bytes(), len(m.Files)
	e.log.Info().Str("dir", w.dir).Int64("bytes", st.Bytes).Int("files", st.Files).Float64("seconds", st.Seconds).Msg("backup done")
}

// StartBackup begins a backup; another one under way is an error.
func (e *Engine) StartBackup(dir, by string) (BackupStatus, error) {
	if !filepath.IsAbs(dir) {
		return BackupStatus{}, fmt.Errorf("backup: %w: folder %q is no absolute path on the engine's machine", ErrInvalid, dir)
	}
	if !e.ready.Load() {
		return BackupStatus{}, errReplaying
	}
	b := e.backups
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.last.State == "running" {
		return b.last, fmt.Errorf("%w: a backup to %s is being made", ErrBusy, b.last.Dir)
	}
	if err := Audit(e.fs, e.cfg.Data, AuditLine{At: e.clock.Time().UTC(), By: by, Action: "backup", Subject: dir}); err != nil {
		return BackupStatus{}, err
	}
	now := time.Now()
	b.last = BackupStatus{State: "running", Dir: filepath.Clean(dir), Started: &now}
	b.bytes.Store(0)
	b.total.Store(0)
	w := wantedBackup{dir: b.last.Dir}
	b.stop() // of one that has ended
	w.ctx, b.stop = context.WithCancel(context.Background())
	b.ask <- w // there is room: none is running
	return b.last, nil
}

// BackupStatus says how the last backup does.
func (e *Engine) BackupStatus() BackupStatus {
	b := e.backups
	b.mu.Lock()
	defer b.mu.Unlock()
	st := b.last
	if st.State == "running" {
		st.Bytes, st.Total, st.Seconds = b.bytes.Load(), b.total.Load(), time.Since(*st.Started).Seconds()
	}
	return st
}

// StopBackup ends the backup under way, if there is one, and has what it wrote removed.
func (e *Engine) StopBackup() BackupStatus {
	b := e.backups
	b.mu.Lock()
	b.stop()
	b.mu.Unlock()
	return e.BackupStatus()
}

func (e *Engine) postBackup(r *http.Request) (any, error) {
	var q BackupRequest
	if err := json.NewDecoder(io.LimitReader(r.Body, 16<<10)).Decode(&q); err != nil {
		return nil, fmt.Errorf("backup: %w: %w", ErrInvalid, err)
	}
	return e.StartBackup(q.Dir, e.askedBy(r, q.By))
}
