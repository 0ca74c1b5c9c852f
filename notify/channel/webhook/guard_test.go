package webhook

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"
)

// What may be dialled without allow_private: public addresses on the ports of https, however written.
func TestGuard(t *testing.T) {
	g := newGuard()
	for _, c := range []struct {
		addr, refused string
	}{
		{"93.184.216.34:443", ""},
		{"93.184.216.34:8443", ""},
		{"[2606:2800:220:1:248:1893:25c8:1946]:443", ""},
		{"[64:ff9b::5db8:d822]:443", ""}, // NAT64 of a public address
		{"93.184.216.34:80", "port 80"},
		{"93.184.216.34:22", "port 22"},
		{"127.0.0.1:443", "loopback"},
		{"127.255.255.254:443", "loopback"},
		{"0.0.0.0:443", "this network"},
		{"0.1.2.3:443", "this network"},
		{"10.0.0.1:443", "private"},
		{"172.16.0.1:443", "private"},
		{"172.31.255.255:443", "private"},
		{"172.32.0.1:443", ""},
		{"192.168.1.1:443", "private"},
		{"100.64.0.1:443", "carrier-grade"},
		{"100.127.255.255:443", "carrier-grade"},
		{"100.128.0.1:443", ""},
		{"169.254.169.254:443", "metadata"},
		{"198.18.0.1:443", "benchmarking"},
		{"224.0.0.1:443", "multicast"},
		{"239.255.255.255:443", "multicast"},
		{"240.0.0.1:443", "reserved"},
		{"255.255.255.255:443", "reserved"},
		{"[::]:443", "unspecified"},
		{"[::1]:443", "loopback"},
		{"[::ffff:127.0.0.1]:443", "loopback"},
		{"[::ffff:169.254.169.254]:443", "metadata"},
		{"[::10.0.0.1]:443", "private"},
		{"[64:ff9b::a9fe:a9fe]:443", "metadata"},
		{"[64:ff9b:1::1]:443", "NAT64"},
		{"[2002:a00:1::]:443", "private"},
		{"[fc00::1]:443", "unique local"},
		{"[fd12:3456::1]:443", "unique local"},
		{"[fe80::1%eth0]:443", "link-local"},
		{"[ff02::1]:443", "multicast"},
	} {
		ap, err := netip.ParseAddrPort(c.addr)
		if err != nil {
			t.Fatal(err)
		}
		err = g.check(ap)
		if (err == nil) != (c.refused == "") || err != nil && !strings.Contains(err.Error(), c.refused) {
			t.Errorf("%s: %v, want refused %q", c.addr, err, c.refused)
		}
		if err != nil && !strings.Contains(err.Error(), "allow_private") {
			t.Errorf("%s: %v does not say what to do", c.addr, err)
		}
	}
	if err := g.control("tcp", "example.com:443", nil); err == nil {
		t.Error("a name reached the dialler")
	}
}

func TestNew(t *testing.T) {
	secrets, err := ParseSecrets("whsec_plJ3nmyCDGBKInavdOK15jsl")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		url     string
		private bool
		err     string
	}{
		{"https://crm.example/hooks", false, ""},
		{"https://crm.example:8443/hooks?x=1", false, ""},
		{"http://127.0.0.1:9000/hooks", true, ""},
		{"http://crm.example/hooks", false, "allow_private"},
		{"ftp://crm.example/", true, "scheme"},
		{"crm.example/hooks", false, "names no host"},
		{"https://user:word@crm.example/", false, "password"},
		{"https://crm.example:99999/", false, "port"},
		{"https://crm.example:5432/", false, "port 5432"},
		{"https://127.0.0.1/", false, "loopback"},
		{"https://[::ffff:10.1.1.1]/", false, "private"},
		{"https://169.254.169.254/latest", false, "metadata"},
		{"https://169.254.169.254/latest", true, ""},
		{"://", false, "url"},
	} {
		ch, err := New(Options{URL: c.url, Secrets: secrets, AllowPrivate: c.private})
		if err == nil && ch.client.Transport.(*http.Transport).Proxy != nil {
			t.Errorf("New(%q) asks a proxy, which would dial unguarded", c.url)
		}
		if (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("New(%q, private %v) = %v, want %q", c.url, c.private, err, c.err)
		}
		if err != nil && strings.Contains(err.Error(), "word") && !strings.Contains(err.Error(), "password") {
			t.Errorf("the error tells the password: %v", err)
		}
	}
	if _, err := New(Options{URL: "https://crm.example/"}); err == nil {
		t.Error("a webhook without secret is taken")
	}
}
