package transport

import (
	"bytes"
	"crypto/tls"
	"strings"

	"github.com/valyala/fasthttp"

	"github.com/enigma-protocol/enigma/actors/protocol"
	"github.com/enigma-protocol/enigma/transport/web"
)

// root is GET /: the page to a browser, else whether the process answers.
func (s *Server) root(ctx *fasthttp.RequestCtx) {
	accept := strings.ToLower(string(ctx.Request.Header.Peek(fasthttp.HeaderAccept)))
	if s.opts.Page == nil || !strings.Contains(accept, "text/html") {
		ctx.Response.Header.Add(fasthttp.HeaderVary, fasthttp.HeaderAccept)
		s.health(ctx)
		return
	}
	target := ctx.Request.Header.RequestURI()
	if _, path, _ := splitTarget(target); s.opts.Prefix != "" && string(path) == s.opts.Prefix {
		// The page's addresses are relative to a path that ends in a slash.
		ctx.Response.Header.Set(fasthttp.HeaderLocation, s.opts.Prefix+"/")
		ctx.SetStatusCode(fasthttp.StatusPermanentRedirect)
		return
	}
	ctx.Response.Header.Add(fasthttp.HeaderVary, fasthttp.HeaderAccept)
	s.sendFile(ctx, s.opts.Page.Page())
}

// pageFile is GET /web/….
func (s *Server) pageFile(ctx *fasthttp.RequestCtx) {
	file := s.opts.Page.File(string(ctx.URI().PathOriginal()))
	if file == nil {
		fail(ctx, protocol.CodeNotFound)
		return
	}
	s.sendFile(ctx, file)
}

// sendFile answers with a resource of the page, or that the client has it already.
func (s *Server) sendFile(ctx *fasthttp.RequestCtx, file *web.File) {
	accepted := ctx.Request.Header.PeekAll(fasthttp.HeaderAcceptEncoding)
	body, encoding, etag := file.Encoded(hasToken(accepted, "gzip", bytes.EqualFold))
	h := &ctx.Response.Header
	h.Add(fasthttp.HeaderVary, fasthttp.HeaderAcceptEncoding)
	h.Set(fasthttp.HeaderETag, etag)
	h.Set(fasthttp.HeaderCacheControl, file.CacheControl)
	if file.IsPage {
		for _, header := range web.PageHeaders(string(ctx.Request.Header.Host())) {
			h.Set(header.Name, header.Value)
		}
		if overTLS(ctx) && !namesThisMachine(ctx.Request.Header.Host()) {
			h.Set(fasthttp.HeaderStrictTransportSecurity, onlyTLS)
		}
	}
	if hasToken(ctx.Request.Header.PeekAll(fasthttp.HeaderIfNoneMatch), etag, sameTag) {
		ctx.SetStatusCode(fasthttp.StatusNotModified)
		return
	}
	if encoding != "" {
		h.Set(fasthttp.HeaderContentEncoding, encoding)
	}
	ctx.SetStatusCode(fasthttp.StatusOK)
	ctx.SetContentType(file.Type)
	ctx.Response.SetBodyRaw(body) // nobody changes it
}

// onlyTLS has browsers come by TLS alone for a year, to this host and to none below it (RFC 6797, section 6.1).
const onlyTLS = "max-age=31536000"

// overTLS reports whether it is this process that ends a request's TLS. A proxy that does so says itself what it promises.
func overTLS(ctx *fasthttp.RequestCtx) bool {
	c, ours := ctx.Conn().(*httpConn)
	if !ours {
		return ctx.IsTLS()
	}
	_, is := c.Conn.(interface{ ConnectionState() tls.ConnectionState })
	return is
}

// namesThisMachine reports whether a Host is localhost or the like. What a browser were told of that would bind all that
// its user runs there, on whatever port.
func namesThisMachine(host []byte) bool {
	authority, ok := protocol.Authority(string(host))
	return ok && isLoopbackName(nameOf(authority))
}

// sameTag compares entity tags weakly (RFC 9110, section 8.8.3.2).
func sameTag(a, b []byte) bool {
	return bytes.Equal(bytes.TrimPrefix(a, []byte("W/")), b)
}
