package notify

import "github.com/milepost-io/milepost/rules"

// leadData is the data of lead events.
type leadData struct {
	Lead         string        `json:"lead"`
	VIN          string        `json:"vin"`
	Plate        string        `json:"plate,omitempty"`
	Model        string        `json:"model,omitempty"`
	Dealer       string        `json:"dealer,omitempty"`
	Party        string        `json:"party,omitempty"`
	Odometer     *reading      `json:"odometer,omitempty"`
	Causes       []CauseView   `json:"causes"`
	Reason       string        `json:"reason,omitempty"`
	ServiceList  []ServiceLine `json:"service_list"`
	MinutesTotal int           `json:"minutes_total"`
	Owner        OwnerView     `json:"owner"`
	History      []historyData `json:"history"`
	Suggested    string        `json:"suggested_action"`
	ActionAfter  string        `json:"action_after,omitempty"`
	Score        Score         `json:"score"`
	Rule         *ruleData     `json:"rule,omitempty"`
	Text         *textData     `json:"text,omitempty"`
}

type historyData struct {
	Date     string   `json:"date"`
	KM       *float64 `json:"km,omitempty"`
	Order    string   `json:"order,omitempty"`
	Dealer   string   `json:"dealer,omitempty"`
	Items    []string `json:"items"`
	Declined []string `json:"declined"`
}

// leadData renders the document's lead, which is the event's.
func (t *turn) leadData(e *rules.Event) *leadData {
	v := &t.v.Lead.View
	d := &leadData{
		Lead: v.Lead, VIN: t.vin, Plate: v.Plate, Model: v.Model, Dealer: v.Dealer, Party: v.Party,
		Odometer: readingOf(&t.v.Facts), Causes: v.Causes, Reason: e.Reason,
		ServiceList: v.ServiceList, MinutesTotal: v.MinutesTotal, Owner: v.Owner,
		Suggested: v.SuggestedAct, ActionAfter: stampOrNone(v.ActionAfter), Score: v.Score,
	}
	if d.Causes == nil {
		d.Causes = []CauseView{} // a list that is empty, not one that is missing
	}
	if d.ServiceList == nil {
		d.ServiceList = []ServiceLine{}
	}
	d.History = make([]historyData, 0, len(t.v.Facts.History))
	for _, s := range t.v.Facts.History {
		d.History = append(d.History, historyData{Date: s.Date, KM: s.KM, Order: s.Order, Dealer: s.Dealer, Items: orEmpty(s.Items), Declined: orEmpty(s.Declined)})
	}
	if e.Rule != "" || e.Plan != "" || e.Version != "" {
		d.Rule = &ruleData{ID: e.Rule, Plan: e.Plan, Version: e.Version}
	}
	if title, body := t.textOf(e); body != "" {
		d.Text = &textData{Title: firstOf(pick(e.Title, t.language()), title), Body: body}
	}
	return d
}

func orEmpty(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
}
