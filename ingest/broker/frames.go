package broker

import "time"

const (
	// largeFrame is the size from which a packet is charged to the broker's budget, in bytes.
	largeFrame = 8 << 10
	// largeBudget bounds what all connections together hold of large packets, in bytes: an announced
	// length costs its sender nothing and the broker the whole buffer.
	largeBudget = 64 << 20
	// largeTimeout is how long a large packet may take to arrive.
	largeTimeout = 30 * time.Second
	// frameCopies is how often mochi holds a packet while it decodes it.
	frameCopies = 2
)

// frames follows the packet boundaries in the bytes that a connection reads, so that the memory of a
// large packet is granted before mochi allocates it.
type frames struct {
	header int  // bytes of the fixed header seen; 0: between packets
	shift  uint // position of the next length bits
	length int  // remaining length as far as seen
	body   int  // bytes of the body still to come
	large  bool // the body is that of a large packet
	// charge is what the packet at hand holds of the budget, 0 for small ones.
	charge int64
}

// advance walks over p and returns the length of a packet that begins in p, is larger than largeFrame
// and does not end in p; otherwise 0.
func (f *frames) advance(p []byte) (large int) {
	for len(p) > 0 {
		if f.body > 0 {
			n := min(f.body, len(p))
			f.body -= n
			f.large = f.large && f.body > 0
			p = p[n:]
			continue
		}
		b := p[0]
		p = p[1:]
		f.header++
		if f.header == 1 {
			f.shift, f.length = 0, 0
			continue
		}
		f.length |= int(b&0x7f) << f.shift
		f.shift += 7
		if b&0x80 != 0 && f.header < 5 {
			continue
		}
		f.header, f.body = 0, f.length
		if f.length > largeFrame && f.length > len(p) {
			f.large, large = true, f.length
		}
	}
	return large
}

// Read reads for mochi and waits for the budget when a large packet begins.
func (c *conn) Read(p []byte) (int, error) {
	if !c.frames.large {
		c.discharge() // mochi reads on: a large packet before this has been handled
	}
	n, err := c.Conn.Read(p)
	if large := c.frames.advance(p[:n]); large > 0 {
		if err := c.charge(large); err != nil {
			return 0, err
		}
	}
	return n, err
}

// charge waits until the budget has room for a packet of that length.
func (c *conn) charge(length int) error {
	c.discharge()
	n := int64(length) * frameCopies
	if n > largeBudget {
		return nil // over the packet limit: mochi refuses it by its header
	}
	if err := c.broker.large.Acquire(c.ctx, n); err != nil {
		return err
	}
	c.frames.charge = n
	return c.Conn.SetReadDeadline(time.Now().Add(largeTimeout))
}

// discharge gives back what the connection holds of the budget.
func (c *conn) discharge() {
	if c.frames.charge > 0 {
		c.broker.large.Release(c.frames.charge)
		c.frames.charge = 0
	}
}
