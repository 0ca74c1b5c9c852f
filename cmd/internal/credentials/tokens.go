package credentials

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"unicode"
	"unicode/utf8"
)

// Role is what a token permits. Admin includes the others.
type Role string

const (
	// Open is the role of addresses that anybody may ask.
	Open   Role = "open"
	Events Role = "events"
	Read   Role = "read"
	Admin  Role = "admin"
)

// Token is one line of a tokens file, without its secret.
type Token struct {
	Name string
	Role Role
	sum  [sha256.Size]byte
	weak bool
}

// May reports whether the token has a role.
func (t *Token) May(r Role) bool { return t.Role == r || t.Role == Admin }

const (
	// weakToken is the length below which a token can be guessed, in bytes.
	weakToken = 16
	// maxToken and maxName bound a line's fields, in bytes.
	maxToken, maxName = 512, 64
)

// Tokens are the bearer tokens of one file, which may be read again while they are asked. Methods may be
// called concurrently.
type Tokens struct {
	path string
	set  atomic.Pointer[[]Token]
}

// OpenTokens reads a file.
func OpenTokens(path string) (*Tokens, error) {
	t := &Tokens{path: path}
	return t, t.Load()
}

// Load reads the file again. On an error the tokens of before stay.
func (t *Tokens) Load() error {
	b, err := os.ReadFile(t.path)
	if err != nil {
		return fmt.Errorf("http.tokens_file: %w", err)
	}
	set, err := parseTokens(t.path, string(b), func(tok Token, _ string) Token { return tok })
	if err != nil {
		return err
	}
	t.set.Store(&set)
	return nil
}

// Files are what Load reads.
func (t *Tokens) Files() []string { return []string{t.path} }

// Find returns the token of a secret. It compares digests, all of them in full, so that the time it takes
// tells nothing of how near a guess came.
func (t *Tokens) Find(secret string) (Token, bool) {
	sum := sha256.Sum256([]byte(secret))
	var found Token
	ok := false
	for _, tok := range *t.set.Load() {
		if subtle.ConstantTimeCompare(tok.sum[:], sum[:]) == 1 {
			found, ok = tok, true
		}
	}
	return found, ok
}

// Weak are the names of tokens so short that they can be guessed.
func (t *Tokens) Weak() []string {
	var names []string
	for _, tok := range *t.set.Load() {
		if tok.weak {
			names = append(names, tok.Name)
		}
	}
	return names
}

// Own returns the secret of a file's first token with role admin, else of its first with role read: what
// the command line shows to the engine whose tokens file it can read.
func Own(path string) (string, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("http.tokens_file: %w", err)
	}
	type own struct {
		role   Role
		secret string
	}
	all, err := parseTokens(path, string(b), func(tok Token, secret string) own { return own{tok.Role, secret} })
	if err != nil {
		return "", err
	}
	for _, role := range []Role{Admin, Read} {
		for _, tok := range all {
			if tok.role == role {
				return tok.secret, nil
			}
		}
	}
	return "", fmt.Errorf("%s: no token has role admin or read, which the command line needs", path)
}

var errTokenLine = errors.New("expected: name role token, with role events, read or admin")

// parseTokens reads a file's content; made makes of each token what is kept. Errors begin with path:line
// and never hold a secret.
func parseTokens[T any](path, content string, made func(tok Token, secret string) T) ([]T, error) {
	var out []T
	lines := map[[sha256.Size]byte]int{}
	n := 0
	for line := range strings.Lines(strings.TrimPrefix(content, "\uFEFF")) {
		n++
		f := strings.Fields(line)
		if len(f) == 0 || f[0][0] == '#' {
			continue
		}
		tok, err := parseToken(f)
		if err == nil && lines[tok.sum] > 0 {
			err = fmt.Errorf("the token of line %d once more; each has its own", lines[tok.sum])
		}
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", path, n, err)
		}
		lines[tok.sum] = n
		out = append(out, made(tok, f[2]))
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%s: no token in it; %w", path, errTokenLine)
	}
	return out, nil
}

func parseToken(f []string) (Token, error) {
	if len(f) != 3 {
		return Token{}, errTokenLine
	}
	name, role, secret := f[0], Role(f[1]), f[2]
	if len(name) > maxName || !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl) {
		return Token{}, fmt.Errorf("name %.70q: at most %d printable bytes", name, maxName)
	}
	if role != Events && role != Read && role != Admin {
		return Token{}, fmt.Errorf("role %.20q; %w", f[1], errTokenLine)
	}
	if len(secret) > maxToken || strings.ContainsFunc(secret, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return Token{}, fmt.Errorf("the token of %q has other than at most %d characters of ASCII", name, maxToken)
	}
	return Token{Name: name, Role: role, sum: sha256.Sum256([]byte(secret)), weak: len(secret) < weakToken}, nil
}
