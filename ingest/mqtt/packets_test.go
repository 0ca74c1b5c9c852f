package mqtt

import (
	"bufio"
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/milepost-io/milepost/ingest"
)

// What the library gets of a publish too large to hold is its head, whatever length it has; what is within
// the bound it gets byte by byte as it came.
func TestPacketReaderBoundsWhatTheLibraryHolds(t *testing.T) {
	connack := []byte{0x20, 2, 0, 0}
	small := publish("vehicles/V1/telemetry", 2, 7, strings.Repeat("a", ingest.MaxPayload))
	huge := publish("vehicles/V2/telemetry", 2, 8, strings.Repeat("b", 5<<20))
	var cut []uint64
	in := bytes.NewReader(bytes.Join([][]byte{connack, small, huge, small}, nil))
	r := &packetReader{r: bufio.NewReader(in), cut: func(publish uint64, form []byte) {
		cut = append(cut, publish)
		if len(form) != 40+ingest.OversizeKeep {
			t.Errorf("a form of %d bytes", len(form))
		}
	}}
	got, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	if want := bytes.Join([][]byte{connack, small, publish("vehicles/V2/telemetry", 2, 8, ""), small}, nil); !bytes.Equal(got, want) {
		t.Fatalf("passed on %d bytes, expected %d", len(got), len(want))
	}
	if len(cut) != 1 || cut[0] != 1 {
		t.Fatalf("cut %v, expected the second publish", cut)
	}
}

// FuzzPacketReader: whatever a broker sends, the reader ends or passes on packets within the bound.
func FuzzPacketReader(f *testing.F) {
	f.Add([]byte{0x20, 2, 0, 0, 0x32, 5, 0, 1, 'a', 0, 1})
	f.Add([]byte{0x20, 2, 0, 0, 0x32, 0xff, 0xff, 0xff, 0x7f, 0, 1, 'a'})
	f.Add([]byte{0x30, 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, b []byte) {
		r := &packetReader{r: bufio.NewReader(bytes.NewReader(b)), cut: func(uint64, []byte) {}}
		got, _ := io.ReadAll(r)
		if len(got) > len(b) {
			t.Fatalf("%d bytes made of %d", len(got), len(b))
		}
	})
}
