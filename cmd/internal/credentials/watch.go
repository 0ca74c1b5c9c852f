package credentials

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"
)

const (
	// watchEvery is how often files are looked at. A change is taken when two looks in a row have seen the
	// same, so that a file half written, or a certificate without its key, is not.
	watchEvery = time.Second
	// expirySoon is how long before its end a certificate is warned about, once in expiryEvery.
	expirySoon, expiryEvery = 14 * 24 * time.Hour, 24 * time.Hour
)

// Watched is something that files say.
type Watched struct {
	// Name is the key of the configuration, for the log.
	Name string
	// What is read again when one of its files changes.
	What interface {
		Files() []string
		Load() error
	}
	// Private are the files that nobody else should be able to read.
	Private []string
	// Changed is called after each reading, the first included; nil: nobody asks.
	Changed func()
}

// Watch reads credentials again when their files change, and says when a certificate is about to end.
type Watch struct {
	log          zerolog.Logger
	certificates []*Certificate

	mu     sync.Mutex
	items  []*watchItem
	warned map[string]time.Time // certificates by key
}

type watchItem struct {
	Watched
	taken, seen, failed string // stamps of the files
}

// NewWatch watches what has been read already.
func NewWatch(log zerolog.Logger, items []Watched, certificates []*Certificate) *Watch {
	w := &Watch{log: log, certificates: certificates, warned: map[string]time.Time{}}
	for _, x := range items {
		item := &watchItem{Watched: x, taken: stamp(x.What.Files())}
		w.items = append(w.items, item)
		w.accepted(item)
	}
	return w
}

// Run looks until the context ends.
func (w *Watch) Run(ctx context.Context) error {
	t := time.NewTicker(watchEvery)
	defer t.Stop()
	for {
		w.look(time.Now())
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		}
	}
}

// Reload reads everything again at once. What cannot be read stays as it was, and is told.
func (w *Watch) Reload() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	var errs []error
	for _, x := range w.items {
		errs = append(errs, w.load(x, stamp(x.What.Files())))
	}
	return errors.Join(errs...)
}

func (w *Watch) look(now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, x := range w.items {
		switch s := stamp(x.What.Files()); {
		case s == x.taken || s == x.failed:
		case s != x.seen:
			x.seen = s
		default:
			if err := w.load(x, s); err != nil {
				w.log.Error().Err(err).Msgf("%s has changed and cannot be used; what was read before stays in force", x.Name)
			} else {
				w.log.Info().Msgf("%s has changed and is in force", x.Name)
			}
		}
	}
	for _, c := range w.certificates {
		if left := c.NotAfter().Sub(now); left < expirySoon && now.Sub(w.warned[c.Key()]) >= expiryEvery {
			w.warned[c.Key()] = now
			w.log.Warn().Time("not_after", c.NotAfter()).Msg(expiry(c, left))
		}
	}
}

func expiry(c *Certificate, left time.Duration) string {
	if left <= 0 {
		return c.Key() + ": the certificate has ended, clients refuse it; replace cert_file and key_file, they are read again by themselves"
	}
	return fmt.Sprintf("%s: the certificate ends in %.0f days; replace cert_file and key_file, they are read again by themselves", c.Key(), left.Hours()/24)
}

func (w *Watch) load(x *watchItem, s string) error {
	if err := x.What.Load(); err != nil {
		x.failed = s
		return err
	}
	x.taken, x.failed = s, ""
	w.accepted(x)
	return nil
}

// accepted follows each reading.
func (w *Watch) accepted(x *watchItem) {
	for _, path := range x.Private {
		if fi, err := os.Stat(path); err == nil && fi.Mode().Perm()&0o077 != 0 {
			w.log.Warn().Msgf("%s: others may read %s (mode %04o): chmod 600 %s", x.Name, path, fi.Mode().Perm(), path)
		}
	}
	if x.Changed != nil {
		x.Changed()
	}
}

// stamp tells whether files have changed.
func stamp(files []string) string {
	var b strings.Builder
	for _, f := range files {
		fi, err := os.Stat(f)
		if err != nil {
			fmt.Fprintf(&b, "%v\n", err)
			continue
		}
		fmt.Fprintf(&b, "%d %d %o\n", fi.ModTime().UnixNano(), fi.Size(), fi.Mode())
	}
	return b.String()
}
