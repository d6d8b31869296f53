package transport

import (
	"bytes"
	"context"
	"encoding/json"
	"time"

	"github.com/fasthttp/router"
	"github.com/valyala/fasthttp"

	"github.com/enigma-protocol/enigma/actors"
	"github.com/enigma-protocol/enigma/actors/protocol"
	"github.com/enigma-protocol/enigma/transport/describe"
	"github.com/enigma-protocol/enigma/transport/web"
)

// loginPrefix precedes a key in a path. What follows belongs to the key, whatever it looks like.
const loginPrefix = "/login/"

// routes registers the resources. The router is given the raw path by handle, as far as it matters, and corrects nothing
// in it: it would redirect keys that have two slashes in them, or one at the end.
func (s *Server) routes() *router.Router {
	r := router.New()
	r.RedirectTrailingSlash = false
	r.RedirectFixedPath = false
	r.HandleOPTIONS = false
	r.HandleMethodNotAllowed = true
	r.NotFound = func(ctx *fasthttp.RequestCtx) { fail(ctx, protocol.CodeNotFound) }
	r.MethodNotAllowed = func(ctx *fasthttp.RequestCtx) { fail(ctx, protocol.CodeMethodNotAllowed) }

	about := describe.Server{Version: s.opts.Version, Prefix: s.opts.Prefix, Limits: s.broker.Limits(), MaxBody: maxBody}
	r.GET(loginPrefix+"{key:*}", s.loginByPath)
	r.POST("/login", s.loginByBody)
	for path, handler := range map[string]fasthttp.RequestHandler{
		"/":              s.root,
		"/connect/{id}":  s.connect,
		"/ws/{id}":       s.upgrade,
		"/version":       s.version,
		"/healthz":       s.health,
		"/readyz":        s.ready,
		"/openapi.json":  document(describe.OpenAPI(about)),
		"/asyncapi.json": document(describe.AsyncAPI(about)),
	} {
		r.GET(path, handler)
		r.HEAD(path, handler)
	}
	if s.opts.Page != nil {
		r.GET(web.Prefix+"{file:*}", s.pageFile)
		r.HEAD(web.Prefix+"{file:*}", s.pageFile)
	}
	return r
}

// handle is the entry of every request.
func (s *Server) handle(ctx *fasthttp.RequestCtx) {
	showTarget(&ctx.Request.Header)
	if _, ours := ctx.Conn().(*httpConn); ours && !small(&ctx.Request.Header) {
		defer forget(ctx)
	}
	defer s.counted(ctx)
	defer s.recovered(ctx)
	if framedTwice(&ctx.Request.Header) {
		ctx.SetConnectionClose()
		s.cors(ctx)
		fail(ctx, protocol.CodeBadRequest)
		return
	}
	if !s.cors(ctx) || !s.hostAllowed(ctx) {
		fail(ctx, protocol.CodeOriginRefused)
		return
	}
	if ctx.IsOptions() {
		preflight(ctx)
		return
	}
	authority, path, ok := splitTarget(ctx.Request.Header.RequestURI())
	if !ok || authority != nil && !sameHost(authority, ctx.Request.Header.Host()) {
		fail(ctx, protocol.CodeBadRequest)
		return
	}
	path, ok = bytes.CutPrefix(path, []byte(s.opts.Prefix))
	if len(path) == 0 {
		path = []byte("/")
	}
	if !ok || path[0] != '/' {
		fail(ctx, protocol.CodeNotFound)
		return
	}
	ctx.URI().SetPathBytes(routePath(path))
	s.router.Handler(ctx)
}

// framedTwice reports whether a request says in two ways where its body ends. A proxy in front may have believed the
// other one, and taken for a body what would be read here as the next request (RFC 9112, section 6.3).
func framedTwice(h *fasthttp.RequestHeader) bool {
	return sent(h, fasthttp.HeaderTransferEncoding) && sent(h, fasthttp.HeaderContentLength)
}

// sent reports whether a header came with the request. Those that frame a body are not kept by fasthttp when it has read
// the body.
func sent(h *fasthttp.RequestHeader, name string) bool {
	for line := range bytes.SplitSeq(h.RawHeaders(), []byte{'\n'}) {
		if len(line) > len(name) && line[len(name)] == ':' && bytes.EqualFold(line[:len(name)], []byte(name)) {
			return true
		}
	}
	return false
}

// splitTarget returns the path of a request target as it was sent: nothing decoded, nothing cleaned, up to the first
// question mark. The target may be in absolute form (RFC 9112, section 3.2); then authority is what it names, else nil.
// fasthttp's own notion of the path ends at a '#' and takes what follows a leading "//" for a host.
func splitTarget(target []byte) (authority, path []byte, ok bool) {
	path, _, _ = bytes.Cut(target, []byte{'?'})
	if len(path) > 0 && path[0] == '/' {
		return nil, path, true
	}
	_, rest, absolute := bytes.Cut(path, []byte("://"))
	if !absolute {
		return nil, nil, false
	}
	if slash := bytes.IndexByte(rest, '/'); slash >= 0 {
		return rest[:slash], rest[slash:], true
	}
	return rest, []byte{'/'}, true
}

// sameHost reports whether a target in absolute form names the host that the Host header does. Where they differ, whoever
// stands between may have gone by the other one: what is allowed, and what a proof is bound to, goes by Host.
func sameHost(authority, host []byte) bool {
	a, ok := protocol.Authority(string(authority))
	h, _ := protocol.Authority(string(host))
	return ok && a == h
}

// loginByPath is GET /login/{key}.
func (s *Server) loginByPath(ctx *fasthttp.RequestCtx) {
	_, path, _ := splitTarget(ctx.Request.Header.RequestURI()) // by which it has come here
	key, ok := percentDecode(path[len(s.opts.Prefix)+len(loginPrefix):])
	s.login(ctx, key, ok)
}

// loginByBody is POST /login.
func (s *Server) loginByBody(ctx *fasthttp.RequestCtx) {
	key, ok := keyFromBody(ctx.PostBody())
	s.login(ctx, key, ok)
}

func (s *Server) login(ctx *fasthttp.RequestCtx, key []byte, ok bool) {
	src := s.sourceOf(ctx)
	if !src.exempt && !s.logins.allow(src.addr, time.Since(s.start)) {
		fail(ctx, protocol.CodeRateLimited)
		return
	}
	code := protocol.CodeBadRequest
	if ok {
		code = protocol.CheckKey(key)
	}
	if code != protocol.CodeNone {
		fail(ctx, code)
		return
	}
	wait, cancel := context.WithTimeout(context.Background(), brokerTimeout)
	defer cancel()
	// A copy, for a login that outlasts its wait still has the key, and the request's memory is used again.
	id, err := s.broker.Login(wait, bytes.Clone(key))
	if err != nil {
		s.failed(ctx, "login", err)
		return
	}
	reply(ctx, noStore, append(appendUser(nil, id), '}'))
}

// connect is GET /connect/{id}.
func (s *Server) connect(ctx *fasthttp.RequestCtx) {
	id, ok := protocol.ParseUserID(ctx.UserValue("id").(string))
	if !ok {
		fail(ctx, protocol.CodeUserNotFound)
		return
	}
	wait, cancel := context.WithTimeout(context.Background(), brokerTimeout)
	defer cancel()
	key, err := s.broker.PublicKey(wait, id)
	if err != nil {
		s.failed(ctx, "connect", err)
		return
	}
	answer := protocol.Escape(append(appendUser(nil, id), `,"publicKey":"`...), key)
	reply(ctx, forever, append(answer, `"}`...))
}

// appendUser appends the beginning of a JSON object that names a user. The reference client reads "user".
func appendUser(dst []byte, id protocol.UserID) []byte {
	dst = id.AppendTo(append(dst, `{"userId":"`...))
	dst = id.AppendTo(append(dst, `","user":"`...))
	return append(dst, '"')
}

// failed answers with the broker's error.
func (s *Server) failed(ctx *fasthttp.RequestCtx, what string, err error) {
	code := actors.CodeOf(err)
	if code == protocol.CodeInternal {
		s.log.Error("request failed", "request", what, "error", err)
	} else {
		s.log.Debug("request refused", "request", what, "error", err)
	}
	fail(ctx, code)
}

// health is GET /healthz: the process answers.
func (s *Server) health(ctx *fasthttp.RequestCtx) { reply(ctx, noStore, []byte(`{"status":"ok"}`)) }

// ready is GET /readyz: the store answers and connections are taken.
func (s *Server) ready(ctx *fasthttp.RequestCtx) {
	if s.draining.Load() {
		fail(ctx, protocol.CodeStoreUnavailable)
		return
	}
	wait, cancel := context.WithTimeout(context.Background(), brokerTimeout)
	defer cancel()
	if err := s.broker.Ready(wait); err != nil {
		s.log.Debug("not ready", "error", err)
		fail(ctx, protocol.CodeStoreUnavailable)
		return
	}
	s.health(ctx)
}

// document answers with a text that does not change while the server runs.
func document(text []byte) fasthttp.RequestHandler {
	return func(ctx *fasthttp.RequestCtx) { reply(ctx, noStore, text) }
}

// version is GET /version.
func (s *Server) version(ctx *fasthttp.RequestCtx) {
	name, _ := json.Marshal(s.opts.Version)
	body := append(append([]byte(`{"version":`), name...), `,"protocols":["`+protocol.Subprotocol+`"],"limits":`...)
	reply(ctx, noStore, append(s.broker.Limits().AppendTo(body), '}'))
}
