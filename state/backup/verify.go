package backup

import (
	"context"
	"fmt"
	"strings"

	"github.com/milepost-io/milepost/state"
	"github.com/milepost-io/milepost/state/log"
)

// FileProblem is a file of a backup that is not as it was written.
type FileProblem struct {
	Path   string `json:"path"`
	Detail string `json:"detail"`
}

// Gap is what a partition's records cannot be restored of: they were acknowledged and are in no store.
type Gap struct {
	Partition log.Partition `json:"-"`
	Name      string        `json:"partition"`
	From      log.Offset    `json:"from"` // first record that is lost
	To        log.Offset    `json:"to"`   // the one after the last
}

// Check is what was found out about a backup before anything is written.
type Check struct {
	Manifest *Manifest `json:"manifest"`
	// Bad are the files that are missing or altered.
	Bad []FileProblem `json:"bad,omitempty"`
	// Gaps are what would be lost if the restore went on without the bad ones.
	Gaps []Gap `json:"gaps,omitempty"`
	// before is the first segment that cannot be used, "" when all can; fresh says that none can, so that
	// the log begins anew where the stores stand.
	before string
	fresh  bool
}

// Verify reads the whole backup and holds it against its manifest. An error is of a folder that is no
// backup or cannot be read; what is wrong with its files stands in Check. did is as in TakeOptions.
func Verify(ctx context.Context, fs state.FS, dir string, did func(int64)) (*Check, error) {
	m, err := ReadManifest(fs, dir)
	if err != nil {
		return nil, err
	}
	c := &Check{Manifest: m}
	cp := newCopier(fs, did)
	for i := range m.Files {
		f := &m.Files[i]
		size, sum, err := cp.digest(ctx, fs.PathJoin(dir, f.Path))
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case isNotExist(err):
			c.bad(f, "it is missing")
		case err != nil:
			c.bad(f, fmt.Sprintf("it cannot be read: %v", err))
		case size != f.Size:
			c.bad(f, fmt.Sprintf("it has %d bytes, the manifest says %d", size, f.Size))
		case sum != f.SHA256:
			c.bad(f, fmt.Sprintf("it is altered: its SHA-256 is %s, the manifest says %s", sum, f.SHA256))
		}
	}
	c.findGaps()
	return c, nil
}

func (c *Check) bad(f *File, detail string) { c.Bad = append(c.Bad, FileProblem{f.Path, detail}) }

func (c *Check) isBad(path string) bool {
	for i := range c.Bad {
		if c.Bad[i].Path == path {
			return true
		}
	}
	return false
}

// findGaps finds how much of the log can be used: the segments before the first bad one, if they reach
// what the stores stand at, else none, since a log that ends before a store is no log of that store.
func (c *Check) findGaps() {
	m := c.Manifest
	first, end := m.Segments[0].Base, m.Ends
	for _, s := range m.Segments {
		if c.isBad(journalFolder + "/" + s.Name) {
			c.before, end = s.Name, s.Base
			break
		}
	}
	for i := range m.Stores {
		if next := m.Stores[i].Next; next < first[i] || next > end[i] {
			c.fresh = true
		}
	}
	c.fresh = c.fresh || c.before == m.Segments[0].Name
	for i := range m.Stores {
		from := end[i]
		if c.fresh {
			from = m.Stores[i].Next
		}
		if from < m.Ends[i] {
			p := m.partition(i)
			c.Gaps = append(c.Gaps, Gap{p, fmt.Sprintf("%s-%d", p.Stream, p.Shard), from, m.Ends[i]})
		}
	}
}

// Loss says what would be lost, in a sentence; "" for nothing.
func (c *Check) Loss() string {
	var parts []string
	for i := range c.Gaps {
		g := &c.Gaps[i]
		parts = append(parts, fmt.Sprintf("%d to %d of %s", g.From, g.To-1, g.Name))
	}
	var lost []string
	if len(parts) > 0 {
		lost = append(lost, "records "+strings.Join(parts, ", ")+
			", which were acknowledged after the stores were written: what cars sent in them, and what had been delivered or was to be sent because of them")
	}
	for i := range c.Bad {
		if p := c.Bad[i].Path; !strings.Contains(p, "/") {
			lost = append(lost, "what "+p+" says")
		}
	}
	return strings.Join(lost, "; ")
}

// Err is why the backup cannot be restored, nil when it can: every bad file by name. With acceptGap a
// backup whose stores are whole can.
func (c *Check) Err(acceptGap bool) error {
	var lines []string
	stores := false
	for i := range c.Bad {
		b := &c.Bad[i]
		lines = append(lines, "\n  "+b.Path+": "+b.Detail)
		stores = stores || strings.Contains(b.Path, "/") && !strings.HasPrefix(b.Path, journalFolder+"/")
	}
	switch {
	case len(c.Bad) == 0 && len(c.Gaps) == 0 || acceptGap && !stores:
		return nil
	case stores:
		return fmt.Errorf("the backup is damaged and cannot be restored; take another one:%s", strings.Join(lines, ""))
	}
	loss := c.Loss()
	if loss == "" {
		loss = "nothing, by what the manifest says of the rest"
	}
	return fmt.Errorf("the backup is damaged: take another one, or accept with --accept-gap that this is lost: %s%s", loss, strings.Join(lines, ""))
}
