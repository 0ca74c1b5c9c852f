package credentials

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
)

func writeProblem(w http.ResponseWriter, status int, detail string) { http.Error(w, detail, status) }

// guarded is a handler behind a guard with one token of each role.
func guarded(t *testing.T, proxy bool, log *bytes.Buffer) (*Guard, http.Handler) {
	t.Helper()
	tokens, err := OpenTokens(write(t, "tokens", "gw events events-0123456789abcdef\nops admin admin-0123456789abcdef\n"))
	if err != nil {
		t.Fatal(err)
	}
	g := NewGuard(GuardOptions{Tokens: tokens, Proxy: proxy, Problem: writeProblem, Logger: zerolog.New(log)})
	return g, g.Require(Read, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
}

func ask(h http.Handler, from, token string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, "http://localhost/", nil)
	r.RemoteAddr = from
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// Wrong tokens are slowed down by address, for the rest of the minute; others are not.
func TestWrongTokensAreSlowedDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &bytes.Buffer{}
		g, h := guarded(t, false, log)
		const attacker, other, here = "192.0.2.1:1000", "192.0.2.2:1000", "127.0.0.1:1000"
		for i := range attemptsPerMinute + 5 {
			want := http.StatusUnauthorized
			if i >= attemptsPerMinute {
				want = http.StatusTooManyRequests
			}
			if w := ask(h, attacker, "guess"); w.Code != want {
				t.Fatalf("attempt %d: %d", i, w.Code)
			}
			if w := ask(h, here, "guess"); w.Code != http.StatusUnauthorized {
				t.Fatalf("on this machine, attempt %d: %d", i, w.Code)
			}
		}
		if w := ask(h, attacker, "admin-0123456789abcdef"); w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") == "" {
			t.Errorf("a right guess at last: %d %v", w.Code, w.Header())
		}
		if w := ask(h, other, "admin-0123456789abcdef"); w.Code != http.StatusNoContent {
			t.Errorf("somebody else: %d", w.Code)
		}
		time.Sleep(time.Minute)
		if w := ask(h, attacker, "admin-0123456789abcdef"); w.Code != http.StatusNoContent {
			t.Errorf("a minute later: %d", w.Code)
		}
		got := map[string]uint64{}
		g.Refused(func(reason string, n uint64) { got[reason] = n })
		if got["wrong_token"] != 2*attemptsPerMinute+5 || got["rate"] != 6 || got["no_token"] != 0 {
			t.Errorf("%v", got)
		}
		if n := strings.Count(log.String(), "the token is not known"); n != 1 {
			t.Errorf("%d lines in a minute:\n%s", n, log)
		}
		if strings.Contains(log.String(), "guess") {
			t.Errorf("a token in the log: %s", log)
		}
	})
}

// A request without a token is no attempt: a page asks without one first.
func TestNoTokenIsNoAttempt(t *testing.T) {
	_, h := guarded(t, false, &bytes.Buffer{})
	for range 3 * attemptsPerMinute {
		if w := ask(h, "192.0.2.1:1", ""); w.Code != http.StatusUnauthorized {
			t.Fatal(w.Code)
		}
	}
}

// Behind a proxy the address is the one that the proxy added, whatever its client claims.
func TestAddressBehindAProxy(t *testing.T) {
	for _, x := range []struct {
		proxy     bool
		forwarded []string
		want      string
	}{
		{false, []string{"203.0.113.9"}, "192.0.2.1"},
		{true, []string{"203.0.113.9"}, "203.0.113.9"},
		{true, []string{"10.0.0.1, 203.0.113.9"}, "203.0.113.9"},
		{true, []string{"10.0.0.1", "203.0.113.9"}, "203.0.113.9"},
		{true, []string{"::ffff:203.0.113.9"}, "203.0.113.9"},
		{true, []string{"nonsense"}, "192.0.2.1"},
		{true, nil, "192.0.2.1"},
	} {
		g, _ := guarded(t, x.proxy, &bytes.Buffer{})
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr = "192.0.2.1:1234"
		r.Header["X-Forwarded-For"] = x.forwarded
		if got := g.from(r); got != netip.MustParseAddr(x.want) {
			t.Errorf("%+v: %v", x, got)
		}
	}
}

// Without tokens a page whose name is made to point here reads nothing.
func TestWithoutTokensOnlyOwnNames(t *testing.T) {
	g := NewGuard(GuardOptions{Problem: writeProblem, Logger: zerolog.Nop()})
	h := g.Require(Read, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	for host, want := range map[string]int{
		"localhost": 204, "LOCALHOST:8080": 204, "127.0.0.1:8080": 204, "127.8.8.8": 204, "[::1]:8080": 204, "[::1]": 204, "milepost.localhost:80": 204,
		"evil.example": 421, "evil.example:8080": 421, "localhost.evil.example": 421, "192.168.1.5:8080": 421, "": 421,
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Host = host
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("host %q: %d, want %d", host, w.Code, want)
		}
	}
}

func TestAttemptsAreBounded(t *testing.T) {
	var a attempts
	now := time.Unix(1_000_000, 0)
	for i := range attemptsKept + 100 {
		a.fail(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), now)
	}
	if len(a.failed) != attemptsKept {
		t.Error(len(a.failed))
	}
	// One party has 64 bits of IPv6 addresses.
	for i := range attemptsPerMinute {
		a.fail(netip.AddrFrom16([16]byte{0x20, 1, 15: byte(i)}), now.Add(time.Minute))
	}
	if a.wait(netip.MustParseAddr("2001::ffff"), now.Add(time.Minute)) == 0 {
		t.Error("another address of the same network may go on")
	}
}
