package plan_test

import (
	"fmt"
	"time"

	"github.com/milepost-io/milepost/rules/plan"
)

// One car, one item: what a step does with a reading and with a service.
func Example() {
	p := &plan.Plan{ID: "ice", Items: []plan.Item{{ID: "engine-oil", Every: plan.Interval{KM: plan.Metres(10000)}}}}
	if problems := p.Resolve(); problems != nil {
		fmt.Println(problems)
		return
	}
	state := &plan.State{Core: &plan.Core{}}
	utc := plan.InZone(time.UTC)
	now := time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)

	read := func(km float64) {
		now = now.Add(24 * time.Hour)
		at := now.UnixMilli()
		verdict := state.Observe(plan.Odometer, plan.Sample{Raw: plan.Metres(km), E: at, Now: at, Zone: utc})
		today, _ := utc.Today(at, 9*60)
		tell(state.Evaluate(p, plan.Moment{Today: today, InService: plan.NoDay, Cause: verdict.Cause}, nil))
	}
	read(8900)
	read(9050)
	read(10020)

	at := now.UnixMilli()
	filed := state.AddService(plan.Service{
		Time: at, Now: at, Zone: utc, KM: plan.Told{Value: plan.Metres(10050), Set: true},
		Items: []plan.ItemKey{plan.KeyOf("engine-oil")},
	})
	today, _ := utc.Today(at, 9*60)
	tell(state.Evaluate(p, plan.Moment{Today: today, InService: plan.NoDay, Serviced: filed.Seq}, nil))

	// Output:
	// next at 9000 km
	// ok → soon
	// next at 10000 km
	// soon → due
	// next at 10500 km
	// due → ok
	// next at 19050 km
}

func tell(changes []plan.Change, far plan.Horizon) {
	for _, c := range changes {
		fmt.Println(c.From, "→", c.To)
	}
	fmt.Println("next at", plan.Units(far.KM), "km")
}
