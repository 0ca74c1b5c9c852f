package fleet

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/milepost-io/milepost/ingest"
)

// The cars of the story.
const (
	StoryReminder = "LSVAA49J132000001"
	StoryOverheat = "LSVAA49J132000002"
	StoryBattery  = "LSVAA49J132000003"
)

// Story is the events of three cars that have something to tell at once, in the order of their arrival.
// Within the first three days, at a day a second three seconds: StoryReminder passes 9,000 km of a
// 10,000 km plan, StoryOverheat boils, and the 12 V battery of StoryBattery gives up. The first is
// booked on day 5 and serviced on day 9; the others are mended. It lasts 120 days.
func Story(begin time.Time) []Event { return tell(begin, "") }

// tell is the story in a language; "" each in his own.
func tell(begin time.Time, language string) []Event {
	s := &story{begin: begin.UnixMilli(), language: language}
	s.cast()
	const days = 120
	for d := range int64(days) {
		s.today(d)
	}
	slices.SortStableFunc(s.out, func(a, b Event) int { return a.At.Compare(b.At) })
	return s.out
}

// story collects events; times are ms since its beginning.
type story struct {
	begin    int64
	language string
	out      []Event
	seq      int64
}

func (s *story) cast() {
	o := newObject(256)
	o.text("type", "party")
	o.text("id", "D1024")
	o.text("role", "dealer")
	name, plates := "上海里程碑浦东店", "沪A"
	if s.language == "en" {
		name, plates = "Milepost Shanghai Pudong", "SH-A"
	}
	o.text("name", name)
	o.text("language", cmp.Or(s.language, "zh"))
	o.text("timezone", "Asia/Shanghai")
	o.open("hours")
	o.text("mon-sat", "08:30-18:00")
	o.close()
	o.text("manager", "A-1")
	o.list("advisors", []string{"A-2", "A-3"})
	s.out = append(s.out, partyEvent(s.begin, "D1024", o))
	shanghai := &regions[0]
	owners := []struct{ id, name, language string }{{"O77", "王伟", "zh"}, {"O78", "Emma Clarke", "en"}, {"O79", "李娜", "zh"}}
	if s.language == "en" {
		owners[0].name, owners[2].name = "Paul Stone", "Clara Reed"
	}
	for i, p := range owners {
		r := *shanghai
		r.language = cmp.Or(s.language, p.language)
		s.out = append(s.out, ownerEvent(s.begin, p.id, p.name, &r, true, 9901+i))
	}
	s.profile(StoryReminder, "A5", ice, "O77", plates+"12345", 240)
	s.profile(StoryOverheat, "X7", ice, "O78", plates+"20088", 420)
	s.profile(StoryBattery, "E5", bev, "O79", plates+"D31415", 500)
	s.service(0, StoryOverheat, -100*day, 21_000, []string{"engine-oil", "cabin-filter"})
	s.service(0, StoryBattery, -150*day, 19_800, []string{"inspection", "cabin-filter"})
}

// today is one day of the three cars.
func (s *story) today(d int64) {
	at := d * day
	km := float64(60 * d)
	s.sample(at+hour, StoryReminder, 8_900+km, true, func(o *object) { engine(o, 41, 91, 13.9, 62) })
	if d == 0 {
		s.boil(at + 5*hour)
	}
	if d > 3 {
		s.sample(at+2*hour, StoryBattery, 31_050+km/2, false, func(o *object) {
			o.number("lv_battery_voltage", 12.7, 2)
			o.number("soc", 90, 1)
		})
	}
	if d > 1 {
		s.sample(at+7*hour, StoryOverheat, 26_420+km/2, true, func(o *object) { engine(o, 36, 90, 14.0, 48) })
	}
	if d == 1 {
		s.fade(at + 9*hour)
	}
	if d == 2 {
		s.service(at+6*hour, StoryOverheat, at+6*hour, 26_420, []string{"coolant"})
	}
	if d > 3 {
		s.sample(at+10*hour, StoryBattery, 31_050+km/2, true, func(o *object) {
			o.number("speed", 47, 1)
			o.number("lv_battery_voltage", 13.4, 2)
			o.number("soc", 71, 1)
		})
	}
	switch d {
	case 3:
		s.service(at+11*hour, StoryBattery, at+11*hour, 31_060, []string{"12v-battery"})
	case 5:
		s.booked(at+12*hour, StoryReminder)
	case 9:
		s.service(at+13*hour, StoryReminder, at+13*hour, int64(8_900+km+20), []string{"engine-oil", "cabin-filter"})
	}
	s.sample(at+20*hour, StoryReminder, 8_930+km, true, func(o *object) { engine(o, 38, 90, 14.1, 58) })
}

// boil is a quarter of an hour on the road with a leaking radiator.
func (s *story) boil(at int64) {
	for i := range int64(40) {
		temp := 92.0
		if i > 12 {
			temp = min(92+float64(i-12)*3, 121)
		}
		s.sample(at+i*20*second, StoryOverheat, 26_400+float64(i)/3, true, func(o *object) {
			engine(o, 57, temp, 14.0, 51)
			if i > 24 {
				o.list("dtcs", []string{"P0217"})
			}
		})
	}
}

// fade is a parked car whose 12 V battery gives up within an hour.
func (s *story) fade(at int64) {
	for i := range int64(12) {
		s.sample(at+i*5*minute, StoryBattery, 31_050, false, func(o *object) {
			o.number("lv_battery_voltage", 12.1-float64(i)*0.06, 2)
			o.number("soc", 64, 1)
		})
	}
}

// engine are the signals of a car with an engine that runs.
func engine(o *object, speed, coolant, volts, fuel float64) {
	o.number("speed", speed, 1)
	o.bool("engine_on", true)
	o.number("coolant_temp", coolant, 0)
	o.number("lv_battery_voltage", volts, 2)
	o.number("fuel_level", fuel, 0)
}

func (s *story) sample(at int64, vin string, km float64, ignition bool, more func(*object)) {
	o := newObject(256)
	o.text("type", "telemetry")
	o.text("vin", vin)
	o.time("time", s.begin+at)
	o.integer("seq", s.seq)
	s.seq++
	o.open("signals")
	o.number("odometer", km, 1)
	o.bool("ignition", ignition)
	more(o)
	o.close()
	s.out = append(s.out, vehicleEvent(s.begin+at+500, ingest.Telemetry, vin, "telemetry", o))
}

func (s *story) profile(vin, model string, p powertrain, owner, plate string, age int64) {
	o := newObject(256)
	o.text("type", "vehicle")
	o.text("vin", vin)
	o.open("profile")
	o.text("model", model)
	o.text("powertrain", p.String())
	o.text("line", "passenger")
	o.text("plate", plate)
	o.text("in_service", date(s.begin-age*day, 8*hour))
	o.text("dealer", "D1024")
	o.text("owner", owner)
	o.text("timezone", "Asia/Shanghai")
	o.close()
	s.out = append(s.out, vehicleEvent(s.begin, ingest.Vehicle, vin, "profile", o))
}

func (s *story) service(arrival int64, vin string, at, km int64, items []string) {
	o := newObject(256)
	o.text("type", "service")
	o.text("vin", vin)
	o.time("time", s.begin+at)
	o.integer("odometer", km)
	o.list("items", items)
	o.text("dealer", "D1024")
	o.text("order", fmt.Sprintf("RO-%s-%d", vin[15:], km))
	s.out = append(s.out, vehicleEvent(s.begin+arrival, ingest.Service, vin, "service", o))
}

func (s *story) booked(at int64, vin string) {
	o := newObject(128)
	o.text("type", "feedback")
	o.text("vin", vin)
	o.time("time", s.begin+at)
	o.text("by", "owner")
	o.text("action", "booked")
	s.out = append(s.out, vehicleEvent(s.begin+at, ingest.Feedback, vin, "feedback", o))
}
