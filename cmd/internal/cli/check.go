package cli

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/milepost-io/milepost/cmd/internal/app"
	"github.com/milepost-io/milepost/cmd/internal/config"
	"github.com/milepost-io/milepost/rules"
)

func newCheck(s *session) *cobra.Command {
	return group("check", "Check configuration or rules without an engine", newCheckConfig(s), newCheckRules(s))
}

func newCheckConfig(s *session) *cobra.Command {
	var reference bool
	c := &cobra.Command{
		Use:   "config [FILE…]",
		Short: "Check configuration files",
		Long: "Checks configuration files: those named, else the one of --config, else milepost.yaml here.\n" +
			"Mistakes are told with file:line:column, the line, and what was expected. Nothing is opened or started.",
		RunE: func(_ *cobra.Command, args []string) error {
			if reference {
				fmt.Fprint(s.Out, config.Reference())
				return nil
			}
			if len(args) == 0 && s.configFile != "" {
				args = []string{s.configFile}
			}
			if len(args) == 0 {
				args = []string{defaultConfigFile}
			}
			return s.check(args, func(path string) (finding, error) {
				_, err := config.Load(path, s.Env)
				return finding{}, err
			})
		},
	}
	c.Flags().BoolVar(&reference, "reference", false, "print every key with unit and default instead")
	return c
}

func newCheckRules(s *session) *cobra.Command {
	return &cobra.Command{
		Use:   "rules PATH…",
		Short: "Check folders or files of rules",
		Long: "Checks rule, plan and policy files as the engine does before it takes them: a folder is checked as a whole.\n" +
			"Signals and policy are those of the configuration. Mistakes are told with file:line:column, the line, a caret,\n" +
			"what was expected, and the nearest valid name.",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return errors.New("PATH is missing: name a folder or a file of rules")
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error {
			cfg, err := s.config()
			if err != nil {
				return err
			}
			return s.check(args, func(path string) (finding, error) { return checkRules(path, cfg) })
		},
	}
}

// finding is what the check of one path came to.
type finding struct {
	Path     string    `json:"path"`
	Rules    *int      `json:"rules,omitempty"`
	Plans    *int      `json:"plans,omitempty"`
	Error    string    `json:"error,omitempty"`
	Problems []problem `json:"problems,omitempty"`
}

// problem is one mistake in a rule file, for programs.
type problem struct {
	File     string `json:"file"`
	Line     int    `json:"line"`
	Column   int    `json:"column"`
	Message  string `json:"message"`
	Expected string `json:"expected,omitempty"`
	Nearest  string `json:"nearest,omitempty"`
}

// checkRules checks a folder or a file of rules. One that holds none is a finding: the path was mistyped.
func checkRules(path string, cfg *config.Config) (finding, error) {
	files, err := readRules(path)
	if err != nil {
		return finding{}, err
	}
	prog, err := app.LoadRules(path, cfg)
	if err != nil {
		var f finding
		ps := placed(err, path, files)
		for _, p := range ps {
			f.Problems = append(f.Problems, problem{p.File, p.Line, p.Column, p.Message, p.Expected, p.Nearest})
		}
		if len(ps) > 0 {
			err = ps
		}
		return f, err
	}
	nr, np := len(prog.Rules), len(prog.Plans)
	return finding{Rules: &nr, Plans: &np}, nil
}

// readRules are the rule files of a folder or file, which must be there and hold some.
func readRules(path string) ([]rules.File, error) {
	if _, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("rules: %w", err)
	}
	files, err := app.ReadRules(path)
	if err == nil && len(files) == 0 {
		err = fmt.Errorf("%s: no rule files in it (.yaml, .yml or .json)", path)
	}
	return files, err
}

// placed are the problems of rules with files named so that a person or an editor finds them: the engine
// knows the names inside its folder only. Other errors give none.
func placed(err error, path string, files []rules.File) rules.Problems {
	var ps rules.Problems
	if !errors.As(err, &ps) {
		return nil
	}
	out := append(rules.Problems(nil), ps...)
	for i := range out {
		for _, f := range files {
			switch {
			case f.Name != out[i].File:
			case filepath.Base(path) == f.Name:
				out[i].File = path
			default:
				out[i].File = filepath.Join(path, f.Name)
			}
		}
	}
	return out
}

// check runs one check per path and tells all findings: good ones on stdout, mistakes on stderr.
func (s *session) check(paths []string, one func(string) (finding, error)) error {
	found := make([]finding, 0, len(paths))
	bad := false
	for _, p := range paths {
		f, err := one(p)
		f.Path = filepath.ToSlash(p)
		switch {
		case err != nil:
			bad = true
			f.Error = err.Error()
			if !s.json() {
				fmt.Fprintln(s.Err, err)
			}
		case s.json():
		case f.Rules != nil:
			fmt.Fprintf(s.Out, "%s: fine, %s, %s\n", f.Path, counted(*f.Rules, "rule"), counted(*f.Plans, "plan"))
		default:
			fmt.Fprintf(s.Out, "%s: fine\n", f.Path)
		}
		found = append(found, f)
	}
	if s.json() {
		if err := s.encode(found); err != nil {
			return err
		}
	}
	if bad {
		return errFindings
	}
	return nil
}

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
