package fleet

import (
	"fmt"
	"time"

	"github.com/milepost-io/milepost/ingest"
)

// vehicle is one car: its character, which never changes, its state, and what it is about to do.
//
// It lives from moment to moment. planDay lays out a local day as moments in order of time; next lives
// through one of them, which may put events into out.
type vehicle struct {
	fleet *Fleet
	id    int
	vin   string
	rng   random

	// character
	model     *model
	region    *region
	use       use
	inService int64
	owner     string // empty: unknown
	dealer    string // empty: none
	diligence float64
	clock     clock
	odometer  odometerFault
	basement  bool // parks where there is no network
	millis    bool // writes time as a number
	boots     bool // names its boot
	repeats   float64
	newest    bool // sends its backlog behind the newest sample

	// state
	today    int64 // local day planned last; 0: not introduced yet
	moments  []moment
	later    []moment // of days to come
	at       int64    // the moment lived last
	odo      float64  // km, true
	hours    float64  // of the engine
	trip     float64
	fuel     float64 // l
	charge   float64 // kWh
	coolant  float64
	battery  float64 // 1 new, 0 dead
	wear     [4]float64
	tyres    [4]float64
	leak     [4]float64 // kPa a day
	seq      uint64
	boot     int
	dtcs     []string
	alarm    int
	fault    fault
	care     care
	offline  int64 // until then nothing gets out
	buffered []Event

	out      []Event
	lastSent int64
}

// momentKind is what happens in a moment.
type momentKind uint8

const (
	rest   momentKind = iota // parked, a sign of life
	start                    // ignition on
	drive                    // on the road
	hot                      // on the road with a fault of the day
	arrive                   // ignition off
	book                     // the owner books a visit
	done                     // the workshop is finished
	send                     // an event that was held back arrives
)

// moment is a point in a car's day.
type moment struct {
	at    int64
	kind  momentKind
	km    float64 // driven since the moment before
	speed float64
	event *Event // of send
}

func newVehicle(f *Fleet, seed uint64, id int) *vehicle {
	v := &vehicle{fleet: f, id: id, rng: newRandom(seed, id), at: f.start}
	r := &v.rng
	v.vin = vin(id)
	v.region = &f.regions[r.weighted(66, 6, 8, 8, 6, 6)]
	v.use = use(r.weighted(55, 20, 8, 9, 8))
	v.model = v.pickModel()
	v.inService = f.start - r.span(20*day, 3000*day)
	age := float64(f.start-v.inService) / float64(365*day)
	v.odo = min(float64(age*v.use.kmPerYear())*r.between(0.7, 1.3), 460_000)
	v.hours = v.odo / r.between(28, 45)
	v.fuel = v.model.tank * r.between(0.2, 1)
	v.charge = v.model.pack * r.between(0.3, 0.95)
	v.battery = max(1-float64(age/6)*r.between(0.2, 0.75), 0.22)
	for i := range v.tyres {
		v.tyres[i] = v.model.tyre + r.between(-12, 8)
		v.leak[i] = r.between(0, 0.25)
		v.wear[i] = r.between(5, 80)
	}
	v.people()
	v.quirks()
	v.care.init(v)
	return v
}

// pickModel chooses a car fit for its use.
func (v *vehicle) pickModel() *model {
	r := &v.rng
	if v.use == van {
		return [...]*model{&models[3], &models[8]}[r.weighted(70, 30)]
	}
	return &models[[...]int{0, 1, 2, 4, 5, 6, 7}[r.weighted(24, 15, 8, 14, 14, 16, 9)]]
}

// people gives the car an owner and a dealer; a few have none that is known.
func (v *vehicle) people() {
	r := &v.rng
	v.diligence = r.between(0.01, 0.12)
	if !r.chance(0.02) {
		for i := range v.fleet.regions {
			if v.region == &v.fleet.regions[i] {
				v.dealer = dealer(i, r.n(dealersPerRegion))
			}
		}
	}
	switch {
	case v.use == taxi || v.use == van:
		v.owner = company(v.id)
	case v.id%12 == 11 && r.chance(0.6):
		v.owner = fmt.Sprintf("O%06d", v.id-1) // a second car, or an owner without a party record
	case !r.chance(0.02):
		v.owner = fmt.Sprintf("O%06d", v.id)
	}
}

// vin makes a VIN of 17 characters with a valid check digit (ISO 3779).
func vin(id int) string {
	b := []byte(fmt.Sprintf("LMPAA%02d1_R%07d", id/10_000_000%100, id%10_000_000))
	const values = "0123456789.ABCDEFGH..JKLMN.P.R..STUVWXYZ"
	weights := [17]int{8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2}
	sum := 0
	for i, c := range b {
		for at := range len(values) {
			if values[at] == c {
				sum += weights[i] * (at % 10)
			}
		}
	}
	b[8] = "0123456789X"[sum%11]
	return string(b)
}

func (v *vehicle) rank() int { return v.id }

func (v *vehicle) due() int64 {
	switch {
	case len(v.out) > 0:
		return v.out[0].At.UnixMilli()
	case len(v.moments) > 0:
		return max(v.moments[0].at, v.lastSent)
	case v.today == 0:
		return v.fleet.start
	}
	return max(v.midnight(v.today+1), v.lastSent)
}

// next returns what the car has to say, or lives through its next moment.
func (v *vehicle) next() (Event, bool) {
	if len(v.out) > 0 {
		e := v.out[0]
		v.out[0] = Event{}
		if v.out = v.out[1:]; len(v.out) == 0 {
			v.out = nil
		}
		return e, true
	}
	switch {
	case v.today == 0:
		v.introduce()
		v.today = (v.fleet.start + v.region.offset) / day
		v.planDay()
	case len(v.moments) == 0:
		v.today++
		v.planDay()
	default:
		m := v.moments[0]
		v.moments = v.moments[1:]
		v.live(m)
	}
	return Event{}, false
}

// midnight is when a local day begins.
func (v *vehicle) midnight(d int64) int64 { return d*day - v.region.offset }

// introduce sends what a maker knows of a car: owner, profile, and for most its service history.
func (v *vehicle) introduce() {
	at, r := v.fleet.start, &v.rng
	if v.owner == fmt.Sprintf("O%06d", v.id) {
		v.push(ownerEvent(at, v.owner, r.name(v.region.language), v.region, !r.chance(0.04), v.id), 0)
	}
	o := newObject(256)
	o.text("type", "vehicle")
	o.text("vin", v.vin)
	o.open("profile")
	o.text("model", v.model.name)
	o.text("powertrain", v.model.powertrain.String())
	line := "passenger"
	if v.use == taxi || v.use == van {
		line = "commercial"
	}
	o.text("line", line)
	o.text("plate", fmt.Sprintf("%s%05d", v.region.prefix, v.id%100_000))
	o.text("in_service", date(v.inService, v.region.offset))
	o.open("dates")
	o.text("insurance", date(at+r.span(day, 360*day), v.region.offset))
	o.close()
	if v.dealer != "" {
		o.text("dealer", v.dealer)
	}
	if v.owner != "" {
		o.text("owner", v.owner)
	}
	o.text("timezone", v.region.zone)
	o.close()
	v.push(vehicleEvent(at, ingest.Vehicle, v.vin, "profile", o), 0)
	if v.care.known {
		v.push(v.care.event(v, at, v.care.lastAt, v.care.lastKm, routine(v.model)), 0)
	}
}

// transmit puts what the car itself sends out as soon as there is a network: oldest first, but for cars
// that send the newest before all.
func (v *vehicle) transmit(e Event) {
	if e.At.UnixMilli() < v.offline {
		const most = 300 // what a car keeps; the oldest goes
		if len(v.buffered) == most {
			v.buffered = v.buffered[1:]
		}
		v.buffered = append(v.buffered, e)
		return
	}
	backlog := v.buffered
	v.buffered = nil
	if v.newest {
		v.push(e, 0)
	}
	for _, b := range backlog {
		b.At = e.At
		v.push(b, 15)
	}
	if !v.newest {
		v.push(e, 0)
	}
}

// push appends to out, gap ms behind the event before at least: arrivals of a car never go back.
func (v *vehicle) push(e Event, gap int64) {
	at := max(e.At.UnixMilli(), v.lastSent+gap)
	v.lastSent = at
	e.At = time.UnixMilli(at).UTC()
	v.out = append(v.out, e)
}
