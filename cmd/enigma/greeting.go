package main

import (
	"fmt"
	"io"
	"net"

	"github.com/enigma-protocol/enigma/actors"
	"github.com/enigma-protocol/enigma/actors/protocol"
)

// greet writes the address in use, first and in a form that programs may rely on, and then what a newcomer types next.
// Ids follow from keys, so the lines can name Bob's before he has logged in. It is one write: who has read the first
// line has the rest.
//
// Where everybody has to prove a key, a text does not do for one.
func greet(w io.Writer, scheme string, auth actors.Auth, front, admin net.Listener) error {
	addr, ws := dialable(front), "ws"
	if scheme == "https" {
		ws = "wss"
	}
	alice, bob := protocol.NewUserID([]byte("alice")), protocol.NewUserID([]byte("bob"))
	text := fmt.Sprintf("listening on %s://%s\n", scheme, front.Addr())
	text += fmt.Sprintf("\nIn a browser:\n  %s://%s/\n", scheme, addr)
	if auth == actors.AuthRequire {
		text += fmt.Sprintf("In a terminal:\n  enigma chat --server %s://%s\n", scheme, addr)
	} else {
		text += fmt.Sprintf(`Log two users in; any text is a key to try with:
  curl %[1]s://%[2]s/login/alice
  curl %[1]s://%[2]s/login/bob
Connect as Alice, and send Bob a message:
  npx wscat -c %[3]s://%[2]s/ws/%[4]s
  {"to":"%[5]s","payload":"hello"}
Connect as Bob in another terminal, now or later, and there it is:
  npx wscat -c %[3]s://%[2]s/ws/%[5]s
`, scheme, addr, ws, alice, bob)
	}
	if admin != nil {
		text += fmt.Sprintf("Watch it in a browser at http://%[1]s/, or\n  curl http://%[1]s/metrics\n", dialable(admin))
	}
	_, err := io.WriteString(w, text)
	return err
}
