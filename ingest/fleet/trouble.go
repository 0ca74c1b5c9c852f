package fleet

import "slices"

// fault is what a car suffers from today. Lasting marks, trouble codes and slow leaks, are kept in the
// car itself.
type fault struct {
	kind    faultKind
	samples int  // it shows in that many samples, 20 s apart
	struck  bool // it has shown
	step    int
}

type faultKind uint8

const (
	healthy faultKind = iota
	overheating
	packAlarm
)

// strikes reports whether a fault is still to show today.
func (f *fault) strikes() bool { return f.kind != healthy && !f.struck }

// codes are trouble codes that come and go.
var codes = [...]string{"P0301", "P0420", "P0171", "P0455", "C0035", "U0100", "P0128", "B1342"}

// ageFaults lets yesterday's troubles go and new ones come. Rates are per day.
func (v *vehicle) ageFaults() {
	r := &v.rng
	v.fault = fault{}
	if v.alarm > 0 {
		v.alarm = 0
	}
	if len(v.dtcs) > 0 && r.chance(0.06) {
		v.dtcs = nil // healed, or cleared by a friend with a reader
	}
	switch p := v.model.powertrain; {
	case p.hasEngine() && r.chance(0.0004):
		v.fault = fault{kind: overheating, samples: 14}
	case (p == bev || p == phev) && r.chance(0.0002):
		v.fault = fault{kind: packAlarm, samples: 8}
	case r.chance(0.002):
		if c := codes[r.n(len(codes))]; !slices.Contains(v.dtcs, c) {
			v.dtcs = append(slices.Clone(v.dtcs), c)
		}
	case r.chance(0.0008):
		v.leak[r.n(4)] = r.between(8, 60) // a nail
	case r.chance(0.0004):
		v.battery *= 0.4 // a light left on once too often
	}
	v.clock.ageClock(v)
	v.odometer.ageOdometer(v)
}

// act shows the fault in a moment of it.
func (f *fault) act(v *vehicle, m moment) {
	if m.kind != hot {
		return
	}
	f.step++
	switch f.kind {
	case overheating:
		v.coolant = 94 + float64(min(f.step, 9))*3.5 + v.rng.between(0, 1)
		if f.step == f.samples && !slices.Contains(v.dtcs, "P0217") {
			v.dtcs = append(slices.Clone(v.dtcs), "P0217")
		}
	case packAlarm:
		v.alarm = min(f.step, 3)
	}
}

func (f *fault) alarms(v *vehicle) []string {
	if v.alarm == 0 {
		return nil
	}
	return []string{"battery_overtemp"}
}

func (f *fault) packTemp(v *vehicle, m moment) float64 {
	if v.alarm > 0 {
		return 48 + float64(6*v.alarm)
	}
	return max(v.region.temperature(m.at), 8) + 9
}

// clock is what a car believes the time to be.
type clock struct {
	kind clockKind
	from int64 // since then it is wrong
	till int64
}

type clockKind uint8

const (
	goodClock clockKind = iota
	noClock             // sends no time at all
	yearAhead
	weekRollover // GPS, 1024 weeks
	since1970    // after the battery was off, for some days
)

// odometerFault is what the instrument shows instead of the distance.
type odometerFault struct {
	kind  odometerKind
	from  int64
	till  int64
	value float64
}

type odometerKind uint8

const (
	goodOdometer odometerKind = iota
	zeroes                    // shows 0 now and then
	frozen                    // stands still for days
	jumps                     // shows far too much for a while
	replacedUnit              // another instrument, from some day on
	miles                     // counts miles for some days
)

// quirks are a car's lasting ones.
func (v *vehicle) quirks() {
	r := &v.rng
	v.basement = r.chance(0.06)
	v.millis = r.chance(0.2)
	v.boots = r.chance(0.3)
	v.newest = r.chance(0.3)
	v.repeats = [...]float64{0, 0.002, 0.03}[r.weighted(60, 30, 10)]
	switch x := r.unit(); {
	case x < 0.004:
		v.clock.kind = yearAhead
	case x < 0.009:
		v.clock.kind = weekRollover
	case x < 0.019:
		v.clock.kind = noClock
	}
	if v.clock.kind != goodClock {
		v.clock.till = never
	}
	if r.chance(0.01) {
		v.odometer = odometerFault{kind: zeroes, till: never}
	}
}

// ageClock resets a clock now and then, as a battery that was off does.
func (c *clock) ageClock(v *vehicle) {
	midnight := v.midnight(v.today)
	if c.till <= midnight {
		c.kind = goodClock
		if v.rng.chance(0.0003) {
			*c = clock{since1970, midnight, midnight + v.rng.span(day, 9*day)}
			v.boot++
			v.seq = 0
		}
	}
}

// stamp writes the time the car believes in.
func (c *clock) stamp(v *vehicle, o *object, at int64) {
	switch c.kind {
	case noClock:
		return
	case yearAhead:
		at += 365 * day
	case weekRollover:
		at -= 7168 * day
	case since1970:
		at -= c.from
	}
	if v.millis {
		o.integer("time", at)
		return
	}
	o.time("time", at)
}

// ageOdometer lets an instrument fail now and then.
func (f *odometerFault) ageOdometer(v *vehicle) {
	midnight, r := v.midnight(v.today), &v.rng
	if f.till > midnight || f.kind == replacedUnit {
		return
	}
	f.kind = goodOdometer
	if !r.chance(0.0004) {
		return
	}
	*f = odometerFault{kind: []odometerKind{frozen, jumps, replacedUnit, miles}[r.weighted(40, 35, 15, 10)], from: midnight}
	f.till = midnight + r.span(day, 8*day)
	switch f.kind {
	case frozen, replacedUnit:
		f.value = v.odo
	case jumps:
		f.till = midnight + r.span(hour, day)
		f.value = r.between(20_000, 300_000)
	}
}

// reading is what the instrument shows.
func (f *odometerFault) reading(v *vehicle, at int64) float64 {
	if at >= f.till && f.kind != replacedUnit {
		return v.odo
	}
	switch f.kind {
	case zeroes:
		if v.rng.chance(0.02) {
			return 0
		}
	case frozen:
		return f.value
	case jumps:
		return v.odo + f.value
	case replacedUnit:
		return v.odo - f.value
	case miles:
		return v.odo / 1.609344
	}
	return v.odo
}
