package main

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/enigma-protocol/enigma/bench/load"
)

// The packets of MQTT 3.1.1 (section 2.2) that are used here, with their flags.
const (
	mqttConnect   = 0x10
	mqttConnack   = 0x20
	mqttPublish   = 0x30
	mqttPuback    = 0x40
	mqttSubscribe = 0x82
	mqttSuback    = 0x90
	mqttPingresp  = 0xD0

	mqttTypeMask     = 0xF0
	mqttQoSMask      = 0x06
	mqttQoS1         = 0x02 // in the flags of PUBLISH
	mqttCleanSession = 0x02
)

// mqttDialect is MQTT 3.1.1 over WebSocket. A user subscribes to the topic of its id. With quality of service 0 messages
// are delivered at most once; with 1 the broker acknowledges them to the sender, and the recipient to the broker.
type mqttDialect struct {
	qos  byte
	text []byte
}

// mqttState is what a connection keeps: which message a packet number stands for, until its PUBACK.
type mqttState struct {
	last   uint16
	unsure map[uint16]load.MessageID
}

// Name implements [load.Dialect].
func (d *mqttDialect) Name() string { return fmt.Sprintf("mqtt/qos%d", d.qos) }

// Acks says that senders get an ack for each message.
func (d *mqttDialect) Acks() bool { return d.qos > 0 }

// Login implements [load.Dialect].
func (*mqttDialect) Login(*load.User) string { return "" }

// LoggedIn implements [load.Dialect].
func (*mqttDialect) LoggedIn(*load.User, []byte) error { return nil }

// Upgrade implements [load.Dialect].
func (*mqttDialect) Upgrade(*load.User) (string, string) { return "/mqtt", "mqtt" }

// Greet implements [load.Dialect]: CONNECT, and a subscription whose SUBACK says that the broker has the user.
func (d *mqttDialect) Greet(c *load.Conn) {
	c.State.Extra = &mqttState{unsure: make(map[uint16]load.MessageID)}
	const noKeepAlive = 0
	body := appendText(nil, "MQTT")
	body = append(body, 4, mqttCleanSession, 0, noKeepAlive)
	c.Stream(appendPacket(nil, mqttConnect, appendText(body, c.User.ID)))
	body = append(appendText([]byte{0, 1}, c.User.ID), d.qos)
	c.Stream(appendPacket(nil, mqttSubscribe, body))
}

// Send implements [load.Dialect].
func (d *mqttDialect) Send(c *load.Conn, to *load.User, id load.MessageID, payload []byte) {
	size, flags := 2+len(to.ID)+len(payload), byte(0)
	if d.qos > 0 {
		size, flags = size+2, mqttQoS1
	}
	t := appendLength(append(d.text[:0], mqttPublish|flags), size)
	t = appendText(t, to.ID)
	if d.qos > 0 {
		s := c.State.Extra.(*mqttState)
		if s.last++; s.last == 0 { // no packet has the number 0
			s.last++
		}
		s.unsure[s.last] = id
		t = binary.BigEndian.AppendUint16(t, s.last)
	}
	d.text = append(t, payload...)
	c.Stream(d.text)
}

// Pong implements [load.Dialect].
func (*mqttDialect) Pong(*load.Conn, load.Events) {}

// Confirm implements [load.Dialect].
func (*mqttDialect) Confirm(*load.Conn) {}

// Receive implements [load.Dialect].
func (d *mqttDialect) Receive(c *load.Conn, frame []byte, events load.Events) error {
	return whole(c, frame, func(data []byte) (int, error) {
		kind, body, size := nextPacket(data)
		if size == 0 {
			return 0, nil
		}
		return size, d.packet(c, kind, body, events)
	})
}

func (d *mqttDialect) packet(c *load.Conn, kind byte, body []byte, events load.Events) error {
	switch kind & mqttTypeMask {
	case mqttConnack:
		if len(body) != 2 || body[1] != 0 {
			return fmt.Errorf("mqtt: not connected: %x", body)
		}
	case mqttSuback:
		events.Ready(c)
	case mqttPublish:
		return d.published(c, kind, body, events)
	case mqttPuback:
		if len(body) < 2 {
			return errors.New("mqtt: a PUBACK without a number")
		}
		number := binary.BigEndian.Uint16(body)
		s := c.State.Extra.(*mqttState)
		events.Acked(c, s.unsure[number]) // the zero id, for a number that is not known, is a fault
		delete(s.unsure, number)
	case mqttPingresp:
	default:
		return fmt.Errorf("mqtt: packet %#x", kind)
	}
	return nil
}

// published takes a message, and acknowledges it if it asks for that.
func (d *mqttDialect) published(c *load.Conn, kind byte, body []byte, events load.Events) error {
	if len(body) < 2 || len(body) < 2+int(binary.BigEndian.Uint16(body)) {
		return errors.New("mqtt: a PUBLISH without a topic")
	}
	n := 2 + int(binary.BigEndian.Uint16(body))
	topic, rest := body[2:n], body[n:]
	if kind&mqttQoSMask != 0 {
		if len(rest) < 2 {
			return errors.New("mqtt: a PUBLISH without a number")
		}
		c.Stream([]byte{mqttPuback, 2, rest[0], rest[1]})
		rest = rest[2:]
	}
	events.Message(c, &load.Message{To: topic, Payload: rest})
	return nil
}

// nextPacket takes the first packet off data. size is 0 if it is not there as a whole.
func nextPacket(data []byte) (kind byte, body []byte, size int) {
	n, shift := 0, 0
	for i := 1; i < min(len(data), 5); i++ {
		n |= int(data[i]&0x7F) << shift
		if shift += 7; data[i]&0x80 == 0 {
			if len(data) < i+1+n {
				return 0, nil, 0
			}
			return data[0], data[i+1 : i+1+n], i + 1 + n
		}
	}
	return 0, nil, 0
}

func appendPacket(dst []byte, kind byte, body []byte) []byte {
	return append(appendLength(append(dst, kind), len(body)), body...)
}

// appendLength appends a length in groups of seven bits (section 2.2.3).
func appendLength(dst []byte, n int) []byte {
	for n >= 0x80 {
		dst = append(dst, byte(n)|0x80)
		n >>= 7
	}
	return append(dst, byte(n))
}

func appendText(dst []byte, text string) []byte {
	return append(binary.BigEndian.AppendUint16(dst, uint16(len(text))), text...)
}
