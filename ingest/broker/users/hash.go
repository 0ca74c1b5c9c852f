package users

import (
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

const (
	// ChosenIterations stretch a password that a person chose: a guess costs a tenth of a second.
	ChosenIterations = 210_000
	// GeneratedIterations do for a secret of NewSecret, which nobody guesses: a fleet that connects anew
	// all at once has to be verified in less than a millisecond a car.
	GeneratedIterations = 1_000
	// maxIterations bounds what a mistake in the file costs at each connect.
	maxIterations = 5_000_000

	saltSize, hashSize = 16, 32

	scheme = "$pbkdf2-sha512$i="
)

// hash is a secret as the file holds it.
type hash struct {
	iterations int
	salt       [saltSize]byte
	sum        [hashSize]byte
}

// NewSecret makes a random secret of 32 characters, 192 bits.
func NewSecret() string {
	var b [24]byte
	_, _ = rand.Read(b[:]) // it never fails: crypto/rand
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// Hash is the secret field of a line for a password.
func Hash(password string, iterations int) (string, error) {
	h := hash{iterations: iterations}
	_, _ = rand.Read(h.salt[:])
	if err := h.fill(password, &h.sum); err != nil {
		return "", err
	}
	return fmt.Sprintf("%s%d$%s$%s", scheme, iterations, base64.RawStdEncoding.EncodeToString(h.salt[:]), base64.RawStdEncoding.EncodeToString(h.sum[:])), nil
}

func (h *hash) fill(password string, sum *[hashSize]byte) error {
	b, err := pbkdf2.Key(sha512.New, password, h.salt[:], h.iterations, hashSize)
	if err != nil {
		return fmt.Errorf("hash a password: %w", err)
	}
	copy(sum[:], b)
	return nil
}

// matches reports whether the password is the one hashed; a hash of nothing matches none.
func (h *hash) matches(password string) bool {
	var sum [hashSize]byte
	if h.iterations == 0 || h.fill(password, &sum) != nil {
		return false
	}
	return subtle.ConstantTimeCompare(sum[:], h.sum[:]) == 1
}

var errHash = errors.New("expected a hash made by milepost password")

func parseHash(s string) (h hash, err error) {
	rest, ok := strings.CutPrefix(s, scheme)
	parts := strings.Split(rest, "$")
	if !ok || len(parts) != 3 {
		return h, errHash
	}
	n, err := strconv.ParseUint(parts[0], 10, 32)
	if err != nil || n < GeneratedIterations || n > maxIterations {
		return h, fmt.Errorf("iterations %.20q outside %d to %d", parts[0], GeneratedIterations, maxIterations)
	}
	h.iterations = int(n)
	if !decode(h.salt[:], parts[1]) || !decode(h.sum[:], parts[2]) {
		return hash{}, errHash
	}
	return h, nil
}

// decode fills to with what s encodes and reports whether that is its size.
func decode(to []byte, s string) bool {
	if base64.RawStdEncoding.DecodedLen(len(s)) != len(to) {
		return false
	}
	n, err := base64.RawStdEncoding.Strict().Decode(to, []byte(s))
	return err == nil && n == len(to)
}
