package app

import (
	"encoding/json"
	"testing"

	"github.com/milepost-io/milepost/notify"
	"github.com/milepost-io/milepost/state"
)

// A message given up carries its time; a quarantined input is dated by the engine, whatever its key holds.
func TestDeadMade(t *testing.T) {
	b, err := json.Marshal(&notify.DeadLetter{At: 77})
	if err != nil {
		t.Fatal(err)
	}
	if at, ok := deadMade(notify.DeadPrefix+"crm/V1/e_1", b); !ok || at != 77 {
		t.Errorf("a message: %d %v, expected 77", at, ok)
	}
	input := &state.DeadLetter{Time: 78}
	if at, ok := deadMade("\x00\x00\x00\x00\x00\x00\x00\x05\x00\x00\x00\x00", input.Encode()); ok {
		t.Errorf("an input: %d, expected none", at)
	}
}
