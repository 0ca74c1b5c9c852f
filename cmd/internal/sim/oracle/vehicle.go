package oracle

import (
	"fmt"
	"math"
	"reflect"
	"sort"
	"time"
)

// vehicle is all that is known of one vehicle.
type vehicle struct {
	w          *world
	vin        string
	id         string // of this life of it (S47)
	named      int    // its place among the profiles told
	hasProfile bool
	profile    map[string]any
	profileAt  int64 // time of the last applied patch (S8)
	patched    bool
	samples    map[string]sample
	hasL       bool
	l          int64 // S2
	hasTau     bool
	tau        int64 // S9
	odometer   *meter
	hours      *meter
	edges      int // ignition or engine_on false to true
	services   []*service
	memory     seqMemory
	recent     map[string][]*record // the last 8 of a type (S5)
	items      map[string]*item
	order      []string       // of the items, in their plan
	cancels    map[string]int // cancellations of an item since its baseline (S37)
	rules      map[string]*ruleState
	causes     []cause
	dealer     string
	emitted    map[string]bool // tuples once emitted (S17, S37)
}

// sample is a signal's newest sample, the value before it and how many there were.
type sample struct {
	value, before any
	e             int64
	n             int
}

// service is one service record.
type service struct {
	time, arrival int64
	order         int
	date          int // local, in the zone the vehicle had on arrival (S28)
	items         map[string]bool
	told          map[string]*int64 // odometer, engine_hours as told
	fixed         map[string]*int64 // the value in its place (S33)
	checked       map[string]bool
	dealerOrder   string
	content       string
}

func (w *world) vehicle(vin string) *vehicle {
	if v := w.vehicles[vin]; v != nil {
		return v
	}
	v := &vehicle{
		w: w, vin: vin, id: fmt.Sprintf("%s life %d", vin, w.lives[vin]), samples: map[string]sample{}, odometer: newOdometer(), hours: newHours(),
		recent: map[string][]*record{}, items: map[string]*item{}, cancels: map[string]int{}, rules: map[string]*ruleState{}, emitted: map[string]bool{},
	}
	w.vehicles[vin] = v
	w.vins = append(w.vins, vin)
	return v
}

func (v *vehicle) meterOf(name string) *meter {
	switch name {
	case "odometer":
		return v.odometer
	case "engine_hours":
		return v.hours
	}
	return nil
}

// zone is S8.
func (v *vehicle) zone() *time.Location {
	name, _ := v.profile["timezone"].(string)
	if name == "" {
		name = v.w.set.configZone
	}
	loc := v.w.zones[name]
	if loc == nil {
		var err error
		if loc, err = time.LoadLocation(name); err != nil {
			loc = time.UTC
		}
		v.w.zones[name] = loc
	}
	return loc
}

// localDate is the calendar day of a moment in the vehicle's zone, counted from 1970-01-01.
func (v *vehicle) localDate(t int64) int {
	y, m, d := time.UnixMilli(t).In(v.zone()).Date()
	return dayNumber(y, int(m), d)
}

// today is S30: before day_starts it is still yesterday.
func (v *vehicle) today(clock int64) int {
	at := time.UnixMilli(clock).In(v.zone())
	y, m, d := at.Date()
	n := dayNumber(y, int(m), d)
	if at.Hour()*60+at.Minute() < v.w.set.dayStarts {
		n--
	}
	return n
}

func dayNumber(y, m, d int) int {
	return int(time.Date(y, time.Month(m), d, 0, 0, 0, 0, time.UTC).Unix() / 86400)
}

// addMonths keeps the day of the month, clamped to its last (S29).
func addMonths(n, months int) int {
	y, m, d := time.Unix(int64(n)*86400, 0).UTC().Date()
	first := time.Date(y, m+time.Month(months), 1, 0, 0, 0, 0, time.UTC)
	last := first.AddDate(0, 1, -1).Day()
	return dayNumber(first.Year(), int(first.Month()), min(d, last))
}

// effective is S2: e, and whether T is trusted.
func (v *vehicle) effective(r *record) (e int64, trusted bool) {
	t := r.arrival
	if r.hasTime {
		t = r.time
	}
	if rolled := t + 7168*day; r.arrival-day <= rolled && rolled <= r.arrival+day {
		return rolled, true
	}
	if t >= year2015 && t <= r.arrival+5*minute && (!v.hasL || t >= v.l-30*day) {
		return t, true
	}
	return r.arrival, false
}

// seqMemory is the memory of (boot, seq) (S5).
type seqMemory struct {
	any     bool
	boot    string
	highest int64
	seen    map[int64]bool
}

// duplicate is S5, without redelivered offsets and keys, which a file has not.
func (v *vehicle) duplicate(r *record, e int64) bool {
	if r.kind == "telemetry" {
		if r.hasSeq {
			return v.duplicateSeq(r, e)
		}
		if v.hasL && e <= v.l && r.hasTime && v.sameBytes(r) {
			return true
		}
		v.remember(r)
		return false
	}
	if r.hasTime && v.sameBytes(r) {
		return true
	}
	if r.kind == "service" {
		dealerOrder, content := serviceContent(r)
		for _, s := range v.services {
			if dealerOrder != "" && s.dealerOrder == dealerOrder && s.content == content {
				return true
			}
		}
	}
	v.remember(r)
	return false
}

func (v *vehicle) sameBytes(r *record) bool {
	for _, old := range v.recent[r.kind] {
		if old.bytes == r.bytes {
			return true
		}
	}
	return false
}

func (v *vehicle) remember(r *record) {
	if !r.hasTime {
		return
	}
	list := append(v.recent[r.kind], r)
	v.recent[r.kind] = list[max(0, len(list)-8):]
}

func (v *vehicle) duplicateSeq(r *record, e int64) bool {
	m := &v.memory
	newer := !v.hasL || e > v.l
	sameBoot := m.any && m.boot == r.boot
	known := sameBoot && m.seen[r.seq] && r.seq >= m.highest-64
	farBelow := sameBoot && r.seq < m.highest-64
	if known && !newer {
		return true
	}
	if known || farBelow || m.any && !sameBoot || !m.any {
		if newer || !m.any {
			*m = seqMemory{any: true, boot: r.boot, highest: r.seq, seen: map[int64]bool{r.seq: true}}
		}
		return false
	}
	m.seen[r.seq] = true
	m.highest = max(m.highest, r.seq)
	return false
}

// serviceContent is what makes two orders of a dealer the same record (S5).
func serviceContent(r *record) (dealerOrder, content string) {
	dealer, _ := r.fields["dealer"].(string)
	order, _ := r.fields["order"].(string)
	if dealer == "" || order == "" {
		return "", ""
	}
	at := "none"
	if r.hasTime {
		at = fmt.Sprint(r.time)
	}
	for _, k := range []string{"odometer", "engine_hours", "items", "codes", "declined", "odometer_reset"} {
		content += fmt.Sprint(k, "=", r.fields[k], ";")
	}
	return dealer + "\x00" + order, at + ";" + content
}

// step is what one record or timer brings about in a vehicle.
type step struct {
	v          *vehicle
	clock      int64 // arrival, or the timer's due time
	e          int64
	timer      bool
	present    map[string]bool // signals with a sample that is not late; suspects are not (S25)
	oldProfile map[string]any
	newProfile bool
	service    *service
	baselines  map[string]bool // items whose baseline the service changed
	meters     []string        // events of the odometer
	reasons    []string        // why a level may fall (S36)
	activation bool
	day        bool // day_starts: items
	hour       bool // rules with age and days_since alone
	done       map[string]bool
	resolved   map[string]bool
	wasOK      map[string]bool // items ok for a moment of this step (S41)
}

func (v *vehicle) newStep(clock, e int64) *step {
	return &step{v: v, clock: clock, e: e, present: map[string]bool{}, baselines: map[string]bool{}, done: map[string]bool{}, resolved: map[string]bool{}, wasOK: map[string]bool{}}
}

// telemetry applies samples (S4); it answers false when all were late.
func (s *step) telemetry(r *record) bool {
	v := s.v
	fresh := 0
	names := make([]string, 0, len(r.samples))
	for name := range r.samples {
		if old, seen := v.samples[name]; !seen || s.e >= old.e {
			fresh++
			names = append(names, name)
		}
	}
	if fresh == 0 && len(r.samples) > 0 {
		return false
	}
	sort.Strings(names)
	on := false
	for _, name := range names {
		old := v.samples[name]
		if (name == "ignition" || name == "engine_on") && old.value == false && r.samples[name] == true {
			on = true
		}
		v.samples[name] = sample{value: r.samples[name], before: old.value, e: s.e, n: old.n + 1}
	}
	if on {
		v.edges++
	}
	for _, name := range names {
		if m := v.meterOf(name); m != nil {
			s.reads(m, r.samples[name].(float64))
		} else {
			s.present[name] = true
		}
	}
	return true
}

// reads gives a meter its sample.
func (s *step) reads(m *meter, km float64) {
	v := s.v
	greatest, hasService := int64(math.MinInt64), false
	for _, sv := range v.services {
		if told := sv.told[m.name]; told != nil {
			greatest, hasService = max(greatest, *told+m.offsetOf(sv)), true
		}
	}
	first := !m.known
	accepted, how := m.take(int64(math.Round(km*1000)), s.e, v.localDate(s.e), greatest, hasService, v.edges)
	if !accepted {
		return
	}
	s.present[m.name] = true
	switch how {
	case "jump", "spike", "replaced":
		s.reasons = append(s.reasons, how)
		if m.name == "odometer" {
			s.meters = append(s.meters, how)
		}
	}
	if how == "jump" {
		for _, it := range v.items {
			it.unsee(m.name) // S22
		}
	}
	if first {
		for _, sv := range v.services {
			s.check(m, sv) // S33
		}
	}
}

// check is S33: a service's reading that cannot be is replaced by what the meter said then.
func (s *step) check(m *meter, sv *service) {
	if sv.checked[m.name] {
		return
	}
	sv.checked[m.name] = true
	d, known := s.v.endOfDay(m, sv.time, s.clock)
	told := sv.told[m.name]
	if told != nil {
		x := *told + m.offsetOf(sv)
		if x <= m.k+m.perDay && (!known || abs(x-d) <= m.perDay) {
			return
		}
	}
	if !known {
		d = m.k
	}
	sv.fixed[m.name] = &d
}

func abs(x int64) int64 { return max(x, -x) }

// endOfDay is d of S33: k as it stood at the end of that local day, at most 35 days back.
func (v *vehicle) endOfDay(m *meter, t, clock int64) (int64, bool) {
	on, today := v.localDate(t), v.localDate(clock)
	if on >= today {
		return m.k, m.known
	}
	if today-on > 35 {
		return 0, false
	}
	d, known := int64(0), false
	for _, h := range m.history {
		if h.date <= on {
			d, known = h.k, true
		}
	}
	return d, known
}

// patch is S8.
func (s *step) patch(r *record) {
	v := s.v
	s.oldProfile = v.profile
	v.profile = mergePatch(orEmpty(v.profile), r.profile).(map[string]any)
	v.hasProfile = true
	s.newProfile = s.oldProfile == nil || !reflect.DeepEqual(s.oldProfile, v.profile)
}

func orEmpty(m map[string]any) map[string]any {
	if m == nil {
		return map[string]any{}
	}
	return m
}

// factChanged reports whether the record changed a profile fact (S11).
func (s *step) factChanged(path string) bool {
	if !s.newProfile {
		return false
	}
	before := vehicle{profile: s.oldProfile}
	return !reflect.DeepEqual(before.fact(path), s.v.fact(path))
}

// serve is S33: a service record goes on file.
func (s *step) serve(r *record, at int64) {
	v := s.v
	sv := &service{time: at, arrival: r.arrival, order: r.order, date: v.localDate(at), items: map[string]bool{}, told: map[string]*int64{}, fixed: map[string]*int64{}, checked: map[string]bool{}}
	sv.dealerOrder, sv.content = serviceContent(r)
	for _, id := range r.strings("items") {
		sv.items[id] = true
	}
	for _, code := range r.strings("codes") {
		for _, p := range v.plansForCodes() {
			for _, it := range p.Items {
				for _, glob := range it.Codes {
					if globs(glob, code) {
						sv.items[it.ID] = true
					}
				}
			}
		}
	}
	for _, m := range []*meter{v.odometer, v.hours} {
		if x, ok := r.fields[m.name].(float64); ok {
			told := int64(math.Round(x * 1000))
			sv.told[m.name] = &told
		}
	}
	before := map[string]*service{}
	for id := range sv.items {
		before[id] = v.lastService(id)
	}
	v.services = append(v.services, sv)
	s.service = sv
	for id := range sv.items {
		s.baselines[id] = v.lastService(id) != before[id]
	}
	for _, m := range []*meter{v.odometer, v.hours} {
		if m.known {
			s.check(m, sv)
		}
	}
	if reset, ok := r.fields["odometer_reset"].(map[string]any); ok {
		from, _ := reset["from"].(float64)
		to, _ := reset["to"].(float64)
		v.odometer.reset(int64(math.Round(from*1000)), int64(math.Round(to*1000)), at, r.order)
		s.reasons = append(s.reasons, "odometer_reset")
	}
}

// plansForCodes: the vehicle's plan, without one all plans (S33).
func (v *vehicle) plansForCodes() []*plan {
	if p := v.plan(); p != nil {
		return []*plan{p}
	}
	return v.w.set.plans
}

// lastService is the baseline record of S28.
func (v *vehicle) lastService(item string) *service {
	var best *service
	for _, s := range v.services {
		if s.items[item] && (best == nil || s.after(best)) {
			best = s
		}
	}
	return best
}

func (s *service) after(o *service) bool {
	if s.time != o.time {
		return s.time > o.time
	}
	if s.arrival != o.arrival {
		return s.arrival > o.arrival
	}
	return s.order > o.order
}

const (
	odometerReading = "odometer"
	hoursReading    = "engine_hours"
)

// reading is a service's km or hours, as told with the offset of its time, or what was put in its place.
func (v *vehicle) reading(s *service, meter string) (int64, bool) {
	if f := s.fixed[meter]; f != nil {
		return *f, true
	}
	if t := s.told[meter]; t != nil {
		return *t + v.meterOf(meter).offsetOf(s), true
	}
	return 0, false
}

// plan is S27.
func (v *vehicle) plan() *plan {
	if !v.hasProfile {
		return nil
	}
	if name, ok := v.profile["plan"].(string); ok {
		for _, p := range v.w.set.plans {
			if p.ID == name {
				return p
			}
		}
		return nil
	}
	for _, p := range v.w.set.plans {
		if p.appliesTo == nil || v.eval(p.appliesTo, moment{}) == true {
			return p
		}
	}
	return nil
}
