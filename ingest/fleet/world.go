package fleet

import (
	"cmp"
	"fmt"
	"slices"
)

const (
	second = int64(1000)
	minute = 60 * second
	hour   = 60 * minute
	day    = 24 * hour
)

// powertrain is what moves a car.
type powertrain uint8

const (
	ice powertrain = iota
	hev
	phev
	bev
)

func (p powertrain) String() string { return [...]string{"ice", "hev", "phev", "bev"}[p] }

// hasEngine and hasPack say what a powertrain consists of.
func (p powertrain) hasEngine() bool { return p != bev }
func (p powertrain) hasPack() bool   { return p != ice }

// model is a kind of car.
type model struct {
	name       string
	powertrain powertrain
	commercial bool
	tank       float64 // l
	thirst     float64 // l/100 km
	pack       float64 // kWh
	draw       float64 // kWh/100 km
	serviceKm  float64
	tyre       float64 // kPa, nominal
}

var models = [...]model{
	{name: "A5", powertrain: ice, tank: 55, thirst: 7.1, serviceKm: 10_000, tyre: 235},
	{name: "A3", powertrain: ice, tank: 48, thirst: 6.2, serviceKm: 10_000, tyre: 225},
	{name: "X7", powertrain: ice, tank: 70, thirst: 9.8, serviceKm: 10_000, tyre: 245},
	{name: "T3", powertrain: ice, commercial: true, tank: 80, thirst: 10.5, serviceKm: 10_000, tyre: 330},
	{name: "H6", powertrain: hev, tank: 48, thirst: 4.6, pack: 1.6, draw: 4, serviceKm: 10_000, tyre: 235},
	{name: "P6", powertrain: phev, tank: 50, thirst: 5.2, pack: 18, draw: 12, serviceKm: 10_000, tyre: 245},
	{name: "E5", powertrain: bev, pack: 62, draw: 14.8, serviceKm: 20_000, tyre: 250},
	{name: "E7", powertrain: bev, pack: 84, draw: 17.9, serviceKm: 20_000, tyre: 260},
	{name: "EV2", powertrain: bev, commercial: true, pack: 70, draw: 24, serviceKm: 20_000, tyre: 340},
}

// use is how a car is used.
type use uint8

const (
	commuter use = iota
	weekender
	taxi
	van
	parked
)

// kmPerYear is what a use comes to, roughly: it ages cars before the stream begins.
func (u use) kmPerYear() float64 { return [...]float64{15_000, 6_500, 85_000, 32_000, 600}[u] }

// region is where a car lives. Offsets are fixed, without summer time: here the zone only says when
// people get up.
type region struct {
	zone, language string
	offset         int64   // ms
	mean, swing    float64 // °C over the year
	city, prefix   string  // of plates
}

var regions = [...]region{
	{zone: "Asia/Shanghai", language: "zh", offset: 8 * hour, mean: 17, swing: 12, city: "上海", prefix: "沪A"},
	{zone: "Asia/Urumqi", language: "zh", offset: 6 * hour, mean: 8, swing: 19, city: "乌鲁木齐", prefix: "新A"},
	{zone: "Europe/Berlin", language: "en", offset: hour, mean: 10, swing: 10, city: "Berlin", prefix: "B-MP "},
	{zone: "Europe/London", language: "en", offset: 0, mean: 11, swing: 7, city: "London", prefix: "LM"},
	{zone: "America/New_York", language: "en", offset: -5 * hour, mean: 13, swing: 13, city: "New York", prefix: "MPG-"},
	{zone: "Asia/Singapore", language: "en", offset: 8 * hour, mean: 28, swing: 1, city: "Singapore", prefix: "SMP"},
}

// regionsIn are the regions with one language spoken everywhere, or each its own.
func regionsIn(language string) []region {
	out := slices.Clone(regions[:])
	for i := range out {
		r := &out[i]
		if language == "en" && r.language == "zh" {
			r.city, r.prefix = [...]string{"Shanghai", "Urumqi"}[i], [...]string{"SH-A", "XJ-A"}[i]
		}
		r.language = cmp.Or(language, r.language)
	}
	return out
}

// temperature is the air's at t, from triangles instead of sines: coldest in mid January at five in the
// morning.
func (r *region) temperature(t int64) float64 {
	local := t + r.offset
	yearly := triangle(float64(local-15*day) / (365.2425 * float64(day)))
	daily := triangle(float64(local-5*hour) / float64(day))
	return r.mean + float64(r.swing*yearly) + float64(4*daily)
}

// triangle is a wave of period 1 from -1 at 0 to 1 at one half.
func triangle(x float64) float64 {
	x -= float64(int64(x))
	if x > 0.5 {
		x = 1 - x
	}
	return float64(4*x) - 1
}

var (
	surnames   = [...]string{"王", "李", "张", "刘", "陈", "杨", "赵", "黄", "周", "吴", "徐", "孙", "胡", "朱", "高", "林"}
	given      = [...]string{"伟", "芳", "娜", "敏", "静", "强", "磊", "洋", "勇", "艳", "杰", "娟", "涛", "明", "超", "秀英", "志强", "建国", "晓东", "子涵"}
	firstNames = [...]string{"Anna", "Ben", "Clara", "David", "Emma", "Felix", "Grace", "Henry", "Ines", "Jack", "Kate", "Liam", "Maya", "Noah", "Olive", "Paul"}
	lastNames  = [...]string{"Adler", "Brown", "Clarke", "Diaz", "Evans", "Fischer", "Green", "Hughes", "Klein", "Lee", "Moore", "Novak", "Owens", "Price", "Reed", "Stone"}
)

// name is a person's, fit for the region.
func (r *random) name(language string) string {
	if language == "zh" {
		return surnames[r.n(len(surnames))] + given[r.n(len(given))]
	}
	return firstNames[r.n(len(firstNames))] + " " + lastNames[r.n(len(lastNames))]
}

const (
	dealersPerRegion = 3
	carsPerCompany   = 40
)

// dealer is the id of a region's n-th dealer.
func dealer(region, n int) string { return fmt.Sprintf("D%d%02d", region+1, n+1) }

func companies(vehicles int) int { return vehicles/carsPerCompany + 1 }

// company is the id of the company that owns a car in commercial use.
func company(vehicle int) string { return fmt.Sprintf("C%05d", vehicle/carsPerCompany) }

// parties introduces dealers and companies, which everybody's profile may name.
func parties(regions []region, vehicles int, at int64) []Event {
	var out []Event
	for i := range regions {
		for n := range dealersPerRegion {
			out = append(out, dealerEvent(at, &regions[i], dealer(i, n), n))
		}
	}
	for i := range companies(vehicles) {
		out = append(out, companyEvent(at, &regions[i%2], i))
	}
	return out
}
