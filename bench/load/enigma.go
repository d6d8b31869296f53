package load

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/enigma-protocol/enigma/actors/protocol"
)

// The profiles of the wire contract.
const (
	Plain = "plain"
	V1    = "v1"
)

// NewEnigma returns the dialect of a profile.
func NewEnigma(profile string) Dialect {
	if profile == V1 {
		return &v1Dialect{}
	}
	return &plainDialect{}
}

// enigma is what the profiles share. Messages are made and read by position where they are as this program and the
// server write them, which costs next to nothing; anything else goes through encoding/json.
type enigma struct {
	text []byte // scratch
}

// Login implements [Dialect].
func (*enigma) Login(u *User) string { return "/login/" + u.Key }

// LoggedIn implements [Dialect]. The id follows from the key; one that does not would be somebody else's.
func (*enigma) LoggedIn(u *User, body []byte) error {
	var answer struct{ UserID string }
	if err := json.Unmarshal(body, &answer); err != nil {
		return err
	}
	if answer.UserID != u.ID {
		return fmt.Errorf("the user is %q to the server, and %q by its key", answer.UserID, u.ID)
	}
	return nil
}

// frame is any frame of the server.
type frame struct {
	Type, From, To, ID string
	Payload            *string
	Error              *string
	Code               string
	Seq                uint64
}

func parseFrame(text []byte) (*frame, error) {
	f := new(frame)
	if err := json.Unmarshal(text, f); err != nil {
		return nil, fmt.Errorf("frame %.200q: %w", text, err)
	}
	return f, nil
}

func (f *frame) message() *Message {
	return &Message{From: []byte(f.From), To: []byte(f.To), Payload: []byte(*f.Payload)}
}

// cut takes a fixed text off the front, and fields of a fixed length.
type cut struct {
	rest []byte
	ok   bool
}

func (c *cut) text(want string) {
	if c.ok = c.ok && len(c.rest) >= len(want) && string(c.rest[:len(want)]) == want; c.ok {
		c.rest = c.rest[len(want):]
	}
}

func (c *cut) field(n int) (field []byte) {
	if c.ok = c.ok && len(c.rest) >= n; c.ok {
		field, c.rest = c.rest[:n], c.rest[n:]
	}
	return field
}

// quoted takes what stands before the next quote, if no escape is in it.
func (c *cut) quoted() []byte {
	n := bytes.IndexByte(c.rest, '"')
	if c.ok = c.ok && n >= 0 && bytes.IndexByte(c.rest[:n], '\\') < 0; !c.ok {
		return nil
	}
	return c.field(n)
}

func (c *cut) number() (n uint64) {
	i := 0
	for ; c.ok && i < len(c.rest) && c.rest[i] >= '0' && c.rest[i] <= '9'; i++ {
		n = n*10 + uint64(c.rest[i]-'0')
	}
	if c.ok = c.ok && i > 0 && i < 20; c.ok {
		c.rest = c.rest[i:]
	}
	return n
}

// plainDialect is the plain profile. Pongs confirm, and the connection answers Pings by itself.
type plainDialect struct{ enigma }

// Name implements [Dialect].
func (*plainDialect) Name() string { return "enigma/plain" }

// Upgrade implements [Dialect].
func (*plainDialect) Upgrade(u *User) (string, string) { return "/ws/" + u.ID, "" }

// Greet implements [Dialect]. A server reads no frame before it has the user, so that a Pong tells that it has.
func (*plainDialect) Greet(c *Conn) { c.Ping() }

// Pong implements [Dialect].
func (*plainDialect) Pong(c *Conn, events Events) { events.Ready(c) }

// Confirm implements [Dialect].
func (*plainDialect) Confirm(*Conn) {}

// Send implements [Dialect].
func (d *plainDialect) Send(c *Conn, to *User, _ MessageID, payload []byte) {
	t := append(append(d.text[:0], `{"from":"`...), c.User.ID...)
	t = append(append(t, `","to":"`...), to.ID...)
	t = append(append(t, `","payload":"`...), payload...)
	d.text = append(t, `"}`...)
	c.Write(OpText, d.text)
}

// Receive implements [Dialect].
func (*plainDialect) Receive(c *Conn, text []byte, events Events) error {
	p := cut{text, true}
	var m Message
	p.text(`{"from":"`)
	m.From = p.field(protocol.UserIDLen)
	p.text(`","to":"`)
	m.To = p.field(protocol.UserIDLen)
	p.text(`","payload":"`)
	m.Payload = p.quoted()
	if p.text(`"}`); p.ok && len(p.rest) == 0 {
		events.Message(c, &m)
		return nil
	}
	f, err := parseFrame(text)
	switch {
	case err != nil:
		return err
	case f.Error != nil:
		events.Refused(c, f.Code, []byte(f.To))
	case f.Payload != nil:
		events.Message(c, f.message())
	default:
		return fmt.Errorf("neither a message nor an error: %.200q", text)
	}
	return nil
}

// v1Dialect is the enigma.v1 profile. Keys of users are not provable, so that no challenge comes.
type v1Dialect struct{ enigma }

// Name implements [Dialect].
func (*v1Dialect) Name() string { return "enigma/v1" }

// Acks says that senders get an ack for each message.
func (*v1Dialect) Acks() bool { return true }

// Upgrade implements [Dialect].
func (*v1Dialect) Upgrade(u *User) (string, string) { return "/ws/" + u.ID, protocol.Subprotocol }

// Greet implements [Dialect]: the server says ready by itself.
func (*v1Dialect) Greet(*Conn) {}

// Pong implements [Dialect].
func (*v1Dialect) Pong(*Conn, Events) {}

// Send implements [Dialect].
func (d *v1Dialect) Send(c *Conn, to *User, id MessageID, payload []byte) {
	t := strconv.AppendUint(append(d.text[:0], `{"type":"send","id":"`...), uint64(id.Flow), 10)
	t = strconv.AppendUint(append(t, '.'), id.Seq, 10)
	t = append(append(t, `","to":"`...), to.ID...)
	t = append(append(t, `","payload":"`...), payload...)
	d.text = append(t, `"}`...)
	c.Write(OpText, d.text)
}

// Confirm implements [Dialect].
func (d *v1Dialect) Confirm(c *Conn) {
	if c.State.Seen > c.State.Confirmed {
		c.State.Confirmed = c.State.Seen
		d.text = append(strconv.AppendUint(append(d.text[:0], `{"type":"recv","seq":`...), c.State.Seen, 10), '}')
		c.Write(OpText, d.text)
	}
}

// Receive implements [Dialect].
func (d *v1Dialect) Receive(c *Conn, text []byte, events Events) error {
	if seq, m := v1Message(text); seq > 0 {
		return d.message(c, seq, &m, events)
	}
	if id, ok := v1Ack(text); ok {
		events.Acked(c, id)
		return nil
	}
	f, err := parseFrame(text)
	if err != nil {
		return err
	}
	switch f.Type {
	case "message":
		if f.Payload == nil {
			return fmt.Errorf("a message without a payload: %.200q", text)
		}
		return d.message(c, f.Seq, f.message(), events)
	case "ready":
		events.Ready(c)
	case "drained":
		events.Drained(c)
	case "error":
		events.Refused(c, f.Code, []byte(f.To))
	case "going_away":
	default:
		return fmt.Errorf("an unexpected frame: %.200q", text)
	}
	return nil
}

// message takes a message with its place in the recipient's order, which must rise.
func (*v1Dialect) message(c *Conn, seq uint64, m *Message, events Events) error {
	if seq <= c.State.Seen {
		return fmt.Errorf("a message with seq %d after %d", seq, c.State.Seen)
	}
	c.State.Seen = seq
	events.Message(c, m)
	return nil
}

// v1Message reads a message by position; seq 0 means that it is none, or one that is written in another way.
func v1Message(text []byte) (seq uint64, m Message) {
	p := cut{text, true}
	p.text(`{"type":"message","from":"`)
	m.From = p.field(protocol.UserIDLen)
	p.text(`","to":"`)
	m.To = p.field(protocol.UserIDLen)
	p.text(`","payload":"`)
	m.Payload = p.quoted()
	p.text(`","id":"`)
	p.quoted()
	p.text(`","seq":`)
	seq = p.number()
	p.text(`,"time":`)
	p.number()
	if !p.ok || len(p.rest) == 0 || p.rest[0] != '}' && p.rest[0] != ',' {
		return 0, m
	}
	return seq, m
}

// v1Ack reads an ack by position.
func v1Ack(text []byte) (id MessageID, ok bool) {
	p := cut{text, true}
	p.text(`{"type":"ack","id":"`)
	flow := p.number()
	p.text(".")
	id = MessageID{Flow: uint32(flow), Seq: p.number()}
	p.text(`","to":"`)
	return id, p.ok
}
