package cond

// Tri is a truth value of Kleene's logic. The zero value is Unknown: what nobody has filled in neither
// fires nor clears (E7). The values are ordered, so that "and" is the minimum and "or" the maximum.
type Tri int8

const (
	False   Tri = -1
	Unknown Tri = 0
	True    Tri = 1
)

// Of returns the truth value of a known bool.
func Of(b bool) Tri {
	if b {
		return True
	}
	return False
}

// Not, And and Or are Kleene's connectives.
func (t Tri) Not() Tri      { return -t }
func (t Tri) And(u Tri) Tri { return min(t, u) }
func (t Tri) Or(u Tri) Tri  { return max(t, u) }

func (t Tri) String() string {
	switch t {
	case False:
		return "false"
	case True:
		return "true"
	default:
		return "unknown"
	}
}
