package file

import (
	"errors"
	"io"

	"github.com/milepost-io/milepost/ingest"
	"github.com/milepost-io/milepost/ingest/json"
)

const (
	// earliest is 2015-01-01 in Unix milliseconds: no car told a right time before.
	earliest = 1_420_070_400_000
	// farAhead is how far a telemetry time may lie beyond the maximum and still move it: 400 days.
	farAhead = 400 * 86_400_000
)

// arrivals gives lines their arrival (S1): the line's own `arrival`, else the running maximum of the
// times of telemetry lines. A given arrival moves the maximum too, and none falls below it, so arrivals
// never fall. Without any telemetry time or arrival in the recording, the maximum runs over the lines'
// own times; where not even those exist, arrivals are 0 and the sink stamps them.
type arrivals struct {
	max   int64
	known bool // max has a value
	// own: the recording has neither telemetry times nor arrivals.
	own bool
}

// survey reads as far as needed to know the arrival of the first line.
func survey(lines *lineReader) (arrivals, error) {
	var byTelemetry, byOwn arrivals
	byOwn.own = true
	var heads json.HeadReader
	for {
		line, err := lines.next()
		if errors.Is(err, io.EOF) {
			return byOwn, nil
		}
		if err != nil {
			return arrivals{}, err
		}
		if line.oversize {
			continue
		}
		head, err := heads.Read(line.text)
		if err != nil {
			continue
		}
		if byTelemetry.take(head); byTelemetry.known {
			return byTelemetry, nil
		}
		if !byOwn.known {
			byOwn.take(head)
		}
	}
}

// stamp returns the arrival of the next line.
func (a *arrivals) stamp(h json.Head) int64 {
	a.take(h)
	return a.max
}

// take moves the maximum by what a line says of its time.
func (a *arrivals) take(h json.Head) {
	switch {
	case h.HasArrival:
		a.raise(h.Arrival)
	case !h.HasTime:
	case a.own:
		a.raise(h.Time)
	case h.Type == ingest.Telemetry && h.Time >= earliest && (!a.known || h.Time <= a.max+farAhead):
		a.raise(h.Time)
	}
}

func (a *arrivals) raise(to int64) {
	if !a.known || to > a.max {
		a.max, a.known = to, true
	}
}
