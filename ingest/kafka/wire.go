package kafka

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/segmentio/kafka-go/protocol"
)

// maxResponse is the largest answer that is read, in bytes: one batch is sent whole, whatever was asked.
const maxResponse = maxBatch + 32<<20

// exchange is one request and its answer in a version that kafka-go does not speak. It goes over a
// connection of kafka-go's transport (protocol.RawExchanger), whose negotiation stops at the versions
// kafka-go knows; so the broker is asked for its own first, where that is not known yet.
//
// The connection's goroutine goes on reading into answer after a context has ended the wait for it: an
// exchange whose round trip failed is not used again.
type exchange struct {
	api      protocol.ApiKey
	broker   int32 // -1: any
	clientID string
	// min and max are the versions we speak; version is the one in use, 0: to be found out.
	min, max, version int16
	body              func(b []byte, version int16) []byte
	request, answer   []byte
}

var (
	_ protocol.RawExchanger  = (*exchange)(nil)
	_ protocol.BrokerMessage = (*exchange)(nil)
)

// ApiKey implements protocol.Message.
func (x *exchange) ApiKey() protocol.ApiKey { return x.api }

// Required implements protocol.RawExchanger.
func (x *exchange) Required(map[protocol.ApiKey]int16) bool { return true }

// Broker implements protocol.BrokerMessage.
func (x *exchange) Broker(c protocol.Cluster) (protocol.Broker, error) {
	if x.broker < 0 {
		return protocol.Broker{ID: -1}, nil
	}
	b, ok := c.Brokers[x.broker]
	if !ok {
		return b, fmt.Errorf("broker %d is not known to the cluster", x.broker)
	}
	return b, nil
}

// RawExchange implements protocol.RawExchanger. An error makes the transport close the connection, so what
// was left unread does no harm.
func (x *exchange) RawExchange(rw io.ReadWriter) (protocol.Message, error) {
	if x.version == 0 {
		if err := x.negotiate(rw); err != nil {
			return nil, err
		}
	}
	x.request = appendHeader(x.request[:0], x.api, x.version, x.clientID, true)
	x.request = x.body(x.request, x.version)
	if err := x.roundTrip(rw); err != nil {
		return nil, fmt.Errorf("%v request: %w", x.api, err)
	}
	return x, nil
}

// negotiate finds the highest version that both sides speak.
func (x *exchange) negotiate(rw io.ReadWriter) error {
	x.request = appendHeader(x.request[:0], protocol.ApiVersions, 0, x.clientID, false)
	if err := x.roundTrip(rw); err != nil {
		return fmt.Errorf("asking the broker for its versions: %w", err)
	}
	d := decoder{p: x.answer}
	if code := d.int16(); code != 0 {
		return fmt.Errorf("asking the broker for its versions: error %d", code)
	}
	for n := d.int32(); n > 0 && !d.bad; n-- {
		key, low, high := d.int16(), d.int16(), d.int16()
		if key == int16(x.api) && !d.bad {
			if low > x.max || high < x.min {
				return fmt.Errorf("the broker speaks versions %d to %d of %v, expected some of %d to %d: Kafka 2.7 or newer is needed", low, high, x.api, x.min, x.max)
			}
			x.version = min(high, x.max)
			return nil
		}
	}
	return fmt.Errorf("the broker does not speak %v", x.api)
}

const correlation = 1 // one request is under way per connection

// appendHeader begins a request: length (filled in by roundTrip), key, version, correlation, client id and,
// in flexible versions, tagged fields.
func appendHeader(b []byte, api protocol.ApiKey, version int16, clientID string, flexible bool) []byte {
	b = append(b, 0, 0, 0, 0)
	b = binary.BigEndian.AppendUint16(b, uint16(api))
	b = binary.BigEndian.AppendUint16(b, uint16(version))
	b = binary.BigEndian.AppendUint32(b, correlation)
	b = binary.BigEndian.AppendUint16(b, uint16(len(clientID)))
	b = append(b, clientID...)
	if flexible {
		b = append(b, 0)
	}
	return b
}

// roundTrip sends the request and fills answer with what follows the correlation id.
func (x *exchange) roundTrip(rw io.ReadWriter) error {
	binary.BigEndian.PutUint32(x.request, uint32(len(x.request)-4))
	if _, err := rw.Write(x.request); err != nil {
		return err
	}
	var head [8]byte
	if _, err := io.ReadFull(rw, head[:]); err != nil {
		return err
	}
	size := int64(binary.BigEndian.Uint32(head[:])) - 4
	if size < 0 || size > maxResponse {
		return fmt.Errorf("the answer's length is %d, expected at most %d bytes: is this a Kafka broker?", size+4, maxResponse)
	}
	if id := binary.BigEndian.Uint32(head[4:]); id != correlation {
		return fmt.Errorf("the answer is to request %d, expected %d", id, correlation)
	}
	return x.readAnswer(rw, int(size))
}

// readAnswer grows the buffer as bytes arrive: an announced length costs its sender nothing.
func (x *exchange) readAnswer(r io.Reader, size int) error {
	const step = 4 << 20
	x.answer = x.answer[:0]
	for len(x.answer) < size {
		n := min(size-len(x.answer), max(step, len(x.answer)))
		if cap(x.answer)-len(x.answer) < n {
			x.answer = append(make([]byte, 0, len(x.answer)+n), x.answer...)
		}
		at := len(x.answer)
		x.answer = x.answer[:at+n]
		if _, err := io.ReadFull(r, x.answer[at:]); err != nil {
			return err
		}
	}
	return nil
}

var errAnswer = errors.New("the broker's answer is malformed")

// decoder reads the primitive types of the protocol from p. After the first thing that does not fit bad is
// set and everything reads as zero.
type decoder struct {
	p   []byte
	bad bool
}

func (d *decoder) take(n int) []byte {
	if d.bad || n < 0 || n > len(d.p) {
		d.bad = true
		return nil
	}
	b := d.p[:n:n]
	d.p = d.p[n:]
	return b
}

func (d *decoder) int16() int16 {
	if b := d.take(2); b != nil {
		return int16(binary.BigEndian.Uint16(b))
	}
	return 0
}

func (d *decoder) int32() int32 {
	if b := d.take(4); b != nil {
		return int32(binary.BigEndian.Uint32(b))
	}
	return 0
}

func (d *decoder) int64() int64 {
	if b := d.take(8); b != nil {
		return int64(binary.BigEndian.Uint64(b))
	}
	return 0
}

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.p)
	if n <= 0 {
		d.bad = true
		return 0
	}
	d.take(n)
	return v
}

// count reads the length of a compact array or string; null counts as empty.
func (d *decoder) count() int {
	n := d.uvarint()
	if n == 0 {
		return 0
	}
	if n-1 > uint64(len(d.p)) { // each element has a byte at least
		d.bad = true
		return 0
	}
	return int(n - 1)
}

func (d *decoder) bytes() []byte { return d.take(d.count()) }

func (d *decoder) uuid() (id topicID) {
	copy(id[:], d.take(len(id)))
	return id
}

// tags skips tagged fields.
func (d *decoder) tags() {
	for n := d.uvarint(); n > 0 && !d.bad; n-- {
		d.uvarint()
		size := d.uvarint()
		d.take(int(min(size, 1<<31)))
	}
}

// appendCount writes the length of a compact array or string.
func appendCount(b []byte, n int) []byte { return binary.AppendUvarint(b, uint64(n)+1) }

func appendString(b []byte, s string) []byte { return append(appendCount(b, len(s)), s...) }

func appendInt32(b []byte, v int32) []byte { return binary.BigEndian.AppendUint32(b, uint32(v)) }

func appendInt64(b []byte, v int64) []byte { return binary.BigEndian.AppendUint64(b, uint64(v)) }
