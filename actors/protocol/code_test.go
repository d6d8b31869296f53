package protocol_test

import (
	"encoding/binary"
	"testing"
	"unicode/utf8"

	"github.com/enigma-protocol/enigma/actors/protocol"
)

// wireCodes is the wire contract's two lists in one. A status of 0 is one the contract does not name.
var wireCodes = []struct {
	code   protocol.Code
	name   string
	text   string // "" where the contract leaves it open
	status int
	close  protocol.CloseCode
}{
	{protocol.CodeBadRequest, "BAD_REQUEST", "", 400, 0},
	{protocol.CodeOriginRefused, "ORIGIN_REFUSED", "", 403, 0},
	{protocol.CodeKeyNotProvable, "KEY_NOT_PROVABLE", "", 403, 0},
	{protocol.CodeNotFound, "NOT_FOUND", "", 404, 0},
	{protocol.CodeUserNotFound, "USER_NOT_FOUND", "User not found", 404, 0},
	{protocol.CodeMethodNotAllowed, "METHOD_NOT_ALLOWED", "", 405, 0},
	{protocol.CodeBodyTooLarge, "BODY_TOO_LARGE", "", 413, 0},
	{protocol.CodeKeyTooLong, "KEY_TOO_LONG", "", 414, 0},
	{protocol.CodeUpgradeRequired, "UPGRADE_REQUIRED", "", 426, 0},
	{protocol.CodeRateLimited, "RATE_LIMITED", "Too many messages", 429, 0},
	{protocol.CodeHeadersTooLarge, "HEADERS_TOO_LARGE", "", 431, 0},
	{protocol.CodeStoreUnavailable, "STORE_UNAVAILABLE", "Message store unavailable", 503, 0},
	{protocol.CodeStoreFull, "STORE_FULL", "Message store full", 507, 0},
	{protocol.CodeInvalidMessage, "INVALID_MESSAGE", "Invalid message format", 0, 0},
	{protocol.CodeFromMismatch, "FROM_MISMATCH", "Sender does not match the connection", 0, 0},
	{protocol.CodeMessageTooLarge, "MESSAGE_TOO_LARGE", "Message too large", 0, 1009},
	{protocol.CodeMailboxFull, "MAILBOX_FULL", "Mailbox full", 0, 0},
	{protocol.CodeProofRequired, "PROOF_REQUIRED", "Proof of key possession required", 0, 4401},
	{protocol.CodeReplaced, "REPLACED", "Connected from another location", 0, 4409},
	{protocol.CodeIDConflict, "ID_CONFLICT", "", 0, 0},
	{protocol.CodeInternal, "INTERNAL", "", 500, 1011},
}

func TestCode_IsWhatTheContractSays(t *testing.T) {
	for _, c := range wireCodes {
		if got := c.code.String(); got != c.name {
			t.Errorf("code %d is %q, want %q", c.code, got, c.name)
		}
		if got := c.code.Text(); got == "" || c.text != "" && got != c.text {
			t.Errorf("%v has the text %q, want %q", c.code, got, c.text)
		}
		if got := c.code.HTTPStatus(); got < 400 || c.status != 0 && got != c.status {
			t.Errorf("%v has the status %d, want %d", c.code, got, c.status)
		}
		if got := c.code.Close(); got != c.close {
			t.Errorf("%v closes with %d, want %d", c.code, got, c.close)
		}
	}
}

func TestCode_TheListIsComplete(t *testing.T) {
	listed := map[protocol.Code]bool{protocol.CodeNone: true}
	for _, c := range wireCodes {
		listed[c.code] = true
	}
	for code := range protocol.CodeInternal {
		if !listed[code] {
			t.Errorf("%v is not in the list that is tested", code)
		}
	}
}

func TestCode_NoneIsNoError(t *testing.T) {
	none := protocol.CodeNone
	if none.String() != "" || none.Text() != "" || none.HTTPStatus() != 200 || none.Close() != 0 {
		t.Errorf("CodeNone is %q, %q, %d, %d", none.String(), none.Text(), none.HTTPStatus(), none.Close())
	}
}

func TestCode_AnUnknownNumberIsAnInternalError(t *testing.T) {
	if got := protocol.Code(255).String(); got != "INTERNAL" {
		t.Errorf("code 255 is %q", got)
	}
}

func TestCloseCode_NumbersAndReasons(t *testing.T) {
	for number, code := range map[int]protocol.CloseCode{
		1000: protocol.CloseNormal, 1001: protocol.CloseGoingAway, 1002: protocol.CloseProtocolError,
		1007: protocol.CloseInvalidData, 1008: protocol.ClosePolicy, 1009: protocol.CloseTooLarge,
		1011: protocol.CloseInternal, 1013: protocol.CloseTryAgain, 4401: protocol.CloseProofRequired,
		4404: protocol.CloseUserNotFound, 4409: protocol.CloseReplaced,
	} {
		if int(code) != number {
			t.Errorf("%v is %d, want %d", code, int(code), number)
		}
		if code.Reason() == "" || len(code.Reason()) > protocol.MaxControlPayload-2 {
			t.Errorf("%d has the reason %q", number, code.Reason())
		}
		frame := protocol.AppendClose([]byte("before"), code)[len("before"):]
		if frame[0] != 0x88 || int(frame[1]) != len(frame)-2 || len(frame)-2 > protocol.MaxControlPayload {
			t.Fatalf("close frame %x", frame)
		}
		if got := binary.BigEndian.Uint16(frame[2:]); int(got) != number {
			t.Errorf("close frame of %d says %d", number, got)
		}
		if reason := frame[4:]; string(reason) != code.Reason() || !utf8.Valid(reason) {
			t.Errorf("close frame of %d says %q", number, reason)
		}
	}
}

func TestCloseCode_String(t *testing.T) {
	if got := protocol.CloseReplaced.String(); got != "4409 connected from another location" {
		t.Errorf("4409 is %q", got)
	}
	if got := protocol.CloseCode(3000).String(); got != "3000" {
		t.Errorf("3000 is %q", got)
	}
}

func TestAppendClose_EchoesWhatIsNotOurs(t *testing.T) {
	if got := protocol.AppendClose(nil, 0); string(got) != "\x88\x00" {
		t.Errorf("close frame without a code: %x", got)
	}
	if got := protocol.AppendClose(nil, 3000); string(got) != "\x88\x02\x0b\xb8" {
		t.Errorf("close frame of 3000: %x", got)
	}
}
