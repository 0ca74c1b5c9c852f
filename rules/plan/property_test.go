package plan

import (
	"bytes"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"unsafe"

	"pgregory.net/rapid"
)

// raw is the memory of a slice of pointer-free structs, as a document stores it.
func raw[T any](s []T) []byte {
	if len(s) == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(&s[0])), len(s)*int(unsafe.Sizeof(s[0])))
}

// thaw copies stored bytes into fresh memory and lends it as the slice it was.
func thaw[T any](b []byte) []T {
	var zero T
	n := len(b) / int(unsafe.Sizeof(zero))
	out := make([]T, n)
	copy(raw(out), b)
	return out
}

// stored is a State as bytes, section by section.
func (s *State) stored() [5][]byte {
	core := []Core{*s.Core}
	out := [5][]byte{raw(core), raw(s.Days), raw(s.HourDays), raw(s.Items), raw(s.Services)}
	for i := range out {
		out[i] = bytes.Clone(out[i])
	}
	return out
}

func load(b [5][]byte) *State {
	return &State{
		Core: &thaw[Core](b[0])[0], Days: thaw[DayValue](b[1]), HourDays: thaw[DayValue](b[2]),
		Items: thaw[ItemState](b[3]), Services: thaw[Record](b[4]),
	}
}

// E12: what is stored holds no pointers and no padding of unknown content.
func TestStateIsPlainMemory(t *testing.T) {
	for _, v := range []any{Core{}, DayValue{}, ItemState{}, Record{}, Horizon{}} {
		checkPlain(t, reflect.TypeOf(v))
	}
}

func checkPlain(t *testing.T, typ reflect.Type) {
	switch typ.Kind() {
	case reflect.Struct:
		size := uintptr(0)
		for i := range typ.NumField() {
			f := typ.Field(i)
			if f.Offset != size {
				t.Errorf("%s: %d bytes of padding before %s", typ, f.Offset-size, f.Name)
			}
			size = f.Offset + f.Type.Size()
			checkPlain(t, f.Type)
		}
		if size != typ.Size() {
			t.Errorf("%s: %d bytes of padding at its end", typ, typ.Size()-size)
		}
	case reflect.Array:
		checkPlain(t, typ.Elem())
	case reflect.Pointer, reflect.Slice, reflect.String, reflect.Map, reflect.Interface, reflect.Float64, reflect.Float32, reflect.Int, reflect.Uint:
		t.Errorf("%s in a stored struct", typ)
	}
}

// A life is a random story: anything may happen to the car, in any order.
type life struct {
	*car
	km, hours float64
	names     []string
}

func newLife(t *rapid.T, plans map[string]*Plan, names []string) *life {
	c := &car{State: &State{Core: &Core{}}, t: t, plans: plans, inService: NoDay}
	c.now = storyTime(t, "2026-01-01T12:00") + rapid.Int64Range(0, 400).Draw(t, "start")*dayMS
	l := &life{car: c, km: rapid.Float64Range(0, 150000).Draw(t, "km"), hours: 10, names: names}
	if rapid.Bool().Draw(t, "known") {
		l.inService, _ = Zone{}.Today(c.now-rapid.Int64Range(0, 4000).Draw(t, "age")*dayMS, 540)
	}
	l.plan = plans[rapid.SampledFrom(names).Draw(t, "plan")]
	return l
}

// happen makes one step and returns what Evaluate wants to know of it.
func (l *life) happen(t *rapid.T) (Cause, uint32) {
	l.now += rapid.SampledFrom([]int64{minuteMS, 6 * minuteMS, 3600_000, dayMS, 9 * dayMS, 40 * dayMS}).Draw(t, "after")
	switch rapid.IntRange(0, 11).Draw(t, "what") {
	case 0, 1, 2, 3:
		l.km += rapid.Float64Range(0, 1500).Draw(t, "driven")
		return l.observe(Odometer, l.km), 0
	case 4:
		l.hours += rapid.Float64Range(0, 24).Draw(t, "run")
		return l.observe(EngineHours, l.hours), 0
	case 5:
		if rapid.IntRange(0, 3).Draw(t, "leap") == 0 {
			l.km = rapid.Float64Range(0, 300000).Draw(t, "leap to") // a new instrument or a glitch that lasts
		}
		return l.observe(Odometer, l.km), 0
	case 6, 7:
		sv := Service{Time: l.now - rapid.Int64Range(0, 500).Draw(t, "ago")*dayMS, Now: l.now, Items: []ItemKey{KeyOf("oil"), KeyOf("filter")}}
		if rapid.Bool().Draw(t, "told") {
			sv.KM = Told{Value: Metres(max(0, l.km-rapid.Float64Range(-500, 20000).Draw(t, "before"))), Set: true}
		}
		return NoCause, l.AddService(sv).Seq
	case 8:
		l.plan = l.plans[rapid.SampledFrom(l.names).Draw(t, "plan")]
		return CauseRules, 0
	case 9:
		l.inService, _ = Zone{}.Today(l.now-rapid.Int64Range(0, 4000).Draw(t, "age")*dayMS, 540)
		return CauseProfile, 0
	case 10:
		l.PowerOn()
	}
	return NoCause, 0
}

func (l *life) observe(m Measure, v float64) Cause {
	return l.Observe(m, Sample{Raw: Metres(v), E: l.now, Now: l.now}).Cause
}

func storyPlans(t rapid.TB) (map[string]*Plan, []string) {
	plans := testPlans(t)
	var names []string
	for name := range plans {
		names = append(names, name)
	}
	slices.Sort(names)
	return plans, names
}

type emitted struct {
	key     ItemKey
	base    Baseline
	cancels uint32
	kind    ChangeKind
	to      Level
}

// S32, S34, S36, S37: states move as told only, at most one rise per item and step, none is told twice.
// On the way every document is stored and loaded between steps (E12).
func TestStatesMoveAsTold(t *testing.T) {
	plans, names := storyPlans(t)
	rapid.Check(t, func(t *rapid.T) {
		l := newLife(t, plans, names)
		told := map[emitted]bool{}
		state := map[ItemKey]Level{}
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			before := l.stored()
			l.State = load(before)
			if after := l.stored(); !reflect.DeepEqual(before, after) {
				t.Fatalf("E12: stored and loaded is not the same")
			}
			cause, serviced := l.happen(t)
			changes, _ := l.Evaluate(l.plan, l.moment(cause, serviced), nil)
			checkChanges(t, changes, cause, serviced, state, told)
			for _, st := range l.Items {
				if st.Level != state[st.Key] {
					t.Fatalf("S32: state %s was never told, last told %s", st.Level, state[st.Key])
				}
			}
		}
	})
}

func checkChanges(t *rapid.T, changes []Change, cause Cause, serviced uint32, state map[ItemKey]Level, told map[emitted]bool) {
	rises := map[ItemKey]int{}
	for _, ch := range changes {
		if ch.From != state[ch.Key] {
			t.Fatalf("%+v from %s, but the state is %s", ch, ch.From, state[ch.Key])
		}
		state[ch.Key] = ch.To
		switch ch.Kind {
		case Rose:
			rises[ch.Key]++
			if ch.To <= ch.From || rises[ch.Key] > 1 {
				t.Fatalf("S32: %+v", ch)
			}
		case Done:
			if serviced == 0 || ch.From == OK || ch.To != OK {
				t.Fatalf("S34: %+v", ch)
			}
		case Cancelled:
			if cause == NoCause || ch.To >= ch.From {
				t.Fatalf("S36: %+v", ch)
			}
		}
		id := emitted{ch.Key, ch.Base, ch.Cancels, ch.Kind, OK}
		if ch.Kind == Rose {
			id.to = ch.To
		}
		if told[id] != ch.Repeat {
			t.Fatalf("S37: %+v was told before: %v", ch, told[id])
		}
		told[id] = true
	}
}

// Whatever stays within the horizon changes nothing, not even the stored bytes.
func TestHorizon(t *testing.T) {
	plans, names := storyPlans(t)
	rapid.Check(t, func(t *rapid.T) {
		l := newLife(t, plans, names)
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			cause, serviced := l.happen(t)
			_, far := l.Evaluate(l.plan, l.moment(cause, serviced), nil)
			l.now += rapid.Int64Range(0, 60).Draw(t, "days") * dayMS
			l.km += rapid.Float64Range(0, 2000).Draw(t, "driven")
			cause = l.observe(Odometer, l.km)
			m := l.moment(NoCause, 0)
			if cause != NoCause || !far.Quiet(l.Core, m.Today) {
				continue
			}
			before := l.stored()
			if changes, _ := l.Evaluate(l.plan, m, nil); len(changes) > 0 {
				t.Fatalf("quiet until %+v, today %d, k %d, but %+v", far, m.Today, l.Core.Odometer.Value, changes)
			}
			if !reflect.DeepEqual(before, l.stored()) {
				t.Fatalf("quiet until %+v, but the state changed", far)
			}
		}
	})
}

// The horizon's day is the earliest: on the day before nothing happens, and a parked car misses nothing.
func TestHorizonDayMissesNothing(t *testing.T) {
	plans, names := storyPlans(t)
	rapid.Check(t, func(t *rapid.T) {
		l := newLife(t, plans, names)
		for range rapid.IntRange(0, 12).Draw(t, "steps") {
			cause, serviced := l.happen(t)
			l.Evaluate(l.plan, l.moment(cause, serviced), nil)
		}
		_, far := l.Evaluate(l.plan, l.moment(NoCause, 0), nil)
		daily := load(l.stored())
		first := l.moment(NoCause, 0)
		for d := first.Today; d < first.Today+800; d++ {
			m := Moment{Today: d, InService: l.inService}
			want, _ := daily.Evaluate(l.plan, m, nil)
			var got []Change
			if d >= far.Day {
				got, far = l.Evaluate(l.plan, m, nil)
			}
			if !slices.Equal(got, want) {
				t.Fatalf("%s: evaluated daily %+v, by horizon %+v", d, want, got)
			}
		}
	})
}

// S35: the order in which plausible services arrive never changes a due point.
func TestServiceOrder(t *testing.T) {
	plans, names := storyPlans(t)
	rapid.Check(t, func(t *rapid.T) {
		one := newLife(t, plans, names)
		for range 40 { // k and a history of days
			one.now += dayMS
			one.km += 50
			one.observe(Odometer, one.km)
			one.Evaluate(one.plan, one.moment(NoCause, 0), nil)
		}
		other := *one.car
		other.State = load(one.stored())
		var services []Service
		for i := range rapid.IntRange(1, 9).Draw(t, "services") {
			ago := rapid.Int64Range(0, 900).Draw(t, "ago")
			km := max(0, one.km-float64(ago)*50+rapid.Float64Range(-900, 900).Draw(t, "off"))
			services = append(services, Service{
				Time: one.now - ago*dayMS - int64(i), Now: one.now, Items: []ItemKey{KeyOf("oil"), KeyOf("filter"), KeyOf("year")},
				KM: Told{Value: Metres(km), Set: true}, Hours: Told{Value: Metres(km / 50), Set: true},
			})
		}
		for _, sv := range services {
			one.Evaluate(one.plan, one.moment(NoCause, one.AddService(sv).Seq), nil)
		}
		for _, i := range rapid.Permutation(seq(len(services))).Draw(t, "order") {
			other.Evaluate(other.plan, other.moment(NoCause, other.AddService(services[i]).Seq), nil)
		}
		for i := range one.plan.Items {
			a, b := one.Status(one.plan, i, one.moment(NoCause, 0)), other.Status(one.plan, i, one.moment(NoCause, 0))
			if a.Dims != b.Dims {
				t.Fatalf("S35: %s\n%+v\n%+v", one.plan.Items[i].ID, a, b)
			}
		}
	})
}

func seq(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return out
}

// S31: 100,000 used cars without a service record, loaded in one go, in any order of profile and
// telemetry: not one overdue, and not a day later either, as long as they stand.
func TestUsedFleet(t *testing.T) {
	plans, names := storyPlans(t)
	rng := rand.New(rand.NewPCG(7, 7))
	told := map[Level]int{}
	for range 100_000 {
		c := car{State: &State{Core: &Core{}}, t: t, inService: NoDay}
		c.now = storyTime(t, "2026-05-01T12:00")
		p := plans[names[rng.IntN(len(names))]]
		if p.NoHistory {
			continue
		}
		inService, _ := Zone{}.Today(c.now-rng.Int64N(16*365)*dayMS, 540)
		km, profileFirst := Metres(10+rng.Float64()*199_990), rng.IntN(2) == 0
		for i := range 2 {
			var cause Cause
			if profileFirst == (i == 0) {
				c.plan, c.inService, cause = p, inService, CauseProfile
			} else {
				cause = c.Observe(Odometer, Sample{Raw: km, E: c.now, Now: c.now}).Cause
				c.Observe(EngineHours, Sample{Raw: km / 50, E: c.now, Now: c.now})
			}
			changes, _ := c.Evaluate(c.plan, c.moment(cause, 0), nil)
			for _, ch := range changes {
				told[ch.To]++
				if ch.To == Overdue {
					t.Fatalf("plan %s, in service %s, %d m: %+v", p.ID, inService, km, ch)
				}
			}
		}
	}
	t.Logf("told: %v", told)
}

// S33: the history of days says what a full record of accepted values says.
func TestDayHistory(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := &State{Core: &Core{}}
		at, km := storyTime(t, "2026-01-01T00:00"), 50000.0 // too far to look like miles
		ends := map[Day]int64{}
		first := NoDay
		for range rapid.IntRange(1, 120).Draw(t, "samples") {
			at += rapid.SampledFrom([]int64{minuteMS, 3600_000, dayMS, 3 * dayMS, 50 * dayMS}).Draw(t, "after")
			km += rapid.Float64Range(0, 900).Draw(t, "driven")
			shown := km - rapid.Float64Range(0, 0.9).Draw(t, "jitter")
			v := s.Observe(Odometer, Sample{Raw: Metres(shown), E: at, Now: at})
			if v.Fate != Accepted {
				t.Fatalf("%+v", v)
			}
			if first == NoDay {
				first = Zone{}.DayOf(at)
			}
			ends[Zone{}.DayOf(at)] = v.After
			if len(s.Days) > MaxDays {
				t.Fatalf("%d days kept, want at most %d", len(s.Days), MaxDays)
			}
			checkDays(t, s, Zone{}.DayOf(at), first, ends)
		}
	})
}

func checkDays(t *rapid.T, s *State, today, first Day, ends map[Day]int64) {
	for d := today - 40; d <= today+1; d++ {
		want, known := int64(0), false
		for e := d; e >= first && !known; e-- {
			want, known = ends[e], ends[e] != 0
		}
		known = known && d >= today-35
		got, ok := s.Core.Odometer.standing(s.Days, d, today)
		if ok != known || ok && got != want {
			t.Fatalf("%s seen from %s: got %d %v, want %d %v", d, today, got, ok, want, known)
		}
	}
}

// No input overflows or panics: extreme values, times that stand still, resets of any size.
func TestCounterExtremes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := &State{Core: &Core{}}
		at := storyTime(t, "2015-01-01T00:00")
		values := []int64{0, 1, 999, 1000, 100_000_000, 160_934_400, 1_000_000_000, maxKM - 1, maxKM}
		for range 60 {
			at += rapid.SampledFrom([]int64{0, 1, 11 * minuteMS, dayMS, 366 * dayMS, 90 * 366 * dayMS}).Draw(t, "after")
			v := rapid.SampledFrom(values).Draw(t, "v") + rapid.Int64Range(0, 5000).Draw(t, "plus")
			switch rapid.IntRange(0, 5).Draw(t, "what") {
			case 0:
				s.AddService(Service{Time: at, Now: at, KM: Told{v, true}, Items: []ItemKey{1}, Reset: Reset{From: v, To: rapid.SampledFrom(values).Draw(t, "to"), Set: true}})
			case 1:
				s.Set(Odometer, v, at, Zone{})
			default:
				before := s.Core.Odometer
				out := s.Observe(Odometer, Sample{Raw: v, E: at, Now: at})
				after := s.Core.Odometer
				if out.Fate != Accepted && (after.Value != before.Value || after.At != before.At || after.Known != before.Known) {
					t.Fatalf("S25: a sample that was not accepted moved k: %+v", out)
				}
				if after.Known && out.Fate == Accepted && out.Cause == NoCause && before.Known && after.Value < before.Value {
					t.Fatalf("k fell from %d to %d without a spike", before.Value, after.Value)
				}
			}
			if k := s.Core.Odometer.Value; k > limit || k < -limit {
				t.Fatalf("k is %d", k)
			}
		}
	})
}
