package ingest

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
)

func TestValidKey(t *testing.T) {
	for key, want := range map[string]bool{
		"LSVAA49J132000001": true, "a-Z_0.9:x": true, "v": true, strings.Repeat("A", 64): true,
		"": false, strings.Repeat("A", 65): false, "V 1": false, "V/1": false, "V\x00": false, "V\n": false, "é": false, "V+": false, "#": false,
	} {
		if ValidKey([]byte(key)) != want {
			t.Errorf("ValidKey(%q) = %v", key, !want)
		}
	}
}

func TestTypes(t *testing.T) {
	set := TypeSet(Telemetry, Service)
	for _, name := range []string{"telemetry", "vehicle", "party", "service", "feedback", "erase"} {
		typ, ok := ParseType(name)
		if !ok || typ.String() != name {
			t.Errorf("%s is %v, %v", name, typ, ok)
		}
		if set.Has(typ) != (typ == Telemetry || typ == Service) {
			t.Errorf("the set holds %v: %v", typ, set.Has(typ))
		}
	}
	if _, ok := ParseType("unknown"); ok || Types(^uint32(0)).Has(Unknown) || Unknown.String() != "unknown" {
		t.Error("unknown is a type")
	}
}

func TestOversizeForm(t *testing.T) {
	for _, n := range []int{MaxPayload + 1, 10 << 20} {
		p := bytes.Repeat([]byte("0123456789"), n/10+1)[:n]
		form := Oversize(p)
		sum := sha256.Sum256(p)
		if len(form) != 8+32+OversizeKeep || binary.BigEndian.Uint64(form) != uint64(n) ||
			!bytes.Equal(form[8:40], sum[:]) || !bytes.Equal(form[40:], p[:OversizeKeep]) {
			t.Errorf("form of %d bytes has %d", n, len(form))
		}
	}
}

func TestErrorText(t *testing.T) {
	for want, e := range map[string]Error{
		"syntax: found 'x', expected a value (at byte 7)": {Reason: ReasonSyntax, Detail: "found 'x', expected a value", Offset: 7},
		"value: signals.soc: expected a number":           {Reason: ReasonValue, Field: "signals.soc", Detail: "expected a number", Offset: -1},
	} {
		if e.Error() != want {
			t.Errorf("%q, want %q", e.Error(), want)
		}
	}
}

func TestNearestSignal(t *testing.T) {
	for typed, want := range map[string]string{
		"odometr": "odometer", "sped": "speed", "lv_batery_voltage": "lv_battery_voltage", "coolant_tmep": "coolant_temp", "xyzzyplugh": "",
	} {
		if got := BuiltinCatalogue().Nearest(typed); got != want {
			t.Errorf("nearest to %s is %q, want %q", typed, got, want)
		}
	}
}

// S5: other bytes, other fingerprint; the value itself is on disk and never changes.
func TestS5Fingerprint(t *testing.T) {
	if got, want := Fingerprint([]byte("a")), uint64(0xd24ec4f1a98c6e5b); got != want {
		t.Errorf("fingerprint of a is %x, want %x", got, want)
	}
	if Fingerprint([]byte(`{"a":1}`)) == Fingerprint([]byte(`{"a": 1}`)) {
		t.Error("white space makes no difference")
	}
}

// S5: two payloads of a fleet are taken for one and the same once in millions of years, not once a minute.
func TestFingerprintsAreWide(t *testing.T) {
	seen := map[uint64]int{}
	for i := range 300_000 {
		print := Fingerprint(fmt.Appendf(nil, `{"type":"telemetry","vin":"V1","signals":{"odometer":%d}}`, i))
		if at, ok := seen[print]; ok {
			t.Fatalf("payloads %d and %d have the fingerprint %x", at, i, print)
		}
		seen[print] = i
	}
}
