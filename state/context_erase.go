package state

import "bytes"

// Subs lists the documents of the key, in order. It reads the store for what memory does not hold, so it is
// for the rare input that is about all of a key (an erasure), which costs as much as the key has.
func (c *Context) Subs() [][]byte {
	var subs [][]byte
	err := c.m.Documents(c.key, func(sub, _ []byte) bool {
		subs = append(subs, bytes.Clone(sub))
		return true
	})
	if err != nil {
		panic(storeFailure{err})
	}
	return subs
}

// EraseKey deletes all documents of the key with their timers. It is for an erasure: nothing that the shard
// stores from now on names the key, but for rows, which DropRows takes, and stored timers (Shard.DropTimers).
func (c *Context) EraseKey() {
	for _, sub := range c.Subs() {
		c.Delete(sub)
	}
	delete(c.m.sweep.Ahead, string(c.key))
}

// DropRows deletes the rows of a space whose key starts with prefix and that match chooses, nil all of
// them: those of former inputs, not what the current one has written. match is called in key order and sees
// rows that a step may otherwise not read, so what it remembers must not go into documents or notices: rows
// go by age outside of the log (E2).
func (c *Context) DropRows(space Space, prefix []byte, match func(key string, value []byte) bool) {
	err := c.m.Rows(space, string(prefix), func(key string, value []byte) bool {
		if match == nil || match(key, value) {
			c.rows = append(c.rows, RowOp{Space: space, Key: key, Delete: true})
		}
		return true
	})
	if err != nil {
		panic(storeFailure{err})
	}
}
