package plan

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// An item case is a story of one car (UTC, days start at 09:00), one thing a line:
//
//	<time> km <km>                    a reading          <time> tick    nothing but the clock
//	<time> hours <h>                  engine hours
//	<time> service <items> <km|-> [<its time>] [hours <h>] [reset <from> <to>]
//	<time> in_service <day|->         the profile        <time> plan <name|->   a change of plan
//	<time> set <km>                   an operator
//	<time> show <item>                due points: dimension due rest level
//
// and after -> the changes, in the order in which they leave, each with its baseline (o: origin, else the
// service's day) and its cancellations. A time is a day (at noon) or RFC 3339 without zone and seconds.
type itemCase struct {
	name   string
	script string
}

func every(km, months, hours int64) Interval {
	return Interval{KM: km * kilometre, Months: int32(months), Hours: hours * hour}
}

// testPlans are the plans of the stories, by name.
func testPlans(t rapid.TB) map[string]*Plan {
	t.Helper()
	soon := Threshold{KM: 1000 * kilometre, HasKM: true, Days: 30, HasDays: true}
	overdue := Threshold{KM: 500 * kilometre, HasKM: true, Days: 14, HasDays: true}
	plans := []*Plan{
		{ID: "oil", Soon: soon, Overdue: overdue, Items: []Item{{ID: "oil", First: every(5000, 6, 0), Every: every(10000, 12, 0)}}},
		{ID: "km", Soon: soon, Overdue: overdue, Items: []Item{{ID: "oil", Every: every(10000, 0, 0)}}},
		{ID: "km15", Soon: soon, Overdue: overdue, Items: []Item{{ID: "oil", Every: every(15000, 0, 0)}}},
		{ID: "never", NoHistory: true, Soon: soon, Overdue: overdue, Items: []Item{{ID: "oil", First: every(5000, 6, 0), Every: every(10000, 12, 0)}}},
		{ID: "break-in", Soon: soon, Overdue: overdue, Items: []Item{{ID: "oil", First: every(1000, 3, 0), Every: every(10000, 0, 0)}}},
		{ID: "defaults", Items: []Item{{ID: "oil", First: every(5000, 0, 0), Every: every(10000, 0, 0)}, {ID: "check", First: every(4000, 0, 0)}}},
		{ID: "days", Items: []Item{{ID: "year", Every: every(0, 12, 0)}, {ID: "month", Every: every(0, 1, 0)}}},
		{ID: "stages", Items: []Item{{ID: "oil", First: every(0, 1, 0), Every: every(0, 12, 0)}}},
		{ID: "hours", Items: []Item{{ID: "filter", Every: every(0, 0, 500)}}},
		{ID: "fixed", Anchor: FixedPoints, Soon: soon, Overdue: overdue, Items: []Item{{ID: "oil", First: every(5000, 0, 0), Every: every(10000, 0, 0)}}},
		{ID: "fixed-wide", Anchor: FixedPoints, Soon: soon, Overdue: overdue, Items: []Item{{ID: "oil", First: every(5000, 0, 0), Every: every(30000, 0, 0)}}},
		{ID: "fixed-both", Anchor: FixedPoints, Soon: soon, Overdue: overdue, Items: []Item{{ID: "oil", Every: every(10000, 12, 0)}}},
		{ID: "fixed-early", Anchor: FixedPoints, Soon: soon, Overdue: overdue, Early: Threshold{KM: 0, HasKM: true}, Items: []Item{{ID: "oil", Every: every(10000, 0, 0)}}},
		{ID: "fixed-first", Anchor: FixedPoints, Soon: soon, Overdue: overdue, Items: []Item{{ID: "oil", First: every(5000, 6, 0), Every: every(10000, 0, 0)}}},
		{ID: "mixed", Soon: soon, Overdue: overdue, Items: []Item{
			{ID: "a", Every: every(10000, 0, 0)}, {ID: "b", Every: every(9500, 0, 0)}, {ID: "c", Every: every(9000, 0, 0)}, {ID: "d", Every: every(10000, 0, 0)},
		}},
	}
	out := map[string]*Plan{}
	for _, p := range plans {
		if problems := p.Resolve(); problems != nil {
			t.Fatalf("plan %s: %v", p.ID, problems)
		}
		out[p.ID] = p
	}
	return out
}

// A car is a vehicle of a story.
type car struct {
	*State
	t         rapid.TB
	plans     map[string]*Plan
	plan      *Plan
	inService Day
	now       int64
}

func newCar(t rapid.TB) *car {
	return &car{State: &State{Core: &Core{}}, t: t, plans: testPlans(t), inService: NoDay}
}

func (c *car) moment(cause Cause, serviced uint32) Moment {
	today, _ := Zone{}.Today(c.now, 540)
	return Moment{Today: today, InService: c.inService, Cause: cause, Serviced: serviced}
}

func (c *car) evaluate(cause Cause, serviced uint32) string {
	changes, _ := c.Evaluate(c.plan, c.moment(cause, serviced), nil)
	var out []string
	for _, ch := range changes {
		out = append(out, c.show(ch, cause))
	}
	return strings.Join(out, "; ")
}

func (c *car) show(ch Change, cause Cause) string {
	id := "gone"
	if ch.Item >= 0 {
		id = c.plan.Items[ch.Item].ID
	}
	switch ch.Kind {
	case Rose:
		id += " " + ch.To.String()
	case Done:
		id += " done " + ch.From.String()
	case Cancelled:
		id += fmt.Sprintf(" cancelled %s %s", ch.From, cause)
	}
	if ch.Base.Kind == BaseService {
		id += " @" + Zone{}.DayOf(ch.Base.Time).String()
	} else {
		id += fmt.Sprintf(" @o%d", ch.Base.N)
	}
	if ch.Cancels > 0 {
		id += fmt.Sprintf("+%d", ch.Cancels)
	}
	if ch.Repeat {
		id += " again"
	}
	return id
}

func storyTime(t rapid.TB, s string) int64 {
	t.Helper()
	if len(s) == 10 {
		s += "T12:00"
	}
	at, err := time.Parse("2006-01-02T15:04", s)
	if err != nil {
		t.Fatal(err)
	}
	return at.UnixMilli()
}

func (c *car) play(words []string) string {
	t := c.t.(*testing.T)
	t.Helper()
	c.now = storyTime(t, words[0])
	cause := NoCause
	switch args := words[2:]; words[1] {
	case "tick":
	case "km":
		cause = c.Observe(Odometer, Sample{Raw: mustUnits(t, args[0]), E: c.now, Now: c.now}).Cause
	case "hours":
		cause = c.Observe(EngineHours, Sample{Raw: mustUnits(t, args[0]), E: c.now, Now: c.now}).Cause
	case "set":
		c.Set(Odometer, mustUnits(t, args[0]), c.now, Zone{})
		cause = CauseSet
	case "in_service":
		c.inService, _ = ParseDay(args[0])
		cause = CauseProfile
	case "plan":
		c.plan = c.plans[args[0]]
		cause = CauseRules
	case "show":
		return c.showItem(args[0])
	case "service":
		return c.playService(t, args)
	default:
		t.Fatalf("what is %q?", words[1])
	}
	return c.evaluate(cause, 0)
}

func (c *car) playService(t *testing.T, args []string) string {
	sv := Service{Time: c.now, Now: c.now}
	for id := range strings.SplitSeq(args[0], ",") {
		sv.Items = append(sv.Items, KeyOf(id))
	}
	if args[1] != "-" {
		sv.KM = Told{Value: mustUnits(t, args[1]), Set: true}
	}
	cause := NoCause
	for i := 2; i < len(args); i++ {
		switch args[i] {
		case "hours":
			sv.Hours = Told{Value: mustUnits(t, args[i+1]), Set: true}
			i++
		case "reset":
			sv.Reset = Reset{From: mustUnits(t, args[i+1]), To: mustUnits(t, args[i+2]), Set: true}
			cause = CauseReset
			i += 2
		default:
			sv.Time = storyTime(t, args[i])
		}
	}
	return c.evaluate(cause, c.AddService(sv).Seq)
}

func (c *car) showItem(id string) string {
	st := c.Status(c.plan, c.plan.Find(KeyOf(id)), c.moment(NoCause, 0))
	out := []string{st.State.String()}
	for d, v := range st.Dims {
		if !v.Counts {
			continue
		}
		due, rest := show(v.Due), show(v.Rest)
		if Dim(d) == Date {
			due, rest = Day(v.Due).String(), fmt.Sprint(v.Rest)
		}
		text := fmt.Sprintf("%s %s %s", due, rest, v.Level)
		if v.Assumed {
			text += " assumed"
		}
		out = append(out, text)
	}
	return strings.Join(out, ", ")
}

func TestItem(t *testing.T) {
	for _, tc := range itemCases {
		t.Run(tc.name, func(t *testing.T) {
			c := newCar(t)
			for line := range strings.Lines(tc.script) {
				in, want, found := strings.Cut(strings.TrimSpace(line), " ->")
				if !found {
					continue
				}
				if got := c.play(strings.Fields(in)); got != strings.TrimSpace(want) {
					t.Fatalf("%s\n got  %s\n want %s", in, got, strings.TrimSpace(want))
				}
			}
		})
	}
}
