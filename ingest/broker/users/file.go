package users

import (
	"errors"
	"fmt"
	"strings"

	"github.com/milepost-io/milepost/ingest"
)

// Role is what a client may do.
type Role uint8

const (
	// Vehicle publishes under its own id: its name is the vehicle's.
	Vehicle Role = 1 + iota
	// Gateway publishes for any vehicle or party.
	Gateway
	// Blocked may not connect, whatever it shows.
	Blocked
)

var roleNames = [...]string{Vehicle: "vehicle", Gateway: "gateway", Blocked: "blocked"}

func (r Role) String() string {
	if r >= Vehicle && int(r) < len(roleNames) {
		return roleNames[r]
	}
	return "none"
}

// ParseRole is the inverse of Role.String.
func ParseRole(s string) (Role, bool) {
	for r := Vehicle; int(r) < len(roleNames); r++ {
		if roleNames[r] == s {
			return r, true
		}
	}
	return 0, false
}

// User is one line of the file. Users are comparable: equal ones have the same role and secret.
type User struct {
	Role   Role
	secret hash // zero: none, it comes by certificate
}

// maxFile bounds a users file, in bytes: some five hundred thousand users.
const maxFile = 64 << 20

var errLine = errors.New("expected: name role secret, with role vehicle, gateway or blocked, and a secret made by milepost password (or -)")

// parse reads a file's content. Errors begin with path:line and never hold a secret.
func parse(path, content string) (map[string]User, error) {
	users := map[string]User{}
	n := 0
	for line := range strings.Lines(strings.TrimPrefix(content, "\uFEFF")) {
		n++
		f := strings.Fields(line)
		if len(f) == 0 || f[0][0] == '#' {
			continue
		}
		name, u, err := parseLine(f)
		if err == nil {
			if _, twice := users[name]; twice {
				err = fmt.Errorf("user %q stands twice", name)
			}
		}
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", path, n, err)
		}
		users[name] = u
	}
	return users, nil
}

func parseLine(f []string) (name string, u User, err error) {
	if len(f) != 3 {
		return "", u, fmt.Errorf("%d fields; %w", len(f), errLine)
	}
	name = f[0]
	if !ingest.ValidKey([]byte(name)) {
		return "", u, fmt.Errorf("user %q: a name has 1 to 64 letters, digits, and _ . : -", name)
	}
	role, ok := ParseRole(f[1])
	if !ok {
		return "", u, fmt.Errorf("user %q: role %.20q; %w", name, f[1], errLine)
	}
	u.Role = role
	if f[2] != "-" {
		if u.secret, err = parseHash(f[2]); err != nil {
			return "", u, fmt.Errorf("user %q: secret: %w", name, err)
		}
	}
	return name, u, nil
}
