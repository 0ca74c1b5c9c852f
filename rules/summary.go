package rules

import "github.com/milepost-io/milepost/rules/plan"

// HotDocument is the name of the document that Summarize reads.
const HotDocument = subHot

// Summary is a vehicle in a line.
type Summary struct {
	// OdometerKM is the accepted odometer, nil before the first.
	OdometerKM *float64
	// Worst is "alert" when a rule fires, else the highest level of an item, "ok" when there is none.
	Worst string
}

// Summarize reads a vehicle's hot document.
func Summarize(doc []byte) (Summary, error) {
	var v vehicle
	if _, err := v.open(doc); err != nil {
		return Summary{}, err
	}
	out := Summary{}
	if v.Odometer.Known {
		out.OdometerKM = units(v.Odometer.Value)
	}
	worst := plan.OK
	for i := range v.items {
		worst = max(worst, v.items[i].Level)
	}
	out.Worst = worst.String()
	for i := range v.rules {
		if v.rules[i].State == firing {
			out.Worst = "alert"
		}
	}
	return out, nil
}
