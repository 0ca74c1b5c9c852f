// Package cli takes a command line and puts out text and an exit status: 0 fine, 1 findings or failure,
// 2 wrong usage. One file per subcommand; the work is done elsewhere.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/milepost-io/milepost/cmd/internal/config"
)

// IO is the process as a command sees it.
type IO struct {
	In       io.Reader
	Out, Err io.Writer
	Env      []string
	Version  string
	// Terminal says that Err is a terminal, so that progress and logs may be pretty.
	Terminal bool
}

// Process is the real one.
func Process(version string) IO {
	return IO{In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Env: os.Environ(), Version: version, Terminal: term.IsTerminal(int(os.Stderr.Fd()))}
}

const (
	exitFine     = 0
	exitFindings = 1
	exitUsage    = 2
)

// usageError is a command line that makes no sense.
type usageError struct{ err error }

func (e usageError) Error() string { return e.err.Error() }

// errFindings ends a command that has told its findings already.
var errFindings = errors.New("findings")

// Main runs a command line and returns the exit status.
func Main(args []string, p IO) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	root := newRoot(p)
	root.SetArgs(args)
	err := unknownCommand(root, args)
	if err == nil {
		err = root.ExecuteContext(ctx)
	}
	var usage usageError
	switch {
	case err == nil:
		return exitFine
	case errors.Is(err, errFindings):
		return exitFindings
	case errors.As(err, &usage):
		fmt.Fprintf(p.Err, "milepost: %v\nmilepost: see 'milepost %s--help'\n", err, commandOf(root, args))
		return exitUsage
	default:
		fmt.Fprintf(p.Err, "milepost: %v\n", err)
		return exitFindings
	}
}

// session is what the commands of one command line share.
type session struct {
	IO
	configFile string
	output     string
	offline    bool
	tokenFile  string
}

func newRoot(p IO) *cobra.Command {
	s := &session{IO: p}
	root := &cobra.Command{
		Use:           "milepost",
		Short:         "Reacts to what connected cars say: reminders to owners, leads to dealers, nothing lost",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.ArbitraryArgs, // unknownCommand looks at them
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetIn(p.In)
	root.SetOut(p.Out)
	root.SetErr(p.Err)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.PersistentFlags().StringVar(&s.configFile, "config", "", "configuration `file` (default: milepost.yaml here if there is one, else built-in defaults)")
	root.PersistentFlags().StringVarP(&s.output, "output", "o", "text", "`format` of listings: text or json")
	root.PersistentPreRunE = func(*cobra.Command, []string) error {
		if s.output != "text" && s.output != "json" {
			return usageError{fmt.Errorf("-o %q: expected text or json", s.output)}
		}
		return nil
	}
	for _, add := range []func(*session) *cobra.Command{
		newDemo, newServe, newStatus, newSimulate, newCheck, newBacktest, newDecode, newVehicle, newOutbox, newDeadletter,
		newHold, newRelease, newBackup, newRestore, newErase, newExport, newPassword, newVersion,
	} {
		root.AddCommand(add(s))
	}
	root.SetHelpCommand(newHelp(root))
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		if c.Name() == "completion" {
			c.RunE = subcommandMissing
		}
	}
	checkArgs(root)
	return root
}

// defaultConfigFile is read when --config names none.
const defaultConfigFile = "milepost.yaml"

// config loads the configuration: --config, else ./milepost.yaml, else the defaults.
func (s *session) config() (*config.Config, error) {
	file := s.configFile
	if file == "" {
		if _, err := os.Stat(defaultConfigFile); err != nil {
			return config.Parse("", nil, ".", s.Env)
		}
		file = defaultConfigFile
	}
	return config.Load(file, s.Env)
}

func (s *session) json() bool { return s.output == "json" }
