package state

// Context is what a step may do while it handles one input or timer of a key. The slices that View, Edit
// and Resize return are valid until the next Context call that creates, resizes or deletes a document.
// Documents start 8-byte aligned.
type Context struct{}

// Now is the arrival of the event, the clock of the notice's sender, or the due time of the timer; Unix ms.
func (c *Context) Now() int64 { panic("not built yet") }

// Key and Sub name what is handled.
func (c *Context) Key() []byte { panic("not built yet") }
func (c *Context) Sub() []byte { panic("not built yet") }

// View returns a document of the key, read-only; nil when there is none.
func (c *Context) View(sub []byte) []byte { panic("not built yet") }

// Edit returns a document to be changed in place; nil when there is none.
func (c *Context) Edit(sub []byte) []byte { panic("not built yet") }

// Resize makes the document n bytes long, zero-filled where it grows, creating it if need be, and returns it to be changed in place.
func (c *Context) Resize(sub []byte, n int) []byte { panic("not built yet") }

// Put replaces the document by a copy of b.
func (c *Context) Put(sub, b []byte) { panic("not built yet") }

// Delete removes the document and its timer.
func (c *Context) Delete(sub []byte) { panic("not built yet") }

// WakeAt makes sure that (key, sub) is woken at or before at (Unix ms). A timer that is armed for an
// earlier time is left: the step finds nothing due then and arms again. The document must exist.
func (c *Context) WakeAt(sub []byte, at int64) { panic("not built yet") }

// Emit sends a notice about (key, sub) to the next stage: in order, exactly once.
func (c *Context) Emit(key, sub, payload []byte) { panic("not built yet") }

// SetRow writes a row, DelRow deletes one; a step never reads rows.
func (c *Context) SetRow(space Space, rowKey, value []byte) { panic("not built yet") }
func (c *Context) DelRow(space Space, rowKey []byte)        { panic("not built yet") }

// AddRow appends a row under prefix; the engine completes the row key so that byte order is the order of
// creation and a replay writes the same row.
func (c *Context) AddRow(space Space, prefix, value []byte) { panic("not built yet") }

// Outcome says what became of the event.
func (c *Context) Outcome(o Outcome) { panic("not built yet") }

// Quarantine is Outcome(Quarantined) with a dead letter of the input. reason is a short fixed word
// ("syntax", "range", "vin"); offset is where in the payload, or -1.
func (c *Context) Quarantine(reason, detail string, offset int) { panic("not built yet") }

// Count adds n to a counter that is stored with the position: name and label are bounded sets.
func (c *Context) Count(name, label string, n int) { panic("not built yet") }
