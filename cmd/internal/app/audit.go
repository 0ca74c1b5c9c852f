package app

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/milepost-io/milepost/state"
)

// auditFile holds a JSON line for each thing that a person decided and that no record in the log tells.
const auditFile = "audit.log"

// AuditLine is one decision of a person: who did what to what, when and why.
type AuditLine struct {
	At      time.Time `json:"at"`
	By      string    `json:"by"`
	Action  string    `json:"action"`
	Subject string    `json:"subject"`
	Reason  string    `json:"reason,omitempty"`
}

// Audit writes a line into the audit file of a data folder, durably: what cannot be written down is not
// to be done.
func Audit(fs state.FS, data string, l AuditLine) error {
	b, err := json.Marshal(&l)
	if err == nil {
		err = state.AppendLine(fs, fs.PathJoin(data, auditFile), b)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", auditFile, err)
	}
	return nil
}
