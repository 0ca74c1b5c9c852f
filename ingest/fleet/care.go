package fleet

import (
	"fmt"
	"time"

	"github.com/milepost-io/milepost/ingest"
)

// care is a car's life with its workshop.
type care struct {
	known   bool // there is a service on record
	lastKm  float64
	lastAt  int64
	visit   int64 // day of the next visit, 0: none
	in, out int64 // at the workshop from, till
	orders  int
}

// init makes up the history: seven of ten cars have one.
func (c *care) init(v *vehicle) {
	r := &v.rng
	perDay := max(v.use.kmPerYear()/365, 1)
	age := float64(v.fleet.start-v.inService) / float64(day)
	back := min(r.between(0, 1.02)*v.model.serviceKm, r.between(5, 400)*perDay, v.odo, age*perDay*0.9)
	c.lastKm = v.odo - back
	c.lastAt = max(v.fleet.start-int64(back/perDay*float64(day)), v.inService)
	c.known = v.dealer != "" && v.odo > v.model.serviceKm && r.chance(0.72)
}

// routine are the items of a plain service.
func routine(m *model) []string {
	if m.powertrain.hasEngine() {
		return []string{"engine-oil", "cabin-filter"}
	}
	return []string{"inspection", "cabin-filter"}
}

// atWorkshop reports whether the car does not drive today.
func (c *care) atWorkshop(v *vehicle, midnight int64) bool {
	return c.visit == v.today || c.out > midnight
}

// plan books, sends the car to the workshop, and has it fetched.
func (c *care) plan(v *vehicle, midnight int64) {
	r := &v.rng
	if c.visit == v.today {
		stay := r.span(2*hour, 7*hour)
		if r.chance(0.1) {
			stay += r.span(day, 3*day) // parts on order
		}
		c.visit, c.in, c.out = 0, midnight+9*hour, midnight+9*hour+stay
		m := moment{at: c.out, kind: done}
		if c.out < midnight+day {
			v.moment(m)
		} else {
			v.later = append(v.later, m)
		}
		return
	}
	if c.visit != 0 || c.out > midnight || v.dealer == "" || !c.wanted(v, midnight) {
		return
	}
	c.visit = v.today + 1 + int64(r.n(8))
	v.moment(moment{at: midnight + r.span(8*hour, 21*hour), kind: book})
}

// wanted reports whether the owner calls the workshop today.
func (c *care) wanted(v *vehicle, midnight int64) bool {
	due := v.odo-c.lastKm > v.model.serviceKm-900 || midnight-c.lastAt > 340*day
	switch {
	case due && v.rng.chance(v.diligence):
		return true
	case len(v.dtcs) > 0 || v.volts(moment{kind: rest, at: midnight}) < 11.75 || v.worn():
		return v.rng.chance(v.diligence * 2)
	}
	return false
}

func (v *vehicle) worn() bool { return max(v.wear[0], v.wear[1], v.wear[2], v.wear[3]) > 90 }

// booked is the owner's booking.
func (c *care) booked(v *vehicle, at int64) Event {
	o := newObject(128)
	o.text("type", "feedback")
	o.text("vin", v.vin)
	o.time("time", at)
	o.text("by", "owner")
	o.text("action", "booked")
	o.text("until", date(v.midnight(c.visit)+12*hour, v.region.offset))
	return vehicleEvent(at+1500, ingest.Feedback, v.vin, "feedback", o)
}

// finish mends the car and reports the service, sometimes days late.
func (c *care) finish(v *vehicle, at int64) {
	items := routine(v.model)
	if v.worn() {
		items = append(items, "brake-pads")
		v.wear = [4]float64{3, 3, 2, 2}
	}
	if v.battery < 0.5 {
		items = append(items, "12v-battery")
		v.battery = 1
	}
	if c.orders%2 == 1 {
		items = append(items, "brake-fluid")
	}
	v.dtcs = nil
	v.inflate()
	c.lastKm, c.lastAt, c.known = v.odo, at, true
	e := c.event(v, at+minute, at, v.odo, items)
	if v.rng.chance(0.05) {
		late := at + v.rng.span(day, 5*day)
		e.At = time.UnixMilli(late).UTC()
		v.later = append(v.later, moment{at: late, kind: send, event: &e})
		return
	}
	v.push(e, 0)
}

// event is the workshop's report.
func (c *care) event(v *vehicle, arrival, at int64, km float64, items []string) Event {
	c.orders++
	o := newObject(256)
	o.text("type", "service")
	o.text("vin", v.vin)
	o.time("time", at)
	o.integer("odometer", int64(km))
	o.list("items", items)
	if v.dealer != "" {
		o.text("dealer", v.dealer)
		o.text("order", fmt.Sprintf("RO-%s-%d", v.vin[10:], c.orders))
	}
	return vehicleEvent(arrival, ingest.Service, v.vin, "service", o)
}
