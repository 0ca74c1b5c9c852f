package replay

import (
	"encoding/json"
	"slices"

	"github.com/milepost-io/milepost/notify"
	"github.com/milepost-io/milepost/rules"
	"github.com/milepost-io/milepost/state/log"
)

// forget does what an engine does after a party was erased: the vehicles whose profile names it forget it, and
// then the mark goes that kept what they said meanwhile (S47).
func (r *Replay) forget(party string, at int64) error {
	for i, m := range r.rules {
		var vins []string
		err := m.Each(func(key, sub []byte, _ int64, body []byte) bool {
			var p struct {
				Owner string `json:"owner"`
			}
			if string(sub) == "profile" && json.Unmarshal(body, &p) == nil && p.Owner == party {
				vins = append(vins, string(key))
			}
			return true
		})
		if err != nil {
			return err
		}
		slices.Sort(vins)
		for _, vin := range vins {
			rec := rules.Decision{ForgetParty: party, Before: at}.Record(vin)
			rec.Arrival = r.clock
			if err := r.event(i, &rec); err != nil {
				return err
			}
		}
	}
	payload, err := json.Marshal(&notify.Result{Result: notify.Erased})
	if err != nil {
		return err
	}
	return r.notice(int(log.ShardOf([]byte(party), len(r.notify))), &log.Record{Kind: log.Result, Arrival: r.clock, Key: []byte(party), Payload: payload})
}
