package cli

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/milepost-io/milepost/ingest"
	"github.com/milepost-io/milepost/ingest/broker/users"
)

func newPassword(s *session) *cobra.Command {
	var stdin bool
	c := &cobra.Command{
		Use:   "password NAME vehicle|gateway",
		Short: "Make a line of the MQTT users file",
		Long: `Makes a line of mqtt.users_file for a vehicle (its name is the id in its topics) or a gateway.

The secret is made at random and told on standard error, once; the line holds a hash of it and goes to
standard output:

    milepost password LSVAA49J132000001 vehicle >> users

With --stdin the password is the first line of standard input: one that a person chose is hashed so that
guessing is slow, which also makes each first connect cost a tenth of a second. Cars should have random ones.`,
		Args: positional("NAME", "ROLE"),
		RunE: func(_ *cobra.Command, args []string) error {
			name := args[0]
			role, ok := users.ParseRole(args[1])
			switch {
			case !ingest.ValidKey([]byte(name)):
				return usageError{fmt.Errorf("NAME %q: expected 1 to 64 letters, digits, and _ . : -", name)}
			case !ok || role == users.Blocked:
				return usageError{fmt.Errorf("ROLE %q: expected vehicle or gateway (who is blocked needs no password: %s blocked -)", args[1], name)}
			}
			secret, iterations := users.NewSecret(), users.GeneratedIterations
			if stdin {
				var err error
				if secret, err = firstLine(s.In); err != nil {
					return err
				}
				iterations = users.ChosenIterations
			}
			hash, err := users.Hash(secret, iterations)
			if err != nil {
				return err
			}
			if s.json() {
				out := map[string]string{"name": name, "role": role.String(), "line": fmt.Sprintf("%s %s %s", name, role, hash)}
				if !stdin {
					out["secret"] = secret
				}
				return s.encode(out)
			}
			if !stdin {
				fmt.Fprintln(s.Err, secret)
			}
			fmt.Fprintf(s.Out, "%s %s %s\n", name, role, hash)
			return nil
		},
	}
	c.Flags().BoolVar(&stdin, "stdin", false, "read the password from standard input instead of making one")
	return c
}

const (
	minPassword = 8
	maxPassword = 256
)

func firstLine(r io.Reader) (string, error) {
	line, err := bufio.NewReader(io.LimitReader(r, 64<<10)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("standard input: %w", err)
	}
	line = strings.TrimRight(line, "\r\n")
	if len(line) < minPassword || len(line) > maxPassword {
		return "", fmt.Errorf("standard input: a password of %d bytes (expected %d to %d)", len(line), minPassword, maxPassword)
	}
	return line, nil
}
