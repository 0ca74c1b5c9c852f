package rules

import (
	"bytes"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"github.com/milepost-io/milepost/rules/plan"
)

// Equal states are equal bytes (E12) only if no struct of a document has padding or pointers.
func TestDocumentStructsArePlain(t *testing.T) {
	for _, v := range []any{header{}, slot{}, set{}, ruleState{}, cause{}, fact{}, plan.ItemState{}, plan.Record{}, plan.DayValue{}} {
		plain(t, reflect.TypeOf(v))
	}
}

func plain(t *testing.T, typ reflect.Type) {
	t.Helper()
	switch typ.Kind() {
	case reflect.Struct:
		size := uintptr(0)
		for i := range typ.NumField() {
			f := typ.Field(i)
			if f.Offset != size {
				t.Errorf("%s: %d bytes of padding before %s", typ, f.Offset-size, f.Name)
			}
			size = f.Offset + f.Type.Size()
			plain(t, f.Type)
		}
		if size != typ.Size() {
			t.Errorf("%s: %d bytes of padding at the end", typ, typ.Size()-size)
		}
	case reflect.Array:
		plain(t, typ.Elem())
	case reflect.Bool, reflect.Int8, reflect.Uint8, reflect.Int16, reflect.Uint16, reflect.Int32, reflect.Uint32, reflect.Int64, reflect.Uint64, reflect.Float64:
	default:
		t.Errorf("%s is a %s, expected numbers", typ, typ.Kind())
	}
}

// decode(encode(x)) == x, whatever was in the vehicle before.
func TestDocumentRoundTrip(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var a, b vehicle
	b.reset()
	for range 200 {
		a.reset()
		for range r.IntN(20) {
			if id := r.Uint32N(30); a.slot(id) == nil {
				*a.addSlot(id) = slot{ID: id, Seen: 1, Value: r.Float64(), At: r.Int64()}
			}
		}
		for range r.IntN(3) {
			a.setCodes(a.addSet(r.Uint32()), make([]byte, r.IntN(20)))
		}
		for range r.IntN(5) {
			if key := r.Uint64N(20); a.rule(key) == nil {
				a.addRule(key, 7)
			}
		}
		a.items = append(a.items, make([]plan.ItemState, r.IntN(7))...)
		a.applies = append(a.applies, r.Uint64())
		doc := make([]byte, a.size())
		a.write(doc)
		if ok, err := b.open(doc); !ok || err != nil {
			t.Fatal(ok, err)
		}
		if !slices.Equal(a.slots, b.slots) || !slices.Equal(a.rules, b.rules) || !slices.Equal(a.applies, b.applies) {
			t.Fatalf("read %v %v %v\nwritten %v %v %v", b.slots, b.rules, b.applies, a.slots, a.rules, a.applies)
		}
		again := make([]byte, b.size())
		b.write(again)
		if !bytes.Equal(doc, again) {
			t.Fatal("a document changed by being read and written")
		}
		if !slices.IsSortedFunc(a.slots, func(x, y slot) int { return int(x.ID) - int(y.ID) }) {
			t.Fatal("slots are not sorted")
		}
	}
}

// Sets keep their codes while others grow and shrink.
func TestSetCodes(t *testing.T) {
	var v vehicle
	v.reset()
	want := map[int]string{}
	r := rand.New(rand.NewPCG(3, 4))
	for id := range 3 {
		v.addSet(uint32(id))
		want[id] = ""
	}
	for range 200 {
		k := r.IntN(3)
		codes := bytes.Repeat([]byte{byte('a' + k)}, r.IntN(5))
		v.setCodes(k, codes)
		want[k] = string(codes)
		for i := range 3 {
			if string(v.codesOf(i)) != want[i] {
				t.Fatalf("set %d is %q, expected %q", i, v.codesOf(i), want[i])
			}
		}
	}
}

// Whatever bytes a document has, opening it says so or gives a vehicle.
func FuzzOpenDocument(f *testing.F) {
	var v vehicle
	v.reset()
	v.addSlot(5)
	doc := make([]byte, v.size())
	v.write(doc)
	f.Add(doc)
	f.Add(doc[:len(doc)-8])
	f.Fuzz(func(t *testing.T, doc []byte) {
		if len(doc) > 1<<16 {
			return
		}
		var v vehicle
		ok, err := v.open(append([]byte{}, doc...))
		if err == nil && ok && v.size() != len(doc) && len(doc)-v.size() > 7 {
			t.Errorf("opened %d bytes as a document of %d", len(doc), v.size())
		}
	})
}

func TestRuleSet(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	set := newRuleSet(10_000)
	for range 100 {
		want := map[int32]bool{}
		for range r.IntN(50) {
			i := r.Int32N(10_000)
			set.add(i)
			want[i] = true
		}
		n := 0
		for i, s := range set.summary {
			for b := range 64 {
				if s&(1<<b) == 0 {
					continue
				}
				for k, w := 0, set.words[i<<6+b]; k < 64; k++ {
					if w&(1<<k) != 0 {
						n++
						if id := int32((i<<6+b)<<6 + k); !want[id] {
							t.Fatalf("%d is in the set", id)
						}
					}
				}
			}
		}
		if n != len(want) {
			t.Fatalf("%d in the set, expected %d", n, len(want))
		}
		set.reset()
	}
}
