package webhook

import (
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"syscall"
)

// guarded are the ranges no webhook may reach unless it has allow_private, with what they are.
func guarded() []struct{ prefix, what string } {
	return []struct{ prefix, what string }{
		{"0.0.0.0/8", "this network"},
		{"10.0.0.0/8", "private"},
		{"100.64.0.0/10", "carrier-grade NAT"},
		{"127.0.0.0/8", "loopback"},
		{"169.254.0.0/16", "link-local (cloud metadata lives there)"},
		{"172.16.0.0/12", "private"},
		{"192.0.0.0/24", "protocol assignments"},
		{"192.168.0.0/16", "private"},
		{"198.18.0.0/15", "benchmarking"},
		{"224.0.0.0/4", "multicast"},
		{"240.0.0.0/4", "reserved"},
		{"::/128", "unspecified"},
		{"::1/128", "loopback"},
		{"64:ff9b:1::/48", "local NAT64"},
		{"100::/64", "discard"},
		{"fc00::/7", "unique local"},
		{"fe80::/10", "link-local"},
		{"fec0::/10", "site-local"},
		{"ff00::/8", "multicast"},
	}
}

// guard decides about the address a connection is about to be made to.
type guard struct {
	ranges []netip.Prefix
	whats  []string
}

func newGuard() *guard {
	g := new(guard)
	for _, r := range guarded() {
		g.ranges = append(g.ranges, netip.MustParsePrefix(r.prefix))
		g.whats = append(g.whats, r.what)
	}
	return g
}

// control is a net.Dialer's Control: it sees the address after the name was resolved, so that a name
// cannot change its mind between a check and the call.
func (g *guard) control(_, address string, _ syscall.RawConn) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("dial guard: %q is no address (expected ip:port)", address)
	}
	return g.check(ap)
}

func (g *guard) check(ap netip.AddrPort) error {
	ip := ap.Addr().WithZone("")
	if !slices.Contains(ports(), ap.Port()) {
		return &refusal{fmt.Sprintf("port %d of %s (expected one of %d)", ap.Port(), ip, ports())}
	}
	for _, a := range [...]netip.Addr{ip, embedded(ip)} {
		if !a.IsValid() {
			continue
		}
		a = a.Unmap()
		for i, r := range g.ranges {
			if r.Contains(a) {
				return &refusal{fmt.Sprintf("address %s is in %s, %s", ip, r, g.whats[i])}
			}
		}
	}
	return nil
}

// ports are those a webhook may reach unless it has allow_private.
func ports() []uint16 { return []uint16{443, 8443} }

// checkURL refuses at configuration what the dialler would refuse later: a port, or an address written out.
func (g *guard) checkURL(u *url.URL) error {
	port := uint64(443)
	if p := u.Port(); p != "" {
		var err error
		if port, err = strconv.ParseUint(p, 10, 16); err != nil {
			return fmt.Errorf("port %q (expected a number)", p)
		}
	}
	ip, err := netip.ParseAddr(u.Hostname())
	if err != nil { // a name: its port is known, its address is not
		ip = netip.AddrFrom4([4]byte{8, 8, 8, 8})
	}
	return g.check(netip.AddrPortFrom(ip, uint16(port)))
}

// embedded is the IPv4 address that an IPv6 one leads to by NAT64, 6to4 or IPv4-compatible form; invalid
// where there is none.
func embedded(ip netip.Addr) netip.Addr {
	if !ip.Is6() || ip.Is4In6() {
		return netip.Addr{}
	}
	b := ip.As16()
	switch {
	case netip.MustParsePrefix("64:ff9b::/96").Contains(ip), netip.MustParsePrefix("::/96").Contains(ip):
		return netip.AddrFrom4([4]byte(b[12:16]))
	case netip.MustParsePrefix("2002::/16").Contains(ip):
		return netip.AddrFrom4([4]byte(b[2:6]))
	}
	return netip.Addr{}
}

// refusal is an address that is not dialled.
type refusal struct{ why string }

func (r *refusal) Error() string {
	return "dial guard: " + r.why + "; set allow_private: true on the webhook if this is meant"
}
