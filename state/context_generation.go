package state

// Generation is the highest generation of the starts applied so far: verdicts of an earlier one are a
// former owner's (E14).
func (c *Context) Generation() uint64 { return c.m.gen }
