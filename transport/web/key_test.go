package web_test

import (
	"crypto/ecdh"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/chromedp"

	"github.com/enigma-protocol/enigma/cmd/enigma/enigmatest"
	"github.com/enigma-protocol/enigma/transport/client"
)

// newKeyFile makes a key as the Go client does and returns its file.
func newKeyFile(t *testing.T) (*client.Key, string) {
	t.Helper()
	key, err := client.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "key.pem")
	if err := key.Save(path); err != nil {
		t.Fatal(err)
	}
	return key, path
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestKey_IsImported(t *testing.T) {
	s := enigmatest.Start(t, "--admin", "off")
	key, path := newKeyFile(t)
	pasting := newUser(t, "Alice", desktop)
	pasting.open(s.URL("/"))
	pasting.click("#have-key")

	p256, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(p256)
	if err != nil {
		t.Fatal(err)
	}
	for text, problem := range map[string]string{
		"nonsense": "This is not a key file",
		"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----":                       "This is a public key",
		"-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----":               "another kind of key file",
		"-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----": "passphrase",
		"-----BEGIN PRIVATE KEY-----\n!!\n-----END PRIVATE KEY-----":                       "damaged",
		string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})):            "X25519",
	} {
		pasting.fill("#key-text", text)
		pasting.click("#use-key")
		pasting.sees("#key-problem", problem)
	}
	pasting.fill("#key-text", readFile(t, path))
	pasting.click("#use-key")
	pasting.connected()
	if got := pasting.id(); got != key.ID() {
		t.Errorf("the imported key has the id %s, want %s", got, key.ID())
	}
	if eval[bool](pasting, inDatabase("account", "me", "record.privateKey.extractable")) {
		t.Error("the key can be taken out of the browser")
	}
}

func TestKey_AFileOfItReplacesTheOtherPlace(t *testing.T) {
	s := enigmatest.Start(t, "--admin", "off")
	first := newUser(t, "Alice", desktop)
	dir := t.TempDir()
	first.open(s.URL("/"))
	call(first, browser.SetDownloadBehavior, browser.SetDownloadBehaviorParams{
		Behavior:         browser.SetDownloadBehaviorBehaviorAllow,
		BrowserContextID: chromedp.FromContext(first.ctx).BrowserContextID,
		DownloadPath:     dir,
	})
	first.click("#create-key")
	first.sees("#finish", "without a backup")
	first.click("#save-key")
	first.sees("#finish", "Start messaging")
	first.click("#finish")
	first.connected()
	path := filepath.Join(dir, "enigma-"+first.id()[:8]+".pem")
	var key *client.Key
	eventually(t, func() bool {
		var err error
		key, err = client.LoadKey(path)
		return err == nil
	})
	if key.ID() != first.id() {
		t.Errorf("the backup has the id %s, want %s", key.ID(), first.id())
	}

	second := newUser(t, "Alice on another machine", desktop)
	second.open(s.URL("/"))
	second.click("#have-key")
	second.run(chromedp.SetUploadFiles(chromedp.CSS("#key-file"), []string{path}))
	second.connected()
	first.sees("#status", "You are connected from another place")
	first.clickText("Connect here")
	first.connected()
	second.sees("#status", "You are connected from another place")
}

func TestKey_ServesOverTLS(t *testing.T) {
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	enigmatest.WriteCertificate(t, 1, cert, key)
	s := enigmatest.Start(t, "--admin", "off", "--tls-cert", cert, "--tls-key", key)
	u := joined(t, s.URL("/"), "Alice", desktop)
	u.writeTo(u.id(), "Me")
	u.says("A note to myself")
	u.marked("A note to myself", "delivered")
	u.until("document.querySelectorAll('.message').length === 1")
}
