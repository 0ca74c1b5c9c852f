package mqtt

import (
	"bufio"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/milepost-io/milepost/ingest"
)

// First bytes of the packets a subscriber may get, flags left out.
const (
	packetConnack  = 0x20
	packetPublish  = 0x30
	packetPubrel   = 0x60
	packetSuback   = 0x90
	packetUnsuback = 0xb0
	packetPingresp = 0xd0
)

// disconnect is the packet that ends a connection and not the session.
var disconnect = []byte{0xe0, 0}

// largestPacket is the largest publish the library sees, in bytes: one whose payload may still be within
// ingest.MaxPayload, with the longest topic. It allocates each packet as large as it is announced, twice.
const largestPacket = ingest.MaxPayload + 2 + 65535 + 2

var errProtocol = errors.New("the broker broke the protocol")

// packetReader passes what a broker sends on to the library, packet by packet, and stands between the two
// where the library is trusting: a packet is at most largestPacket, of a kind and a length that the library
// does not panic at, and read from the kernel in one piece with its neighbours instead of byte by byte.
//
// A publish of any size is taken, or the broker would send it again for ever: of an oversize one the library
// gets an empty payload, and cut the form that goes to the dead letters, with the number of the publish on
// this connection, from 0.
type packetReader struct {
	r         *bufio.Reader
	cut       func(publish uint64, form []byte)
	connected bool   // the CONNACK has come
	publishes uint64 // seen so far
	header    []byte // the fixed header of the packet at hand, and what was made up for it
	head      []byte // the part of header that is still to be passed on
	body      int    // bytes of the packet at hand that are still to be read and passed on
}

func (p *packetReader) Read(to []byte) (int, error) {
	if len(p.head) == 0 && p.body == 0 {
		if err := p.next(); err != nil {
			return 0, err
		}
	}
	if len(p.head) > 0 {
		n := copy(to, p.head)
		p.head = p.head[n:]
		return n, nil
	}
	n, err := p.r.Read(to[:min(len(to), p.body)])
	p.body -= n
	return n, err
}

// next reads the fixed header of a packet.
func (p *packetReader) next() error {
	first, err := p.r.ReadByte()
	if err != nil {
		return err
	}
	p.header = append(p.header[:0], first)
	length, shift := 0, 0
	for {
		b, err := p.r.ReadByte()
		if err != nil {
			return unexpected(err)
		}
		p.header = append(p.header, b)
		length |= int(b&0x7f) << shift
		if b&0x80 == 0 {
			break
		}
		if shift += 7; shift > 21 {
			return fmt.Errorf("%w: a packet's length has more than four bytes", errProtocol)
		}
	}
	if err := p.check(first, length); err != nil {
		return err
	}
	if first&0xf0 == packetPublish && length > largestPacket {
		err = p.cutPublish(first, length)
	} else {
		p.body = length
	}
	if first&0xf0 == packetPublish {
		p.publishes++
	}
	p.head = p.header
	return err
}

// check refuses what a broker must not send to a subscriber that subscribes to one filter at a time.
func (p *packetReader) check(first byte, length int) error {
	kind, ok := first&0xf0, false
	switch kind {
	case packetConnack:
		ok = !p.connected && length == 2
		p.connected = true
	case packetPublish:
		ok = p.connected && first&6 != 6 && length >= 3
	case packetPubrel, packetUnsuback:
		ok = p.connected && length == 2
	case packetSuback:
		ok = p.connected && length == 3
	case packetPingresp:
		ok = p.connected && length == 0
	}
	if !ok {
		return fmt.Errorf("%w: packet %#02x of %d bytes was not expected here", errProtocol, first, length)
	}
	return nil
}

// cutPublish reads a whole publish, keeps of its payload what a dead letter keeps, and leaves in header a
// publish without payload.
func (p *packetReader) cutPublish(first byte, length int) error {
	var size [2]byte
	if _, err := io.ReadFull(p.r, size[:]); err != nil {
		return unexpected(err)
	}
	header := 2 + int(binary.BigEndian.Uint16(size[:]))
	if first&6 != 0 {
		header += 2 // the packet id
	}
	p.header = binary.AppendUvarint(append(p.header[:0], first), uint64(header))
	p.header = append(p.header, size[:]...)
	from := len(p.header)
	p.header = append(p.header, make([]byte, header-2)...)
	if _, err := io.ReadFull(p.r, p.header[from:]); err != nil {
		return unexpected(err)
	}
	beginning := make([]byte, ingest.OversizeKeep)
	if _, err := io.ReadFull(p.r, beginning); err != nil {
		return unexpected(err)
	}
	sum := sha256.New()
	_, _ = sum.Write(beginning)
	payload := length - header
	if _, err := io.CopyN(sum, p.r, int64(payload-len(beginning))); err != nil {
		return unexpected(err)
	}
	p.cut(p.publishes, ingest.OversizeForm(payload, [sha256.Size]byte(sum.Sum(nil)), beginning))
	return nil
}

// unexpected tells an end within a packet from one between two.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
