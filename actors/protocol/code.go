package protocol

import "strconv"

// Code says what became of a request or a message. Its text form goes over the wire, in HTTP bodies and in error
// frames; the numbers are private to the process.
type Code uint8

// The codes. HTTP and WebSocket share them.
const (
	CodeNone             Code = iota // no error
	CodeBadRequest                   // empty or malformed key, bad percent-escape, bad body
	CodeOriginRefused                // the request's Origin is not among those configured
	CodeKeyNotProvable               // the policy wants proof and the key is of no kind that can be proved
	CodeNotFound                     // no such resource
	CodeUserNotFound                 // no key with this id ever logged in
	CodeMethodNotAllowed             // the resource is there and does not answer this method
	CodeBodyTooLarge                 // request body over its bound
	CodeKeyTooLong                   // key over MaxKeyLength
	CodeUpgradeRequired              // a WebSocket resource was asked for without upgrade headers
	CodeRateLimited                  // too many requests or messages
	CodeHeadersTooLarge              // request line and headers over their bound
	CodeStoreUnavailable             // the store does not answer, so nothing could be kept
	CodeStoreFull                    // disk or memory of the store exhausted
	CodeInvalidMessage               // a frame that is not the JSON object it has to be
	CodeFromMismatch                 // from names a user other than the connection's
	CodeMessageTooLarge              // message over Limits.MaxMessage
	CodeMailboxFull                  // the recipient's quota is reached
	CodeProofRequired                // proof of key possession missing or wrong
	CodeReplaced                     // a newer connection of the same user took over
	CodeIDConflict                   // a known id came with another payload
	CodeInternal                     // a fault of the server itself

	codeCount
)

// codeInfo is all that is known of one code.
type codeInfo struct {
	name   string    // on the wire
	text   string    // for people
	status int       // of an HTTP answer
	close  CloseCode // the close that always follows the error frame; 0 if the connection stays open
}

var codes = [codeCount]codeInfo{
	CodeNone:             {"", "", 200, 0},
	CodeBadRequest:       {"BAD_REQUEST", "Bad request", 400, 0},
	CodeOriginRefused:    {"ORIGIN_REFUSED", "Origin refused", 403, 0},
	CodeKeyNotProvable:   {"KEY_NOT_PROVABLE", "Public key cannot be proved", 403, 0},
	CodeNotFound:         {"NOT_FOUND", "Not found", 404, 0},
	CodeUserNotFound:     {"USER_NOT_FOUND", "User not found", 404, 0},
	CodeMethodNotAllowed: {"METHOD_NOT_ALLOWED", "Method not allowed", 405, 0},
	CodeBodyTooLarge:     {"BODY_TOO_LARGE", "Request body too large", 413, 0},
	CodeKeyTooLong:       {"KEY_TOO_LONG", "Public key too long", 414, 0},
	CodeUpgradeRequired:  {"UPGRADE_REQUIRED", "WebSocket upgrade required", 426, 0},
	CodeRateLimited:      {"RATE_LIMITED", "Too many messages", 429, 0},
	CodeHeadersTooLarge:  {"HEADERS_TOO_LARGE", "Request headers too large", 431, 0},
	CodeStoreUnavailable: {"STORE_UNAVAILABLE", "Message store unavailable", 503, 0},
	CodeStoreFull:        {"STORE_FULL", "Message store full", 507, 0},
	CodeInvalidMessage:   {"INVALID_MESSAGE", "Invalid message format", 400, 0},
	CodeFromMismatch:     {"FROM_MISMATCH", "Sender does not match the connection", 403, 0},
	CodeMessageTooLarge:  {"MESSAGE_TOO_LARGE", "Message too large", 413, CloseTooLarge},
	CodeMailboxFull:      {"MAILBOX_FULL", "Mailbox full", 507, 0},
	CodeProofRequired:    {"PROOF_REQUIRED", "Proof of key possession required", 403, CloseProofRequired},
	CodeReplaced:         {"REPLACED", "Connected from another location", 409, CloseReplaced},
	CodeIDConflict:       {"ID_CONFLICT", "Message id already used with another payload", 409, 0},
	CodeInternal:         {"INTERNAL", "Internal error", 500, CloseInternal},
}

// known returns the table's row. A number outside the table is a bug of ours, which is what CodeInternal says.
func (c Code) known() *codeInfo {
	if c >= codeCount {
		c = CodeInternal
	}
	return &codes[c]
}

// String returns the code as it is written on the wire, such as "USER_NOT_FOUND"; the empty string for CodeNone.
func (c Code) String() string { return c.known().name }

// Text returns the code's sentence for people, which is the "error" member of every answer.
func (c Code) Text() string { return c.known().text }

// HTTPStatus returns the status of an HTTP answer with this code; 200 for CodeNone.
func (c Code) HTTPStatus() int { return c.known().status }

// Close returns the close that follows an error frame with this code, or 0 if the connection stays open. Two errors
// close only sometimes, which the caller has to know: CodeUserNotFound when it is the connection's own user that does
// not exist (CloseUserNotFound), and CodeRateLimited when it goes on (ClosePolicy).
func (c Code) Close() CloseCode { return c.known().close }

// CloseCode is the status code of a WebSocket close frame (RFC 6455, section 7.4).
type CloseCode uint16

// The closes that a server sends. Those from 4000 are this protocol's own.
const (
	CloseNormal        CloseCode = 1000
	CloseGoingAway     CloseCode = 1001 // the server shuts down
	CloseProtocolError CloseCode = 1002 // RFC 6455 was broken
	CloseInvalidData   CloseCode = 1007 // invalid UTF-8 in a text frame
	ClosePolicy        CloseCode = 1008 // the rate limit, for too long
	CloseTooLarge      CloseCode = 1009 // message over Limits.MaxMessage
	CloseInternal      CloseCode = 1011 // a fault of the server
	CloseTryAgain      CloseCode = 1013 // no capacity, or the user's key or mail cannot be read now
	CloseProofRequired CloseCode = 4401
	CloseUserNotFound  CloseCode = 4404
	CloseReplaced      CloseCode = 4409 // a client must not reconnect by itself
)

// Reason returns the text of a close frame with this code, empty for codes that are not ours. It is ASCII and well
// below the 123 bytes that fit a close frame.
func (c CloseCode) Reason() string {
	switch c {
	case CloseNormal:
		return "closed"
	case CloseGoingAway:
		return "server shutting down"
	case CloseProtocolError:
		return "protocol error"
	case CloseInvalidData:
		return "invalid UTF-8"
	case ClosePolicy:
		return "too many messages"
	case CloseTooLarge:
		return "message too large"
	case CloseInternal:
		return "internal error"
	case CloseTryAgain:
		return "try again later"
	case CloseProofRequired:
		return "proof of key possession required"
	case CloseUserNotFound:
		return "user not found"
	case CloseReplaced:
		return "connected from another location"
	}
	return ""
}

// String returns the number and the reason, for logs.
func (c CloseCode) String() string {
	number := strconv.Itoa(int(c))
	if reason := c.Reason(); reason != "" {
		return number + " " + reason
	}
	return number
}
