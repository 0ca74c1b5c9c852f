package app

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/milepost-io/milepost/cmd/internal/config"
	"github.com/milepost-io/milepost/ingest"
	"github.com/milepost-io/milepost/rules"
)

// LoadCatalogue is the built-in signal catalogue with the configuration's extension.
func LoadCatalogue(cfg *config.Config) (*ingest.Catalogue, error) {
	b, err := readCatalogue(cfg)
	if err != nil {
		return nil, err
	}
	return ingest.LoadCatalogue(cfg.Signals, b)
}

func readCatalogue(cfg *config.Config) ([]byte, error) {
	if cfg.Signals == "" {
		return nil, nil
	}
	b, err := os.ReadFile(cfg.Signals)
	if err != nil {
		return nil, fmt.Errorf("signals: %w", err)
	}
	return b, nil
}

// LoadRules checks the rules of a folder, or of one file.
func LoadRules(path string, cfg *config.Config) (*rules.Program, error) {
	a, err := Activation(path, cfg, 1)
	if err != nil {
		return nil, err
	}
	_, p, _, err := rules.BuildActivation(a)
	return p, err
}

// Activation gathers what a rule set is made of: the rules folder, the catalogue's extension, and the
// parts of the configuration that decide what happens (E10). It is not checked yet.
func Activation(path string, cfg *config.Config, number int) (rules.Activation, error) {
	a := rules.Activation{Number: number, Zone: cfg.Timezone, Source: cfg.Source}
	files, err := ReadRules(path)
	if err != nil {
		return a, err
	}
	a.Files = files
	a.Files = append(a.Files, policyFile(cfg)...)
	cat, err := readCatalogue(cfg)
	if err != nil {
		return a, err
	}
	if _, err := ingest.LoadCatalogue(cfg.Signals, cat); err != nil {
		return a, err // here it is told with the name of the file
	}
	a.Catalogue = string(cat)
	for _, w := range cfg.Notify.Webhooks {
		a.Endpoints = append(a.Endpoints, rules.Endpoint{Name: w.Name, Owner: slices.Contains(w.To, "owner"), Dealer: slices.Contains(w.To, "dealer")})
	}
	if cfg.Notify.Log != "" {
		a.Endpoints = append(a.Endpoints, rules.Endpoint{Name: LogEndpoint})
	}
	a.Endpoints = append(a.Endpoints, kafkaEndpoints(cfg)...)
	return a, nil
}

// LogEndpoint is the name of the log output among the endpoints.
const LogEndpoint = config.LogEndpoint

// policyFile is the policy keys that the configuration gives, as a rule file, so that they are checked and
// kept like one.
func policyFile(cfg *config.Config) []rules.File {
	p := cfg.Policy
	var keys []string
	for _, k := range p.Given {
		switch k {
		case "policy.group.wait":
			keys = append(keys, fmt.Sprintf("group: {wait: %q}", p.Group.Wait.Rule()))
		case "policy.consent_default":
			keys = append(keys, "consent_default: "+p.ConsentDefault)
		case "policy.day_starts":
			keys = append(keys, fmt.Sprintf("day_starts: %q", p.DayStarts))
		}
	}
	if len(keys) == 0 {
		return nil
	}
	return []rules.File{{Name: filepath.Base(cfg.File) + " (policy)", Content: "policy: {" + strings.Join(keys, ", ") + "}\n"}}
}

// ReadRules reads the rule files of a folder, or one file. A folder that does not exist has none.
func ReadRules(path string) ([]rules.File, error) {
	st, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("rules: %w", err)
	}
	names := []string{path}
	if st.IsDir() {
		entries, err := os.ReadDir(path)
		if err != nil {
			return nil, fmt.Errorf("rules: %w", err)
		}
		names = names[:0]
		for _, e := range entries {
			if !e.IsDir() && rules.RuleFile(e.Name()) {
				names = append(names, filepath.Join(path, e.Name()))
			}
		}
	}
	var out []rules.File
	for _, n := range names {
		b, err := os.ReadFile(n)
		if err != nil {
			return nil, fmt.Errorf("rules: %w", err)
		}
		out = append(out, rules.File{Name: filepath.Base(n), Content: string(b)})
	}
	return out, nil
}
