package transport

import (
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"net"
	"runtime/debug"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/enigma-protocol/enigma/actors"
	"github.com/enigma-protocol/enigma/actors/protocol"
)

const (
	webSocketVersion = "13"
	// acceptGUID is appended to the client's key to prove that the server understood it (RFC 6455, section 1.3).
	acceptGUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
	// nonceLen is the length of a Sec-WebSocket-Key, decoded.
	nonceLen = 16
)

// handshake is what an upgrade request settled.
type handshake struct {
	id       protocol.UserID
	profile  actors.Profile
	source   source
	order    uint32    // among all upgrades: who has an answer to one and asks for another gets a higher one
	entrance *entrance // nil for a conn that attaches at once
}

// upgrade is GET /ws/{id}. An unknown user is upgraded too, and told so in a frame, because a browser does not let a
// page see the status of a refused upgrade.
func (s *Server) upgrade(ctx *fasthttp.RequestCtx) {
	key, code := checkUpgrade(ctx)
	if code != protocol.CodeNone {
		fail(ctx, code)
		return
	}
	if s.draining.Load() {
		fail(ctx, protocol.CodeStoreUnavailable)
		return
	}
	hs := handshake{source: s.sourceOf(ctx), order: s.nextOrder()}
	if !s.reserve(ctx.Conn(), hs.source) {
		fail(ctx, protocol.CodeRateLimited)
		return
	}
	// What is no id is no user either. The zero id stands for it: no key is known whose hash begins with 20 zero bytes.
	hs.id, _ = protocol.ParseUserID(ctx.UserValue("id").(string))
	h := &ctx.Response.Header
	if offers := ctx.Request.Header.PeekAll(fasthttp.HeaderSecWebSocketProtocol); hasToken(offers, protocol.Subprotocol, bytes.Equal) {
		hs.profile = actors.V1
		hs.entrance = s.entranceOf(ctx, hs.id)
		h.Set(fasthttp.HeaderSecWebSocketProtocol, protocol.Subprotocol)
	}
	h.SetNoDefaultContentType(true)
	h.Set(fasthttp.HeaderUpgrade, "websocket")
	h.Set(fasthttp.HeaderConnection, "Upgrade")
	h.Set(fasthttp.HeaderSecWebSocketAccept, acceptKey(key))
	ctx.SetStatusCode(fasthttp.StatusSwitchingProtocols)
	ctx.Hijack(func(nc net.Conn) { s.adopt(nc, hs) })
}

// nextOrder returns the number of an upgrade, which is never zero.
func (s *Server) nextOrder() uint32 {
	if n := s.upgrades.Add(1); n != 0 {
		return n
	}
	return s.upgrades.Add(1)
}

// checkUpgrade returns the Sec-WebSocket-Key of an upgrade request (RFC 6455, section 4.2.1), or what is wrong with it.
func checkUpgrade(ctx *fasthttp.RequestCtx) (key []byte, code protocol.Code) {
	h := &ctx.Request.Header
	if !ctx.IsGet() || !h.IsHTTP11() ||
		!hasToken(h.PeekAll(fasthttp.HeaderUpgrade), "websocket", bytes.EqualFold) ||
		!hasToken(h.PeekAll(fasthttp.HeaderConnection), "upgrade", bytes.EqualFold) ||
		string(h.Peek(fasthttp.HeaderSecWebSocketVersion)) != webSocketVersion {
		return nil, protocol.CodeUpgradeRequired
	}
	keys := h.PeekAll(fasthttp.HeaderSecWebSocketKey)
	if len(keys) != 1 {
		return nil, protocol.CodeBadRequest
	}
	var nonce [nonceLen + 2]byte // room for what a longer key of the same encoded length decodes to
	n, err := base64.StdEncoding.Strict().Decode(nonce[:], keys[0][:min(len(keys[0]), base64.StdEncoding.EncodedLen(nonceLen))])
	if err != nil || n != nonceLen || len(keys[0]) != base64.StdEncoding.EncodedLen(nonceLen) {
		return nil, protocol.CodeBadRequest
	}
	// Bytes of a body would be taken for frames by one side; fasthttp does not hijack after Connection: close.
	if h.ContentLength() > 0 || sent(h, fasthttp.HeaderTransferEncoding) || len(ctx.PostBody()) > 0 || h.ConnectionClose() {
		return nil, protocol.CodeBadRequest
	}
	return keys[0], protocol.CodeNone
}

func acceptKey(key []byte) string {
	sum := sha1.Sum(append(append(make([]byte, 0, 64), key...), acceptGUID...))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// reserve takes a place in the count of the source for a connection that is about to be upgraded. The listener has
// counted those already that come from their source themselves. If the upgrade fails, the place goes with the connection.
func (s *Server) reserve(nc net.Conn, src source) bool {
	c, ours := nc.(*httpConn)
	if !ours && s.places.full() { // adopt takes one
		s.crowded.meet("limit", s.opts.MaxConns)
		return false
	}
	if src.exempt {
		return true
	}
	if !ours {
		return !s.counts.full(src.addr) // adopt counts it
	}
	if c.count.Load() == nil {
		c.count.Store(s.counts.acquire(src.addr))
	}
	return c.count.Load() != nil
}

// adopt takes a hijacked connection over. It runs on a goroutine of its own, and must not keep it: fasthttp holds the
// request context meanwhile.
func (s *Server) adopt(hijacked net.Conn, hs handshake) {
	defer func() {
		if fault := recover(); fault != nil {
			s.log.Error("panic in an upgrade", "panic", fault, "stack", string(debug.Stack()))
			hijacked.Close()
		}
	}()
	early, err := takeEarly(hijacked)
	if err != nil {
		hijacked.Close()
		return
	}
	nc, count := s.release(hijacked)
	if count == nil && !hs.source.exempt {
		if count = s.counts.acquire(hs.source.addr); count == nil {
			nc.Close()
			s.places.give()
			return
		}
	}
	s.open(nc, count, hs, early)
}

// takeEarly returns what fasthttp has read beyond the request: frames that came in the same segment. A deadline in the
// past makes the socket itself give nothing.
func takeEarly(hijacked net.Conn) ([]byte, error) {
	if err := hijacked.SetReadDeadline(time.Unix(1, 0)); err != nil {
		return nil, err
	}
	var early []byte
	buf := newChunk(maxHead)
	defer buf.release()
	for {
		n, err := hijacked.Read(buf.b[:maxHead])
		early = append(early, buf.b[:n]...)
		if err != nil {
			break
		}
	}
	return early, hijacked.SetDeadline(time.Time{})
}

// release unwraps the connection from what fasthttp and the listener put around it, with its place in the counts. One
// that is not from our listener gets its place among all, and its bounds, now.
func (s *Server) release(hijacked net.Conn) (net.Conn, *connCount) {
	nc := hijacked
	if wrapped, ok := nc.(interface{ UnsafeConn() net.Conn }); ok {
		nc = wrapped.UnsafeConn()
	}
	if counted, ok := nc.(*httpConn); ok {
		return counted.takeOver()
	}
	s.boundSending(nc, false)
	s.places.force()
	return nc, nil
}
