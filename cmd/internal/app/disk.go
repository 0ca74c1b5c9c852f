package app

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/milepost-io/milepost/state/room"
)

// disk watches the file system of the data folder and decides what may go on when room gets short:
//
//	free space                 what happens
//	below 5/4 of the reserve   the log gives up segments that only journal.keep keeps
//	below the reserve          intake stops; what is in the log is still worked off
//	below half of it           nothing is sent: that it was sent might not be recorded
//	none                       writers wait (package room); the console is still answered
//
// All of it ends by itself, each level an eighth of the reserve above where it began. Results, ticks,
// hand-overs, write-backs and compactions live on the reserve meanwhile.
type disk struct {
	fs      *room.FS
	dir     string
	reserve int64 // bytes; 0: a share of the file system
	every   time.Duration
	log     zerolog.Logger

	intake  *intake
	journal interface{ Shed(bytes int64) }
	sender  interface{ Pause(bool) }

	found chan struct{} // a writer has found the disk full
	said  time.Time     // the run's own

	mu  sync.Mutex
	now DiskStatus
}

// What intake is stopped for: the values of DiskStatus.IntakeStopped, and a label.
const (
	stoppedReserve = "reserve" // less is free than the reserve
	stoppedFull    = "full"    // nothing is: a writer waits
)

const (
	defaultDiskEvery = time.Second
	// maxReserve and reserveShare are the reserve nobody chose: the smaller of 1 GiB and 5 %.
	maxReserve   = 1 << 30
	reserveShare = 20
	sayEvery     = time.Minute
)

func newDisk(o CoreOptions, l zerolog.Logger) *disk {
	d := &disk{dir: o.Data, reserve: o.Reserve, every: o.DiskEvery, log: l, found: make(chan struct{}, 1)}
	if d.every <= 0 {
		d.every = defaultDiskEvery
	}
	d.fs = room.Wrap(o.FS, room.Options{Waits: d.waits})
	return d
}

// waits is told by a writer that finds the disk full. Intake stops at once: what came in until the next look
// would only wait in memory.
func (d *disk) waits(path string, err error) {
	if d.intake != nil {
		d.intake.gate.close(fmt.Sprintf("the disk of %s is full", d.dir))
	}
	select {
	case d.found <- struct{}{}:
	default:
	}
}

// begin makes writers wait for room, and looks for the first time: before anything comes in.
func (d *disk) begin() {
	d.fs.SetPatient(true)
	d.look()
}

// end makes writers that find no room fail: what is not durable was not acknowledged.
func (d *disk) end() { d.fs.SetPatient(false) }

// run looks until told to stop.
func (d *disk) run(ctx context.Context) error {
	t := time.NewTicker(d.every)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-d.found:
		case <-t.C:
		}
		d.look()
	}
}

// status is the disk as it was at the last look.
func (d *disk) status() DiskStatus {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.now
}

// look measures, decides and acts.
func (d *disk) look() {
	before := d.status()
	now := DiskStatus{Reserve: d.reserve, Waiting: d.fs.Waiting()}
	usage, err := d.fs.GetDiskUsage(d.dir)
	measured := err == nil && usage.TotalBytes > 0
	if measured {
		now.Free = int64(usage.AvailBytes)
		if now.Reserve == 0 {
			now.Reserve = min(int64(usage.TotalBytes)/reserveShare, maxReserve)
		}
	}
	below := func(level int64, was bool) bool {
		if was {
			level += now.Reserve / 8
		}
		return measured && now.Free < level
	}
	switch {
	case now.Waiting > 0:
		now.IntakeStopped, now.SendingStopped = stoppedFull, true
	case below(now.Reserve, before.IntakeStopped != ""):
		now.IntakeStopped, now.SendingStopped = stoppedReserve, below(now.Reserve/2, before.SendingStopped)
	}
	d.mu.Lock()
	d.now = now
	d.mu.Unlock()
	d.act(before, now, measured)
}

// act makes it so, and says so: what changed, and once a minute what stays.
func (d *disk) act(before, now DiskStatus, measured bool) {
	if shed := now.Reserve*3/2 - now.Free; measured && now.Free < now.Reserve*5/4 {
		d.journal.Shed(shed)
	} else {
		d.journal.Shed(0)
	}
	d.sender.Pause(now.SendingStopped)
	if now.IntakeStopped == "" {
		d.intake.gate.open()
		if before.IntakeStopped != "" {
			d.log.Info().Int64("free_bytes", now.Free).Msg("there is room again: intake and sending have resumed")
		}
		return
	}
	d.intake.gate.close(now.why(d.dir))
	if before.IntakeStopped == now.IntakeStopped && before.SendingStopped == now.SendingStopped && time.Since(d.said) < sayEvery {
		return
	}
	d.said = time.Now()
	d.log.Error().Str("reason", now.IntakeStopped).Int64("free_bytes", now.Free).Int64("reserve_bytes", now.Reserve).
		Int("waiting_writers", now.Waiting).Bool("sending_stopped", now.SendingStopped).
		Msg("intake has stopped: " + now.why(d.dir))
}

// why says to people what is wrong and what to do; "" when nothing is.
func (s *DiskStatus) why(dir string) string {
	const then = "nothing is lost, senders keep what was not acknowledged; make room on this disk, intake resumes by itself"
	switch s.IntakeStopped {
	case stoppedFull:
		return fmt.Sprintf("the disk of %s is full: %s", dir, then)
	case stoppedReserve:
		return fmt.Sprintf("the disk of %s has %s free and disk_reserve keeps %s: %s", dir, bytesText(s.Free), bytesText(s.Reserve), then)
	}
	return ""
}

// bytesText is a size for people.
func bytesText(n int64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	}
	return fmt.Sprintf("%d KiB", n>>10)
}
