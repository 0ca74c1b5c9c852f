package state

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"github.com/milepost-io/milepost/state/log"
)

// RowOp is one change of a row.
type RowOp struct {
	Space  Space
	Key    string
	Value  []byte
	Delete bool
}

const rowSuffix = 12

func appendRowSuffix(b, prefix []byte, off log.Offset, n uint32) []byte {
	b = append(b, prefix...)
	b = binary.BigEndian.AppendUint64(b, uint64(off))
	return binary.BigEndian.AppendUint32(b, n)
}

// RowOffset returns the offset of the record that added a row, from the key that AddRow completed.
func RowOffset(key string) (off log.Offset, ok bool) {
	if len(key) < rowSuffix {
		return 0, false
	}
	return log.Offset(binary.BigEndian.Uint64([]byte(key[len(key)-rowSuffix:]))), true
}

// rowBuffer holds the row changes that are not in the store: those of the current epoch and those of the
// write-back under way. Without a store it holds all rows.
type rowBuffer struct {
	now, saving rowEpoch
}

// rowEpoch is the row changes of one epoch: in order, and the last of each row by key.
type rowEpoch struct {
	ops  []RowOp
	last map[Space]map[string]int
}

func newRowBuffer() rowBuffer {
	return rowBuffer{now: rowEpoch{last: map[Space]map[string]int{}}}
}

func (b *rowBuffer) put(op RowOp) {
	rows := b.now.last[op.Space]
	if rows == nil {
		rows = map[string]int{}
		b.now.last[op.Space] = rows
	}
	if i, ok := rows[op.Key]; ok { // the earlier change is not needed any more
		b.now.ops[i] = RowOp{Space: op.Space, Key: op.Key, Delete: true}
	}
	rows[op.Key] = len(b.now.ops)
	b.now.ops = append(b.now.ops, op)
}

// mark begins a new epoch.
func (b *rowBuffer) mark() {
	b.saving = b.now
	b.now = rowEpoch{last: map[Space]map[string]int{}}
}

// current reports whether ops[i] is the last change of its row in the epoch.
func (e *rowEpoch) current(i int) bool {
	return e.last[e.ops[i].Space][e.ops[i].Key] == i
}

// changed reports whether a row has a change that is not in the store.
func (b *rowBuffer) changed(space Space, key string) bool {
	_, now := b.now.last[space][key]
	_, saving := b.saving.last[space][key]
	return now || saving
}

// pending returns the last unsaved change of each row of a space with the prefix, in key order.
func (b *rowBuffer) pending(space Space, prefix string) []RowOp {
	var ops []RowOp
	for key, i := range b.now.last[space] {
		if strings.HasPrefix(key, prefix) {
			ops = append(ops, b.now.ops[i])
		}
	}
	for key, i := range b.saving.last[space] {
		if _, newer := b.now.last[space][key]; !newer && strings.HasPrefix(key, prefix) {
			ops = append(ops, b.saving.ops[i])
		}
	}
	slices.SortFunc(ops, func(a, b RowOp) int { return strings.Compare(a.Key, b.Key) })
	return ops
}

// Rows calls fn for the rows of a space whose key starts with prefix, in key order, until it returns false.
func (m *Machine) Rows(space Space, prefix string, fn func(key string, value []byte) bool) error {
	pending := m.rows.pending(space, prefix)
	stopped := false
	// before calls fn for the pending rows below key, all when it is empty, and drops one equal to it.
	before := func(key string, all bool) (shadowed bool) {
		for len(pending) > 0 && !stopped && (all || pending[0].Key <= key) {
			op := pending[0]
			pending = pending[1:]
			shadowed = !all && op.Key == key
			if !op.Delete {
				stopped = !fn(op.Key, op.Value)
			}
		}
		return shadowed
	}
	if m.opt.Backing != nil {
		lo := appendRowKey(nil, space, prefix)
		err := m.opt.Backing.Scan(lo, prefixEnd(lo), func(k, v []byte) bool {
			key := string(k[2:])
			if !before(key, false) && !stopped {
				stopped = !fn(key, v)
			}
			return !stopped
		})
		if err != nil {
			return fmt.Errorf("state: rows %c/%q: %w", space, prefix, err)
		}
	}
	before("", true)
	return nil
}
