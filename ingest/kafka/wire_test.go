package kafka

import (
	"testing"
)

// FuzzAnswer: whatever a broker answers is read or refused, without a panic and in bounded memory.
func FuzzAnswer(f *testing.F) {
	f.Add([]byte{0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 1, 0, 0}, int16(12))
	f.Add(append([]byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 2, 't', 2}, make([]byte, 80)...), int16(12))
	f.Add(append([]byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2}, make([]byte, 120)...), int16(13))
	f.Fuzz(func(_ *testing.T, p []byte, version int16) {
		if version < metadataMin || version > fetchMax {
			return
		}
		_, _ = decodeMetadata(p, min(version, metadataMax))
		fetch := fetcher{x: &exchange{version: max(version, fetchMin)}, d: decoder{p: p}}
		fetch.d.tags()
		fetch.topics = fetch.d.count()
		for n := 0; n < 1<<16; n++ {
			var part fetched
			more, err := fetch.next(&part)
			if err != nil || !more {
				return
			}
			for data := part.records; len(data) > 0; {
				_, rest, err := nextBatch(data)
				if err != nil {
					break
				}
				data = rest
			}
		}
	})
}
