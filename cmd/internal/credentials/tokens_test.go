package credentials

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func write(t testing.TB, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	rewrite(t, path, content)
	return path
}

func rewrite(t testing.TB, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestTokens(t *testing.T) {
	path := write(t, "tokens", "\uFEFF# name role token\r\n\r\ngw events t-1\r\nops\tadmin\tt-22222222222222222\nprom read t-3\n")
	tokens, err := OpenTokens(path)
	if err != nil {
		t.Fatal(err)
	}
	for secret, want := range map[string]Role{"t-1": Events, "t-22222222222222222": Admin, "t-3": Read, "t-": "", "": "", "T-1": "", "t-1 ": ""} {
		tok, ok := tokens.Find(secret)
		if tok.Role != want || ok != (want != "") {
			t.Errorf("%q: %+v %v", secret, tok, ok)
		}
	}
	if w := tokens.Weak(); len(w) != 2 || w[0] != "gw" || w[1] != "prom" {
		t.Errorf("weak: %v", w)
	}
	// A mistake leaves the tokens of before; a new file replaces them.
	rewrite(t, path, "gw boss t-1\n")
	if err := tokens.Load(); err == nil || !strings.Contains(err.Error(), path+`:1: role "boss"; expected: name role token`) {
		t.Error(err)
	}
	if _, ok := tokens.Find("t-1"); !ok {
		t.Error("the tokens of before are gone")
	}
	rewrite(t, path, "gw events t-9\n")
	if err := tokens.Load(); err != nil {
		t.Error(err)
	}
	if _, ok := tokens.Find("t-1"); ok {
		t.Error("a revoked token is known")
	}
}

func TestTokenMistakes(t *testing.T) {
	for content, want := range map[string]string{
		"":                                    "f: no token in it",
		"# none\n":                            "f: no token in it",
		"gw events":                           "f:1: expected: name role token",
		"gw events a b":                       "f:1: expected: name role token",
		"a read s\n\nb admin s":               "f:3: the token of line 1 once more",
		"gw open s":                           `f:1: role "open"`,
		"gw events tökén":                     `f:1: the token of "gw" has other than`,
		strings.Repeat("n", 65) + " read s":   "at most 64 printable bytes",
		"gw read " + strings.Repeat("s", 513): "at most 512 characters",
	} {
		_, err := parseTokens("f", content, func(tok Token, _ string) Token { return tok })
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q\ngot  %v\nwant %s", content, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "tökén") {
			t.Errorf("a secret in an error: %v", err)
		}
	}
}

// The command line shows the first admin token, else the first that may read.
func TestOwn(t *testing.T) {
	for content, want := range map[string]string{
		"a events 1\nb read 2\nc admin 3\nd admin 4": "3",
		"a events 1\nb read 2\nc read 3":             "2",
		"a events 1":                                 "",
	} {
		got, err := Own(write(t, "tokens", content))
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q %v", content, got, err)
		}
	}
}

func FuzzParseTokens(f *testing.F) {
	f.Add("# c\ngw events t-1\r\n")
	f.Add("\uFEFFa admin x\na admin x\n")
	f.Fuzz(func(t *testing.T, content string) {
		set, err := parseTokens("f", content, func(tok Token, secret string) Token {
			if secret == "" || strings.ContainsAny(secret, " \t\r\n") {
				t.Errorf("secret %q", secret)
			}
			return tok
		})
		if err != nil {
			return
		}
		for _, tok := range set {
			if tok.Name == "" || tok.Role != Events && tok.Role != Read && tok.Role != Admin {
				t.Errorf("%+v", tok)
			}
		}
	})
}
