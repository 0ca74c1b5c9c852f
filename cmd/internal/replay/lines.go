package replay

import (
	"time"

	"github.com/milepost-io/milepost/notify"
)

// lines puts observations together to one line per event.
type lines struct {
	all  []Line
	byID map[string]int
}

func newLines() *lines { return &lines{byID: map[string]int{}} }

func (l *lines) observe(o notify.Observation) {
	if o.Op == notify.Created {
		l.byID[o.ID] = len(l.all)
		l.all = append(l.all, Line{Event: o.Body, ID: o.ID, To: o.To})
		return
	}
	i, ok := l.byID[o.ID]
	if !ok {
		return
	}
	line := &l.all[i]
	switch o.Op {
	case notify.Held:
		line.Held = o.Reason
	case notify.Joined:
		line.Joined = o.Joined
	case notify.Released:
		line.Released = o.At
	}
}

// stamp is a time as the lines carry it, empty for none.
func stamp(ms int64) string {
	if ms == 0 {
		return ""
	}
	return time.UnixMilli(ms).UTC().Format("2006-01-02T15:04:05.999Z07:00")
}
