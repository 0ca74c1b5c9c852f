package plan

// Core is the fixed part of a vehicle's state.
type Core struct {
	Odometer    Counter
	EngineHours Counter
	// Seq numbers the services of the vehicle in order of application, from 1.
	Seq uint32
	_   [4]byte
}

// State lends a vehicle's stored structs to this package. Core is changed in place. The slices may be
// appended to beyond their capacity, in which case they are copied: whoever owns the document stores them
// again after Observe, AddService and Evaluate.
type State struct {
	*Core
	// Days and HourDays are the closed days of the two counters, oldest first, at most MaxDays.
	Days, HourDays []DayValue
	// Items are the states of all items ever in one of the vehicle's plans, at most MaxStates.
	Items []ItemState
	// Services are the records of each item that can still matter, at most MaxRecords of an item and of
	// MaxItems items.
	Services []Record
}

const (
	// MaxItems is the largest number of items in a plan and of items with records of a vehicle.
	MaxItems = 64
	// MaxStates bounds State.Items; beyond it the states of items gone from the plan make room.
	MaxStates = 2 * MaxItems
	// MaxRecords is how many records of one item are kept; the two oldest are merged beyond it.
	MaxRecords = 4
)

// Record is one item of one service. Pointer-free.
type Record struct {
	Time      int64 // of the service, Unix ms
	KM, Hours int64 // count if the flags say so; on the scale of k
	Item      ItemKey
	Seq       uint32
	Day       Day // local day of Time
	Flags     RecordFlags
	_         [4]byte
}

// RecordFlags say what is known of a record's odometer and hours.
type RecordFlags uint32

const (
	// HasKM: KM counts.
	HasKM RecordFlags = 1 << iota
	// KMDerived: KM is not what was told (absent or implausible) but taken from k (S33). Flagged.
	KMDerived
	// KMPending: k was unknown on arrival, KM is checked when k comes.
	KMPending
	HasHours
	HoursDerived
	HoursPending
	// Merged: an older record of the item was folded into this one.
	Merged

	// The flags of hours are those of kilometres, shifted.
	hoursShift = 3
)

// Told is a counter as a service tells it.
type Told struct {
	Value int64 // raw, as told
	Set   bool
}

// Reset is `odometer_reset: {from, to}` (S24).
type Reset struct {
	From, To int64 // metres
	Set      bool
}

// Service is a service record to be applied. Items may be empty (history only; its odometer still counts
// for S20). Declined items are not passed.
type Service struct {
	Time      int64 // Unix ms; absent in the event: arrival
	Now       int64 // arrival, Unix ms
	Zone      Zone
	KM, Hours Told
	Items     []ItemKey
	Reset     Reset
}

// Settled is a service's odometer or hours as they count.
type Settled struct {
	Value int64
	Known bool
	// Derived: not as told (flagged, S33). Pending: k is not known yet.
	Derived, Pending bool
}

// Filed is what became of a service.
type Filed struct {
	// Seq is what Evaluate wants as Moment.Serviced.
	Seq       uint32
	Day       Day
	KM, Hours Settled
	// Dropped counts items that found no room (MaxItems).
	Dropped int
}

// Baseline names what an episode of an item is counted from (S37): equal baselines, equal episode.
type Baseline struct {
	// Time of the service, Unix ms (BaseService).
	Time int64
	// N is 1 + the occurrences satisfied by services (BaseOrigin; always 1 under LastService).
	N    uint32
	Kind BaseKind
	_    [3]byte
}

// BaseKind says what a Baseline is.
type BaseKind uint8

const (
	BaseNone BaseKind = iota
	BaseOrigin
	BaseService
)

// ItemState is what is remembered of one item of one vehicle. Pointer-free.
type ItemState struct {
	Key ItemKey
	// Base is the baseline of the first rise since the item was ok; it stays while the item is not ok.
	Base Baseline
	// Cancels separates episodes of one baseline: it grows by each cancellation and never falls.
	Cancels uint32
	// Meaning is a hash of first and every, InService the day known at the last look (S31).
	Meaning   uint32
	InService Day
	// AssumedN is, per dimension, the number of the plan point that first sight chose, 0 none.
	AssumedN [dims]uint32
	Level    Level
	// Seen, Left: bits by Dim: evaluated before; left out since first sight (no `every`).
	Seen, Left uint8
	// Emitted: bits of what was emitted under (Base, Cancels).
	Emitted uint8
	_       [4]byte
}

// Cause is why a level may be below a state (S36).
type Cause uint8

const (
	NoCause Cause = iota
	CauseJump
	CauseSpike
	CauseReplaced
	CauseReset
	// CauseSet: an operator set the odometer.
	CauseSet
	// CauseRules: a rule set was activated. CauseProfile: the profile (plan, in_service, zone) changed.
	CauseRules
	CauseProfile
)

var causeNames = [...]string{"", "jump", "spike", "replaced", "odometer_reset", "odometer_set", "plan_changed", "profile_changed"}

// String is the reason in a cancelled event.
func (c Cause) String() string { return causeNames[c] }

// Moment is when and why a vehicle is evaluated.
type Moment struct {
	// Today by the clock (Zone.Today). InService: NoDay if not known.
	Today, InService Day
	// Serviced is Filed.Seq of the service applied in this step, else 0.
	Serviced uint32
	// Cause, if something of S36 happened in this step.
	Cause Cause
}

// ChangeKind says what a Change is.
type ChangeKind uint8

const (
	// Cancelled: the level fell (S36).
	Cancelled ChangeKind = iota
	// Done: a service reset the item (S34).
	Done
	// Rose: the state rose to To (S32).
	Rose
)

// Change is one transition of one item.
type Change struct {
	Kind ChangeKind
	// Item is the index in Plan.Items, -1 when the item is gone from the plan.
	Item int
	Key  ItemKey
	// From and To are the state before and after; done and cancelled report From.
	From, To Level
	// Base and Cancels identify the reminder together with item and level (S37): the event id is a
	// function of (vehicle, Key, Base, Cancels, Kind, To of a rise), items[].alert of (vehicle, Key, Base).
	Base    Baseline
	Cancels uint32
	// Repeat: this very reminder was emitted before; the state goes on, nothing leaves (S37).
	Repeat bool
}

// Horizon is how far the readings may go before an item's level can change. Pointer-free; it is kept with
// the vehicle until the next Evaluate, which anything but a plain reading or a new day asks for: a service,
// a Cause, a change of profile or plan. For a parked car one timer at Zone.Start(Horizon.Day, day_starts)
// is enough.
type Horizon struct {
	KM, Hours int64
	// Day is the first day on which a level can change by date alone; never: math.MaxInt32.
	Day Day
	_   [4]byte
}
