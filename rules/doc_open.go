package rules

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/milepost-io/milepost/rules/plan"
)

// openDoc is what is open for a vehicle, by name: the rules that fire and the items that are not ok. It
// is what can still be said of a rule or item that is gone from the rule set, and what people are shown.
type openDoc struct {
	Alerts []openAlert `json:"alerts,omitempty"`
	Items  []openItem  `json:"items,omitempty"`
}

// openAlert is a rule that fires.
type openAlert struct {
	Alert    string            `json:"alert"`
	Rule     string            `json:"rule"`
	Severity Severity          `json:"severity"`
	Title    map[string]string `json:"title,omitempty"`
	Since    int64             `json:"since"`
	T0       int64             `json:"t0"`
	// Owner and Dealer: whom the firing was for.
	Owner    bool       `json:"owner,omitempty"`
	Dealer   bool       `json:"dealer,omitempty"`
	Evidence []Evidence `json:"evidence,omitempty"`
}

// openItem is an item that is not ok.
type openItem struct {
	ID    string            `json:"id"`
	Key   plan.ItemKey      `json:"key"`
	Title map[string]string `json:"title,omitempty"`
	// Plan and Minutes as of the last rise.
	Plan    string `json:"plan"`
	Minutes int    `json:"minutes,omitempty"`
	// Owner: a rise of this episode was for the owner.
	Owner bool `json:"owner,omitempty"`
}

// openDoc returns the document of what is open, loaded on first use.
func (s *Step) openDoc() *openDoc {
	if s.in.open == nil {
		s.in.open = &openDoc{}
		if b := s.in.docs.View(s.sub.open); b != nil {
			if err := json.Unmarshal(b, s.in.open); err != nil {
				panic(fmt.Errorf("vehicle %s: document %s: %w", s.in.vin, subOpen, err))
			}
		}
	}
	return s.in.open
}

// storeOpen writes what is open back, if it was touched.
func (s *Step) storeOpen() {
	switch o := s.in.open; {
	case o == nil:
	case len(o.Alerts)+len(o.Items) > 0:
		s.in.c.Put(s.sub.open, encodeJSON(o))
	case s.in.docs.View(s.sub.open) != nil:
		s.in.c.Delete(s.sub.open)
	}
}

// alert returns the open alert of a rule's episode.
func (o *openDoc) alert(t0 int64, rule func(id string) bool) *openAlert {
	for i := range o.Alerts {
		if o.Alerts[i].T0 == t0 && rule(o.Alerts[i].Rule) {
			return &o.Alerts[i]
		}
	}
	return nil
}

// closeAlert forgets an alert.
func (o *openDoc) closeAlert(id string) {
	o.Alerts = slices.DeleteFunc(o.Alerts, func(a openAlert) bool { return a.Alert == id })
}

// item returns the open item with a key.
func (o *openDoc) item(key plan.ItemKey) *openItem {
	for i := range o.Items {
		if o.Items[i].Key == key {
			return &o.Items[i]
		}
	}
	return nil
}

// closeItem forgets an item.
func (o *openDoc) closeItem(key plan.ItemKey) {
	o.Items = slices.DeleteFunc(o.Items, func(i openItem) bool { return i.Key == key })
}

// encodeJSON encodes a struct that always encodes.
func encodeJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Errorf("encode %T: %w", v, err))
	}
	return b
}
