package transport

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/valyala/fasthttp"

	"github.com/enigma-protocol/enigma/actors/protocol"
)

// hostAllowed reports whether a request names a host that it may. On a listener that is bound to loopback, nobody but this
// machine and its proxies have business, and they write localhost, a loopback address, or a public host. Any other name
// is one that a stranger's name server has pointed here, so that a page of theirs is of the same origin as this server
// (DNS rebinding): no list of origins would keep it out, for it sends none.
//
// A proxy that writes a name of its own into Host shows itself by a forwarding header. A page can write such a header
// too: so it is an excuse only where pages gain nothing by it, because all of them may come anyway, or because a single
// public host says that there is a proxy, by which everybody can come, and which may write what it likes.
func (s *Server) hostAllowed(ctx *fasthttp.RequestCtx) bool {
	c, ours := ctx.Conn().(*httpConn)
	if !ours || !c.private {
		return true
	}
	host := ctx.Request.Header.Host()
	if len(host) == 0 { // HTTP/1.0: no browser
		return true
	}
	authority, ok := protocol.Authority(string(host))
	if name := nameOf(authority); ok && (isLoopbackName(name) || s.isPublic(name)) {
		return true
	}
	if (s.opts.Origins == nil || len(s.opts.PublicHosts) == 1) && forwarded(&ctx.Request.Header) {
		return true
	}
	s.strangeHost.Do(func() {
		s.log.Warn("requests that name another host than this machine are refused on a loopback address: name the hosts that clients dial with --public-host")
	})
	return false
}

// isPublic reports whether a name is that of a public host, or of an origin that may come. It need not have its port: no
// stranger's name would do.
func (s *Server) isPublic(name string) bool {
	return slices.ContainsFunc(s.opts.PublicHosts, func(host string) bool { return nameOf(host) == name }) ||
		slices.ContainsFunc(s.opts.Origins, func(origin string) bool {
			_, host, _ := strings.Cut(origin, "://")
			host, ok := protocol.Authority(host)
			return ok && nameOf(host) == name
		})
}

// nameOf cuts the port off an authority.
func nameOf(authority string) string {
	if at := strings.LastIndexByte(authority, ':'); at > strings.LastIndexByte(authority, ']') {
		return authority[:at]
	}
	return authority
}

// isLoopbackName reports whether a name is one that is never looked up elsewhere than on the machine itself (RFC 6761,
// section 6.3), or one of its addresses.
func isLoopbackName(name string) bool {
	if name == "localhost" || strings.HasSuffix(name, ".localhost") {
		return true
	}
	addr, err := netip.ParseAddr(strings.Trim(name, "[]"))
	return err == nil && addr.Unmap().IsLoopback()
}
