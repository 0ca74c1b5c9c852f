package app

import (
	"context"

	"github.com/milepost-io/milepost/cmd/internal/credentials"
	"github.com/milepost-io/milepost/ingest/broker/users"
)

// identity is how those who listen know themselves and others: certificates, tokens, users. What is nil is not
// configured.
type identity struct {
	http, mqtt *credentials.Certificate
	tokens     *credentials.Tokens
	users      *users.Users
	guard      *credentials.Guard
	watch      *credentials.Watch
}

// openIdentity reads what the configuration names.
func (e *Engine) openIdentity() error {
	var id identity
	var watched []credentials.Watched
	var certificates []*credentials.Certificate
	certificate := func(o credentials.CertificateOptions) (*credentials.Certificate, error) {
		if o.CertFile == "" {
			return nil, nil
		}
		c, err := credentials.OpenCertificate(o)
		if err != nil {
			return nil, err
		}
		certificates = append(certificates, c)
		watched = append(watched, credentials.Watched{Name: o.Key, What: c, Private: []string{o.KeyFile}})
		return c, nil
	}
	var err error
	if id.http, err = certificate(credentials.CertificateOptions{
		Key: "http.tls", CertFile: e.cfg.HTTP.TLS.CertFile, KeyFile: e.cfg.HTTP.TLS.KeyFile, Protocols: []string{"h2", "http/1.1"},
	}); err != nil {
		return err
	}
	if path := e.cfg.HTTP.TokensFile; path != "" {
		if id.tokens, err = credentials.OpenTokens(path); err != nil {
			return err
		}
		watched = append(watched, credentials.Watched{Name: "http.tokens_file", What: id.tokens, Private: []string{path}, Changed: e.warnWeakTokens})
	}
	if e.cfg.MQTT.Listen != "" {
		t := e.cfg.MQTT.TLS
		if id.mqtt, err = certificate(credentials.CertificateOptions{
			Key: "mqtt.tls", CertFile: t.CertFile, KeyFile: t.KeyFile, ClientCAFile: t.ClientCAFile, ClientOptional: e.cfg.MQTT.UsersFile != "",
		}); err != nil {
			return err
		}
		if path := e.cfg.MQTT.UsersFile; path != "" {
			if id.users, err = users.Open(path); err != nil {
				return err
			}
			watched = append(watched, credentials.Watched{Name: "mqtt.users_file", What: id.users, Private: []string{path}, Changed: e.recheckClients})
		}
	}
	id.guard = credentials.NewGuard(credentials.GuardOptions{Tokens: id.tokens, Proxy: e.cfg.HTTP.TLSAtProxy, Problem: problem, Logger: e.log})
	e.id = id
	e.id.watch = credentials.NewWatch(e.log, watched, certificates)
	return nil
}

func (e *Engine) watchIdentity(ctx context.Context) error { return e.id.watch.Run(ctx) }

func (e *Engine) warnWeakTokens() {
	for _, name := range e.id.tokens.Weak() {
		e.log.Warn().Str("token", name).Msg("http.tokens_file: a token shorter than 16 characters can be guessed; make one with: openssl rand -hex 24")
	}
}

// recheckClients lets go whom the users file no longer knows.
func (e *Engine) recheckClients() {
	if b := e.sources.broker; b != nil {
		b.Recheck()
	}
}

// scheme is what the console's address begins with.
func (e *Engine) scheme() string {
	if e.id.http != nil {
		return "https"
	}
	return "http"
}

// collectIdentity tells of certificates and of what was refused.
func (c collector) collectIdentity(m sink) {
	for listener, cert := range map[string]*credentials.Certificate{"http": c.e.id.http, "mqtt": c.e.id.mqtt} {
		if cert != nil {
			m.gauge("milepost_tls_certificate_expiry_timestamp_seconds", certificateHelp, float64(cert.NotAfter().Unix()), "key", listener+".tls")
		}
	}
	refused := func(listener, reason string, n uint64) {
		m.counter("milepost_security_refused_total", "requests, connections and messages refused for their credentials since the start", float64(n), "listener", listener, "reason", reason)
	}
	c.e.id.guard.Refused(func(reason string, n uint64) { refused("http", reason, n) })
	if b := c.e.sources.broker; b != nil {
		s := b.Stats()
		refused("mqtt", "credentials", s.RefusedCredentials)
		refused("mqtt", "tls", s.RefusedTLS)
		refused("mqtt", "pending", s.RefusedPending)
		refused("mqtt", "wrong_client", s.WrongClient)
		refused("mqtt", "subscribe", s.RefusedSubscribe)
	}
}
