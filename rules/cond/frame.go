package cond

// Frame is what conditions read: the state of one vehicle at one moment. The caller owns it, fills it
// before each evaluation and reuses it; Eval only reads it. Slices are indexed by the slots of the Env,
// which make them long enough with NewFrame.
type Frame struct {
	// Now is the rule time τ of the vehicle, or the shard's clock at an hourly evaluation (S9, S11);
	// Unix ms.
	Now int64
	// Samples by signal slot; those of kind Set have no V.
	Samples []Sample
	// Sets by signal slot; empty at the slots of other kinds.
	Sets []Codes
	// Facts by fact index (Env.Facts).
	Facts []Fact
	// KMSince and DaysSince by item index (Env.Items); NaN when unknown: no service record of the item,
	// or no odometer (S10). NewFrame fills them with NaN.
	KMSince   []float64
	DaysSince []float64
}

// Sample is the newest sample of a signal. The zero value is a signal never seen.
type Sample struct {
	// V is the value in the catalogue's unit; a bool is 1 or 0. It is finite (E7).
	V float64
	// At is the effective time of the sample, Unix ms.
	At int64
	// Seen: there is a sample.
	Seen bool
	// Changed is what changed(s) answers for the record being applied (S10): False when the record lacks
	// s, Unknown before two samples.
	Changed Tri
}

// FactKind is the type of a fact as it stands in the profile.
type FactKind uint8

const (
	// Absent: there is no such member (a merge patch with null removes it, S8).
	Absent FactKind = iota
	Number
	Bool
	String
	// Other: present, but an object or an array; every comparison with it is unknown.
	Other
)

// Fact is one value of the profile or the service history. The zero value is absent.
type Fact struct {
	Kind FactKind
	// Num is the number, or 1 and 0 for a bool. It is finite.
	Num float64
	// Str may point into the caller's document; it is read during Eval only.
	Str []byte
}
