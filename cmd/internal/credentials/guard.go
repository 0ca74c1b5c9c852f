package credentials

import (
	"fmt"
	"math"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
)

// GuardOptions say who is let through.
type GuardOptions struct {
	// Tokens may ask; nil: everybody who asks for this machine by its own name.
	Tokens *Tokens
	// Proxy says that a proxy in front ends TLS: the address of a client is the last one of
	// X-Forwarded-For, which the proxy has added.
	Proxy bool
	// Problem writes a refusal.
	Problem func(w http.ResponseWriter, status int, detail string)
	Logger  zerolog.Logger
}

// Guard lets requests through to handlers by role. Wrong tokens are counted, logged once a minute, and
// slowed down by address. Methods may be called concurrently.
type Guard struct {
	opts     GuardOptions
	attempts attempts
	refused  [len(reasons)]atomic.Uint64
	logged   [len(reasons)]atomic.Int64 // Unix seconds
}

// NewGuard returns a guard.
func NewGuard(o GuardOptions) *Guard { return &Guard{opts: o} }

// reason is why a request was refused.
type reason uint8

const (
	noToken reason = iota
	wrongToken
	wrongRole
	tooMany
	wrongHost
)

// reasons are metric labels.
var reasons = [...]string{noToken: "no_token", wrongToken: "wrong_token", wrongRole: "role", tooMany: "rate", wrongHost: "host"}

// Refused calls f with the number of requests refused for each reason.
func (g *Guard) Refused(f func(reason string, n uint64)) {
	for i, name := range reasons {
		f(name, g.refused[i].Load())
	}
}

// Require lets requests through to h that have a role.
func (g *Guard) Require(role Role, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		if g.admit(w, r, role) {
			h.ServeHTTP(w, r)
		}
	})
}

// Client returns the name of a token, and whether it may send events.
func (g *Guard) Client(secret string) (name string, ok bool) {
	tok, ok := g.opts.Tokens.Find(secret)
	return tok.Name, ok && tok.May(Events)
}

// Name is the name of the token that a request came with, for what is written down about it; "" when nobody
// needs one.
func (g *Guard) Name(r *http.Request) string {
	if g.opts.Tokens == nil {
		return ""
	}
	tok, _ := g.opts.Tokens.Find(bearer(r))
	return tok.Name
}

// admit answers a request that may not pass, and reports whether it may.
func (g *Guard) admit(w http.ResponseWriter, r *http.Request, role Role) bool {
	if role == Open {
		return true
	}
	if g.opts.Tokens == nil {
		if ownName(r.Host) {
			return true
		}
		// A page of somebody else's whose name is made to point here would else read everything.
		g.refuse(w, r, wrongHost, http.StatusMisdirectedRequest,
			fmt.Sprintf("without http.tokens_file only requests for this machine's own name are answered (localhost, 127.0.0.1, [::1]); this one asks for host %.80q", r.Host))
		return false
	}
	now, from := time.Now(), g.from(r)
	if wait := g.attempts.wait(from, now); wait > 0 && !from.IsLoopback() {
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(wait.Seconds()))))
		g.refuse(w, r, tooMany, http.StatusTooManyRequests, "too many wrong tokens from this address; wait a minute")
		return false
	}
	secret := bearer(r)
	tok, ok := g.opts.Tokens.Find(secret)
	switch {
	case secret == "":
		w.Header().Set("WWW-Authenticate", "Bearer")
		g.refuse(w, r, noToken, http.StatusUnauthorized, "a bearer token with "+needed(role)+" is needed (Authorization: Bearer …)")
	case !ok:
		g.attempts.fail(from, now)
		w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
		g.refuse(w, r, wrongToken, http.StatusUnauthorized, "the token is not known; a bearer token with "+needed(role)+" is needed")
	case !tok.May(role):
		w.Header().Set("WWW-Authenticate", `Bearer error="insufficient_scope"`)
		g.refuse(w, r, wrongRole, http.StatusForbidden, fmt.Sprintf("token %q has role %s; this needs %s", tok.Name, tok.Role, needed(role)))
	default:
		return true
	}
	return false
}

func needed(role Role) string {
	if role == Admin {
		return "role admin"
	}
	return "role " + string(role) + " or admin"
}

// bodyGrace is how long the body of a refused request may still take to arrive.
const bodyGrace = 5 * time.Second

// refuse answers, counts and logs. The connection ends with it, so that nobody keeps the server reading a
// body that it does not want.
func (g *Guard) refuse(w http.ResponseWriter, r *http.Request, why reason, status int, detail string) {
	g.refused[why].Add(1)
	now, last := time.Now().Unix(), g.logged[why].Load()
	if why != noToken && now-last >= 60 && g.logged[why].CompareAndSwap(last, now) { // a page asks without one first
		g.opts.Logger.Warn().Stringer("remote", g.from(r)).Int("status", status).Str("reason", reasons[why]).Uint64("refused", g.refused[why].Load()).
			Msg("http request refused: " + detail)
	}
	// A recorder in a test has no deadlines; a server's connection has.
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyGrace))
	w.Header().Set("Connection", "close")
	g.opts.Problem(w, status, detail)
}

// bearer is the token of a request, "" without.
func bearer(r *http.Request) string {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}

// from is the address of who asks.
func (g *Guard) from(r *http.Request) netip.Addr {
	if g.opts.Proxy {
		all := r.Header.Values("X-Forwarded-For")
		if len(all) > 0 {
			last := all[len(all)-1]
			if a, err := netip.ParseAddr(strings.TrimSpace(last[strings.LastIndexByte(last, ',')+1:])); err == nil {
				return a.Unmap()
			}
		}
	}
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.IPv4Unspecified()
	}
	return peer.Addr().Unmap()
}

// ownName reports whether a Host header names this machine to itself.
func ownName(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.ToLower(strings.Trim(host, "[]"))
	ip := net.ParseIP(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || ip != nil && ip.IsLoopback()
}
