package web_test

import (
	"crypto/rand"
	"crypto/sha512"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/enigma-protocol/enigma/actors/protocol"
	"github.com/enigma-protocol/enigma/cmd/enigma/enigmatest"
)

// Known letters: those that the page has sealed, which ENIGMA_UPDATE=1 makes anew, and those of package seal. Each
// side's tests open both.
const (
	pageVectors = "testdata/hpke1-page.json"
	goVectors   = "../client/seal/testdata/hpke1.json"
)

// letter is one known letter. Keys are raw, in base64url.
type letter struct {
	SenderPrivate    string `json:"senderPrivate"`
	SenderPublic     string `json:"senderPublic"`
	SenderID         string `json:"senderId"`
	RecipientPrivate string `json:"recipientPrivate"`
	RecipientPublic  string `json:"recipientPublic"`
	RecipientID      string `json:"recipientId"`
	Payload          string `json:"payload"`
	Plaintext        string `json:"plaintext"`
}

// crypt evaluates the body of an async function to which the page's modules are in scope, and a few helpers.
func crypt[T any](u *user, body string, args ...any) T {
	u.t.Helper()
	arguments := make([]any, len(args))
	for i, arg := range args {
		text, err := json.Marshal(arg)
		if err != nil {
			u.t.Fatal(err)
		}
		arguments[i] = string(text)
	}
	return eval[T](u, fmt.Sprintf(`(async () => {
		const from = (name) => import(document.querySelector('script[type=module]').src.replace('main.js', name));
		const bytes = await from('bytes.js'), hpke = await from('crypto/hpke.js'), letters = await from('crypto/letter.js');
		const x25519 = await from('crypto/x25519.js'), identity = await from('crypto/identity.js'), proof = await from('crypto/proof.js');
		const hex = (text) => Uint8Array.from(text.match(/../g), (b) => parseInt(b, 16));
		const toHex = (array) => [...array].map((b) => b.toString(16).padStart(2, '0')).join('');
		const raw64 = bytes.fromBase64url;
		const pairOf = (raw) => x25519.locked(bytes.concat(hex('302e020100300506032b656e04220420'), raw));
		%s
	})()`, fmt.Sprintf(body, arguments...)))
}

// anyPage is a user at the gate, for what needs modules alone.
func anyPage(t *testing.T) *user {
	t.Helper()
	s := enigmatest.Start(t, "--admin", "off")
	u := newUser(t, "Somebody", desktop)
	u.open(s.URL("/"))
	return u
}

// RFC 9180, appendix A.1.3, sequence number 0.
const (
	rfcInfo       = "4f6465206f6e2061204772656369616e2055726e"
	rfcEphemeral  = "ff4442ef24fbc3c1ff86375b0be1e77e88a0de1e79b30896d73411c5ff4c3518"
	rfcEnc        = "23fb952571a14a25e3d678140cd0e5eb47a0961bb18afcf85896e5453c312e76"
	rfcRecipient  = "fdea67cf831f1ca98d8e27b1f6abeb5b7745e9d35348b80fa407ff6958f9137e"
	rfcSender     = "dc4a146313cce60a278a5323d321f051c5707e9c45ba21a3479fecdf76fc69dd"
	rfcPlaintext  = "4265617574792069732074727574682c20747275746820626561757479"
	rfcAAD        = "436f756e742d30"
	rfcCiphertext = "5fd92cc9d46dbf8943e72a07e42f363ed5f721212cd90bcfd072bfd9f44e06b80fd17824947496e21b680c141b"
)

func TestCrypto_KnownAnswers(t *testing.T) {
	u := anyPage(t)
	sealed := crypt[string](u, `
		const [e, r, s] = await Promise.all([%s, %s, %s].map((text) => pairOf(hex(text))));
		const ephemeral = { privateKey: e.privateKey, publicKey: await x25519.importPublic(e.publicRaw) };
		return toHex(await hpke.seal(s, r.publicRaw, hex(%s), hex(%s), hex(%s), ephemeral));`,
		rfcEphemeral, rfcRecipient, rfcSender, rfcInfo, rfcAAD, rfcPlaintext)
	if sealed != rfcEnc+rfcCiphertext {
		t.Errorf("RFC 9180 A.1.3 sealed: %s", sealed)
	}
	opened := crypt[string](u, `
		const [r, s] = await Promise.all([%s, %s].map((text) => pairOf(hex(text))));
		return toHex(await hpke.open(r, s.publicRaw, hex(%s), hex(%s), hex(%s)));`,
		rfcRecipient, rfcSender, rfcInfo, rfcAAD, rfcEnc+rfcCiphertext)
	if opened != rfcPlaintext {
		t.Errorf("RFC 9180 A.1.3 opened: %s", opened)
	}
	if id := crypt[string](u, `return identity.userId('alice')`); id != protocol.NewUserID([]byte("alice")).String() {
		t.Errorf("the id of alice: %s", id)
	}
	for _, key := range []string{strings.Repeat("00", 32), "01" + strings.Repeat("00", 31)} {
		refused := crypt[bool](u, `const r = await pairOf(hex(%s)); return x25519.agree(r.privateKey, hex(%s)).then(() => false, () => true)`, rfcRecipient, key)
		if !refused {
			t.Errorf("an agreement with the small point %s", key)
		}
	}
}

func TestCrypto_ProofIsTheContracts(t *testing.T) {
	text, err := os.ReadFile("../../actors/protocol/testdata/proof.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors []struct {
		Alg, Authority, EPK, Nonce, Tag string
		Private                         string `json:"client_private_hex"`
		PublicKey                       string `json:"public_key"`
		UserID                          string `json:"user_id"`
		Exp                             int64
	}
	if err := json.Unmarshal(text, &vectors); err != nil {
		t.Fatal(err)
	}
	u := anyPage(t)
	seen := 0
	for _, v := range vectors {
		if v.Alg != protocol.AlgX25519 {
			continue
		}
		seen++
		tag := crypt[string](u, `
			const { privateKey } = await pairOf(hex(%s));
			const answer = await proof.prove({ id: %s, publicKey: %s, privateKey }, %s, { alg: 'x25519', epk: %s, nonce: %s, exp: %s });
			return answer.tag;`, v.Private, v.UserID, v.PublicKey, v.Authority, v.EPK, v.Nonce, v.Exp)
		if tag != v.Tag {
			t.Errorf("%s: tag %s, want %s", v.PublicKey, tag, v.Tag)
		}
	}
	if seen == 0 {
		t.Error("no vectors for x25519")
	}
	for url, want := range map[string]string{"https://Chat.Example./": "chat.example", "https://chat.example:80/": "chat.example", "http://[::1]:8080/": "[::1]:8080", "https://a.b:8443/x": "a.b:8443"} {
		if got := crypt[string](u, `return proof.authority(%s)`, url); got != want {
			t.Errorf("authority of %s: %s, want %s", url, got, want)
		}
	}
}

func TestCrypto_SafetyNumberIsTheSameOnBothSides(t *testing.T) {
	lp := func(s string) string { return string(binary.BigEndian.AppendUint16(nil, uint16(len(s)))) + s }
	keys, ids := make([]string, 2), make([]string, 2)
	for i := range keys {
		raw := make([]byte, 32)
		rand.Read(raw)
		keys[i] = "x25519:" + base64.RawURLEncoding.EncodeToString(raw)
		ids[i] = protocol.NewUserID([]byte(keys[i])).String()
	}
	low, high := 0, 1
	if ids[0] > ids[1] {
		low, high = 1, 0
	}
	d := sha512.Sum512([]byte(lp("enigma-safety-number") + lp(ids[low]) + lp(keys[low]) + lp(ids[high]) + lp(keys[high])))
	var want []string
	for i := range 12 {
		n := binary.BigEndian.Uint64(append([]byte{0, 0, 0}, d[5*i:5*i+5]...))
		want = append(want, fmt.Sprintf("%05d", n%100000))
	}
	u := anyPage(t)
	for _, order := range [][2]int{{0, 1}, {1, 0}} {
		a, b := order[0], order[1]
		got := crypt[[]string](u, `return identity.safetyNumber({ id: %s, publicKey: %s }, { id: %s, publicKey: %s })`, ids[a], keys[a], ids[b], keys[b])
		if strings.Join(got, " ") != strings.Join(want, " ") {
			t.Errorf("got %v, want %v", got, want)
		}
	}
}

// openLetter is a body for crypt that opens a letter and returns its plaintext as the page would write it.
const openLetter = `
	const v = %s;
	const [s, r] = await Promise.all([v.senderPrivate, v.recipientPrivate].map((text) => pairOf(raw64(text))));
	if (bytes.toBase64url(s.publicRaw) !== v.senderPublic || bytes.toBase64url(r.publicRaw) !== v.recipientPublic) return 'other public keys';
	const me = { ...r, id: v.recipientId };
	return letters.open(me, { publicRaw: s.publicRaw, id: v.senderId }, v.payload).then(JSON.stringify, () => 'refused');`

func TestCrypto_LettersOpen(t *testing.T) {
	u := anyPage(t)
	if os.Getenv("ENIGMA_UPDATE") != "" {
		makeLetters(u)
	}
	var vectors []letter
	for _, file := range []string{pageVectors, goVectors} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var some []letter
		if err := json.Unmarshal(text, &some); err != nil || len(some) < 3 {
			t.Fatalf("%s: %d letters, %v", file, len(some), err)
		}
		vectors = append(vectors, some...)
	}
	for i, v := range vectors {
		if got := crypt[string](u, openLetter, v); !sameJSON(t, got, v.Plaintext) {
			t.Errorf("letter %d: %s, want %s", i, got, v.Plaintext)
		}
		// Bound to both ids, and to every bit.
		other := v
		other.SenderID = v.RecipientID
		turned := v
		turned.Payload = v.Payload[:len(v.Payload)-8] + flip(v.Payload[len(v.Payload)-8:])
		padded := v
		padded.Payload += "="
		stray := v
		stray.Payload = strayBits(v.Payload)
		for what, bad := range map[string]letter{"another sender": other, "a changed letter": turned, "padding": padded, "stray bits": stray} {
			if got := crypt[string](u, openLetter, bad); got != "refused" {
				t.Errorf("letter %d with %s: %s", i, what, got)
			}
		}
	}
}

// flip changes the first character of base64url.
func flip(text string) string {
	if text[0] == 'A' {
		return "B" + text[1:]
	}
	return "A" + text[1:]
}

// strayBits sets a bit that base64url leaves over, or adds a character where it leaves none.
func strayBits(payload string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	_, encoded, _ := strings.Cut(payload, ".")
	if len(encoded)%4 == 0 {
		return payload + "A"
	}
	last := len(payload) - 1
	return payload[:last] + string(alphabet[strings.IndexByte(alphabet, payload[last])+1])
}

func sameJSON(t *testing.T, a, b string) bool {
	t.Helper()
	var x, y any
	if json.Unmarshal([]byte(a), &x) != nil || json.Unmarshal([]byte(b), &y) != nil {
		return false
	}
	return fmt.Sprint(x) == fmt.Sprint(y)
}

// makeLetters has the page seal letters and writes them down.
func makeLetters(u *user) {
	u.t.Helper()
	vectors := crypt[[]letter](u, `
		const contents = [
			{ type: 'text', id: letters.newId(), time: 1800000000000, text: 'Hello' },
			{ type: 'text', id: letters.newId(), time: 1800000000001, text: 'Grüße, 你好, 👋🏽\n"quoted" \\ <b>\u0000' },
			{ type: 'text', id: letters.newId(), time: 1800000000002, text: '' },
			{ type: 'receipt', ids: [letters.newId(), letters.newId()], time: 1800000000003 },
			{ type: 'text', id: letters.newId(), time: 1800000000004, text: 'x'.repeat(3000) },
		];
		const out = [];
		for (const content of contents) {
			const [sp, rp] = [bytes.random(32), bytes.random(32)];
			const [s, r] = await Promise.all([sp, rp].map(pairOf));
			const [si, ri] = await Promise.all([s, r].map((pair) => identity.userId(identity.publicString(pair.publicRaw))));
			const payload = await letters.seal({ ...s, id: si }, { ...r, id: ri }, content);
			const json = JSON.stringify(content);
			const length = new TextEncoder().encode(json).length;
			out.push({
				senderPrivate: bytes.toBase64url(sp), senderPublic: bytes.toBase64url(s.publicRaw), senderId: si,
				recipientPrivate: bytes.toBase64url(rp), recipientPublic: bytes.toBase64url(r.publicRaw), recipientId: ri,
				payload, plaintext: json + ' '.repeat(-length & 63),
			});
		}
		return out;`)
	text, err := json.MarshalIndent(vectors, "", "  ")
	if err == nil {
		err = os.WriteFile(pageVectors, append(text, '\n'), 0o644)
	}
	if err != nil {
		u.t.Fatal(err)
	}
}
