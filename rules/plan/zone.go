package plan

import (
	"time"

	"github.com/milepost-io/milepost/ingest/civil"
)

// Zone is an IANA zone.
type Zone struct{ loc *time.Location }

// InZone makes a Zone; nil is UTC.
func InZone(loc *time.Location) Zone { return Zone{loc} }

func (z Zone) at(sec int64) time.Time {
	if z.loc == nil {
		return time.Unix(sec, 0).UTC()
	}
	return time.Unix(sec, 0).In(z.loc)
}

// local is what the local clock shows at sec (Unix seconds), as seconds since 1970-01-01 00:00 local.
func (z Zone) local(sec int64) int64 {
	_, offset := z.at(sec).Zone()
	return sec + int64(offset)
}

// DayOf is the local calendar day of an instant (Unix ms).
func (z Zone) DayOf(ms int64) Day {
	return Day(civil.FloorDiv(z.local(civil.FloorDiv(ms, 1000)), daySec))
}

// Start is the first instant (Unix ms) at which the local clock shows minute (after midnight) of day or
// later: where that time is skipped, the first instant after the gap; where it occurs twice, the first.
//
// It walks the zone's periods of constant offset instead of asking time.Date, whose choice inside gaps
// and overlaps is unspecified.
func (z Zone) Start(day Day, minute int) int64 {
	wanted := int64(day)*daySec + int64(minute)*60
	// No offset exceeds a day, so the local clock is before wanted here even if a day is repeated.
	from := wanted - 2*daySec
	for {
		t := z.at(from)
		_, offset := t.Zone()
		_, end := t.ZoneBounds()
		at := max(wanted-int64(offset), from)
		if end.IsZero() || at < end.Unix() {
			return at * 1000
		}
		from = end.Unix()
	}
}

// Today is the day that has started by the clock (S30): the local date, before minute (day_starts) still
// the day before. until is the instant at which the next one starts. It never goes back while the clock
// does not.
func (z Zone) Today(ms int64, minute int) (today Day, until int64) {
	// The day after the calendar's cannot have started, the day before it always has, but where a zone
	// drops or repeats a whole day.
	today = z.DayOf(ms) + 1
	for z.Start(today, minute) > ms {
		until = z.Start(today, minute)
		today--
	}
	for until == 0 || until <= ms {
		until = z.Start(today+1, minute)
		if until <= ms {
			today++
		}
	}
	return today, until
}

const daySec int64 = 86_400
