package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/milepost-io/milepost/cmd/internal/app"
	"github.com/milepost-io/milepost/cmd/internal/config"
)

func newCheck(s *session) *cobra.Command {
	var reference bool
	configs := &cobra.Command{
		Use:   "config [FILE…]",
		Short: "Check configuration files",
		RunE: func(_ *cobra.Command, args []string) error {
			if reference {
				fmt.Fprint(s.Out, config.Reference())
				return nil
			}
			if len(args) == 0 && s.configFile != "" {
				args = []string{s.configFile}
			}
			if len(args) == 0 {
				args = []string{"milepost.yaml"}
			}
			return s.check(args, func(path string) error {
				_, err := config.Load(path, s.Env)
				return err
			})
		},
	}
	configs.Flags().BoolVar(&reference, "reference", false, "print every key with unit and default instead")
	ruleFiles := &cobra.Command{
		Use:   "rules PATH…",
		Short: "Check folders or files of rules",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			cfg, err := s.config()
			if err != nil {
				return err
			}
			return s.check(args, func(path string) error {
				p, err := app.LoadRules(path, cfg)
				if err == nil && !s.json() {
					fmt.Fprintf(s.Out, "%s: %d rules, %d plans\n", path, len(p.Rules), len(p.Plans))
				}
				return err
			})
		},
	}
	return group("check", "Check configuration or rules without an engine", configs, ruleFiles)
}

// check runs one check per path and tells all findings.
func (s *session) check(paths []string, one func(string) error) error {
	type finding struct {
		Path  string `json:"path"`
		Error string `json:"error,omitempty"`
	}
	found := make([]finding, 0, len(paths))
	bad := false
	for _, p := range paths {
		f := finding{Path: filepath.ToSlash(p)}
		if err := one(p); err != nil {
			bad = true
			f.Error = err.Error()
			if !s.json() {
				fmt.Fprintln(s.Err, err)
			}
			if errors.Is(err, os.ErrPermission) {
				return err
			}
		}
		found = append(found, f)
	}
	if s.json() {
		if err := json.NewEncoder(s.Out).Encode(found); err != nil {
			return err
		}
	}
	if bad {
		return errFindings
	}
	return nil
}
