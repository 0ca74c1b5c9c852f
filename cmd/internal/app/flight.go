package app

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"time"
)

// flight is the flight recorder: how far records had come, a few dozen times a second, in a file that
// outlives the process. After a kill it says what was under way.
type flight struct {
	At       time.Time `json:"at"`
	Appended int64     `json:"appended"` // records in the log
	Durable  int64     `json:"durable"`
	Applied  int64     `json:"applied"`
	Stored   int64     `json:"stored"`
	Sent     uint64    `json:"sent"`   // attempts begun
	Marked   uint64    `json:"marked"` // attempts whose end is known
}

const (
	flightFile  = "flight.json"
	flightEvery = 20 * time.Millisecond
)

// recordFlight writes in place, padded to one length: the page cache survives the process.
func (e *Engine) recordFlight(ctx context.Context) error {
	f, err := os.OpenFile(filepath.Join(e.cfg.Data, flightFile), os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		e.log.Warn().Err(err).Msg("there is no flight recorder in this run")
		<-ctx.Done()
		return nil
	}
	defer f.Close()
	t := time.NewTicker(flightEvery)
	defer t.Stop()
	line := make([]byte, 256)
	for {
		b, err := json.Marshal(e.flight())
		if err != nil {
			return err
		}
		n := copy(line, b)
		for i := n; i < len(line); i++ {
			line[i] = ' '
		}
		line[len(line)-1] = '\n'
		_, _ = f.WriteAt(line, 0) // on a full disk: the engine goes on without it
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		}
	}
}

func (e *Engine) flight() flight {
	fl := flight{At: time.Now().UTC()}
	for _, s := range e.shards {
		// In the order that makes each no smaller than the next at one moment.
		fl.Stored += int64(s.Flushed())
		fl.Applied += int64(s.Applied())
		fl.Durable += int64(e.journal.Durable(s.part))
		_, next := e.journal.Range(s.part)
		fl.Appended += int64(next)
	}
	for _, d := range e.disp.Status() {
		fl.Marked += d.Attempts - uint64(d.InFlight)
		fl.Sent += d.Attempts
	}
	return fl
}

// writeJSON replaces a file.
func writeJSON(path string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	tmp := path + ".new"
	if err := os.WriteFile(tmp, append(b, '\n'), 0o644); err != nil {
		return err
	}
	return os.Rename(tmp, path)
}
