package protocol

import (
	"net/netip"
	"strings"
	"unicode/utf8"
)

// maxAuthority is far above a name of 253 bytes, or an address with its zone, and a port.
const maxAuthority = 512

// Authority returns the canonical form of a host that a client dials, or of a request's Host: ASCII in lower case, without
// the ports 80 and 443 or a lone colon, without a trailing dot, an IPv6 address in brackets whether host has them or not.
// All else stays as it is. It returns false for what is no host with an optional port.
func Authority(host string) (string, bool) {
	if len(host) > maxAuthority || !utf8.ValidString(host) {
		return "", false
	}
	host = asciiLower(host)
	if isIPv6(host) {
		return "[" + host + "]", true
	}
	name, port, ok := splitPort(host)
	if !ok {
		return "", false
	}
	if address, bracketed := strings.CutPrefix(name, "["); bracketed {
		if !isIPv6(strings.TrimSuffix(address, "]")) {
			return "", false
		}
	} else if name = strings.TrimSuffix(name, "."); !isName(name) {
		return "", false
	}
	if port == "" || port == "80" || port == "443" {
		return name, true
	}
	return name + ":" + port, true
}

// splitPort cuts the port off, empty for none. An address in brackets keeps them.
func splitPort(host string) (name, port string, ok bool) {
	name, port, _ = strings.Cut(host, ":")
	if strings.HasPrefix(host, "[") {
		end := strings.IndexByte(host, ']') + 1
		rest := host[end:]
		if name, port = host[:end], strings.TrimPrefix(rest, ":"); rest != "" && rest[0] != ':' {
			return "", "", false
		}
	}
	return name, port, strings.Trim(port, "0123456789") == ""
}

func isIPv6(text string) bool {
	addr, err := netip.ParseAddr(text)
	return err == nil && addr.Is6() && (addr.Zone() == "" || isName(addr.Zone()))
}

// isName reports whether text may be a name or an IPv4 address, which is not to say that it is one.
func isName(text string) bool {
	return text != "" && !strings.ContainsFunc(text, func(r rune) bool {
		return r <= ' ' || r == 0x7f || strings.ContainsRune(`/?#@\[],;"`, r)
	})
}

// asciiLower leaves other letters alone: strings.ToLower would make ASCII of some of them.
func asciiLower(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}
