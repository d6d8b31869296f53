package main_test

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/enigma-protocol/enigma/cmd/enigma/enigmatest"
)

// contains fails the test for each text that is missing in a result's stderr.
func contains(t *testing.T, r enigmatest.Result, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if !strings.Contains(r.Stderr, text) {
			t.Errorf("stderr lacks %q: %s", text, r)
		}
	}
}

func TestCLI_WrongUseExitsWithTwoAndSaysWhatToWrite(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "enigma.conf")
	if err := os.WriteFile(file, []byte("listen = nowhere\nmax-mesage = 1KiB\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args    []string
		environ []string
		want    []string
	}{
		{args: nil, want: []string{"Usage:", "write `enigma serve`"}},
		{args: []string{"sevre"}, want: []string{"did you mean `enigma serve`?"}},
		{args: []string{"frobnicate"}, want: []string{`no command "frobnicate": there are serve, `}},
		{args: []string{"help", "serv"}, want: []string{"did you mean `enigma serve`?"}},
		{args: []string{"help", "serve", "version"}, want: []string{"write `enigma help serve`"}},
		{args: []string{"version", "x"}, want: []string{"write `enigma version`"}},
		{args: []string{"serve", "now"}, want: []string{`what is "now" to be? Write --NAME VALUE`}},
		{args: []string{"serve", "--port", "8080"}, want: []string{"no flag --port"}},
		{args: []string{"serve", "--listn", ":0"}, want: []string{"did you mean --listen?"}},
		{args: []string{"serve", "--listen", "8080"}, want: []string{"enigma: --listen: ", "write HOST:PORT, such as 127.0.0.1:8080"}},
		{args: []string{"serve", "--max-message", "1GB"}, want: []string{"write a size from 1KiB to 16MiB"}},
		{args: []string{"serve", "--ttl", "30d"}, want: []string{"write a time with its unit"}},
		{args: []string{"serve", "--log-level", "loud"}, want: []string{"write debug, info, warn, error"}},
		{args: []string{"serve", "--auth", "none"}, want: []string{"write lock, require, open"}},
		{args: []string{"serve", "--public-host", "https://chat.example"}, want: []string{"enigma: --public-host: ", "write what clients dial, such as chat.example"}},
		{args: []string{"serve", "--public-host", "chat.example,"}, want: []string{"is no host"}},
		{args: []string{"serve", "--store", "mysql://db"}, want: []string{`no store is called "mysql"`, "redis://HOST:PORT"}},
		{args: []string{"serve", "--store", "localhost:6379"}, want: []string{"write redis://localhost:6379"}},
		{args: []string{"serve", "--store", "redis"}, want: []string{"write redis://HOST:PORT"}},
		{args: []string{"serve", "--store", file}, want: []string{"is a file: write the name of a directory"}},
		{args: []string{"serve", "--config", file}, want: []string{file + ":2: no setting \"max-mesage\": did you mean max-message?"}},
		{args: []string{"serve", "--config", file + "x"}, want: []string{"write the path of a file"}},
		{args: []string{"serve"}, environ: []string{"ENIGMA_TTL=never"}, want: []string{"enigma: ENIGMA_TTL: "}},
		{args: []string{"serve", "--tls-cert", file}, want: []string{"write both or neither"}},
		{args: []string{"serve", "--tls-cert", file, "--tls-key", file}, want: []string{"write the paths of a PEM certificate"}},
		{args: []string{"serve", "--min-free", "0"}, want: []string{"enigma: --min-free: ", "or auto"}},
		{args: []string{"serve", "--admin-host", "http://enigma"}, want: []string{"enigma: --admin-host: ", "write what stands in the address bar"}},
		{args: []string{"serve", "--listen", "127.0.0.1:9090"}, want: []string{"are both 127.0.0.1:9090", "--admin off"}},
		{args: []string{"serve", "--mailbox-bytes", "64KiB"}, want: []string{"does not hold one message of --max-message 128KiB"}},
		{args: []string{"serve", "--spill-after", "50ms"}, want: []string{"shorter than --confirm-interval 100ms"}},
		{args: []string{"serve", "--listen", "x", "--ttl", "y", "--memory", "z"}, want: []string{"enigma: --listen: ", "enigma: --ttl: ", "enigma: --memory: "}},
	} {
		r := enigmatest.Run(t, c.environ, c.args...)
		if r.Status != 2 || r.Stdout != "" {
			t.Errorf("enigma %s: %s", strings.Join(c.args, " "), r)
		}
		contains(t, r, c.want...)
	}
}

func TestCLI_PasswordsOfARedisAreNotRepeated(t *testing.T) {
	for _, store := range []string{"redis://user:hunter2@127.0.0.1:1/0", "redis://user:hunter2@bad host:1/0", "redis:user:hunter2@127.0.0.1"} {
		r := enigmatest.Run(t, nil, "serve", "--listen", "127.0.0.1:0", "--admin", "off", "--store", store, "--log-level", "debug")
		if r.Status == 0 || strings.Contains(r.Stdout+r.Stderr, "hunter2") {
			t.Errorf("%s: %s", store, r)
		}
	}
}

func TestCLI_TakenAddressesExitWithOneAndSayWhatToWrite(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	address := taken.Addr().String()
	for setting, args := range map[string][]string{
		"--listen": {"--admin", "off", "--listen", address},
		"--admin":  {"--listen", "127.0.0.1:0", "--admin", address},
	} {
		r := enigmatest.Run(t, nil, append([]string{"serve", "--store", t.TempDir()}, args...)...)
		if r.Status != 1 || r.Stdout != "" {
			t.Errorf("%s: %s", setting, r)
		}
		contains(t, r, "enigma: "+setting+": "+address+" is in use", "write another port")
	}
}

func TestCLI_HelpAndVersionGoToStdout(t *testing.T) {
	for _, c := range []struct {
		args []string
		want []string
	}{
		{[]string{"help"}, []string{"serve ", "version ", "help "}},
		{[]string{"--help"}, []string{"serve "}},
		{[]string{"help", "serve"}, []string{"--listen", "(default 127.0.0.1:8080)", "--config", "ENIGMA_LISTEN=127.0.0.1:8080"}},
		{[]string{"serve", "--help"}, []string{"--listen", "Exit status"}},
		{[]string{"help", "metrics"}, []string{"enigma_messages_submitted_total  (counter)", "enigma_errors_total{code}"}},
		{[]string{"version"}, []string{"enigma ", "go1."}},
		{[]string{"--version"}, []string{"enigma "}},
	} {
		r := enigmatest.Run(t, nil, c.args...)
		if r.Status != 0 || r.Stderr != "" {
			t.Errorf("enigma %s: %s", strings.Join(c.args, " "), r)
		}
		for _, want := range c.want {
			if !strings.Contains(r.Stdout, want) {
				t.Errorf("enigma %s lacks %q: %s", strings.Join(c.args, " "), want, r)
			}
		}
	}
}
