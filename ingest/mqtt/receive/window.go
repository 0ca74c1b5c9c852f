package receive

import (
	"runtime"
	"sync"
)

// Ack is the packet that acknowledges a publish: MQTT's first byte of it.
type Ack byte

const (
	// Puback acknowledges QoS 1, Pubrec QoS 2.
	Puback Ack = 0x40
	Pubrec Ack = 0x50
)

// Window holds the messages of one connection between their being taken and their acknowledgement being
// written, in order of receipt; a slot is free again when its acknowledgement has been handed to the kernel.
//
// It promises: an acknowledgement is written after Durable for its message and for all before it
// (MQTT-4.6.0-2), and never after Close. A Window belongs to one connection for ever, so that an
// acknowledgement that comes late can confirm nothing on the next one, whatever packet ids that uses.
//
// Reserve is for the goroutine that takes, Write for the one that acknowledges; the others may be called
// by anybody.
type Window struct {
	mu    sync.Mutex
	size  uint64
	slots []slot // a ring; nil until the first message
	// head is the oldest message without a written acknowledgement, ready the oldest not durable yet,
	// tail the next to be taken: head ≤ ready ≤ tail ≤ head + len(slots).
	head, ready, tail uint64
	draining, closed  bool
	// ids has a bit for each packet id that waits for its acknowledgement; nil: nobody asked.
	ids    *[1 << 16 / 64]uint64
	reused uint64
	work   sync.Cond // the writer has something to write, or the end has come
	room   sync.Cond // a slot was freed, or the end has come
}

// slot is one message of the window.
type slot struct {
	packetID uint16
	ack      Ack // 0: none, a later message has the same packet id
	durable  bool
}

// NewWindow makes a window of size messages. It takes no memory to speak of before the first.
func NewWindow(size int) *Window {
	w := &Window{size: uint64(size)}
	w.work.L, w.room.L = &w.mu, &w.mu
	return w
}

// WatchIDs makes a message whose packet id waits for its acknowledgement take that over: one is written, when
// both are durable. A sender that uses an id twice could otherwise take the first's for the second's. It
// costs 8 KiB and is to be called before the first message.
func (w *Window) WatchIDs() { w.ids = new([1 << 16 / 64]uint64) }

// Admit waits while the window drains; it reports false when it is closed. For what needs no
// acknowledgement.
func (w *Window) Admit() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for !w.closed && w.draining {
		w.room.Wait()
	}
	return !w.closed
}

// Reserve adds a message at the end and returns the number it becomes durable by. It waits while the
// window is full or drains; it reports false when it is closed.
func (w *Window) Reserve(ack Ack, packetID uint16) (seq uint64, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for !w.closed && (w.draining || w.tail-w.head == w.size) {
		w.room.Wait()
	}
	if w.closed {
		return 0, false
	}
	if w.slots == nil {
		w.slots = make([]slot, w.size)
	}
	if w.ids != nil {
		word, bit := &w.ids[packetID/64], uint64(1)<<(packetID%64)
		if *word&bit != 0 {
			w.reused++
			w.supersede(packetID)
		}
		*word |= bit
	}
	seq = w.tail
	w.slots[seq%w.size] = slot{packetID: packetID, ack: ack}
	w.tail++
	return seq, true
}

// Withdraw gives up the message that was reserved last: it will not become durable, and is not acknowledged.
func (w *Window) Withdraw(seq uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.closed && w.tail == seq+1 && w.ready <= seq {
		w.tail = seq
		w.room.Broadcast()
	}
}

// supersede takes the acknowledgement from the message that waits for one and has this packet id.
func (w *Window) supersede(packetID uint16) {
	for i := w.head; i < w.tail; i++ {
		if s := &w.slots[i%w.size]; s.packetID == packetID && s.ack != 0 {
			s.ack = 0
		}
	}
}

// Reused is how many messages came under a packet id that waited for its acknowledgement.
func (w *Window) Reused() uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.reused
}

// Durable marks a message durable. The log reports in order per partition, so a message may wait here for
// those before it. It reports false when the window is closed: it came too late.
func (w *Window) Durable(seq uint64) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return false
	}
	w.slots[seq%w.size].durable = true
	if seq != w.ready {
		return true
	}
	if w.ready == w.head {
		w.work.Signal()
	}
	for w.ready < w.tail && w.slots[w.ready%w.size].durable {
		w.ready++
	}
	return true
}

// Write hands acknowledgements to out, everything at hand in one call, until the window is closed (nil) or
// out fails.
func (w *Window) Write(out func(acks []byte, n int) error) error {
	var buf []byte
	for {
		var upTo uint64
		var n int
		var ok bool
		if buf, upTo, n, ok = w.next(buf[:0]); !ok {
			return nil
		}
		if n > 0 {
			if err := out(buf, n); err != nil {
				return err
			}
		}
		w.release(upTo)
	}
}

// next waits for durable messages and appends their acknowledgements to buf, n of them; upTo is the first
// message that is not among them. It reports false when the window is closed.
func (w *Window) next(buf []byte) (_ []byte, upTo uint64, n int, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for !w.closed && w.ready == w.head {
		w.work.Wait()
		// The log reports a group message by message. Stepping back once lets it report the rest, so
		// that the group leaves in one write.
		w.mu.Unlock()
		runtime.Gosched()
		w.mu.Lock()
	}
	if w.closed {
		return nil, 0, 0, false
	}
	const remaining = 2
	for seq := w.head; seq < w.ready; seq++ {
		s := &w.slots[seq%w.size]
		if s.ack == 0 {
			continue
		}
		buf = append(buf, byte(s.ack), remaining, byte(s.packetID>>8), byte(s.packetID))
		s.ack = 0
		if w.ids != nil {
			w.ids[s.packetID/64] &^= 1 << (s.packetID % 64)
		}
		n++
	}
	return buf, w.ready, n, true
}

// release frees the slots of messages whose acknowledgement is written.
func (w *Window) release(upTo uint64) {
	w.mu.Lock()
	w.head = upTo
	w.room.Broadcast()
	w.mu.Unlock()
}

// Waiting is how many messages wait for their acknowledgement.
func (w *Window) Waiting() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return int(w.tail - w.head)
}

// Drain stops taking: Reserve and Admit wait until the window is closed.
func (w *Window) Drain() {
	w.mu.Lock()
	w.draining = true
	w.mu.Unlock()
}

// Draining reports whether Drain was called.
func (w *Window) Draining() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.draining
}

// AwaitDrained returns when everything taken is acknowledged or the window is closed.
func (w *Window) AwaitDrained() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for !w.closed && w.head < w.tail {
		w.room.Wait()
	}
}

// Close ends every wait and every acknowledgement. It reports whether the window was open.
func (w *Window) Close() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return false
	}
	w.closed = true
	w.work.Broadcast()
	w.room.Broadcast()
	return true
}
