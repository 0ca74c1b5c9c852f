package logout_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/milepost-io/milepost/notify"
	"github.com/milepost-io/milepost/notify/channel/logout"
)

// Every event is one whole line, also when many write at once, and a second start appends.
func TestLines(t *testing.T) {
	path := filepath.Join(t.TempDir(), "events.ndjson")
	body := `{"id":"e","text":"` + strings.Repeat("x", 10_000) + `"}`
	for range 2 {
		c, err := logout.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				if a := c.Send(context.Background(), &notify.Entry{Body: []byte(body)}); a.Outcome != notify.Accepted {
					t.Errorf("answer %+v", a)
				}
			})
		}
		wg.Wait()
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(b) != strings.Repeat(body+"\n", 40) {
		t.Errorf("%d bytes, want 40 whole lines", len(b))
	}
	if fi, err := os.Stat(path); err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v; want 0600", fi.Mode(), err)
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left on device") }

// A full disk is no refusal: the event is written later.
func TestFullDisk(t *testing.T) {
	a := logout.New(full{}).Send(context.Background(), &notify.Entry{Body: []byte("{}")})
	if a.Outcome != notify.Retry || !strings.Contains(a.Detail, "no space") {
		t.Errorf("answer %+v, want a retry with the reason", a)
	}
}
