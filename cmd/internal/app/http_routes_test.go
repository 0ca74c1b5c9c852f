package app

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"github.com/milepost-io/milepost/cmd/internal/credentials"
)

// secrets are the tokens of the test, by name; the empty one is none.
var secrets = map[string]string{
	"nobody": "", "stranger": "not-in-the-file-at-all",
	"events": "events-token-0123456789", "read": "read-token-0123456789", "admin": "admin-token-0123456789",
}

func testGuard(t *testing.T) *credentials.Guard {
	t.Helper()
	path := filepath.Join(t.TempDir(), "tokens")
	content := "gateway events " + secrets["events"] + "\nprometheus read " + secrets["read"] + "\nops admin " + secrets["admin"] + "\n"
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	tokens, err := credentials.OpenTokens(path)
	if err != nil {
		t.Fatal(err)
	}
	return credentials.NewGuard(credentials.GuardOptions{Tokens: tokens, Problem: problem, Logger: zerolog.Nop()})
}

// stubbed is the table of an engine with handlers that only say that they were reached.
func stubbed() []route {
	table := (&Engine{Core: &Core{}}).routes()
	for i := range table {
		table[i].handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	}
	return table
}

// TestEveryRouteNeedsItsRole asks every route of the table as everybody.
func TestEveryRouteNeedsItsRole(t *testing.T) {
	table := stubbed()
	h := handler(table, testGuard(t))
	for _, r := range table {
		method, path := "POST", r.pattern
		if m, p, ok := strings.Cut(r.pattern, " "); ok {
			method, path = m, p
		}
		path = regexp.MustCompile(`\{[a-z]+\}`).ReplaceAllString(strings.TrimSuffix(path, "{$}"), "x")
		for who, secret := range secrets {
			want := http.StatusNoContent
			switch {
			case r.role == credentials.Open || who == string(r.role) || who == "admin":
			case who == "nobody" || who == "stranger":
				want = http.StatusUnauthorized
			default:
				want = http.StatusForbidden
			}
			req := httptest.NewRequest(method, path, nil)
			if secret != "" {
				req.Header.Set("Authorization", "Bearer "+secret)
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, req)
			if w.Code != want {
				t.Errorf("%s %s as %s: %d, want %d", method, path, who, w.Code, want)
			}
			if w.Code == http.StatusUnauthorized && w.Header().Get("WWW-Authenticate") == "" {
				t.Errorf("%s %s as %s: no WWW-Authenticate", method, path, who)
			}
		}
	}
}

// TestOpenRoutes: what needs no token is named here, so that nothing becomes open by a slip, and whatever
// changes something needs more than to read.
func TestOpenRoutes(t *testing.T) {
	var open []string
	for _, r := range stubbed() {
		switch r.role {
		case credentials.Open:
			open = append(open, r.pattern)
		case credentials.Read:
			if !strings.HasPrefix(r.pattern, "GET ") {
				t.Errorf("%s needs role read only", r.pattern)
			}
		case credentials.Events, credentials.Admin:
		default:
			t.Errorf("%s has role %q", r.pattern, r.role)
		}
	}
	if want := []string{"GET /{$}", "GET /static/", "GET /-/healthy", "GET /-/ready"}; !slices.Equal(open, want) {
		t.Errorf("open: %v", open)
	}
}

// A token in the address is none: addresses end in logs and histories.
func TestTokenInTheAddressIsNone(t *testing.T) {
	w := httptest.NewRecorder()
	handler(stubbed(), testGuard(t)).ServeHTTP(w, httptest.NewRequest("GET", "/api/v1/status?token="+secrets["admin"]+"&access_token="+secrets["admin"], nil))
	if w.Code != http.StatusUnauthorized {
		t.Error(w.Code)
	}
}

// A page of somebody else's cannot make a browser change anything, token or not.
func TestCrossOriginIsRefused(t *testing.T) {
	open := credentials.NewGuard(credentials.GuardOptions{Problem: problem, Logger: zerolog.Nop()})
	for _, guard := range []*credentials.Guard{open, testGuard(t)} {
		req := httptest.NewRequest("POST", "http://localhost:8080/-/reload", nil)
		req.Header.Set("Origin", "https://evil.example")
		req.Header.Set("Authorization", "Bearer "+secrets["admin"])
		w := httptest.NewRecorder()
		handler(stubbed(), guard).ServeHTTP(w, req)
		if w.Code != http.StatusForbidden {
			t.Error(w.Code)
		}
	}
}
