package state

import (
	"encoding/json"
	"fmt"
)

// Start is the payload of the log.Start record that a shard appends when it takes its partition (E13).
type Start struct {
	// Generation counts the openings of the shard's store; it tells this start from all before.
	Generation uint64 `json:"generation"`
	Build      string `json:"build,omitempty"`
	// Wall is the shard's wall clock, Unix ms; Gap is the time since the clock of its state, in ms.
	Wall int64 `json:"wall"`
	Gap  int64 `json:"gap"`
}

// Encode returns the payload.
func (s *Start) Encode() []byte {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err) // a struct of strings and numbers always encodes
	}
	return b
}

// DecodeStart reads what Encode made.
func DecodeStart(payload []byte) (Start, error) {
	var s Start
	if err := json.Unmarshal(payload, &s); err != nil {
		return s, fmt.Errorf("start record: %w", err)
	}
	return s, nil
}
