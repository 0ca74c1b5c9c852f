package receive

import (
	"bytes"
	"errors"
	"testing"
	"testing/synctest"
)

// written collects what a window writes, and blocks it until told.
type written struct {
	bytes.Buffer
	n int
}

func (w *written) out(acks []byte, n int) error {
	w.n += n
	_, err := w.Buffer.Write(acks)
	return err
}

func reserve(t *testing.T, w *Window, ack Ack, ids ...uint16) (seqs []uint64) {
	t.Helper()
	for _, id := range ids {
		seq, ok := w.Reserve(ack, id)
		if !ok {
			t.Fatal("closed")
		}
		seqs = append(seqs, seq)
	}
	return seqs
}

func TestAcknowledgementsLeaveInOrderOfReceipt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, out := NewWindow(8), &written{}
		go func() { _ = w.Write(out.out) }()
		seqs := append(reserve(t, w, Puback, 7, 300), reserve(t, w, Pubrec, 1)...)
		w.Durable(seqs[1])
		w.Durable(seqs[2])
		synctest.Wait()
		if out.n != 0 {
			t.Fatalf("%d acknowledgements before the first message was durable", out.n)
		}
		w.Durable(seqs[0])
		synctest.Wait()
		if want := []byte{0x40, 2, 0, 7, 0x40, 2, 1, 44, 0x50, 2, 0, 1}; !bytes.Equal(out.Bytes(), want) {
			t.Fatalf("wrote %x, expected %x", out.Bytes(), want)
		}
		w.Close()
	})
}

// A sender that uses a packet id twice must not have the second message confirmed by the first's
// acknowledgement.
func TestPacketIDUsedTwiceIsAcknowledgedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, out := NewWindow(8), &written{}
		go func() { _ = w.Write(out.out) }()
		w.WatchIDs()
		seqs := reserve(t, w, Puback, 7, 8, 7)
		w.Durable(seqs[0])
		w.Durable(seqs[1])
		synctest.Wait()
		if want := []byte{0x40, 2, 0, 8}; !bytes.Equal(out.Bytes(), want) {
			t.Fatalf("wrote %x, expected %x: the second 7 is not durable", out.Bytes(), want)
		}
		w.Durable(seqs[2])
		synctest.Wait()
		if out.n != 2 || w.Waiting() != 0 || w.Reused() != 1 {
			t.Fatalf("%d acknowledgements, %d waiting, %d reused", out.n, w.Waiting(), w.Reused())
		}
		w.Durable(reserve(t, w, Puback, 7)[0])
		synctest.Wait()
		if out.n != 3 || w.Reused() != 1 {
			t.Fatalf("%d acknowledgements, %d reused: an id is free once acknowledged", out.n, w.Reused())
		}
		w.Close()
	})
}

func TestFullWindowWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, out := NewWindow(2), &written{}
		go func() { _ = w.Write(out.out) }()
		seqs := reserve(t, w, Puback, 1, 2)
		third := make(chan bool)
		go func() { _, ok := w.Reserve(Puback, 3); third <- ok }()
		synctest.Wait()
		select {
		case <-third:
			t.Fatal("a third message in a window of two")
		default:
		}
		w.Durable(seqs[0])
		if !<-third {
			t.Fatal("closed")
		}
		w.Close()
	})
}

func TestClosedWindowAcknowledgesNothing(t *testing.T) {
	w, out := NewWindow(2), &written{}
	seqs := reserve(t, w, Puback, 1)
	if !w.Close() || w.Close() {
		t.Fatal("closed once")
	}
	if w.Durable(seqs[0]) {
		t.Fatal("a late one was taken")
	}
	if err := w.Write(out.out); err != nil || out.n != 0 {
		t.Fatal(err, out.n)
	}
	if _, ok := w.Reserve(Puback, 2); ok || w.Admit() {
		t.Fatal("taken after the end")
	}
}

func TestFailedWriteEndsTheWriter(t *testing.T) {
	w := NewWindow(2)
	w.Durable(reserve(t, w, Puback, 1)[0])
	broken := errors.New("broken pipe")
	if err := w.Write(func([]byte, int) error { return broken }); !errors.Is(err, broken) {
		t.Fatal(err)
	}
}
