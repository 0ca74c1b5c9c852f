package app

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/milepost-io/milepost/ingest"
	"github.com/milepost-io/milepost/ingest/httpapi"
	"github.com/milepost-io/milepost/state"
	"github.com/milepost-io/milepost/state/log"
	"github.com/milepost-io/milepost/state/log/journal"
	"github.com/milepost-io/milepost/state/statetest"
)

const testDisk = 256 << 20

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !ok(); <-time.After(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within 30 s: %s", what)
		}
	}
}

// Below the reserve a source that can wait waits, one that can be told is told, and the engine's own work
// goes on; on a disk that is full to the last byte nothing is acknowledged; with room all of it goes on.
func TestDiskReserve(t *testing.T) {
	for _, level := range []struct {
		reason  string
		foreign int64
		sending bool // stopped
	}{
		{stoppedReserve, testDisk - 15<<20, false},
		{stoppedReserve, testDisk - 7<<20, true},
		{stoppedFull, testDisk, true},
	} {
		t.Run(fmt.Sprintf("%s %d", level.reason, testDisk-level.foreign), func(t *testing.T) {
			disk := statetest.NewSmallDisk(vfs.NewMem(), "/data", testDisk)
			c := runCore(t, CoreOptions{Data: "/data", FS: disk, WriteBack: time.Millisecond, Reserve: 20 << 20, DiskEvery: time.Millisecond, Tick: time.Millisecond, IdleTick: time.Millisecond})
			c.post("", `{"type":"telemetry","vin":"V1","signals":{"odometer":1}}`)
			disk.Foreign(level.foreign)
			eventually(t, "intake stops", func() bool {
				s := c.disk.status()
				return s.IntakeStopped == level.reason && s.SendingStopped == level.sending
			})

			w := httptest.NewRecorder()
			c.http.ServeHTTP(w, httptest.NewRequest(http.MethodPost, httpapi.Path, strings.NewReader(`{"type":"telemetry","vin":"V1","signals":{"odometer":2}}`)))
			if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" || !strings.Contains(w.Body.String(), "make room on this disk") {
				t.Errorf("answer %d, Retry-After %q: %s", w.Code, w.Header().Get("Retry-After"), w.Body)
			}
			acked := make(acks, 1)
			taken := make(chan error, 1)
			go func() {
				taken <- c.Sink().Take([]ingest.Record{{Key: []byte("V2"), Codec: "json", Types: ingest.TypeSet(ingest.Telemetry), Payload: []byte(`{"type":"telemetry","vin":"V2","signals":{"odometer":1}}`)}}, acked, 7)
			}()
			if level.reason == stoppedReserve { // ticks go on
				_, before := c.journal.Range(c.shards[0].part)
				eventually(t, "the shard's clock moves", func() bool { return c.journal.Durable(c.shards[0].part) > before })
			}
			select {
			case <-acked:
				t.Error("a record was acknowledged while intake was stopped")
			case err := <-taken:
				t.Errorf("Take returned (%v) while intake was stopped", err)
			default:
			}
			ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
			defer cancel()
			if err := c.View(ctx, func(log.Partition, state.View) error { return nil }); err != nil {
				t.Errorf("the shards do not answer: %v", err)
			}

			disk.Foreign(0)
			if err := <-taken; err != nil {
				t.Fatal(err)
			}
			if id := <-acked; id != 7 {
				t.Errorf("acknowledged %d, want 7", id)
			}
			eventually(t, "intake resumes", func() bool { s := c.disk.status(); return s.IntakeStopped == "" && !s.SendingStopped })
			if sum := c.post("", `{"type":"telemetry","vin":"V1","signals":{"odometer":3}}`); sum[0] != 3 {
				t.Errorf("applied %d, want 3", sum[0])
			}
			c.close()
		})
	}
}

// A source faster than the looks at the disk is stopped by what it has sent.
func TestFastSourceStops(t *testing.T) {
	disk := statetest.NewSmallDisk(vfs.NewMem(), "/data", 48<<20)
	c := runCore(t, CoreOptions{Data: "/data", FS: disk, WriteBack: time.Hour, Reserve: 16 << 20, DiskEvery: time.Hour})
	payload := []byte(strings.Repeat("x", 256<<10))
	done := make(chan struct{})
	go func() {
		defer close(done)
		for c.Sink().Take([]ingest.Record{{Key: []byte("V1"), Codec: "json", Payload: payload}}, nil, 0) == nil {
		}
	}()
	eventually(t, "intake stops", func() bool { return c.disk.status().IntakeStopped != "" })
	if u, err := disk.GetDiskUsage(""); err != nil || u.AvailBytes < 16<<20 {
		t.Errorf("%d bytes are left (%v), the reserve is 16 MiB", u.AvailBytes, err)
	}
	c.stop()
	<-done
	c.close()
}

// The folder of an engine that cannot start says what is wrong and what to do.
func TestAdvice(t *testing.T) {
	path := func(err error) error { return &os.PathError{Op: "open", Path: "/data/journal", Err: err} }
	for _, c := range []struct {
		err  error
		want []string
	}{
		{path(syscall.ENOSPC), []string{"/data is full", "make room there and start again"}},
		{path(syscall.EDQUOT), []string{"/data is full", "make room there and start again"}},
		{path(syscall.EROFS), []string{"mounted read-only", "dmesg"}},
		{path(syscall.EACCES), []string{"must belong to the user", "chown -R"}},
		{path(syscall.EMFILE), []string{"ulimit -n"}},
		{path(syscall.EIO), []string{"the disk of /data fails", "smartctl"}},
		{&journal.SyncError{Path: "/data/journal/1.seg", Err: syscall.EIO}, []string{"did not confirm", "nothing of it was acknowledged", "smartctl"}},
		{&journal.ReadError{Path: "/data/journal/1.seg", Offset: 77, Err: syscall.EIO}, []string{"1.seg cannot be read at byte 77", "copy the data folder to a sound disk"}},
		{errors.New("other"), []string{"other"}},
	} {
		got := advise("/data", fmt.Errorf("part: %w", c.err))
		if !errors.Is(got, c.err) {
			t.Errorf("%v is no longer %v", got, c.err)
		}
		for _, w := range c.want {
			if !strings.Contains(got.Error(), w) {
				t.Errorf("%q does not say %q", got, w)
			}
		}
	}
}
