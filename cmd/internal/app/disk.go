package app

import (
	"context"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/milepost-io/milepost/state/log/journal"
	"github.com/milepost-io/milepost/state/room"
)

// disk watches the file system of the data folder and decides what may go on when room gets short:
//
//	free space                 what happens
//	below 5/4 of the reserve   the log gives up segments that only journal.keep keeps
//	below the reserve          intake stops; what is in the log is still worked off
//	below half of it           nothing is sent: that it was sent might not be recorded; stores are not compacted
//	below an eighth of it      stores are not flushed: their writers wait
//	none                       all writers wait (package room); the console is still answered
//
// For the first two the room counts that the stores may yet need for what was taken in: as much as the log has
// for a replay.
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
	journal *journal.Journal
	sender  interface{ Pause(bool) }

	found chan struct{} // somebody wants a look now
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
	d.fs = room.Wrap(o.FS, room.Options{Waits: d.waits, Leave: d.leave})
	return d
}

// waits is told by a writer that finds the disk full. Intake stops at once: what came in until the next look
// would only wait in memory.
func (d *disk) waits(path string, err error) {
	if d.intake != nil {
		d.intake.gate.close((&DiskStatus{IntakeStopped: stoppedFull}).why(d.dir))
		d.nudge()
	}
}

// short is told when what was taken in since the last look may have used up the room above the reserve: a
// fast source fills a small disk between two looks.
func (d *disk) short() {
	d.intake.gate.close(fmt.Sprintf("the disk of %s fills up faster than it is written", d.dir))
	d.nudge()
}

// nudge asks for a look now.
func (d *disk) nudge() {
	select {
	case d.found <- struct{}{}:
	default:
	}
}

// leave is what of the reserve is not the stores': a compaction can be done later, a flush sooner or later,
// and a start needs a little too.
func (d *disk) leave(w room.Work) int64 {
	reserve := d.status().Reserve
	if w == room.Compaction {
		return reserve / 2
	}
	return reserve / 8
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
	// What the stores may still have to write of what was taken in comes on top.
	now.Owed = d.journal.Stats().NeededBytes
	below := func(level int64, was bool) bool {
		if was {
			level += now.Reserve / 8
		}
		return measured && now.Free < level
	}
	switch {
	case now.Waiting > 0:
		now.IntakeStopped, now.SendingStopped = stoppedFull, true
	case below(now.Reserve+now.Owed, before.IntakeStopped != ""):
		now.IntakeStopped, now.SendingStopped = stoppedReserve, below(now.Reserve/2, before.SendingStopped)
	}
	d.intake.room.Store(math.MaxInt64)
	if measured { // every byte taken is written to the log, and may be written to a store
		d.intake.room.Store((now.Free - now.Reserve - now.Owed) / 2)
	}
	d.act(before, now, measured)
	d.mu.Lock()
	d.now = now
	d.mu.Unlock()
}

// act makes it so, and says so: what changed, and once a minute what stays.
func (d *disk) act(before, now DiskStatus, measured bool) {
	if measured && now.Free < now.Reserve*5/4+now.Owed {
		d.journal.Shed(now.Reserve*3/2 + now.Owed - now.Free)
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
	level := zerolog.ErrorLevel
	if now.IntakeStopped == stoppedReserve && now.Free >= now.Reserve { // until the next write-back, most likely
		level = zerolog.WarnLevel
	}
	d.log.WithLevel(level).Str("reason", now.IntakeStopped).Int64("free_bytes", now.Free).Int64("reserve_bytes", now.Reserve).Int64("owed_bytes", now.Owed).
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
		if s.Free >= s.Reserve {
			return fmt.Sprintf("the disk of %s has %s free, of which the stores may need %s and disk_reserve keeps %s: it goes on when they are written; if it does not within a minute, make room on this disk",
				dir, bytesText(s.Free), bytesText(s.Owed), bytesText(s.Reserve))
		}
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
