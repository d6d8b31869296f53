// Package describe says in machine-readable form what the server can be asked: OpenAPI 3.1 for HTTP, AsyncAPI 3.0 for the
// WebSocket, both profiles. The front end serves the two documents as /openapi.json and /asyncapi.json.
//
// They are put together from the tables that the server itself works with, the codes and closes of package protocol and
// the limits in use, so those cannot fall behind. What only prose knows, when something is answered, stands here. The
// tests of package transport provoke every answer and every frame that is described, and check each against its schema.
package describe

import (
	"encoding/json"

	"github.com/enigma-protocol/enigma/actors/protocol"
)

// Server is what differs from one server to the next.
type Server struct {
	Version string          // of the program
	Prefix  string          // path below which it answers, such as "/broker"; empty for the root
	Limits  protocol.Limits // in use
	MaxBody int             // bytes of a request's body
}

// object is a JSON object; list is a JSON array.
type (
	object = map[string]any
	list   = []any
)

const (
	summary = "A message broker. A user is a public key; messages wait for those who are away until their side has proved that they arrived."
	idForm  = "^[a-z2-7]{32}$"
)

// encode writes a document.
func encode(doc object) []byte {
	text, err := json.MarshalIndent(doc, "", "  ")
	if err != nil {
		panic("describe: " + err.Error()) // it is made of strings and numbers
	}
	return append(text, '\n')
}

func info(s Server, title string) object {
	version := s.Version
	if version == "" {
		version = "devel"
	}
	return object{"title": title, "version": version, "description": summary}
}

func ref(kind, name string) object { return object{"$ref": "#/components/" + kind + "/" + name} }

func schema(name string) object { return ref("schemas", name) }

func text(description string) object { return object{"type": "string", "description": description} }

func number(description string) object {
	return object{"type": "integer", "minimum": 0, "description": description}
}

// exactly is an object that has the members and no others. Those in optional may be missing.
func exactly(members object, optional ...string) object {
	required := list{}
	for _, name := range sortedKeys(members) {
		missing := false
		for _, o := range optional {
			missing = missing || o == name
		}
		if !missing {
			required = append(required, name)
		}
	}
	return object{"type": "object", "properties": members, "required": required, "additionalProperties": false}
}

// atLeast is an object that has the members, and perhaps others, which are ignored.
func atLeast(members object, optional ...string) object {
	o := exactly(members, optional...)
	delete(o, "additionalProperties")
	return o
}

// fault is one error: its code, and the sentence that always goes with it.
func fault(code protocol.Code) (name, sentence object) {
	return object{"const": code.String()}, object{"const": code.Text()}
}

// faults is the body of an answer that has one of the codes.
func faults(codes ...protocol.Code) object {
	one := list{}
	for _, code := range codes {
		name, sentence := fault(code)
		one = append(one, exactly(object{"error": sentence, "code": name}))
	}
	if len(one) == 1 {
		return one[0].(object)
	}
	return object{"oneOf": one}
}

// userID and limits are schemas that both documents have.
func userID() object {
	return object{"type": "string", "pattern": idForm, "description": "base32(SHA-256(public key)[0:20]), lower case, without padding",
		"examples": list{"fpmansl7byak6gq7ymzi7j3dvetjoi6i"}}
}

func limits(l protocol.Limits) object {
	fixed := func(n int64, description string) object {
		return object{"type": "integer", "const": n, "description": description}
	}
	return exactly(object{
		"maxMessage":      fixed(int64(l.MaxMessage), "bytes of one message in all"),
		"maxUnacked":      fixed(int64(l.MaxUnacked), "messages sent to an enigma.v1 client that it has not confirmed; the others wait"),
		"mailboxMessages": fixed(int64(l.MailboxMessages), "stored messages per user"),
		"mailboxBytes":    fixed(l.MailboxBytes, "their bytes"),
		"ttl":             fixed(l.TTL, "seconds after which a stored message expires"),
		"idleTimeoutMs":   fixed(l.IdleTimeoutMS, "silence after which a connection is pinged, milliseconds"),
	})
}
