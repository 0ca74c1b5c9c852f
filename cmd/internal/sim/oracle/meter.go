package oracle

// A meter is an odometer, or an hour meter (S26): values in thousandths of a km or an hour.
type meter struct {
	name       string
	one        int64 // 1 km, 0.1 h
	five       int64 // 5 km, 0.5 h
	fifty      int64 // 50 km, 5 h
	hundred    int64 // 100 km, 10 h
	perDay     int64 // 2,000 km, 24 h
	known      bool
	k, ek      int64
	date       int // local date of the sample at hand
	kBefore    int64
	accepted   int // how often a value was accepted
	offset     int64
	shifts     []shift
	run        []suspect
	unit       bool // everything from miles on is unit until a smaller value is accepted (S21)
	hasStep    bool
	beforeStep int64 // the value before the last step of more than fifty (S23)
	history    []reading
}

type suspect struct {
	kind  string
	v, e  int64
	edges int // how often ignition or engine_on had gone on by then (S24)
}

type reading struct {
	k, e int64
	date int
}

// shift is an offset for services from that time on (S24).
type shift struct {
	from, delta int64
	order       int // of a reset's record: services on file before it keep their reading
}

func newOdometer() *meter {
	return &meter{name: "odometer", one: 1_000, five: 5_000, fifty: 50_000, hundred: 100_000, perDay: 2_000_000}
}

func newHours() *meter {
	return &meter{name: "engine_hours", one: 100, five: 500, fifty: 5_000, hundred: 10_000, perDay: 24_000}
}

// within: growth is at most allow = perDay × max(1, days), counted in whole numbers.
func (m *meter) within(growth, ms int64) bool { return growth*day <= m.perDay*max(day, ms) }

// sinceAccepted is the time from e_k; no value accepted yet: from the suspect before.
func (m *meter) sinceAccepted(e int64) int64 {
	if !m.known {
		return e - m.run[len(m.run)-1].e
	}
	return e - m.ek
}

// take is one sample that is not late: S20 to S25. It answers whether a value was accepted, and how.
func (m *meter) take(raw, e int64, date int, greatestService int64, hasService bool, edges int) (accepted bool, how string) {
	v := raw + m.offset
	m.date = date
	if v <= 0 {
		return false, "" // S20
	}
	switch {
	case !m.known:
		return m.takeFirst(v, e, greatestService, hasService, edges)
	case m.isMiles(v, e):
		m.unit = true
		m.suspect("unit", v, e, edges)
		return false, ""
	case v >= m.k-m.one && m.within(v-m.k, e-m.ek):
		if v-m.k > m.fifty {
			m.hasStep, m.beforeStep = true, m.k
		}
		m.accept(max(m.k, v), e)
		return true, "" // S21
	case v > m.k:
		m.suspect("jump", v, e, edges)
		if m.runStands() { // S22
			m.hasStep, m.beforeStep = true, m.k
			m.accept(v, e)
			return true, "jump"
		}
	default:
		m.suspect("fall", v, e, edges)
		return m.takeFall(v, e)
	}
	return false, ""
}

// takeFirst is S20.
func (m *meter) takeFirst(v, e, greatestService int64, hasService bool, edges int) (bool, string) {
	if hasService && v < greatestService-m.hundred {
		m.suspect("below_service", v, e, edges)
		if !m.runStands() {
			return false, ""
		}
	}
	m.accept(v, e)
	return true, "first"
}

// isMiles is the exception of S21; hour meters have none (S26).
func (m *meter) isMiles(v, e int64) bool {
	if m.name != "odometer" {
		return false
	}
	if m.unit && float64(v) >= 1.609344*float64(m.k-m.one) {
		return true
	}
	ratio := float64(v) / float64(m.k) / 1.609344
	return (v-m.k-m.fifty)*day > m.perDay*(e-m.ek) && ratio >= 0.995 && ratio <= 1.005
}

// takeFall is S23 and S24: a run below k is the end of a spike, or another instrument.
func (m *meter) takeFall(v, e int64) (bool, string) {
	if !m.runStands() {
		return false, ""
	}
	if m.hasStep {
		spike := true
		for _, s := range m.run {
			spike = spike && s.v >= m.beforeStep-m.one
		}
		if spike {
			m.accept(v, e)
			return true, "spike"
		}
	}
	first := m.run[0]
	if e-first.e < day || m.cycles() < 2 || v-first.v < m.five {
		return false, ""
	}
	delta := m.k - first.v
	m.offset += delta
	m.shifts = append(m.shifts, shift{first.e, delta, -1})
	m.accept(v+delta, e)
	return true, "replaced"
}

// cycles counts the samples of the run after the first that began another drive (S24).
func (m *meter) cycles() int {
	n := 0
	for i := 1; i < len(m.run); i++ {
		if m.run[i].edges > m.run[i-1].edges || m.run[i].e-m.run[i-1].e >= 30*minute {
			n++
		}
	}
	return n
}

// suspect continues the run or starts another one (S22); allow is the one of S21, by the days since e_k.
func (m *meter) suspect(kind string, v, e int64, edges int) {
	s := suspect{kind, v, e, edges}
	if n := len(m.run); n > 0 {
		last := m.run[n-1]
		if last.kind == kind && e > last.e && v >= last.v && m.within(v-last.v, m.sinceAccepted(e)) {
			m.run = append(m.run, s)
			return
		}
	}
	m.run = []suspect{s}
}

// runStands: at least 3 samples over 10 min and grown by 1 km (S22).
func (m *meter) runStands() bool {
	n := len(m.run)
	return n >= 3 && m.run[n-1].e-m.run[0].e >= 10*minute && m.run[n-1].v-m.run[0].v >= m.one
}

// accept discards every suspect (S25).
func (m *meter) accept(k, e int64) {
	m.kBefore = m.k
	m.known, m.k, m.ek = true, k, e
	m.accepted++
	m.run, m.unit = nil, false
	m.history = append(m.history, reading{k, e, m.date})
}

// reset is a service's odometer_reset (S24): k stays, suspects are dropped.
func (m *meter) reset(from, to, at int64, order int) {
	m.offset += from - to
	m.shifts = append(m.shifts, shift{at, from - to, order})
	m.run = nil
}

// offsetOf is what a service is read with: the instruments replaced by its time, and the resets on file before it.
func (m *meter) offsetOf(sv *service) int64 {
	sum := int64(0)
	for _, s := range m.shifts {
		if s.order < 0 && sv.time >= s.from || s.order >= 0 && sv.order > s.order && sv.time > s.from {
			sum += s.delta
		}
	}
	return sum
}
