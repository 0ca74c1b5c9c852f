package config

import (
	"fmt"
	"net"
)

// checkListeners refuses what others can reach without credentials: on any other address than loopback
// everybody could read the fleet and speak for any car.
func (c *Config) checkListeners() []string {
	var bad []string
	add := func(f string, a ...any) { bad = append(bad, fmt.Sprintf(f, a...)) }
	// public reports whether others reach the address; one that is none is told.
	public := func(key, addr string) bool {
		if addr == "" {
			return false
		}
		if _, _, err := net.SplitHostPort(addr); err != nil {
			add("%s: %q is no address (expected host:port)", key, addr)
			return false
		}
		return !Loopback(addr)
	}
	if public("http.listen", c.HTTP.Listen) {
		const reach = "http.listen: %q is reached from elsewhere: "
		if c.HTTP.TokensFile == "" {
			add(reach+"it needs http.tokens_file", c.HTTP.Listen)
		}
		if c.HTTP.TLS.CertFile == "" && !c.HTTP.TLSAtProxy {
			add(reach+"it needs http.tls.cert_file and key_file (or http.tls_at_proxy: true behind a proxy that speaks TLS)", c.HTTP.Listen)
		}
	}
	if c.HTTP.TLSAtProxy && c.HTTP.TokensFile == "" {
		add("http.tls_at_proxy: others come through the proxy: it needs http.tokens_file")
	}
	if public("http.debug_listen", c.HTTP.DebugListen) {
		add("http.debug_listen: %q is not a loopback address: profiles have no credentials, so it listens on 127.0.0.1 or [::1] only", c.HTTP.DebugListen)
	}
	if public("mqtt.listen", c.MQTT.Listen) {
		const reach = "mqtt.listen: %q is reached from elsewhere: "
		if c.MQTT.TLS.CertFile == "" {
			add(reach+"it needs mqtt.tls.cert_file and key_file", c.MQTT.Listen)
		}
		if c.MQTT.UsersFile == "" && c.MQTT.TLS.ClientCAFile == "" {
			add(reach+"it needs mqtt.users_file or mqtt.tls.client_ca_file", c.MQTT.Listen)
		}
	}
	if c.MQTT.TLS.ClientCAFile != "" && c.MQTT.TLS.CertFile == "" {
		add("mqtt.tls.client_ca_file: client certificates need mqtt.tls.cert_file and key_file beside it")
	}
	for _, pair := range []struct{ at, cert, key string }{
		{"http.tls", c.HTTP.TLS.CertFile, c.HTTP.TLS.KeyFile}, {"mqtt.tls", c.MQTT.TLS.CertFile, c.MQTT.TLS.KeyFile},
	} {
		if (pair.cert == "") != (pair.key == "") {
			add("%s: cert_file and key_file belong together", pair.at)
		}
	}
	return bad
}

// Loopback reports whether an address, host:port, is reached from its own machine only.
func Loopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
