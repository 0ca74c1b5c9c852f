package app

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/milepost-io/milepost/state"
	"github.com/milepost-io/milepost/state/log"
	"github.com/milepost-io/milepost/state/log/journal"
	"github.com/milepost-io/milepost/state/room"
)

// advise adds to an error of the data folder what a person can do about it. Errors that say so themselves
// stay as they are.
func advise(data string, err error) error {
	var sync *journal.SyncError
	var read *journal.ReadError
	var path *fs.PathError
	switch {
	case err == nil, errors.As(err, &sync), errors.As(err, &read):
		return err
	case room.Full(err):
		return fmt.Errorf("%w; the disk of %s is full (%s free): make room there and start again; nothing that was acknowledged is lost",
			err, data, bytesText(freeBytes(data)))
	case errors.Is(err, syscall.EROFS):
		return fmt.Errorf("%w; the file system of %s is mounted read-only, as the kernel does after disk errors: look at dmesg, mount it writable, start again", err, data)
	case errors.As(err, &path) && errors.Is(err, fs.ErrPermission) && strings.HasPrefix(path.Path, data):
		return fmt.Errorf("%w; %s and all in it must belong to the user who runs the engine (id %d here): chown -R %d %s", err, data, os.Getuid(), os.Getuid(), data)
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return fmt.Errorf("%w; raise the limit of open files (ulimit -n, LimitNOFILE)", err)
	case errors.Is(err, syscall.EIO):
		return fmt.Errorf("%w; the disk of %s fails: look at dmesg and smartctl, copy the folder to a sound disk and start there", err, data)
	}
	return err
}

// adviseStore says of a store that cannot be used how to go on without it.
func (c *Core) adviseStore(p log.Partition, err error) error {
	dir := StoreDir(c.opt.Data, p)
	first, _ := c.journal.Range(p)
	var damage *state.StoreDamageError
	switch {
	case errors.As(err, &damage) && first == 0:
		return fmt.Errorf("%w; move %s away and start again: it is made anew from the log, which reaches back to the first record", err, dir)
	case errors.As(err, &damage):
		return fmt.Errorf("%w; the log begins at record %d of this shard, so the store cannot be made anew from it: restore the data folder from a backup", err, first)
	case errors.Is(err, state.ErrGap):
		return fmt.Errorf("%w: log and store are of different times, or segment files were removed: put the data folder back as it was, or restore it whole from a backup", err)
	}
	return err
}

// clockFar is how far the machine's clock may be from the log's last record before somebody is told.
const clockFar = 5 * time.Minute

// warnClock tells of a machine's clock that stands before the log's last record: arrivals do not go back, so
// the engine's clock goes on from there and the other has to catch up (E9).
func (c *Core) warnClock(floor int64) {
	if c.opt.Clock != nil || floor == 0 {
		return
	}
	wall := time.Now()
	if last := time.UnixMilli(floor); last.Sub(wall) > clockFar {
		c.log.Warn().Time("clock", wall.UTC()).Time("last_record", last.UTC()).
			Msg("this machine's clock stands before the last record of the log: set it right (timedatectl, NTP); until it has caught up, times are those of the log")
	}
}
