package rules

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/milepost-io/milepost/ingest"
	"github.com/milepost-io/milepost/rules/plan"
)

// VehicleView is one vehicle as people are shown it (`vehicle show -o json`).
type VehicleView struct {
	VIN     string          `json:"vin"`
	Profile json.RawMessage `json:"profile"`
	// Plan is the id of the vehicle's plan; empty: Note says why there is none.
	Plan     string               `json:"plan"`
	Note     string               `json:"note,omitempty"`
	Odometer OdometerView         `json:"odometer"`
	Signals  map[string]ValueView `json:"signals"`
	Items    []ItemView           `json:"items"`
	Alerts   []AlertView          `json:"alerts"`
	Services []ServiceView        `json:"services"`
	Lead     *LeadRef             `json:"lead,omitempty"`
	// Reactions are the last of the owner and of the dealer.
	Owner  *Feedback `json:"last_owner_reaction,omitempty"`
	Dealer *Feedback `json:"last_dealer_reaction,omitempty"`
}

// OdometerView is the accepted odometer; KM is nil before the first accepted sample.
type OdometerView struct {
	KM *float64 `json:"km"`
	At string   `json:"at,omitempty"`
	// Suspects: the run of readings that is not believed yet; empty without.
	Suspects []SuspectView `json:"suspects"`
}

// SuspectView is a run of suspects (S20…S25).
type SuspectView struct {
	Kind    string  `json:"kind"`
	Count   int     `json:"count"`
	FirstKM float64 `json:"first_km"`
	LastKM  float64 `json:"last_km"`
	Since   string  `json:"since"`
}

// ValueView is the newest sample of a signal.
type ValueView struct {
	Value any    `json:"value"`
	Time  string `json:"time"`
}

// ItemView is one item of the vehicle's plan.
type ItemView struct {
	ID       string            `json:"id"`
	Title    map[string]string `json:"title,omitempty"`
	State    string            `json:"state"`
	Due      DueView           `json:"due"`
	Baseline BaselineView      `json:"baseline"`
	// History is "assumed" when the due point was chosen at first sight (S31).
	History string `json:"history,omitempty"`
}

// DueView is where the item is due, per dimension that counts, and what is left.
type DueView struct {
	KM        *float64 `json:"km,omitempty"`
	Date      string   `json:"date,omitempty"`
	Hours     *float64 `json:"hours,omitempty"`
	RestKM    *float64 `json:"rest_km,omitempty"`
	RestDays  *int     `json:"rest_days,omitempty"`
	RestHours *float64 `json:"rest_hours,omitempty"`
}

// BaselineView is the service an item is counted from; empty: from the beginning.
type BaselineView struct {
	Date  string   `json:"date,omitempty"`
	KM    *float64 `json:"km,omitempty"`
	Hours *float64 `json:"hours,omitempty"`
}

// AlertView is a rule that fires.
type AlertView struct {
	Alert    string               `json:"alert"`
	Rule     string               `json:"rule"`
	Severity Severity             `json:"severity"`
	Title    map[string]string    `json:"title,omitempty"`
	Since    string               `json:"since"`
	Evidence map[string]ValueView `json:"evidence,omitempty"`
}

// ServiceView is one service on file, newest first.
type ServiceView struct {
	Time     string   `json:"time"`
	Date     string   `json:"date"`
	KM       *float64 `json:"km,omitempty"`
	Hours    *float64 `json:"hours,omitempty"`
	Order    string   `json:"order,omitempty"`
	Dealer   string   `json:"dealer,omitempty"`
	Items    []string `json:"items,omitempty"`
	Codes    []string `json:"codes,omitempty"`
	Declined []string `json:"declined,omitempty"`
	// Assumed: the odometer is not as told but taken from the car's own (S33).
	Assumed bool `json:"odometer_assumed,omitempty"`
}

// ShowVehicle builds the view of a vehicle from its documents, as of now (Unix ms), under the rule set of
// an activation. doc returns a document by name, nil when there is none; ok is false when the vehicle is
// not known. It changes nothing and may run beside the step on copies of the documents.
func ShowVehicle(vin string, now int64, a Activation, prog *Program, doc func(sub string) []byte) (view *VehicleView, ok bool, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("show vehicle %s: %v", vin, r)
		}
	}()
	s := &Step{zones: zones{}, sub: newSubs(), opts: StepOptions{Decoders: func(*ingest.Catalogue) map[string]ingest.Decoder { return nil }}}
	if err := s.activate(prog, a); err != nil {
		return nil, false, err
	}
	s.in.docs = shown(doc)
	s.in.vin, s.in.now = []byte(vin), now
	if known, err := s.v.open(doc(subHot)); err != nil || !known {
		return nil, false, err
	}
	return s.show(), true, nil
}

// shown are the documents of a vehicle that is shown.
type shown func(sub string) []byte

func (f shown) View(sub []byte) []byte { return f(string(sub)) }

func (s *Step) show() *VehicleView {
	v := &s.v
	out := &VehicleView{
		VIN: string(s.in.vin), Profile: json.RawMessage(s.profile().encode()),
		Signals: s.signalViews(), Items: []ItemView{}, Alerts: alertViews(s.openDoc().Alerts), Services: serviceViews(s.history().List),
		Odometer: odometerView(&v.Odometer),
	}
	switch p := s.plan(); {
	case p != nil:
		out.Plan, out.Items = p.ID, s.itemViews(p)
	case v.Flags&hasProfile == 0:
		out.Note = "no plan: profile missing"
	case s.profile().text("plan") != "":
		out.Note = fmt.Sprintf("no plan: the profile names %q, which is not among the plans", s.profile().text("plan"))
	default:
		out.Note = "no plan: none applies"
	}
	if len(v.causes) > 0 {
		out.Lead = &LeadRef{ID: leadID(s.identity(), v.Lead), Causes: s.describeCauses(v.causes)}
	}
	r := s.reactions()
	out.Owner, out.Dealer = r.Owner, r.Dealer
	return out
}

func odometerView(c *plan.Counter) OdometerView {
	out := OdometerView{Suspects: []SuspectView{}}
	if c.Known {
		out.KM, out.At = units(c.Value), stamp(c.At)
	}
	if r := &c.Run; r.Count > 0 {
		out.Suspects = append(out.Suspects, SuspectView{Kind: r.Kind.String(), Count: int(r.Count), FirstKM: plan.Units(r.First), LastKM: plan.Units(r.Prev), Since: stamp(r.FirstAt)})
	}
	return out
}

func alertViews(alerts []openAlert) []AlertView {
	out := make([]AlertView, 0, len(alerts))
	for _, a := range alerts {
		view := AlertView{Alert: a.Alert, Rule: a.Rule, Severity: a.Severity, Title: a.Title, Since: stamp(a.Since), Evidence: map[string]ValueView{}}
		for _, e := range a.Evidence {
			view.Evidence[e.Signal] = ValueView{Value: e.Value, Time: stamp(e.Time)}
		}
		out = append(out, view)
	}
	return out
}

func serviceViews(list []Serviced) []ServiceView {
	out := make([]ServiceView, 0, len(list))
	for _, sv := range list {
		out = append(out, ServiceView{
			Time: stamp(sv.Time), Date: sv.Date, KM: sv.KM, Hours: sv.Hours, Order: sv.Order, Dealer: sv.Dealer,
			Items: sv.Items, Codes: sv.Codes, Declined: sv.Declined, Assumed: sv.Assumed,
		})
	}
	return out
}

func (s *Step) signalViews() map[string]ValueView {
	out := map[string]ValueView{}
	for i := range s.prog.catalogue.Len() {
		if e, ok := s.valueOf(i); ok {
			out[e.Signal] = ValueView{Value: e.Value, Time: stamp(e.Time)}
		}
	}
	return out
}

func (s *Step) itemViews(p *Plan) []ItemView {
	out := make([]ItemView, 0, len(p.Items))
	for i := range p.Items {
		var ref ItemRef
		s.describe(p, i, &ref)
		view := ItemView{ID: ref.ID, Title: ref.Title, State: plan.OK.String()}
		if st := findItem(s.v.items, p.Items[i].Key); st != nil {
			view.State = st.Level.String()
		}
		view.Due = DueView{KM: ref.DueKM, Date: ref.DueDate, Hours: ref.DueHours, RestKM: ref.RestKM, RestDays: ref.RestDays, RestHours: ref.RestHours}
		if ref.Assumed {
			view.History = "assumed"
		}
		if r, ok := s.planState().Baseline(p.Items[i].Key); ok {
			view.Baseline.Date = r.Day.String()
			if r.Flags&plan.HasKM != 0 {
				view.Baseline.KM = units(r.KM)
			}
			if r.Flags&plan.HasHours != 0 {
				view.Baseline.Hours = units(r.Hours)
			}
		}
		out = append(out, view)
	}
	return out
}

// stamp is a time for people and programs: RFC 3339 in UTC.
func stamp(ms int64) string { return time.UnixMilli(ms).UTC().Format("2006-01-02T15:04:05.000Z") }
