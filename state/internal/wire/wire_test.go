package wire

import (
	"bytes"
	"encoding/binary"
	"math"
	"strings"
	"testing"
)

func TestValuesComeBack(t *testing.T) {
	numbers := []int64{0, 1, -1, 63, -64, 64, 127, 128, -129, math.MaxInt64, math.MinInt64}
	texts := []string{"", "a", strings.Repeat("b", 126), strings.Repeat("c", 127), strings.Repeat("d", 128), strings.Repeat("e", 70_000)}
	var b []byte
	for _, n := range numbers {
		b = binary.AppendUvarint(binary.AppendVarint(b, n), uint64(n))
	}
	for _, s := range texts {
		b = AppendBytes(b, []byte(s))
	}
	b = append(b, "xyz"...)
	d := Decoder{Rest: b}
	for _, n := range numbers {
		if got := d.Varint(); got != n {
			t.Errorf("%d came back as %d", n, got)
		}
		if got := d.Uvarint(); got != uint64(n) {
			t.Errorf("%d came back as %d", uint64(n), got)
		}
	}
	for _, s := range texts {
		if got := d.Bytes(); string(got) != s || cap(got) != len(got) {
			t.Errorf("%d bytes came back as %d, capacity %d", len(s), len(got), cap(got))
		}
	}
	if got := d.Take(3); string(got) != "xyz" || d.Bad || len(d.Rest) != 0 {
		t.Errorf("the rest is %q, %+v", got, d)
	}
}

// What is cut short anywhere is bad, and stays bad.
func TestShortIsBad(t *testing.T) {
	long := bytes.Repeat([]byte{0x80}, 11)
	for name, cut := range map[string]func(d *Decoder){
		"nothing to take": func(d *Decoder) { d.Rest = nil; d.Take(1) },
		"less than none":  func(d *Decoder) { d.Take(-1) },
		"no number":       func(d *Decoder) { d.Rest = nil; d.Uvarint() },
		"half a number":   func(d *Decoder) { d.Rest = []byte{0x80}; d.Varint() },
		"endless number":  func(d *Decoder) { d.Rest = long; d.Uvarint() },
		"no bytes":        func(d *Decoder) { d.Rest = nil; d.Bytes() },
		"short bytes":     func(d *Decoder) { d.Rest = []byte{3, 1, 2}; d.Bytes() },
		"huge bytes":      func(d *Decoder) { d.Rest = binary.AppendUvarint(nil, math.MaxUint64); d.Bytes() },
	} {
		d := Decoder{Rest: []byte{1, 2, 3}}
		cut(&d)
		if !d.Bad || len(d.Rest) != 0 || d.Uvarint() != 0 || d.Bytes() != nil || !d.Bad {
			t.Errorf("%s: %+v", name, d)
		}
	}
}
