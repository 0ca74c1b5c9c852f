package webhook

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/milepost-io/milepost/notify"
)

const (
	connectTimeout = 3 * time.Second
	totalTimeout   = 10 * time.Second
	drainTimeout   = time.Second
	readCap        = 4 << 10 // of a reply
	detailCap      = 200     // of a reply's text, shown to operators
	contentType    = "application/cloudevents+json; charset=utf-8"
)

// Options are what a Channel is made with. Zero durations take the defaults.
type Options struct {
	URL     string
	Secrets Secrets
	// AllowPrivate permits http, loopback and private addresses, and any port.
	AllowPrivate bool
	// Connect and Total bound one attempt; 3 s and 10 s.
	Connect, Total time.Duration
	// RootCAs and the rest of TLS; nil: the system's.
	TLS *tls.Config
}

// Channel posts entries to one URL. It implements notify.Channel and may be used concurrently.
type Channel struct {
	url     string
	secrets Secrets
	client  *http.Client
	total   time.Duration
	// now stamps signatures: real time always (E18).
	now func() time.Time
}

var _ notify.Channel = (*Channel)(nil)

// New checks the URL and returns its channel. It connects to nothing.
func New(o Options) (*Channel, error) {
	u, err := url.Parse(o.URL)
	if err != nil {
		return nil, fmt.Errorf("webhook url: %w", err)
	}
	switch {
	case u.Host == "":
		return nil, fmt.Errorf("webhook url %q names no host (expected https://host/path)", u.Redacted())
	case u.User != nil:
		return nil, fmt.Errorf("webhook url %q carries a password (expected none: events are signed)", u.Redacted())
	case u.Scheme == "http" && !o.AllowPrivate:
		return nil, fmt.Errorf("webhook url %q is not encrypted (expected https; http needs allow_private: true)", u.Redacted())
	case u.Scheme != "https" && u.Scheme != "http":
		return nil, fmt.Errorf("webhook url %q has scheme %q (expected https)", u.Redacted(), u.Scheme)
	case len(o.Secrets.keys) == 0:
		return nil, fmt.Errorf("webhook %s has no secret (expected at least one)", u.Redacted())
	}
	g := newGuard()
	if !o.AllowPrivate {
		if err := g.checkURL(u); err != nil {
			return nil, fmt.Errorf("webhook url %q: %w", u.Redacted(), err)
		}
	}
	if o.Connect <= 0 {
		o.Connect = connectTimeout
	}
	if o.Total <= 0 {
		o.Total = totalTimeout
	}
	dialer := &net.Dialer{Timeout: o.Connect}
	if !o.AllowPrivate {
		dialer.Control = g.control
	}
	transport := &http.Transport{
		Proxy:               nil, // not even from the environment: it would dial for us, unguarded
		DialContext:         dialer.DialContext,
		TLSClientConfig:     o.TLS.Clone(),
		TLSHandshakeTimeout: o.Connect,
		ForceAttemptHTTP2:   true,
		MaxIdleConnsPerHost: 8,
		IdleConnTimeout:     90 * time.Second,
		// A reply's headers are no more trusted than its body.
		MaxResponseHeaderBytes: 16 << 10,
		DisableCompression:     true,
	}
	return &Channel{
		url: u.String(), secrets: o.Secrets, total: o.Total, now: time.Now,
		client: &http.Client{
			Transport:     transport,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}, nil
}

// Close lets go of idle connections.
func (c *Channel) Close() error {
	c.client.CloseIdleConnections()
	return nil
}

// Send implements notify.Channel: one POST.
func (c *Channel) Send(ctx context.Context, e *notify.Entry) notify.Answer {
	ctx, cancel := context.WithTimeout(ctx, c.total)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, bytes.NewReader(e.Body))
	if err != nil {
		return notify.Answer{Outcome: notify.Refused, Detail: err.Error()}
	}
	at := c.now()
	h := req.Header
	h.Set("Content-Type", contentType)
	h.Set("User-Agent", "milepost")
	h.Set("webhook-id", e.ID)
	h.Set("webhook-timestamp", strconv.FormatInt(at.Unix(), 10))
	h.Set("webhook-signature", c.secrets.sign(e.ID, at, e.Body))

	resp, err := c.client.Do(req)
	if err != nil {
		return notify.Answer{Outcome: notify.Retry, Detail: failure(ctx, err)}
	}
	defer resp.Body.Close()
	// The status has decided. What follows is read for a moment only, for people and so that the
	// connection can be used again.
	stop := time.AfterFunc(drainTimeout, cancel)
	defer stop.Stop()
	text := readSome(resp.Body)
	return answer(resp, text, at)
}

// readSome reads what is shown of a reply. Of a short one it reads the end too, so that the connection is
// used again; a long or slow one is cut off.
func readSome(r io.Reader) string {
	b, err := io.ReadAll(io.LimitReader(r, readCap))
	if err != nil && len(b) == 0 {
		return ""
	}
	b = b[:min(len(b), detailCap)]
	for len(b) > 0 && !utf8.Valid(b) { // a character cut in two, or no text at all
		b = b[:len(b)-1]
	}
	return strings.TrimSpace(string(b))
}

// answer reads a status (the table of Standard Webhooks): the status line decides, whatever becomes of the
// rest of the reply.
func answer(resp *http.Response, text string, now time.Time) notify.Answer {
	a := notify.Answer{Detail: resp.Status}
	code := resp.StatusCode
	switch {
	case code >= 200 && code < 300:
		return a
	case code == http.StatusGone:
		a.Outcome = notify.Gone
	case code >= 300 && code < 400:
		a.Outcome = notify.Refused
		a.Detail += ": redirects are not followed: configure the address it points to"
		return a
	case code == http.StatusRequestTimeout, code == http.StatusTooEarly, code == http.StatusTooManyRequests, code >= 500, code < 200:
		a.Outcome = notify.Retry
		a.After = retryAfter(resp.Header.Get("Retry-After"), now)
	default:
		a.Outcome = notify.Refused
	}
	if text != "" {
		a.Detail += ": " + text
	}
	return a
}

// retryAfter reads the header: seconds or a date; 0 when it says nothing.
func retryAfter(v string, now time.Time) time.Duration {
	if n, err := strconv.Atoi(v); err == nil && n >= 0 {
		return time.Duration(min(n, 24*3600)) * time.Second
	}
	if at, err := http.ParseTime(v); err == nil {
		return max(at.Sub(now), 0)
	}
	return 0
}

// failure says what went wrong before there was an answer, without the URL (it may hold a token).
func failure(ctx context.Context, err error) string {
	var ue *url.Error
	if errors.As(err, &ue) {
		err = ue.Err
	}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return "no answer in time: " + err.Error()
	}
	return err.Error()
}
