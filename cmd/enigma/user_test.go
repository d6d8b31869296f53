package main_test

import (
	"bytes"
	"encoding/json"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/enigma-protocol/enigma/cmd/enigma/enigmatest"
	"github.com/enigma-protocol/enigma/transport/client"
	"github.com/enigma-protocol/enigma/transport/client/seal"
)

// keyUser is a user with a key file, as the commands for users have it.
type keyUser struct {
	t   *testing.T
	url string // of the server
	key string // path
	id  string
}

// newKeyUser makes a key and, if the server is to know the user, logs it in.
func newKeyUser(t *testing.T, url string) *keyUser {
	t.Helper()
	u := &keyUser{t: t, url: url, key: filepath.Join(t.TempDir(), "key.pem")}
	r := enigmatest.Run(t, nil, "keygen", u.key)
	u.id = strings.TrimSuffix(r.Stdout, "\n")
	if r.Status != 0 || len(u.id) != 32 {
		t.Fatalf("keygen: %s", r)
	}
	if url != "" {
		if _, err := client.Login(t.Context(), url, u.load().PublicKey()); err != nil {
			t.Fatal(err)
		}
	}
	return u
}

func (u *keyUser) load() *client.Key {
	u.t.Helper()
	key, err := client.LoadKey(u.key)
	if err != nil {
		u.t.Fatal(err)
	}
	return key
}

// run runs a command for the user to its end.
func (u *keyUser) run(stdin string, args ...string) enigmatest.Result {
	u.t.Helper()
	return u.start(stdin, args...)()
}

// start starts a command for the user; the function waits for its end.
func (u *keyUser) start(stdin string, args ...string) func() enigmatest.Result {
	u.t.Helper()
	cmd := exec.CommandContext(u.t.Context(), enigmatest.Binary(u.t), args...)
	cmd.Env = append(os.Environ(), "ENIGMA_SERVER="+u.url, "ENIGMA_KEY="+u.key)
	var out, log bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &out, &log
	if err := cmd.Start(); err != nil {
		u.t.Fatal(err)
	}
	return func() enigmatest.Result {
		_ = cmd.Wait() // the status is in ProcessState
		return enigmatest.Result{Status: cmd.ProcessState.ExitCode(), Stdout: out.String(), Stderr: log.String()}
	}
}

// ok runs a command that must succeed, and returns what it prints.
func (u *keyUser) ok(stdin string, args ...string) string {
	u.t.Helper()
	r := u.run(stdin, args...)
	if r.Status != 0 {
		u.t.Fatalf("enigma %s: %s", strings.Join(args, " "), r)
	}
	return r.Stdout
}

// jsonLines decodes what listen and send print.
func jsonLines(t *testing.T, text string) (all []map[string]any) {
	t.Helper()
	for line := range strings.Lines(text) {
		var object map[string]any
		if err := json.Unmarshal([]byte(line), &object); err != nil {
			t.Fatalf("%v in %q", err, line)
		}
		all = append(all, object)
	}
	return all
}

// texts returns the texts among lines of listen.
func texts(t *testing.T, output string) (all []string) {
	t.Helper()
	for _, line := range jsonLines(t, output) {
		if line["type"] == "text" {
			all = append(all, line["text"].(string))
		}
	}
	return all
}

func TestKeygen_KeepsWhatIsThereAndHidesWhatItMakes(t *testing.T) {
	u := newKeyUser(t, "")
	info, err := os.Stat(u.key)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	before, _ := os.ReadFile(u.key)
	if r := enigmatest.Run(t, nil, "keygen", u.key); r.Status != 1 || r.Stdout != "" || !strings.Contains(r.Stderr, "exists and stays") {
		t.Errorf("a second time: %s", r)
	}
	if after, err := os.ReadFile(u.key); err != nil || !bytes.Equal(before, after) || !bytes.HasPrefix(after, []byte("-----BEGIN PRIVATE KEY-----\n")) {
		t.Errorf("the key file has changed or is no PEM: %v", err)
	}
	public := strings.TrimSpace(u.ok("", "id", "--public-key"))
	for _, args := range [][]string{{"id"}, {"id", u.key}, {"id", public}, {"id", "--key", u.key}} {
		if got := u.ok("", args...); got != u.id+"\n" {
			t.Errorf("enigma %v: %q, want %q", args, got, u.id)
		}
	}
	home := t.TempDir()
	if r := enigmatest.Run(t, []string{"HOME=" + home}, "keygen"); r.Status != 0 {
		t.Errorf("keygen without a name: %s", r)
	}
	if r := enigmatest.Run(t, []string{"HOME=" + home}, "id"); r.Status != 0 || len(r.Stdout) != 33 {
		t.Errorf("id without a name: %s", r)
	}
	if err := os.Chmod(u.key, 0o644); err != nil {
		t.Fatal(err)
	}
	if r := u.run("", "id"); r.Status != 0 || !strings.Contains(r.Stderr, "chmod 600") {
		t.Errorf("a key that others may read: %s", r)
	}
}

func TestSend_WaitsForThePersonWhoIsAway(t *testing.T) {
	store := t.TempDir()
	s := enigmatest.Start(t, "--store", store)
	alice, bob := newKeyUser(t, s.URL("")), newKeyUser(t, s.URL(""))
	if got := alice.ok("", "send", bob.id, "first"); got != "safe\n" {
		t.Errorf("send prints %q", got)
	}
	alice.ok("second\r\n", "send", bob.id)
	// The server is restarted in between.
	if status := s.Stop(); status != 0 {
		t.Errorf("the server ended with %d", status)
	}
	s = enigmatest.Start(t, "--store", store)
	alice.url, bob.url = s.URL(""), s.URL("")
	alice.ok("third", "send", bob.id, "-")
	lines := jsonLines(t, bob.ok("", "listen", "--count", "3"))
	for i, want := range []string{"first", "second", "third"} {
		if l := lines[i]; l["type"] != "text" || l["from"] != alice.id || l["text"] != want {
			t.Errorf("line %d is %v, want %q", i, l, want)
		}
	}
	// What was printed was confirmed and acknowledged; nothing comes twice.
	if again := bob.ok("", "listen", "--timeout", "300ms"); again != "" {
		t.Errorf("it came again: %s", again)
	}
	var receipts []any
	for _, l := range jsonLines(t, alice.ok("", "listen", "--timeout", "1s")) {
		if l["type"] == "receipt" && l["from"] == bob.id {
			receipts = append(receipts, l["ids"].([]any)...)
		}
	}
	for _, l := range lines {
		if !slices.Contains(receipts, l["id"]) {
			t.Errorf("no receipt for %v among %v", l["id"], receipts)
		}
	}
}

func TestSend_WaitsUntilDelivered(t *testing.T) {
	s := enigmatest.Start(t)
	alice, bob := newKeyUser(t, s.URL("")), newKeyUser(t, s.URL(""))
	bob.ok("", "send", alice.id, "for Alice's next listen")
	if r := alice.run("", "send", bob.id, "1", "--wait-delivered", "--timeout", "500ms"); r.Status != 1 || !strings.Contains(r.Stderr, "safe, but no receipt") {
		t.Errorf("with Bob away: %s", r)
	}
	listening := bob.start("", "listen", "--count", "3")
	in := `{"to":"` + bob.id + `","text":"2"}` + "\n\n" + `{"to":"` + bob.id + `","text":"3"}`
	results := jsonLines(t, alice.ok(in, "send", "--json-lines", "--wait-delivered"))
	if len(results) != 2 || results[0]["status"] != "delivered" || results[1]["status"] != "delivered" {
		t.Errorf("with Bob there: %v", results)
	}
	if r := listening(); r.Status != 0 || !slices.Equal(texts(t, r.Stdout), []string{"1", "2", "3"}) {
		t.Errorf("Bob: %s", r)
	}
	// The wait for receipts has taken nothing of Alice's.
	if got := texts(t, alice.ok("", "listen", "--count", "1")); !slices.Equal(got, []string{"for Alice's next listen"}) {
		t.Errorf("Alice has %q", got)
	}
}

func TestSend_IsDoneOnlyIfAllIsSafe(t *testing.T) {
	s := enigmatest.Start(t)
	alice, bob := newKeyUser(t, s.URL("")), newKeyUser(t, s.URL(""))
	stranger := newKeyUser(t, "")
	opaque := s.Login("an opaque key")
	for _, c := range []struct {
		stdin  string
		args   []string
		status int
		want   string
	}{
		{args: []string{"send", stranger.id, "x"}, status: 1, want: "has never logged in"},
		{args: []string{"send", "bob", "x"}, status: 1, want: "no contact's name"},
		{args: []string{"send", strings.ToUpper(bob.id), "x"}, status: 1, want: "is no id"},
		{args: []string{"send", opaque, "x"}, status: 1, want: "not X25519"},
		{args: []string{"send", bob.id, strings.Repeat("x", 60001)}, status: 1, want: "too long"},
		{stdin: strings.Repeat("x", 70000), args: []string{"send", bob.id}, status: 1, want: "too long"},
		{args: []string{"send", bob.id, "x", "--server", "http://127.0.0.1:1"}, status: 1, want: "refused"},
		{args: []string{"send", bob.id, "x", "--key", "/nowhere/key.pem"}, status: 1, want: "enigma keygen"},
		{stdin: "no JSON\n", args: []string{"send", "--json-lines"}, status: 1, want: "not all texts"},
		{args: []string{"send"}, status: 2, want: "to whom?"},
		{args: []string{"send", bob.id, "a", "b"}, status: 2, want: "quotes"},
		{args: []string{"send", bob.id, "--json-lines"}, status: 2, want: "each line"},
		{args: []string{"send", bob.id, "x", "--tiemout", "1s"}, status: 2, want: "did you mean --timeout?"},
		{args: []string{"send", bob.id, "x", "--server", "127.0.0.1:8080"}, status: 2, want: "write http://"},
		{args: []string{"listen", "more"}, status: 2, want: "settings only"},
		{args: []string{"listen", "--count", "1", "--timeout", "300ms"}, status: 1, want: "0 of 1 texts came"},
		{args: []string{"id", "x25519:AAAA"}, status: 1, want: "no public key"},
	} {
		if r := alice.run(c.stdin, c.args...); r.Status != c.status || !strings.Contains(r.Stderr, c.want) || strings.Contains(r.Stderr, "enigma: enigma:") {
			t.Errorf("enigma %.100v: want status %d and %q: %s", c.args, c.status, c.want, r)
		}
	}
	// One bad line among good ones fails the run and stops nobody else's text.
	in := `{"to":"` + bob.id + `","text":"1"}` + "\n" + `{"to":"` + stranger.id + `","text":"x"}` + "\n" + `{"to":"` + bob.id + `","text":"2"}`
	r := alice.run(in, "send", "--json-lines")
	var statuses []any
	for _, l := range jsonLines(t, r.Stdout) {
		statuses = append(statuses, l["status"])
	}
	if r.Status != 1 || !slices.Equal(statuses, []any{"safe", "failed", "safe"}) {
		t.Errorf("a bad line: %s", r)
	}
	if got := texts(t, bob.ok("", "listen", "--count", "2")); !slices.Equal(got, []string{"1", "2"}) {
		t.Errorf("Bob has %q", got)
	}
}

// liar is a server that hands out Mallory's key for everybody's id. All else goes through to the real one.
func liar(t *testing.T, s *enigmatest.Server, mallory *keyUser) string {
	t.Helper()
	target, err := url.Parse(s.URL(""))
	if err != nil {
		t.Fatal(err)
	}
	proxy := httptest.NewServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		r.Out.Host = r.In.Host // what proofs are bound to
		if strings.HasPrefix(r.In.URL.Path, "/connect/") {
			r.Out.URL.Path = "/connect/" + mallory.id
		}
	}})
	t.Cleanup(proxy.Close)
	return proxy.URL
}

func TestSend_ALyingServerIsFoundOut(t *testing.T) {
	s := enigmatest.Start(t)
	alice, bob, mallory := newKeyUser(t, s.URL("")), newKeyUser(t, s.URL("")), newKeyUser(t, s.URL(""))
	bob.ok("", "send", alice.id, "hello")
	alice.url = liar(t, s, mallory)
	for _, c := range []struct {
		in   string
		args []string
	}{
		{"", []string{"send", bob.id, "secret"}},
		{`{"to":"` + bob.id + `","text":"secret"}`, []string{"send", "--json-lines"}},
	} {
		if r := alice.run(c.in, c.args...); r.Status != 1 || !strings.Contains(r.Stdout+r.Stderr, "REFUSED: the server returned a key that is not this user's") {
			t.Errorf("send: %s", r)
		}
	}
	r := alice.run("", "listen", "--timeout", "1s")
	lines := jsonLines(t, r.Stdout)
	if len(lines) != 1 || lines[0]["type"] != "unreadable" || lines[0]["text"] != nil || !strings.Contains(r.Stderr, "WARNING: the server returned a key") {
		t.Errorf("listen: %s", r)
	}
	for _, u := range []*keyUser{bob, mallory} {
		if got := u.ok("", "listen", "--timeout", "300ms"); got != "" {
			t.Errorf("something was sent: %s", got)
		}
	}
}

func TestListen_ShowsWhatTheServerReplaysOnce(t *testing.T) {
	s := enigmatest.Start(t)
	alice, bob := newKeyUser(t, s.URL("")), newKeyUser(t, s.URL(""))
	c, err := client.DialKey(t.Context(), s.URL(""), alice.load().PublicKey(), client.WithKey(alice.load()))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(t.Context())
	self := must(seal.NewSelf(alice.load().Private()))
	to := must(seal.NewUser(bob.id, bob.load().PublicKey()))
	payload := must(self.Seal(to, seal.NewText("once")))
	last := must(self.Seal(to, seal.NewText("last")))
	for _, p := range []string{payload, payload, last} { // each under an id of its own: for the server they are three
		if err := c.Send(t.Context(), bob.id, p); err != nil {
			t.Fatal(err)
		}
	}
	if got := texts(t, bob.ok("", "listen", "--count", "2")); !slices.Equal(got, []string{"once", "last"}) {
		t.Errorf("Bob has %q", got)
	}
	if again := bob.ok("", "listen", "--timeout", "300ms"); again != "" {
		t.Errorf("it came again: %s", again)
	}
}

func TestListen_NothingThatComesReachesATerminalRaw(t *testing.T) {
	s := enigmatest.Start(t)
	alice, bob := newKeyUser(t, s.URL("")), newKeyUser(t, s.URL(""))
	const nasty = "\x1b]0;owned\x07\x1b[2J \u009b31m \u202egnp.exe \u2066 \ufeff \u200b \U000e0041 \x7f 👩‍👩‍👧 Zoë\tעברית"
	alice.ok(nasty, "send", bob.id)
	plain := s.Connect(s.Login("plain user"))
	plain.Send(bob.id, "unencrypted \x1b[31m\u202e")
	out := bob.ok("", "listen", "--timeout", "1s")
	for _, r := range out {
		if r != '\n' && (r < ' ' || r >= 0x7f && r < 0xa0 || r >= 0x202a && r <= 0x202e || r == 0x200b || r >= 0xe0000 || r == 0xfeff) {
			t.Errorf("%U came through", r)
		}
	}
	lines := jsonLines(t, out)
	if len(lines) != 2 || lines[0]["text"] != nasty {
		t.Errorf("the text has changed: %q", out)
	}
	if l := lines[1]; l["type"] != "unreadable" || l["payload"] != "unencrypted \x1b[31m\u202e" || l["reason"] == "" {
		t.Errorf("what is not encrypted is %v", l)
	}
}
