package fleet

import (
	"slices"
	"time"
)

// planDay lays out today's moments: nights, trips, visits, and what was left for today.
func (v *vehicle) planDay() {
	v.moments = v.moments[:0]
	if cap(v.moments) > 256 {
		v.moments = nil
	}
	v.ageFaults()
	v.silence()
	midnight := v.midnight(v.today)
	v.moment(moment{at: midnight + v.rng.span(2*hour, 5*hour), kind: rest})
	if !v.care.atWorkshop(v, midnight) {
		v.trips(midnight)
	}
	v.care.plan(v, midnight)
	v.takeLater(midnight + day)
	slices.SortStableFunc(v.moments, func(a, b moment) int { return int(min(max(a.at-b.at, -1), 1)) })
	for len(v.moments) > 0 && v.moments[0].at < v.fleet.start {
		v.moments = v.moments[1:] // the first day begins in its middle
	}
}

func (v *vehicle) moment(m moment) { v.moments = append(v.moments, m) }

// takeLater moves what falls before the end of today into the day.
func (v *vehicle) takeLater(end int64) {
	keep := v.later[:0]
	for _, m := range v.later {
		if m.at < end {
			v.moment(m)
		} else {
			keep = append(keep, m)
		}
	}
	v.later = keep
}

// trips plans the drives of a day by the use of the car.
func (v *vehicle) trips(midnight int64) {
	r := &v.rng
	weekday := time.UnixMilli(midnight + v.region.offset).UTC().Weekday()
	free := weekday == time.Saturday || weekday == time.Sunday
	switch v.use {
	case commuter:
		if free {
			if r.chance(0.45) {
				v.drive(midnight+r.span(9*hour, 16*hour), r.span(20*minute, 110*minute))
			}
			return
		}
		if r.chance(0.06) {
			return // at home
		}
		way := r.span(18*minute, 55*minute)
		v.drive(midnight+r.span(7*hour, 9*hour), way)
		v.drive(midnight+r.span(17*hour, 20*hour), way+r.span(0, 10*minute))
	case weekender:
		if free && r.chance(0.75) {
			out := r.span(30*minute, 150*minute)
			v.drive(midnight+r.span(8*hour, 11*hour), out)
			v.drive(midnight+r.span(15*hour, 18*hour), out)
		} else if r.chance(0.2) {
			v.drive(midnight+r.span(10*hour, 19*hour), r.span(10*minute, 30*minute))
		}
	case taxi:
		if r.chance(0.08) {
			return
		}
		for shift := range int64(4) {
			v.drive(midnight+6*hour+4*hour*shift+r.span(0, 40*minute), r.span(100*minute, 170*minute))
		}
	case van:
		if free {
			return
		}
		at := midnight + r.span(7*hour, 8*hour)
		for range 4 + r.n(4) {
			length := r.span(12*minute, 45*minute)
			v.drive(at, length)
			at += length + r.span(10*minute, 40*minute)
		}
	case parked:
		if r.chance(0.04) {
			v.drive(midnight+r.span(9*hour, 18*hour), r.span(10*minute, 40*minute))
		}
	}
}

// drive plans one trip: samples while driving, the faults of the day in its second half.
func (v *vehicle) drive(from, length int64) {
	r := &v.rng
	pace := r.between(22, 42) // km/h in town
	if length > 60*minute && v.use != taxi {
		pace = r.between(60, 95)
	}
	v.moment(moment{at: from, kind: start})
	at, end := from, from+length
	step := func(to int64, kind momentKind) {
		km := float64(pace*r.between(0.85, 1.15)) * float64(to-at) / float64(hour)
		v.moment(moment{at: to, kind: kind, km: km, speed: pace * r.between(0.5, 1.4)})
		at = to
	}
	for next := from + v.fleet.every; next < end-minute; next += v.fleet.every {
		if v.fault.strikes() && at > from+length/2 {
			break
		}
		step(next-r.span(0, v.fleet.every/8), drive)
	}
	if v.fault.strikes() {
		v.fault.struck = true
		for range v.fault.samples {
			step(at+20*second, hot)
		}
	}
	end = max(end, at+second)
	step(end, arrive)
	v.moments[len(v.moments)-1].speed = 0
}

// silence decides for how long the car is out of reach from today on.
func (v *vehicle) silence() {
	r := &v.rng
	midnight := v.midnight(v.today)
	switch {
	case midnight < v.offline:
	case r.chance(0.003):
		v.offline = midnight + r.span(day, 6*day) // abroad, a broken modem, a long stay underground
	case v.basement:
		v.offline = midnight + r.span(6*hour, 9*hour)
	}
}
