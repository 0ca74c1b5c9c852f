package users

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// line is a line of a users file, cheaply hashed.
func line(t testing.TB, name, role, password string) string {
	t.Helper()
	h, err := Hash(password, GeneratedIterations)
	if err != nil {
		t.Fatal(err)
	}
	return name + " " + role + " " + h + "\n"
}

func open(t *testing.T, content string) (*Users, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "users")
	write(t, path, content)
	u, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return u, path
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestVerify(t *testing.T) {
	u, _ := open(t, "# cars\n\n"+line(t, "V1", "vehicle", "secret")+line(t, "G", "gateway", "other")+"V2 vehicle -\n"+line(t, "V3", "blocked", "secret"))
	for _, x := range []struct {
		name, password string
		want           Role
	}{
		{"V1", "secret", Vehicle}, {"V1", "secret", Vehicle}, {"G", "other", Gateway},
		{"V1", "other", 0}, {"V1", "", 0}, {"V2", "", 0}, {"V2", "-", 0}, {"V3", "secret", 0}, {"V4", "secret", 0}, {"", "", 0},
		{"V1", strings.Repeat("x", maxPassword+1), 0},
	} {
		got, err := u.Verify(t.Context(), x.name, []byte(x.password))
		if got.Role != x.want || (x.want == 0) != errors.Is(err, ErrRefused) {
			t.Errorf("%s %.20s: %v %v", x.name, x.password, got.Role, err)
		}
	}
}

// What is known is not hashed again: neither a car that reconnects nor one that tries a wrong password
// over and over costs more than a look.
func TestVerifyHashesOnce(t *testing.T) {
	u, path := open(t, line(t, "V1", "vehicle", "secret"))
	for range 100 {
		if _, err := u.Verify(t.Context(), "V1", []byte("secret")); err != nil {
			t.Fatal(err)
		}
		if _, err := u.Verify(t.Context(), "V1", []byte("wrong")); err == nil {
			t.Fatal("taken")
		}
	}
	if n := u.hashes.Load(); n != 2 {
		t.Errorf("%d hashes", n)
	}
	// A changed line is verified anew: yesterday's password is wrong, and the one wrong before is right.
	write(t, path, line(t, "V1", "vehicle", "wrong"))
	if err := u.Load(); err != nil {
		t.Fatal(err)
	}
	if _, err := u.Verify(t.Context(), "V1", []byte("secret")); !errors.Is(err, ErrRefused) {
		t.Error("the old password", err)
	}
	if _, err := u.Verify(t.Context(), "V1", []byte("wrong")); err != nil {
		t.Error("the new password", err)
	}
}

// A password that was found right for a line of before, by a Verify that the file overtook, is hashed anew.
func TestVerifyForgetsOtherLines(t *testing.T) {
	u, _ := open(t, line(t, "V1", "vehicle", "secret"))
	u.remember("V1", u.digest("V1", []byte("old")), User{Role: Gateway}, true)
	if _, err := u.Verify(t.Context(), "V1", []byte("old")); !errors.Is(err, ErrRefused) {
		t.Error(err)
	}
}

// Whoever waits for its turn longer than its context is let go; a known password needs no turn.
func TestVerifyWaitsItsTurn(t *testing.T) {
	u, _ := open(t, line(t, "V1", "vehicle", "secret"))
	if _, err := u.Verify(t.Context(), "V1", []byte("secret")); err != nil {
		t.Fatal(err)
	}
	for u.hashing.TryAcquire(1) {
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if _, err := u.Verify(ctx, "V1", []byte("wrong")); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	if _, err := u.Verify(ctx, "V1", []byte("secret")); err != nil {
		t.Error(err)
	}
}

func TestWrongPasswordsAreBounded(t *testing.T) {
	u, _ := open(t, line(t, "V1", "vehicle", "secret"))
	for i := range wrongKept + 10 {
		u.remember("V1", digest{byte(i), byte(i >> 8)}, User{}, false)
	}
	if len(u.wrong) > wrongKept {
		t.Error(len(u.wrong))
	}
}

// A file with a mistake leaves the users of before.
func TestLoadKeepsUsersOfBefore(t *testing.T) {
	u, path := open(t, line(t, "V1", "vehicle", "secret"))
	write(t, path, "V1 vehicle\n")
	if err := u.Load(); err == nil {
		t.Error("taken")
	}
	if _, err := u.Verify(t.Context(), "V1", []byte("secret")); err != nil {
		t.Error(err)
	}
}

func TestMistakes(t *testing.T) {
	good := line(t, "V1", "vehicle", "secret")
	for content, want := range map[string]string{
		"V1 vehicle":                "u:1: 2 fields; expected: name role secret",
		"\n# x\nV1 vehicle x y":     "u:3: 4 fields",
		"V1 boss -":                 `u:1: user "V1": role "boss"; expected`,
		"V+ vehicle -":              `u:1: user "V+": a name has`,
		"a/b vehicle -":             `user "a/b": a name has`,
		"# vehicle -\n#\n" + "x":    "u:3: 1 fields",
		good + good:                 `u:2: user "V1" stands twice`,
		"V1 vehicle secret":         `user "V1": secret: expected a hash made by milepost password`,
		"V1 vehicle $pbkdf2-sha512": `expected a hash`,
		strings.Replace(good, "i=1000", "i=999", 1):        `iterations "999" outside 1000 to 5000000`,
		strings.Replace(good, "i=1000", "i=99999999", 1):   `iterations "99999999" outside`,
		strings.Replace(good, "i=1000$", "i=1000$AAAA", 1): `expected a hash`,
	} {
		_, err := parse("u", content)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q\ngot  %v\nwant %s", content, err, want)
		}
	}
	if _, err := parse("u", "V1 vehicle hunter2"); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("a secret in an error: %v", err)
	}
}

func TestSecretsDiffer(t *testing.T) {
	a, b := NewSecret(), NewSecret()
	if a == b || len(a) != 32 {
		t.Error(a, b)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("# users\nV1 vehicle -\r\n" + line(f, "G", "gateway", "secret"))
	f.Add("\uFEFFV1 blocked $pbkdf2-sha512$i=1000$$")
	f.Fuzz(func(t *testing.T, content string) {
		users, err := parse("u", content)
		if err != nil {
			return
		}
		for name, u := range users {
			if strings.ContainsAny(name, "+#/ ") || name == "" || u.Role.String() == "none" {
				t.Errorf("%q %v", name, u.Role)
			}
			if it := u.secret.iterations; it != 0 && (it < GeneratedIterations || it > maxIterations) {
				t.Errorf("%d iterations", it)
			}
		}
	})
}
