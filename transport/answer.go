package transport

import (
	"bytes"
	"context"
	"errors"
	"net"
	"slices"
	"strings"

	"github.com/valyala/fasthttp"

	"github.com/enigma-protocol/enigma/actors/protocol"
)

// Every answer is JSON, the errors of the HTTP parser included, and every answer carries the CORS headers.

const (
	typeJSON = "application/json"
	noStore  = "no-store"
	// forever suits what can never change: the key of an id.
	forever = "public, max-age=31536000, immutable"
)

// Seconds after which a client may come back: a bucket of logins has refilled, a store or a new process may be there.
const (
	retryRate  = "1"
	retryStore = "2"
)

// reply answers 200 with a JSON body, which nobody may change any more: a copy would stay with the connection.
func reply(ctx *fasthttp.RequestCtx, cache string, body []byte) {
	ctx.SetStatusCode(fasthttp.StatusOK)
	ctx.SetContentType(typeJSON)
	ctx.Response.Header.Set(fasthttp.HeaderCacheControl, cache)
	ctx.Response.SetBodyRaw(body)
}

// fail answers with an error.
func fail(ctx *fasthttp.RequestCtx, code protocol.Code) {
	failAs(ctx, code.HTTPStatus(), code)
}

// failAs is fail with another status than the code's own.
func failAs(ctx *fasthttp.RequestCtx, status int, code protocol.Code) {
	ctx.SetStatusCode(status)
	ctx.SetContentType(typeJSON)
	h := &ctx.Response.Header
	h.Set(fasthttp.HeaderCacheControl, noStore)
	switch status {
	case fasthttp.StatusTooManyRequests:
		h.Set(fasthttp.HeaderRetryAfter, retryRate)
	case fasthttp.StatusServiceUnavailable:
		h.Set(fasthttp.HeaderRetryAfter, retryStore)
	case fasthttp.StatusUpgradeRequired:
		h.Set(fasthttp.HeaderUpgrade, "websocket")
		h.Set(fasthttp.HeaderConnection, "Upgrade")
		h.Set(fasthttp.HeaderSecWebSocketVersion, webSocketVersion)
	}
	ctx.SetBody(protocol.AppendError(nil, code, nil))
}

// cors sets the headers that let pages read the answer, and reports whether the request's origin may.
func (s *Server) cors(ctx *fasthttp.RequestCtx) bool {
	h := &ctx.Response.Header
	h.Set(fasthttp.HeaderXContentTypeOptions, "nosniff")
	// A path holds a key: opened in a tab, an answer must lead nowhere, and no page may show it in a frame. The page has
	// a policy of its own.
	h.Set(fasthttp.HeaderReferrerPolicy, "no-referrer")
	h.Set(fasthttp.HeaderContentSecurityPolicy, "default-src 'none'; frame-ancestors 'none'")
	if s.opts.Origins == nil {
		h.Set(fasthttp.HeaderAccessControlAllowOrigin, "*")
		return true
	}
	h.Add(fasthttp.HeaderVary, fasthttp.HeaderOrigin)
	origins := ctx.Request.Header.PeekAll(fasthttp.HeaderOrigin)
	for _, origin := range origins {
		if !slices.Contains(s.opts.Origins, strings.ToLower(string(origin))) {
			return false
		}
	}
	if len(origins) > 0 {
		h.SetBytesV(fasthttp.HeaderAccessControlAllowOrigin, origins[0])
	}
	return true
}

// preflight answers OPTIONS.
func preflight(ctx *fasthttp.RequestCtx) {
	h := &ctx.Response.Header
	h.Set(fasthttp.HeaderAccessControlAllowMethods, "GET, POST")
	h.Set(fasthttp.HeaderAccessControlAllowHeaders, fasthttp.HeaderContentType)
	h.Set(fasthttp.HeaderAccessControlMaxAge, "86400")
	h.Set(fasthttp.HeaderCacheControl, noStore)
	ctx.SetStatusCode(fasthttp.StatusNoContent)
}

// parseError answers what fasthttp could not read. The connection is closed after it.
func (s *Server) parseError(ctx *fasthttp.RequestCtx, err error) {
	refused := string(ctx.Request.Header.RequestURI()) == refusedTarget
	if _, ours := ctx.Conn().(*httpConn); ours {
		defer forget(ctx)
	}
	defer s.counted(ctx)
	s.cors(ctx)
	var small *fasthttp.ErrSmallBuffer
	var network net.Error
	switch {
	case refused, errors.As(err, &small):
		fail(ctx, protocol.CodeHeadersTooLarge)
	case errors.Is(err, fasthttp.ErrBodyTooLarge):
		fail(ctx, protocol.CodeBodyTooLarge)
	case errors.As(err, &network) && network.Timeout(), errors.Is(err, context.DeadlineExceeded):
		failAs(ctx, fasthttp.StatusRequestTimeout, protocol.CodeBadRequest)
	default:
		fail(ctx, protocol.CodeBadRequest)
	}
	s.log.Debug("request not read", "status", ctx.Response.StatusCode())
}

// hasToken reports whether one of the values, each a comma-separated list, has an item that is equal to the token.
func hasToken(values [][]byte, token string, equal func(a, b []byte) bool) bool {
	for _, value := range values {
		for item := range bytes.SplitSeq(value, []byte{','}) {
			if equal(bytes.Trim(item, " \t"), []byte(token)) {
				return true
			}
		}
	}
	return false
}
