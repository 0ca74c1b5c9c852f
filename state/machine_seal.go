package state

import "github.com/milepost-io/milepost/state/log"

// receiver is a shard that notices are handed to.
type receiver struct {
	told    int64  // the clock it was last told, Unix ms
	notices []byte // emitted by the current input, encoded
	payload []byte // of the handover being handed out
}

// sender is a shard that hands over to this one.
type sender struct {
	Log     log.ID     `json:"log"`
	Highest log.Offset `json:"highest"`
	Clock   int64      `json:"clock"`
}

// settled is the clock up to which everything due has been handled: what receivers are told (E9). Timers
// and activations left for the next record hold it back, so that no receiver's clock passes a notice
// that is still to come from them.
func (m *Machine) settled() int64 {
	clock := m.clock
	if m.overdue {
		clock = min(clock, m.heldAt-1)
	}
	if m.sweep.Active {
		clock = min(clock, m.sweep.At)
	}
	return clock
}

// seal makes one handover per receiver of what the record emitted, or of the clock alone when that has
// moved on far enough.
func (m *Machine) seal() {
	clock := m.settled()
	for r := range m.out {
		o := &m.out[r]
		if len(o.notices) == 0 && clock-o.told < m.opt.ClockEvery.Milliseconds() {
			continue
		}
		o.told = max(o.told, clock)
		o.payload = appendHandoverHead(o.payload[:0], &Handover{
			Log: m.opt.LogID, Sender: m.opt.Shard, Offset: m.at, Clock: o.told,
		})
		o.payload = append(o.payload, o.notices...)
		o.notices = o.notices[:0]
		m.handed = append(m.handed, Outbound{
			Shard:  uint16(r),
			Record: log.Record{Kind: log.Handover, Arrival: m.clock, Payload: o.payload},
		})
	}
}
