package cli

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// laterCommand reports whether a command is part of the contract with users but not of this version: it is
// refused by name, so that nobody looks for a typing error.
func laterCommand(name string) bool {
	switch name {
	case "sniff", "import", "test", "explain", "rules", "discard", "upgrade":
		return true
	}
	return false
}

// unknownCommand is the usage error of a command line whose command does not exist. It comes before the
// flags, which nobody can check without the command.
func unknownCommand(root *cobra.Command, args []string) error {
	c, rest, err := root.Find(args)
	if err != nil || !c.HasSubCommands() || len(rest) == 0 || strings.HasPrefix(rest[0], "-") || strings.HasPrefix(rest[0], "__") {
		return nil //nolint:nilerr // the error of a root without such a command is told by the command itself
	}
	name := rest[0]
	if c == root && laterCommand(name) {
		return usageError{fmt.Errorf("%q is not in this version", name)}
	}
	what := "command"
	if c != root {
		what = "subcommand"
	}
	hint := ""
	c.SuggestionsMinimumDistance = 2
	if near := c.SuggestionsFor(name); len(near) > 0 {
		hint = fmt.Sprintf("; did you mean %q?", near[0])
	}
	return usageError{fmt.Errorf("unknown %s %q%s", what, name, hint)}
}

// commandOf is the path of the command that args name, for the hint after a usage error.
func commandOf(root *cobra.Command, args []string) string {
	c, _, err := root.Find(args)
	if err != nil || c == root {
		return ""
	}
	return strings.TrimPrefix(c.CommandPath(), "milepost ") + " "
}

// newHelp shows the help of a command, as --help does.
func newHelp(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "Help about a command",
		RunE: func(_ *cobra.Command, args []string) error {
			if err := unknownCommand(root, args); err != nil {
				return err
			}
			c, _, err := root.Find(args)
			if err != nil {
				return usageError{err}
			}
			return c.Help()
		},
	}
}

// positional wants exactly the named arguments, and says which is missing.
func positional(names ...string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		switch {
		case len(args) < len(names):
			return fmt.Errorf("%s is missing", names[len(args)])
		case len(args) > len(names):
			return fmt.Errorf("unexpected argument %q", args[len(names)])
		}
		return nil
	}
}

// checkArgs turns every argument error of the tree into a usage error.
func checkArgs(c *cobra.Command) {
	if check := c.Args; check != nil {
		c.Args = func(cmd *cobra.Command, args []string) error {
			if err := check(cmd, args); err != nil {
				return usageError{err}
			}
			return nil
		}
	}
	for _, sub := range c.Commands() {
		checkArgs(sub)
	}
}

// group is a command that only holds others.
func group(use, short string, subs ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{Use: use, Short: short, RunE: subcommandMissing}
	c.AddCommand(subs...)
	return c
}

func subcommandMissing(cmd *cobra.Command, _ []string) error {
	var names []string
	for _, sub := range cmd.Commands() {
		if sub.IsAvailableCommand() {
			names = append(names, sub.Name())
		}
	}
	if len(names) == 0 {
		return usageError{errors.New("a subcommand is missing")}
	}
	return usageError{fmt.Errorf("a subcommand is missing: %s", strings.Join(names, ", "))}
}
