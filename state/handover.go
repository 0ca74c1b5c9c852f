package state

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/milepost-io/milepost/state/internal/wire"
	"github.com/milepost-io/milepost/state/log"
)

// Handover is what one input of a sender made for one receiving shard: the payload of a log.Handover
// record. The receiver takes a handover once: its Offset must be above all it took from (Log, Sender).
//
//	log id (16) | sender, offset, clock (uvarint, uvarint, varint) | notices
//	notice: at (varint) | key, sub, payload, each with its length (uvarint) before it
type Handover struct {
	// Log and Sender are the partition of the input, Offset its place there.
	Log    log.ID
	Sender uint16
	Offset log.Offset
	// Clock is a promise: the sender has handled everything that is due by then (E9). Unix ms.
	Clock   int64
	Notices []Notice
}

// Notice is one Context.Emit. One whose key begins with a zero byte was about what is erased, and was blanked
// in the log: it is passed over.
type Notice struct {
	Key, Sub []byte
	// At is the Now of the step that emitted it.
	At      int64
	Payload []byte
}

var errHandover = errors.New("state: not a handover")

func appendHandoverHead(b []byte, h *Handover) []byte {
	b = append(b, h.Log[:]...)
	b = binary.AppendUvarint(b, uint64(h.Sender))
	b = binary.AppendUvarint(b, uint64(h.Offset))
	return binary.AppendVarint(b, h.Clock)
}

func appendNotice(b []byte, n *Notice) []byte {
	b = binary.AppendVarint(b, n.At)
	b = wire.AppendBytes(b, n.Key)
	b = wire.AppendBytes(b, n.Sub)
	return wire.AppendBytes(b, n.Payload)
}

// AppendHandover appends the payload that DecodeHandover reads.
func AppendHandover(b []byte, h *Handover) []byte {
	b = appendHandoverHead(b, h)
	for i := range h.Notices {
		b = appendNotice(b, &h.Notices[i])
	}
	return b
}

// DecodeHandover decodes the payload of a log.Handover record. The result refers to the payload.
func DecodeHandover(payload []byte) (Handover, error) {
	var h Handover
	r, err := openHandover(payload, &h)
	if err != nil {
		return Handover{}, err
	}
	for len(r) > 0 {
		var n Notice
		if r, err = cutNotice(r, &n); err != nil {
			return Handover{}, err
		}
		h.Notices = append(h.Notices, n)
	}
	return h, nil
}

// openHandover decodes the head and returns the notices still encoded.
func openHandover(p []byte, h *Handover) ([]byte, error) {
	d := wire.Decoder{Rest: p}
	copy(h.Log[:], d.Take(len(h.Log)))
	h.Sender = uint16(d.Uvarint())
	h.Offset = log.Offset(d.Uvarint())
	h.Clock = d.Varint()
	return d.Rest, cutError(&d, "head", len(p))
}

func cutNotice(p []byte, n *Notice) ([]byte, error) {
	d := wire.Decoder{Rest: p}
	n.At = d.Varint()
	n.Key = d.Bytes()
	n.Sub = d.Bytes()
	n.Payload = d.Bytes()
	return d.Rest, cutError(&d, "notice", len(p))
}

// cutError says what a decoder found too short, nil when nothing was.
func cutError(d *wire.Decoder, what string, size int) error {
	if d.Bad {
		return fmt.Errorf("%w: %s ends within its %d bytes", errHandover, what, size)
	}
	return nil
}
