package state

import (
	"errors"

	"github.com/milepost-io/milepost/state/log"
)

// DropPayload is the payload of a log.Drop record, which takes a row out of a shard: an operator's word
// that somebody has dealt with it. It goes through the log so that a replay drops it too.
//
//	space (1) | row key
func DropPayload(space Space, key string) []byte { return append([]byte{byte(space)}, key...) }

var errDrop = errors.New("drop record without a space")

// applyDrop deletes the row; one that is gone already is no error.
func (m *Machine) applyDrop(rec *log.Record) error {
	if len(rec.Payload) < 1 {
		return errDrop
	}
	op := RowOp{Space: Space(rec.Payload[0]), Key: string(rec.Payload[1:]), Delete: true}
	m.rows.put(op)
	m.ops = append(m.ops, op)
	return nil
}
