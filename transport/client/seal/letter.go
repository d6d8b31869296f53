package seal

import (
	"bytes"
	"crypto/ecdh"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"
	"unicode/utf8"
)

// Errors of Seal and Open.
var (
	// ErrFormat: the payload is not of this format. Its sender used another program, or none that encrypts.
	ErrFormat = errors.New("not an hpke1 payload")
	// ErrOpen: the payload was not sealed by this sender for this recipient, or was changed on the way.
	ErrOpen = errors.New("the payload does not open: changed, or not from this sender to this recipient")
	// ErrContent: the sender sealed something that is not as the format says, or Seal was asked to.
	ErrContent = errors.New("malformed content")
	// ErrTooLong: a text is over [MaxText], has so many characters to escape that its payload is over what servers
	// take by default, or a receipt has more than [MaxReceipts] ids.
	ErrTooLong = errors.New("the content is too long")
)

const (
	// MaxText bounds a text in bytes of UTF-8.
	MaxText = 60_000
	// MaxReceipts bounds the ids in one receipt.
	MaxReceipts = 256

	prefix = "hpke1."
	block  = 64 // bytes; the plaintext is filled up to a multiple
	idLen  = 22 // characters of a text's id
	// maxPayload is the default limit of servers on a message, with 1 KiB for the frame around it.
	maxPayload = 127 << 10
)

// The types of content.
const (
	TypeText    = "text"
	TypeReceipt = "receipt"
)

// Content is what one payload says.
type Content struct {
	Type string    // TypeText or TypeReceipt; what Open returns may have another, of a later version: ignore it
	Time time.Time // by the sender's clock, to the millisecond
	ID   string    // of a text: 22 characters of base64url. The same id again is the same text again
	Text string    // of a text: UTF-8, up to MaxText bytes, and not safe to be written to a terminal as it is
	IDs  []string  // of a receipt: the texts that were shown or processed, up to MaxReceipts
}

// NewText makes a text of now with a random id. Give the id to client.WithID too, so that the server knows a repeat.
func NewText(text string) *Content {
	var id [16]byte
	rand.Read(id[:]) // never fails
	return &Content{Type: TypeText, Time: time.Now(), ID: strict.EncodeToString(id[:]), Text: text}
}

// NewReceipt makes a receipt of now for texts by their ids.
func NewReceipt(ids ...string) *Content {
	return &Content{Type: TypeReceipt, Time: time.Now(), IDs: ids}
}

// Check returns [ErrTooLong] or [ErrContent] for what Seal would refuse.
func (c *Content) Check() error {
	switch {
	case c.Type == TypeText && len(c.Text) > MaxText, c.Type == TypeReceipt && len(c.IDs) > MaxReceipts:
		return fmt.Errorf("seal: %w", ErrTooLong)
	case c.Type == TypeText && isID(c.ID) && utf8.ValidString(c.Text):
		return nil
	case c.Type == TypeReceipt && len(c.IDs) > 0 && !containsOther(c.IDs):
		return nil
	}
	return fmt.Errorf("seal: %w", ErrContent)
}

// containsOther tells whether there is something else than ids of texts.
func containsOther(ids []string) bool {
	for _, id := range ids {
		if !isID(id) {
			return true
		}
	}
	return false
}

// isID tells whether text has the form of a text's id.
func isID(text string) bool {
	if len(text) != idLen {
		return false
	}
	for _, c := range []byte(text) {
		if (c|0x20 < 'a' || c|0x20 > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return false
		}
	}
	return true
}

// Seal returns the payload that takes the content to a user, who may be the sender itself. Every call returns another.
func (s *Self) Seal(to *User, c *Content) (string, error) {
	plaintext, err := c.marshal()
	if err != nil {
		return "", err
	}
	ephemeral, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		return "", fmt.Errorf("seal: %w", err)
	}
	message, err := sealAuth(ephemeral, s.private, to.key, info(s.id, to.id), aad(s.id, to.id), plaintext)
	if err != nil {
		return "", fmt.Errorf("seal: %w", err)
	}
	if len(prefix)+strict.EncodedLen(len(message)) > maxPayload {
		return "", fmt.Errorf("seal: %w", ErrTooLong)
	}
	return prefix + strict.EncodeToString(message), nil
}

// Open returns what a user says in a payload that came under its id. The error is [ErrFormat], [ErrOpen] or
// [ErrContent]; of content with another type than those of this package only the type is read and nothing checked.
func (s *Self) Open(from *User, payload string) (*Content, error) {
	text, ours := strings.CutPrefix(payload, prefix)
	if !ours {
		return nil, fmt.Errorf("seal: %w", ErrFormat)
	}
	message, err := decode(text)
	if err != nil {
		return nil, fmt.Errorf("seal: %w", ErrFormat)
	}
	plaintext, err := openAuth(s.private, from.key, info(from.id, s.id), aad(from.id, s.id), message)
	if err != nil {
		return nil, fmt.Errorf("seal: %w", ErrOpen)
	}
	return parse(plaintext)
}

func info(from, to string) []byte { return prefixed("enigma-hpke1", from, to) }

func aad(from, to string) []byte { return prefixed("enigma-hpke1 message", from, to) }

// marshal returns the plaintext.
func (c *Content) marshal() ([]byte, error) {
	if err := c.Check(); err != nil {
		return nil, err
	}
	var object any
	if c.Type == TypeText {
		object = struct {
			Type string `json:"type"`
			ID   string `json:"id"`
			Time int64  `json:"time"`
			Text string `json:"text"`
		}{c.Type, c.ID, c.Time.UnixMilli(), c.Text}
	} else {
		object = struct {
			Type string   `json:"type"`
			IDs  []string `json:"ids"`
			Time int64    `json:"time"`
		}{c.Type, c.IDs, c.Time.UnixMilli()}
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false) // which would make texts longer for nothing
	if err := encoder.Encode(object); err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	text := bytes.TrimSuffix(out.Bytes(), []byte("\n"))
	return append(text, bytes.Repeat([]byte(" "), (block-len(text)%block)%block)...), nil
}

// parse reads a plaintext. Names are compared exactly, as every other reader does, and the last of several counts.
func parse(plaintext []byte) (*Content, error) {
	malformed := fmt.Errorf("seal: %w", ErrContent)
	var object map[string]json.RawMessage
	if !utf8.Valid(plaintext) || json.Unmarshal(plaintext, &object) != nil || object == nil {
		return nil, malformed
	}
	c := new(Content)
	if !field(object, "type", &c.Type) {
		return nil, malformed
	}
	if c.Type != TypeText && c.Type != TypeReceipt {
		return c, nil
	}
	var ms float64
	if !field(object, "time", &ms) || math.Abs(ms) > maxTime {
		return nil, malformed
	}
	c.Time = time.UnixMilli(int64(ms))
	if c.Type == TypeText && !(field(object, "id", &c.ID) && field(object, "text", &c.Text)) ||
		c.Type == TypeReceipt && !field(object, "ids", &c.IDs) || c.Check() != nil {
		return nil, malformed
	}
	return c, nil
}

// field reads one field, which must be there and of the right kind.
func field(object map[string]json.RawMessage, name string, dst any) bool {
	raw := object[name]
	return string(raw) != "null" && json.Unmarshal(raw, dst) == nil
}

// maxTime bounds times in ms since the epoch, either way; it is the bound of dates in browsers.
const maxTime = 8.64e15
