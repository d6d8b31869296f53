package seal_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"testing"

	"github.com/enigma-protocol/enigma/transport/client/seal"
)

var update = flag.Bool("update", false, "write testdata/hpke1.json anew; the page's tests read it too")

// vector is one payload of the format with all that opens it. Binary fields are base64url without padding.
type vector struct {
	SenderPrivate    string `json:"senderPrivate"`
	SenderPublic     string `json:"senderPublic"`
	SenderID         string `json:"senderId"`
	RecipientPrivate string `json:"recipientPrivate"`
	RecipientPublic  string `json:"recipientPublic"`
	RecipientID      string `json:"recipientId"`
	Payload          string `json:"payload"`
	Plaintext        string `json:"plaintext"`
}

const (
	ourVectors  = "testdata/hpke1.json"
	pageVectors = "../../web/testdata/hpke1-page.json" // written by the page's own implementation
)

// plaintexts are what the committed vectors say.
func plaintexts() []string {
	pad := func(text string) string { return text + strings.Repeat(" ", (64-len(text)%64)%64) }
	ids := make([]string, seal.MaxReceipts)
	for i := range ids {
		ids[i] = fmt.Sprintf("%022d", i)
	}
	list, _ := json.Marshal(ids) // strings cannot fail
	return []string{
		pad(`{"type":"text","id":"AAECAwQFBgcICQoLDA0ODw","time":1767225600000,"text":"hello"}`),
		pad(`{"type":"text","id":"__79_Pv6-fj39vX08_Lx8A","time":0,"text":""}`),
		pad(`{"type":"text","id":"abcdefghijklmnopqrstuv","time":1767225600001,"text":"Grüße, 世界 👋🏽 <b>&amp;\u2028\u0000\n\"\\"}`),
		pad(`{"type":"text","id":"0123456789012345678901","time":1767225600002,"text":"` + strings.Repeat("x", seal.MaxText) + `"}`),
		pad(`{"type":"receipt","ids":["AAECAwQFBgcICQoLDA0ODw"],"time":1767225600003}`),
		pad(`{"type":"receipt","ids":` + string(list) + `,"time":1767225600004}`),
		pad(`{"later":{"type":[null]},"text":"of a later version","type":"text","time":1767225600005,"id":"0123456789012345678902"}`),
		pad(`{"type":"of a later version"}`),
	}
}

// seed makes the i-th key of the committed vectors.
func seed(i int) []byte {
	sum := sha256.Sum256(fmt.Appendf(nil, "enigma hpke1 vector key %d", i))
	return sum[:]
}

func makeVectors(t *testing.T) (all []vector) {
	b64 := base64.RawURLEncoding.EncodeToString
	for i, plaintext := range plaintexts() {
		from, to, ephemeral := privateKey(t, seed(3*i)), privateKey(t, seed(3*i+1)), privateKey(t, seed(3*i+2))
		sender, recipient := self(t, from), self(t, to)
		payload, err := sender.SealPlaintext(recipient.User, ephemeral, []byte(plaintext))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, vector{
			b64(from.Bytes()), b64(from.PublicKey().Bytes()), sender.ID(),
			b64(to.Bytes()), b64(to.PublicKey().Bytes()), recipient.ID(), payload, plaintext,
		})
	}
	return all
}

func TestVectors_OfThisImplementationAreTheCommittedOnes(t *testing.T) {
	text, err := json.MarshalIndent(makeVectors(t), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	text = append(text, '\n')
	if *update {
		if err := os.WriteFile(ourVectors, text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	committed, err := os.ReadFile(ourVectors)
	if err != nil || string(committed) != string(text) {
		t.Errorf("%s is not what this implementation makes (%v); if the format has changed: go test -run Vectors -update", ourVectors, err)
	}
	checkVectors(t, committed)
}

func TestVectors_OfThePageOpen(t *testing.T) {
	text, err := os.ReadFile(pageVectors)
	if errors.Is(err, fs.ErrNotExist) {
		t.Log("the page has none")
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	checkVectors(t, text)
}

// checkVectors opens all vectors of a file.
func checkVectors(t *testing.T, text []byte) {
	t.Helper()
	var all []vector
	if err := json.Unmarshal(text, &all); err != nil || len(all) == 0 {
		t.Fatalf("%d vectors, %v", len(all), err)
	}
	for i, v := range all {
		raw, err := base64.RawURLEncoding.DecodeString(v.RecipientPrivate)
		if err != nil {
			t.Fatal(err)
		}
		recipient := self(t, privateKey(t, raw))
		if recipient.ID() != v.RecipientID || recipient.PublicKey() != "x25519:"+v.RecipientPublic {
			t.Errorf("vector %d: the recipient's key is another's", i)
		}
		sender, err := seal.NewUser(v.SenderID, "x25519:"+v.SenderPublic)
		if err != nil {
			t.Errorf("vector %d: %v", i, err)
			continue
		}
		plaintext, err := recipient.OpenPlaintext(sender, v.Payload)
		if err != nil || string(plaintext) != v.Plaintext || len(plaintext)%64 != 0 {
			t.Errorf("vector %d: %d bytes, %v, want %d", i, len(plaintext), err, len(v.Plaintext))
		}
		if _, err := recipient.Open(sender, v.Payload); err != nil {
			t.Errorf("vector %d: %v", i, err)
		}
	}
}
