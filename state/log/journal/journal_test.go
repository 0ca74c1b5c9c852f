package journal

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"go.uber.org/goleak"

	"github.com/milepost-io/milepost/state/log"
	"github.com/milepost-io/milepost/state/log/logtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var testShards = Shards{Events: 3, Notices: 2}

func mustOpen(t testing.TB, o Options) *Journal {
	t.Helper()
	j, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { j.Close() })
	return j
}

func TestContract(t *testing.T) {
	for _, tc := range []struct {
		name string
		set  func(*Options)
	}{
		{"defaults", func(*Options) {}},
		{"small segments", func(o *Options) { o.SegmentBytes = 4 << 10 }},
		{"no memory", func(o *Options) { o.SegmentBytes, o.Memory = 4<<10, 1 }},
		{"small bound", func(o *Options) { o.MaxUnsynced = 1 }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			logtest.Run(t, logtest.Options{New: func(t *testing.T) logtest.Instance {
				var broken atomic.Bool
				o := Options{FS: failingSync(vfs.NewMem(), &broken), Dir: "data/journal", Shards: testShards, SegmentBytes: 1 << 20}
				tc.set(&o)
				j := mustOpen(t, o)
				return logtest.Instance{
					Log:  j,
					Fail: func() { broken.Store(true) },
					Reopen: func(t *testing.T) log.Log {
						if err := j.Close(); err != nil {
							t.Fatal(err)
						}
						j = mustOpen(t, o)
						return j
					},
				}
			}})
		})
	}
}

// failingSync is fs with syncs that fail once broken is set.
func failingSync(fs vfs.FS, broken *atomic.Bool) vfs.FS {
	return errorfs.Wrap(fs, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if broken.Load() && (op.Kind == errorfs.OpFileSyncData || op.Kind == errorfs.OpFileSync) {
			return errorfs.ErrInjected
		}
		return nil
	}))
}

// testContext is for waits that end because the journal goes on or fails.
var testContext = context.Background()
