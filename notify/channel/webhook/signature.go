package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// secretPrefix begins a secret as people write it.
const secretPrefix = "whsec_"

// Secrets are the keys of one endpoint. While a secret is being changed there are two: all sign, and the
// receiver accepts any.
type Secrets struct{ keys [][]byte }

// ParseSecrets reads secrets, one "whsec_" + base64 a line; empty lines and lines that begin with # are
// skipped. Keys are 1 to 64 bytes; below 24 they are weak. The error names the line, never the secret.
func ParseSecrets(text string) (Secrets, error) {
	var s Secrets
	n := 0
	for line := range strings.Lines(text) {
		n++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		b64, ok := strings.CutPrefix(line, secretPrefix)
		if !ok {
			return Secrets{}, fmt.Errorf("line %d: no %s at its start (expected %s and base64)", n, secretPrefix, secretPrefix)
		}
		key, err := base64.StdEncoding.DecodeString(b64)
		if err != nil {
			return Secrets{}, fmt.Errorf("line %d: not base64 after %s", n, secretPrefix)
		}
		if len(key) == 0 || len(key) > 64 {
			return Secrets{}, fmt.Errorf("line %d: a key of %d bytes (expected 24 to 64; for example whsec_ and the output of: head -c 32 /dev/urandom | base64)", n, len(key))
		}
		s.keys = append(s.keys, key)
	}
	if len(s.keys) == 0 {
		return Secrets{}, fmt.Errorf("no secret (expected one %s… a line)", secretPrefix)
	}
	return s, nil
}

// String keeps keys out of logs.
func (s Secrets) String() string { return fmt.Sprintf("%d secrets", len(s.keys)) }

// GoString keeps keys out of logs.
func (s Secrets) GoString() string { return s.String() }

// LoadSecrets reads a secret file. warning says, when not empty, that others may read the file or that a
// key is short: both work, neither should stay.
func LoadSecrets(path string) (s Secrets, warning string, err error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return Secrets{}, "", fmt.Errorf("read webhook secret: %w", err)
	}
	if s, err = ParseSecrets(string(b)); err != nil {
		return Secrets{}, "", fmt.Errorf("read webhook secret %s: %w", path, err)
	}
	if fi, err := os.Stat(path); err == nil && fi.Mode().Perm()&0o077 != 0 {
		warning = fmt.Sprintf("others may read the webhook secret %s (mode %04o): chmod 600 %s", path, fi.Mode().Perm(), path)
	}
	for _, key := range s.keys {
		if len(key) < 24 && warning == "" {
			warning = fmt.Sprintf("the webhook secret in %s has %d bytes (expected at least 24)", path, len(key))
		}
	}
	return s, warning, nil
}

// sign returns the webhook-signature header: "v1," and the base64 HMAC-SHA256 of "id.timestamp.body" for
// each key, with spaces between.
func (s Secrets) sign(id string, at time.Time, body []byte) string {
	var out strings.Builder
	for i, key := range s.keys {
		if i > 0 {
			out.WriteByte(' ')
		}
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(id))
		mac.Write([]byte{'.'})
		mac.Write(strconv.AppendInt(nil, at.Unix(), 10))
		mac.Write([]byte{'.'})
		mac.Write(body)
		out.WriteString("v1,")
		out.WriteString(base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	}
	return out.String()
}
