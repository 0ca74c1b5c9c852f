package rules

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/milepost-io/milepost/ingest"
)

// BuildActivation checks a rule set and makes the payload of the control record that puts it in force
// (E10): a's files are put in byte order, its version is computed. The error of a bad rule set is a
// Problems; the Program comes back so that a caller can report what is in it.
func BuildActivation(a Activation) (Activation, *Program, []byte, error) {
	a.Files = slices.Clone(a.Files)
	slices.SortStableFunc(a.Files, func(x, y File) int { return cmp.Compare(x.Name, y.Name) })
	prog, err := a.program()
	if err != nil {
		return a, nil, nil, err
	}
	a.Version = a.version()
	payload, err := json.Marshal(a)
	if err != nil {
		return a, nil, nil, fmt.Errorf("build activation %d: %w", a.Number, err)
	}
	return a, prog, payload, nil
}

// ParseActivation reads a control record's payload and compiles it, with nothing but the payload.
func ParseActivation(payload []byte) (Activation, *Program, error) {
	var a Activation
	if err := json.Unmarshal(payload, &a); err != nil {
		return a, nil, fmt.Errorf("activation: %w", err)
	}
	prog, err := a.program()
	if err != nil {
		return a, nil, fmt.Errorf("activation %d: %w", a.Number, err)
	}
	return a, prog, nil
}

func (a *Activation) program() (*Program, error) {
	catalogue, err := ingest.LoadCatalogue("signals", []byte(a.Catalogue))
	if err != nil {
		return nil, err
	}
	return Load(a.Files, catalogue)
}

// version is the digest of everything in the activation but its number and itself.
func (a *Activation) version() string {
	content := *a
	content.Number, content.Version = 0, ""
	b, err := json.Marshal(content)
	if err != nil {
		panic(err) // a struct of strings and flags always encodes
	}
	sum := sha256.Sum256(b)
	return "sha256:" + hex.EncodeToString(sum[:])
}
