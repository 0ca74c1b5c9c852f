package notify

import "fmt"

// View rows (state.RowView) are summaries for the console and the API, JSON, keyed by
//
//	lead/<dealer>/<lead id>                               LeadView
//	message/<vin>/<created, 16 hex>.<n, 8 hex>.<party>    MessageView
//
// A car without dealer has "-" in its place. They are written by the step and rebuilt by a replay.
const (
	LeadPrefix    = "lead/"
	MessagePrefix = "message/"
)

// LeadKey is the view row key of a lead.
func LeadKey(dealer, lead string) string {
	if dealer == "" {
		dealer = "-"
	}
	return LeadPrefix + dealer + "/" + lead
}

func messageKey(vin string, created int64, n uint32, party string) string {
	return fmt.Sprintf("%s%s/%016x.%08x.%s", MessagePrefix, vin, uint64(created), n, party)
}

// LeadView is what an advisor's list shows of a lead. Times are Unix ms.
type LeadView struct {
	Lead   string `json:"lead"`
	VIN    string `json:"vin"`
	Dealer string `json:"dealer,omitempty"`
	Party  string `json:"party,omitempty"`
	// State: new, claimed, contacted, booked, visited or closed.
	State string `json:"state"`
	// Reason a closed lead was closed for: serviced, cleared or cancelled (S44).
	Reason string `json:"reason,omitempty"`
	// Held is "no_dealer" when there is nobody to tell.
	Held           string        `json:"held,omitempty"`
	Plate          string        `json:"plate,omitempty"`
	Model          string        `json:"model,omitempty"`
	Causes         []CauseView   `json:"causes,omitempty"`
	ServiceList    []ServiceLine `json:"service_list,omitempty"`
	MinutesTotal   int           `json:"minutes_total,omitempty"`
	Owner          OwnerView     `json:"owner"`
	SuggestedAct   string        `json:"suggested_action"`
	ActionAfter    int64         `json:"action_after,omitempty"`
	Score          Score         `json:"score"`
	OdometerKM     *float64      `json:"odometer_km,omitempty"`
	OdometerAt     int64         `json:"odometer_at,omitempty"`
	ClaimedBy      string        `json:"claimed_by,omitempty"`
	Created        int64         `json:"created"`
	Updated        int64         `json:"updated"`
	LastReactionAt int64         `json:"last_reaction_at,omitempty"`
}

// CauseView is one reason a lead is open: an item at a level or a firing rule.
type CauseView struct {
	Item  string `json:"item,omitempty"`
	Level string `json:"level,omitempty"`
	Rule  string `json:"rule,omitempty"`
	Title string `json:"title,omitempty"`
	Why   string `json:"why,omitempty"`
	Since string `json:"since,omitempty"` // RFC 3339
}

// ServiceLine is one line of the work a visit would hold.
type ServiceLine struct {
	ID    string `json:"id"`
	Title string `json:"title"`
	// Reason: overdue, due, soon, alert (a firing rule asks for a check) or declined (last time).
	Reason  string `json:"reason"`
	Minutes int    `json:"minutes,omitempty"`
}

// OwnerView is what a dealer may know of an owner. The phone is only there when he may be called.
type OwnerView struct {
	Name         string `json:"name,omitempty"`
	Phone        string `json:"phone,omitempty"`
	MayCall      bool   `json:"may_call"`
	LastReaction string `json:"last_reaction,omitempty"`
}

// Score says which lead to take first, 0 to 100, with what it is made of.
type Score struct {
	Total int        `json:"total"`
	Parts ScoreParts `json:"parts"`
}

// ScoreParts are the parts of a Score.
type ScoreParts struct {
	Urgency  int `json:"urgency"`
	Value    int `json:"value"`
	Reaction int `json:"reaction"`
}

// MessageView is one event of a vehicle as the console lists it, newest eight per party and vehicle.
type MessageView struct {
	ID       string `json:"id"`
	Type     string `json:"type"`
	VIN      string `json:"vin"`
	Model    string `json:"model,omitempty"`
	Plate    string `json:"plate,omitempty"`
	Party    string `json:"party,omitempty"`
	Dealer   string `json:"dealer,omitempty"`
	Alert    string `json:"alert,omitempty"`
	Severity string `json:"severity,omitempty"`
	// To is "owner", "dealer" or "none".
	To string `json:"to"`
	// State: waiting (for its group), sent, held, joined (another message carries it) or recorded (nobody
	// was to be told).
	State  string `json:"state"`
	Held   string `json:"held,omitempty"`   // reason (S45)
	Joined string `json:"joined,omitempty"` // id of the message that carries it
	Silent bool   `json:"silent,omitempty"`
	Late   bool   `json:"late,omitempty"`
	// Reason of a closing event.
	Reason string `json:"reason,omitempty"`
	Title  string `json:"title,omitempty"`
	Body   string `json:"body,omitempty"`
	// Time is the event's, the others are the engine's clock; Unix ms, 0 where it has not happened.
	Time     int64          `json:"time"`
	Created  int64          `json:"created"`
	Due      int64          `json:"due,omitempty"`
	Released int64          `json:"released,omitempty"`
	Sent     []DeliveryView `json:"sent,omitempty"`
}

// DeliveryView is how one endpoint took a message.
type DeliveryView struct {
	Endpoint string `json:"endpoint"`
	// Result is empty while it is on its way.
	Result Verdict `json:"result,omitempty"`
	At     int64   `json:"at,omitempty"`
	Detail string  `json:"detail,omitempty"`
}

// TimelineEntry is one line of a vehicle's story as this stage tells it (state.RowTimeline, prefix VIN and a zero byte).
type TimelineEntry struct {
	At int64 `json:"at"`
	// Kind is "message", "lead" or "delivery".
	Kind  string `json:"kind"`
	ID    string `json:"id,omitempty"`
	Type  string `json:"type,omitempty"`
	Party string `json:"party,omitempty"`
	To    string `json:"to,omitempty"`
	// State as MessageView has it, or the verdict of a delivery.
	State    string `json:"state"`
	Reason   string `json:"reason,omitempty"`
	Joined   string `json:"joined,omitempty"`
	Endpoint string `json:"endpoint,omitempty"`
	Detail   string `json:"detail,omitempty"`
	Title    string `json:"title,omitempty"`
}
