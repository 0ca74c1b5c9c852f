package rules

import (
	"errors"
	"unsafe"

	"github.com/milepost-io/milepost/rules/plan"
)

// The one file that looks at document bytes as structs. Documents are little-endian, as every machine
// this runs on is; the structs of doc_layout.go hold no pointers and no padding (a test checks both), so
// that equal states are equal bytes (E12).

// errDocument is a document of another format or length than its header says.
var errDocument = errors.New("vehicle document is damaged")

// bytesOf is the memory of s.
func bytesOf[T any](s []T) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(s))), len(s)*int(unsafe.Sizeof(*new(T))))
}

// put copies s to the front of dst and returns the rest.
func put[T any](dst []byte, s []T) []byte { return dst[copy(dst, bytesOf(s)):] }

// take fills dst, grown to n elements, from the front of b and returns the rest.
func take[T any](dst *[]T, n uint32, b []byte) ([]byte, error) {
	size := int(n) * int(unsafe.Sizeof(*new(T)))
	if size > len(b) {
		return nil, errDocument
	}
	if cap(*dst) < int(n) {
		*dst = make([]T, n, n+n/2+4)
	}
	*dst = (*dst)[:n]
	return b[copy(bytesOf(*dst), b):], nil
}

// headerBytes is the memory of a header.
func headerBytes(h *header) []byte { return unsafe.Slice((*byte)(unsafe.Pointer(h)), headerSize) }

const (
	headerSize = int(unsafe.Sizeof(header{}))
	slotSize   = int(unsafe.Sizeof(slot{}))
	setSize    = int(unsafe.Sizeof(set{}))
	ruleSize   = int(unsafe.Sizeof(ruleState{}))
	itemSize   = int(unsafe.Sizeof(plan.ItemState{}))
	causeSize  = int(unsafe.Sizeof(cause{}))
	recordSize = int(unsafe.Sizeof(plan.Record{}))
	factSize   = int(unsafe.Sizeof(fact{}))
)
