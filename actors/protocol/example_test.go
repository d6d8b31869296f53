package protocol_test

import (
	"fmt"

	"github.com/enigma-protocol/enigma/actors/protocol"
)

func ExampleNewUserID() {
	fmt.Println(protocol.NewUserID([]byte("alice")))
	// Output: fpmansl7byak6gq7ymzi7j3dvetjoi6i
}

func ExampleEnvelope() {
	var e protocol.Envelope
	frame := []byte(`{"to":"fpmansl7byak6gq7ymzi7j3dvetjoi6i","payload":"c2VjcmV0","sent":1764000000}`)
	if err := e.Parse(frame); err != nil {
		fmt.Println(err)
		return
	}
	to, ok := protocol.ParseRawUserID(e.To)
	fmt.Println(to, ok, e.HasFrom, e.Exact)
	fmt.Printf("%s\n", e.Payload)
	// Output:
	// fpmansl7byak6gq7ymzi7j3dvetjoi6i true false false
	// c2VjcmV0
}

func ExampleCode() {
	fmt.Println(string(protocol.AppendError(nil, protocol.CodeReplaced, nil)))
	fmt.Println(protocol.CodeReplaced.Close())
	// Output:
	// {"error":"Connected from another location","code":"REPLACED"}
	// 4409 connected from another location
}
