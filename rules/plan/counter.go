package plan

// Measure names one of the two counters of a vehicle.
type Measure uint8

const (
	Odometer    Measure = iota
	EngineHours         // S26
)

// Counter is the accepted value of an odometer or of engine hours and what is needed to judge the next
// sample (S20…S26). It is pointer-free; the zero value knows nothing.
type Counter struct {
	// Value is k and At its e_k, the e of the newest accepted sample. They count while Known.
	Value int64
	At    int64
	// Offset is added to every raw sample (S24).
	Offset int64
	// ServiceMax is the greatest odometer told by a service while k was unknown; counts while HasServiceMax.
	ServiceMax int64
	// StepFrom is k before its last rise by more than 50 km; counts while HasStep.
	StepFrom int64
	Run      Run
	// Shifts are the latest changes of Offset: a service at or after From is told on the new scale.
	Shifts [2]Shift
	// ShiftBase is the sum of changes older than those in Shifts.
	ShiftBase int64
	// Day is the local day of At.
	Day           Day
	Known         bool
	HasServiceMax bool
	HasStep       bool
	// UnitMode: a sample looked like miles read as kilometres (S21).
	UnitMode bool
}

// Shift is one change of an offset: Add from From on; unused while From and Add are 0.
type Shift struct{ From, Add int64 }

// Suspect is why a sample is not believed yet.
type Suspect uint8

const (
	NotSuspect Suspect = iota
	BelowService
	Unit
	Jump
	Fall
)

var suspectNames = [...]string{"", "below_service", "unit", "jump", "fall"}

func (k Suspect) String() string { return suspectNames[k] }

// Run is the run of suspects of one kind; Count 0: none.
type Run struct {
	First, Prev     int64 // values
	FirstAt, PrevAt int64 // their e
	Count           uint32
	Cycles          uint32
	Kind            Suspect
	// Powered: ignition or engine_on went false→true since Prev.
	Powered bool
	_       [6]byte
}

// Sample is a sample of a counter that is not late (S4: its e is not below the e of that signal's newest
// sample; ignored and suspect samples count as newest too).
type Sample struct {
	Raw  int64 // Metres or MilliHours of the value as told
	E    int64 // effective time, Unix ms
	Now  int64 // arrival, Unix ms
	Zone Zone
}

// Fate is what became of a sample.
type Fate uint8

const (
	// Accepted: k is set, the sample counts in conditions.
	Accepted Fate = iota
	// Ignored: v = 0.
	Ignored
	// Suspected: kept in the run alone; no item changes and no rule is evaluated (S25).
	Suspected
)

// Verdict is the judgement of one sample.
type Verdict struct {
	Fate Fate
	// Suspect is the kind of a Suspected sample, and the kind of the run that an Accepted one completed.
	Suspect Suspect
	// Cause is CauseJump, CauseSpike or CauseReplaced when a run was accepted as such, else NoCause. It
	// is an event for the odometer (S7) and what Evaluate wants as Moment.Cause (S36).
	Cause Cause
	// Before and After are k before and after; Before counts if WasKnown.
	Before, After int64
	WasKnown      bool
	// First and FirstAt are the first value of the accepted run and its e, Samples its length (0: no run).
	First, FirstAt int64
	Samples        int
}

// DayValue is k as it stood at the end of a local day (S33), in 8 bytes: the day in the upper 24 bits, the
// value in the lower 40, both signed.
type DayValue struct{ bits int64 }

func dayValue(day Day, value int64) DayValue {
	return DayValue{int64(day)<<40 | value&(1<<40-1)}
}

// Day is the local day.
func (v DayValue) Day() Day { return Day(v.bits >> 40) }

// Value is k in metres or thousandths of an hour.
func (v DayValue) Value() int64 { return v.bits << 24 >> 24 }

// MaxDays is how many closed days a history keeps: 35 days back and the newest one before them.
const MaxDays = 36
