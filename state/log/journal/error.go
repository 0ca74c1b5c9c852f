package journal

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// DamageError says that the journal has lost records that had been durable. Nothing may go on from it.
type DamageError struct {
	Path   string // segment file
	Offset int64  // in the file
	Reason string
}

func (e *DamageError) Error() string {
	return fmt.Sprintf("journal: segment %s is damaged at byte %d: %s; records that were acknowledged are lost: "+
		"restore the data folder from a backup, or move it away and start with an empty one", e.Path, e.Offset, e.Reason)
}

// SyncError says that the disk did not confirm what was written. It is never tried again: the kernel may
// have dropped the pages, and would call the next sync a success (E4).
type SyncError struct {
	Path string // segment file or folder
	Err  error
}

func (e *SyncError) Error() string {
	return fmt.Sprintf("journal: sync %s: %v; the disk did not confirm what was written, so nothing of it was acknowledged "+
		"and senders send it again: look at the disk (dmesg, smartctl), then start again; what is on it is checked at the start", e.Path, e.Err)
}

func (e *SyncError) Unwrap() error { return e.Err }

// ReadError says that the disk does not give back a part of a segment. Unlike damage that may pass: nothing
// is lost as long as the disk can still be read.
type ReadError struct {
	Path   string // segment file
	Offset int64  // in the file
	Err    error
}

func (e *ReadError) Error() string {
	return fmt.Sprintf("journal: segment %s cannot be read at byte %d: %v; look at the disk (dmesg, smartctl) and start again; "+
		"if it stays, copy the data folder to a sound disk and start there, and if it cannot be copied whole, restore it from a backup", e.Path, e.Offset, e.Err)
}

func (e *ReadError) Unwrap() error { return e.Err }

// lockError tells a folder that is in use from one that cannot be locked at all.
func lockError(dir string, err error) error {
	if errors.Is(err, os.ErrPermission) || errors.Is(err, syscall.EROFS) || errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("journal: lock %s: %w", dir, err)
	}
	return fmt.Errorf("journal: %s is in use by another process (%w): one engine has a data folder; milepost status says which", dir, err)
}
