package fleet

import (
	"time"

	"github.com/milepost-io/milepost/ingest"
)

// live moves the car to a moment and sends what it has to say there.
func (v *vehicle) live(m moment) {
	switch m.kind {
	case send:
		v.push(*m.event, 0)
		return
	case book:
		v.push(v.care.booked(v, m.at), 0)
		return
	case done:
		v.care.finish(v, m.at)
		return
	}
	dt := m.at - v.at
	v.at = m.at
	v.pass(dt, m)
	v.telemetry(m)
}

// pass lets time, road and use work on the car.
func (v *vehicle) pass(dt int64, m moment) {
	days := float64(dt) / float64(day)
	air := v.region.temperature(m.at)
	for i := range v.tyres {
		v.tyres[i] = max(v.tyres[i]-float64(v.leak[i]*days), 20)
	}
	switch m.kind {
	case rest:
		v.coolant = air
		v.battery -= days * 0.0002
		if v.model.pack > 0 && v.charge < v.model.pack/2 && v.model.powertrain != hev {
			v.charge = v.model.pack * 0.9 // plugged in overnight
		}
	case start:
		if v.rng.chance(0.3) && v.tyres[v.lowest()] < v.model.tyre*0.8 {
			v.inflate()
		}
		v.trip = 0
		v.coolant = max(air, v.coolant-float64(float64(dt)/float64(hour)*18))
	default:
		v.road(dt, m.km, air)
		v.fault.act(v, m)
	}
}

// road wears what driving wears.
func (v *vehicle) road(dt int64, km, air float64) {
	v.odo += km
	v.trip += km
	for i := range v.wear {
		rate := 0.0019
		if i >= 2 {
			rate = 0.0012
		}
		if v.model.powertrain.hasPack() {
			rate *= 0.6 // recuperation
		}
		v.wear[i] = min(v.wear[i]+float64(km*rate), 100)
	}
	if v.model.powertrain.hasEngine() {
		v.hours += float64(dt) / float64(hour)
		v.fuel -= km * v.model.thirst / 100
		if v.fuel < v.model.tank/10 {
			v.fuel = v.model.tank
		}
		v.coolant += (91 - v.coolant) * min(float64(dt)/float64(6*minute), 1)
	} else {
		v.coolant = air + 12
	}
	if v.model.powertrain.hasPack() {
		v.charge -= km * v.model.draw / 100
		switch {
		case v.model.powertrain != bev && v.charge < v.model.pack/5:
			v.charge = v.model.pack * 0.5 // the engine helps
		case v.charge < v.model.pack/12:
			v.charge = v.model.pack * 0.8 // a fast charger on the way
		}
	}
	v.battery -= km * 0.000001
}

func (v *vehicle) lowest() int {
	low := 0
	for i := range v.tyres {
		if v.tyres[i] < v.tyres[low] {
			low = i
		}
	}
	return low
}

func (v *vehicle) inflate() {
	for i := range v.tyres {
		v.tyres[i] = v.model.tyre
		v.leak[i] = min(v.leak[i], 0.25)
	}
}

// volts is the 12 V battery's: high while something charges it, otherwise what age and cold leave.
func (v *vehicle) volts(m moment) float64 {
	if m.kind != rest && m.kind != start {
		return 13.6 + v.rng.between(0, 0.7)
	}
	cold := max(0, 5-v.region.temperature(m.at)) * 0.015
	return 12.75 - float64((1-max(v.battery, 0))*1.35) - cold + v.rng.between(-0.05, 0.05)
}

// telemetry sends a sample of what the car measures at a moment.
func (v *vehicle) telemetry(m moment) {
	o := newObject(320)
	o.text("type", "telemetry")
	o.text("vin", v.vin)
	v.clock.stamp(v, o, m.at)
	o.integer("seq", int64(v.seq))
	v.seq++
	if v.boots {
		o.integer("boot", int64(v.boot))
	}
	o.open("signals")
	o.number("odometer", v.odometer.reading(v, m.at), 1)
	moving := m.kind == drive || m.kind == hot
	o.bool("ignition", m.kind != rest && m.kind != arrive)
	o.number("lv_battery_voltage", v.volts(m), 2)
	if m.kind != rest {
		speed := 0.0
		if moving {
			speed = m.speed
		}
		o.number("speed", speed, 1)
		o.number("trip_km", v.trip, 1)
	}
	v.drivetrainSignals(o, m)
	if m.kind == rest || m.kind == start {
		o.number("ambient_temp", v.region.temperature(m.at), 1)
		for i, name := range [...]string{"tire_pressure_fl", "tire_pressure_fr", "tire_pressure_rl", "tire_pressure_rr"} {
			o.number(name, v.tyres[i], 0)
		}
	}
	if m.kind == arrive {
		for i, name := range [...]string{"brake_wear_fl", "brake_wear_fr", "brake_wear_rl", "brake_wear_rr"} {
			o.number(name, v.wear[i], 1)
		}
	}
	o.close()
	e := vehicleEvent(m.at+v.rng.span(120, 2500), ingest.Telemetry, v.vin, "telemetry", o)
	v.transmit(e)
	if v.rng.chance(v.repeats) {
		again := e
		again.At = again.At.Add(time.Duration(v.rng.span(800, 9000)) * time.Millisecond)
		v.transmit(again)
	}
}

// drivetrainSignals are those of engine and pack.
func (v *vehicle) drivetrainSignals(o *object, m moment) {
	moving := m.kind == drive || m.kind == hot
	p := v.model.powertrain
	if p.hasEngine() && m.kind != rest {
		o.bool("engine_on", moving && !(p == phev && v.charge > v.model.pack/4))
		o.number("coolant_temp", v.coolant, 0)
		o.number("fuel_level", v.fuel/v.model.tank*100, 0)
		if m.kind == arrive {
			o.number("engine_hours", v.hours, 1)
		}
	}
	if p == bev || p == phev {
		o.number("soc", max(v.charge/v.model.pack*100, 1), 1)
		if m.kind == rest {
			o.bool("charging", v.charge < v.model.pack*0.89)
		}
		o.integer("alarm_level", int64(v.alarm))
		if m.kind == start || m.kind == hot {
			o.list("alarms", v.fault.alarms(v))
			o.number("pack_temp_max", v.fault.packTemp(v, m), 0)
		}
	}
	if m.kind == start || m.kind == hot {
		o.list("dtcs", v.dtcs)
	}
}
