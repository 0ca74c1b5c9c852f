package rules

import "github.com/milepost-io/milepost/rules/plan"

// HotDocument and ProfileDocument are the names of the documents that Summarize reads.
const (
	HotDocument     = subHot
	ProfileDocument = subProfile
)

// Summary is a vehicle in a line.
type Summary struct {
	// OdometerKM is the accepted odometer, nil before the first.
	OdometerKM *float64
	// Worst is "alert" when a rule fires, else the highest level of an item, "ok" when there is none.
	Worst string
	// Model and Plate are the profile's, empty where it has none.
	Model, Plate string
}

// Summarize reads a vehicle's hot document and its profile, which may be nil.
func Summarize(hot, prof []byte) (Summary, error) {
	var v vehicle
	if _, err := v.open(hot); err != nil {
		return Summary{}, err
	}
	p, err := parseProfile(prof)
	if err != nil {
		return Summary{}, err
	}
	out := Summary{Model: p.text("model"), Plate: p.text("plate")}
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
