package describe

import (
	"strconv"

	"github.com/enigma-protocol/enigma/actors/protocol"
)

// frameCodes says when an error with a code comes over a WebSocket. The close behind it is the code's own, but for two
// that close only sometimes.
var frameCodes = []struct {
	code  protocol.Code
	when  string
	close protocol.CloseCode // 0: the code's own, if it has one
}{
	{protocol.CodeUserNotFound, "the recipient has never logged in, and the connection stays open; or the connection's own user has not, which closes it", protocol.CloseUserNotFound},
	{protocol.CodeInvalidMessage, "the frame is not the JSON object that it has to be", 0},
	{protocol.CodeFromMismatch, "from names another user than the connection's", 0},
	{protocol.CodeMessageTooLarge, "the message is over limits.maxMessage", 0},
	{protocol.CodeMailboxFull, "the recipient's mailbox holds limits.mailboxMessages or limits.mailboxBytes", 0},
	{protocol.CodeStoreUnavailable, "the message could not be kept", 0},
	{protocol.CodeStoreFull, "disk or memory of the store is exhausted", 0},
	{protocol.CodeRateLimited, "too many frames in a second, errors included; closes the connection when it goes on", protocol.ClosePolicy},
	{protocol.CodeProofRequired, "the user must prove possession of its key, and this connection has not", 0},
	{protocol.CodeReplaced, "the user has connected anew; do not reconnect by yourself", 0},
	{protocol.CodeIDConflict, "enigma.v1: the id was used for another payload to this recipient", 0},
}

// closes says when the server closes a WebSocket, in the order of their codes.
var closes = []struct {
	code protocol.CloseCode
	when string
}{
	{protocol.CloseNormal, "the client has closed; its code comes back"},
	{protocol.CloseGoingAway, "the server shuts down, or has heard nothing for three idle timeouts"},
	{protocol.CloseProtocolError, "RFC 6455 was broken, or a message took too long to come"},
	{protocol.CloseInvalidData, "a text frame was no UTF-8"},
	{protocol.ClosePolicy, "the rate limit was exceeded for too long, or answers were not read"},
	{protocol.CloseTooLarge, "a message was over limits.maxMessage"},
	{protocol.CloseInternal, "a fault of the server"},
	{protocol.CloseTryAgain, "no capacity, or the user's key or mail cannot be read now"},
	{protocol.CloseProofRequired, "possession of the key must be proved"},
	{protocol.CloseUserNotFound, "the user has never logged in"},
	{protocol.CloseReplaced, "a newer connection of the user; do not reconnect by yourself"},
}

// AsyncAPI returns the description of the WebSocket, as JSON.
func AsyncAPI(s Server) []byte {
	channel := func(profile, description string, messages ...string) object {
		of := object{}
		for _, name := range messages {
			of[name] = ref("messages", name)
		}
		query := object{"type": "object", "properties": object{}}
		if profile == "v1" {
			query = object{"type": "object", "required": list{"Sec-WebSocket-Protocol"}, "properties": object{
				"Sec-WebSocket-Protocol": object{"type": "string", "description": "a list with " + protocol.Subprotocol + " in it"}}}
		}
		return object{
			"address": "/ws/{userId}", "description": description, "messages": of, "servers": list{object{"$ref": "#/servers/here"}},
			"parameters": object{"userId": object{"description": "The id of the user who connects."}},
			"bindings":   object{"ws": object{"method": "GET", "headers": query, "bindingVersion": "0.1.0"}},
			"x-closes":   closeTable(),
		}
	}
	operation := func(profile, action, summary string, names ...string) object {
		of := list{}
		for _, name := range names {
			of = append(of, object{"$ref": "#/channels/" + profile + "/messages/" + name})
		}
		return object{"action": action, "summary": summary, "channel": object{"$ref": "#/channels/" + profile}, "messages": of}
	}
	return encode(object{
		"asyncapi":           "3.0.0",
		"info":               info(s, "Enigma over WebSocket"),
		"defaultContentType": "application/json",
		"servers": object{"here": object{"host": "{host}", "pathname": s.Prefix + "/", "protocol": "ws", "description": "wss with TLS.",
			"variables": object{"host": object{"default": "127.0.0.1:8080", "description": "host and port of this server"}}}},
		"channels": object{
			"plain": channel("plain", plainAbout, "plainSend", "plainMessage", "plainError"),
			"v1":    channel("v1", v1About, "proof", "send", "recv", "challenge", "ready", "ack", "error", "message", "drained", "goingAway"),
		},
		"operations": object{
			"plainReceive": operation("plain", "receive", "What a client sends.", "plainSend"),
			"plainSend":    operation("plain", "send", "What the server sends.", "plainMessage", "plainError"),
			"v1Receive":    operation("v1", "receive", "What a client sends.", "proof", "send", "recv"),
			"v1Send":       operation("v1", "send", "What the server sends.", "challenge", "ready", "ack", "error", "message", "drained", "goingAway"),
		},
		"components": object{"messages": messages(), "schemas": object{"UserId": userID(), "Limits": limits(s.Limits)}},
	})
}

const (
	plainAbout = "The plain profile: text frames, confirmed by the Pongs that RFC 6455 obliges a client's stack to return. " +
		"Delivery is at least once, in one order per recipient. A newer connection replaces the older."
	v1About = "The profile enigma.v1: proof of key possession, acknowledged sends, confirmed receipts, resume. An ack means that a " +
		"message is stored durably or confirmed by its recipient; without one, send it again with the same id."
)

// closeTable lists the closes, with the codes of the errors before them.
func closeTable() list {
	table := list{}
	for _, c := range closes {
		codes := list{}
		for _, f := range frameCodes {
			if f.close == c.code || f.close == 0 && f.code.Close() == c.code {
				codes = append(codes, f.code.String())
			}
		}
		table = append(table, object{"code": int(c.code), "reason": c.code.Reason(), "when": c.when, "errors": codes})
	}
	return table
}

// errorFrames is the schema of error frames: one form for each code. Those that a message caused have its recipient.
func errorFrames(v1 bool) object {
	one := list{}
	for _, f := range frameCodes {
		if f.code == protocol.CodeIDConflict && !v1 || f.code == protocol.CodeFromMismatch && v1 {
			continue
		}
		name, sentence := fault(f.code)
		to := object{"type": "string", "maxLength": protocol.MaxEcho, "description": "the recipient of the message that is refused, its first 64 bytes"}
		form := exactly(object{"error": sentence, "code": name, "to": to}, "to")
		if v1 {
			form = exactly(object{"type": object{"const": "error"}, "error": sentence, "code": name, "id": messageID(), "to": to}, "to", "id")
		}
		form["description"] = f.when
		if close := f.code.Close(); close != 0 {
			form["description"] = f.when + "; then close " + strconv.Itoa(int(close))
		}
		one = append(one, form)
	}
	return object{"oneOf": one}
}

func messageID() object {
	return object{"type": "string", "pattern": "^[ -~]{1,64}$", "description": "unique per sender and recipient"}
}

func base64url(description string, empty bool) object {
	form := "^[A-Za-z0-9_-]+$"
	if empty {
		form = "^[A-Za-z0-9_-]*$"
	}
	return object{"type": "string", "pattern": form, "description": description}
}

func messages() object {
	message := func(summary string, payload object) object {
		return object{"summary": summary, "contentType": "application/json", "payload": payload}
	}
	typed := func(name string, members object, optional ...string) object {
		members["type"] = object{"const": name}
		return exactly(members, optional...)
	}
	payload := text("opaque to the server, which forwards it as it came")
	seq := object{"type": "integer", "minimum": 0, "maximum": protocol.MaxSeq, "description": "rises, per recipient, for ever"}
	id, to := schema("UserId"), schema("UserId")
	send := atLeast(object{"type": object{"const": "send"}, "id": messageID(), "to": to, "payload": payload,
		"ttl": object{"type": "integer", "minimum": 1, "description": "seconds, at most limits.ttl"}}, "ttl")
	recv := atLeast(object{"type": object{"const": "recv"}, "seq": seq})
	proof := atLeast(object{"type": object{"const": "proof"}, "tag": base64url("HMAC-SHA256 with the key that was agreed on, for x25519 and p256", false),
		"sig": base64url("signature, for ed25519 and rsa-pss-sha256", false)}, "tag", "sig")
	return object{
		"plainSend":    message("A message to somebody.", atLeast(object{"from": id, "to": to, "payload": payload}, "from")),
		"plainMessage": message("A message from somebody.", exactly(object{"from": id, "to": to, "payload": payload})),
		"plainError":   message("An error, in the order of the frames that it answers.", errorFrames(false)),

		"proof": message("The answer to a challenge, one attempt; without tag and sig it declines.", proof),
		"send":  message("A message to somebody, to be acknowledged.", send),
		"recv":  message("All up to seq has been processed and may be deleted.", recv),
		"challenge": message("To be answered before anything else; sent when the user's key can be proved.", typed("challenge", object{
			"alg":   object{"enum": list{"x25519", "p256", "ed25519", "rsa-pss-sha256"}},
			"epk":   base64url("ephemeral public key, empty for signatures", true),
			"nonce": base64url("32 random bytes", false),
			"exp":   number("end of the challenge, seconds since the epoch")})),
		"ready": message("The connection is attached; mail flows.", typed("ready", object{
			"userId": id, "proven": object{"type": "boolean"}, "limits": schema("Limits")})),
		"ack":   message("The message is safe: stored durably, or confirmed by its recipient.", typed("ack", object{"id": messageID(), "to": to})),
		"error": message("An error; id and to say of which message.", errorFrames(true)),
		"message": message("A message from somebody; id is missing if a plain client sent it.", typed("message", object{
			"from": id, "to": to, "payload": payload, "id": messageID(), "seq": seq, "time": number("when the server took it in, milliseconds since the epoch"),
			"redelivered": object{"const": true, "description": "it may have come before"}}, "id", "redelivered")),
		"drained":   message("All that was stored at ready has been sent; once per connection.", typed("drained", object{})),
		"goingAway": message("The server is about to close.", typed("going_away", object{"reconnectMs": number("come back after so many milliseconds")})),
	}
}
