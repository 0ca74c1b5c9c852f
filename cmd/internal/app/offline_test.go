package app

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/milepost-io/milepost/cmd/internal/config"
)

// After a kill, what was acknowledged is shown although no store holds it yet.
func TestOfflineShowsWhatWasAcknowledged(t *testing.T) {
	dir := t.TempDir()
	c := runCore(t, CoreOptions{Data: filepath.Join(dir, "data"), WriteBack: time.Hour})
	for km := range 50 {
		c.post("", fmt.Sprintf(`{"type":"telemetry","vin":"V1","signals":{"odometer":%d}}`, 1000+km))
	}
	// A copy of the folder of a running engine is what a kill leaves.
	left := filepath.Join(dir, "left")
	if err := os.CopyFS(left, os.DirFS(filepath.Join(dir, "data"))); err != nil {
		t.Fatal(err)
	}
	c.close()
	cfg, err := config.Default(dir)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Data = left
	o, err := OpenOffline(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	v, err := o.Vehicle(t.Context(), "V1")
	if err != nil {
		t.Fatal(err)
	}
	if v.Odometer.KM == nil || *v.Odometer.KM != 1049 {
		t.Errorf("odometer %+v, expected 1049 km", v.Odometer)
	}
	st, err := o.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	stored, applied := int64(0), int64(0)
	for _, s := range st.Shards {
		stored, applied = stored+s.Stored, applied+s.Applied
	}
	if st.Counters.Applied != 50 || stored != 0 || applied < 50 {
		t.Errorf("counters %+v, stored %d, applied %d: expected 50 events applied beyond empty stores", st.Counters, stored, applied)
	}
}
