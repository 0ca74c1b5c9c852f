package plan

// ItemKey names an item in states and records: a hash of its id, so that states need no strings.
type ItemKey uint64

// KeyOf is the key of an item id (FNV-1a, 64 bit).
func KeyOf(id string) ItemKey {
	h := uint64(14695981039346656037)
	for i := 0; i < len(id); i++ {
		h ^= uint64(id[i])
		h *= 1099511628211
	}
	return ItemKey(h)
}

// Level is how urgent an item is. Levels are ordered.
type Level uint8

const (
	OK Level = iota
	Soon
	Due
	Overdue
	levels = 4
)

var levelNames = [levels]string{"ok", "soon", "due", "overdue"}

func (l Level) String() string { return levelNames[l&3] }

// Anchor is what the due points of an item are counted from (S29).
type Anchor uint8

const (
	// AnchorDefault is the plan's anchor for an item, last_service for a plan.
	AnchorDefault Anchor = iota
	LastService
	// FixedPoints is `anchor: plan`: first, first + every, first + 2·every … from the origin.
	FixedPoints
)

// Interval is a distance in each dimension, 0 where it lacks one.
type Interval struct {
	KM     int64 // metres
	Months int32
	Hours  int64 // thousandths
}

// Threshold is one threshold per dimension; what is not set takes the default of S30.
type Threshold struct {
	KM                       int64 // metres
	Days                     int32
	Hours                    int64 // thousandths
	HasKM, HasDays, HasHours bool
}

// Audience is who is told of a level. Set is false where the plan says nothing (S42).
type Audience struct {
	Set, Owner, Dealer bool
}

// Plan is a maintenance plan as its author wrote it, in the units of this package. Resolve must have
// been called before it is evaluated; afterwards it is read-only and safe for concurrent use.
type Plan struct {
	ID     string
	Anchor Anchor
	// Soon and Overdue are `remind`; Early is `early` (fixed points), remind.soon where not set.
	Soon, Overdue, Early Threshold
	// NoHistory is `history: never`: no assumed services at first sight (S31).
	NoHistory bool
	// Notify by level: Soon, Due, Overdue. Resolve fills what is not set: owner and dealer.
	Notify [levels]Audience
	Items  []Item
}

// Item is one thing to be done again and again.
type Item struct {
	ID string
	// Key is KeyOf(ID), set by Resolve.
	Key     ItemKey
	Title   map[string]string // by language
	Article map[string]string // by language
	// Codes are globs (* and ?) of workshop operation codes.
	Codes        []string
	Anchor       Anchor
	First, Every Interval
	// Minutes of labour, 0 unknown.
	Minutes int

	rule itemRule
}

// Problem is a mistake in a plan: Item is the index into Items or -1, Field the key as the author writes it
// ("every.months"), Msg what is wrong with the value seen and what was expected.
type Problem struct {
	Item       int
	Field, Msg string
}
