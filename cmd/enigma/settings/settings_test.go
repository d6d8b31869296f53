package settings_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/enigma-protocol/enigma/cmd/enigma/settings"
)

// told is what the tests configure.
type told struct {
	Listen string
	Size   int64
	Wait   time.Duration
}

func (c *told) table() settings.Table {
	return settings.Table{
		{Name: "listen", Default: ":80", Usage: "address", Set: settings.Into(&c.Listen, settings.HostPort)},
		{Name: "max-message", Default: "128KiB", Usage: "bytes", Set: settings.Into(&c.Size, settings.Size(1, 1<<20))},
		{Name: "wait", Default: "1s", Usage: "time", Set: settings.Into(&c.Wait, settings.Duration(0, time.Hour))},
	}
}

// write puts text into a file and returns its path.
func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "enigma.conf")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestTable_PrefersFlagThenEnvironmentThenFileThenDefault(t *testing.T) {
	file := write(t, "# all of it\nlisten = :1   # trailing\nmax-message = \"1KiB\"\n\n")
	for _, c := range []struct {
		name    string
		args    []string
		environ []string
		want    told
	}{
		{"default", nil, nil, told{":80", 128 << 10, time.Second}},
		{"file", []string{"--config", file}, nil, told{":1", 1 << 10, time.Second}},
		{"file from the environment", nil, []string{"ENIGMA_CONFIG=" + file}, told{":1", 1 << 10, time.Second}},
		{"environment", []string{"--config=" + file}, []string{"ENIGMA_LISTEN=:2"}, told{":2", 1 << 10, time.Second}},
		{"flag", []string{"--config", file, "-listen=:3"}, []string{"ENIGMA_LISTEN=:2"}, told{":3", 1 << 10, time.Second}},
		{"last flag", []string{"--listen", ":3", "--listen", ":4"}, nil, told{":4", 128 << 10, time.Second}},
		{"a wrong value that does not count", []string{"--listen", ":3"}, []string{"ENIGMA_LISTEN=x"}, told{":3", 128 << 10, time.Second}},
	} {
		var got told
		if _, err := got.table().Load(c.args, c.environ); err != nil || got != c.want {
			t.Errorf("%s: %+v, %v; want %+v", c.name, got, err, c.want)
		}
	}
}

func TestTable_SaysWhatIsWrongAndWhatToWrite(t *testing.T) {
	file := write(t, "listen = :1\nmax-mesage = 1\nlisten = :2\nnonsense\n")
	bad := write(t, "wait = 5\n")
	for _, c := range []struct {
		args    []string
		environ []string
		want    []string // each must be in the error
	}{
		{args: []string{"--listen", "8080"}, want: []string{`--listen: "8080" is no address: write HOST:PORT`}},
		{args: []string{"--listen"}, want: []string{"--listen: no value follows"}},
		{args: []string{"--lisetn", ":1"}, want: []string{"no flag --lisetn: did you mean --listen?"}},
		{args: []string{"--zzzzzz", ":1"}, want: []string{"no flag --zzzzzz: --help lists"}},
		{environ: []string{"ENIGMA_MAX_MESSAGE=1MB"}, want: []string{`ENIGMA_MAX_MESSAGE: "1MB" does not do: write a size from 1 to 1MiB`}},
		{args: []string{"--config", bad}, want: []string{bad + ":1: wait", "write a time with its unit from 0s to 1h"}},
		{args: []string{"--config", bad + "x"}, want: []string{"no such file", "write the path"}},
		{args: []string{"--config", file}, want: []string{
			file + `:2: no setting "max-mesage": did you mean max-message?`,
			file + ":3: set before at " + file + ":1",
			file + `:4: "nonsense" is no setting: write NAME = VALUE`,
		}},
		{args: []string{"--listen", "x", "--wait", "y"}, want: []string{"--listen: ", "--wait: "}},
	} {
		var got told
		_, err := got.table().Load(c.args, c.environ)
		for _, want := range c.want {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%v %v: %v\nwant in it: %s", c.args, c.environ, err, want)
			}
		}
	}
}

func TestTable_WarnsOfASlipInTheEnvironmentOnly(t *testing.T) {
	var got told
	loaded, err := got.table().Load(nil, []string{"ENIGMA_LISTN=:1", "ENIGMA_SERVICE_HOST=10.0.0.1", "HOME=/"})
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"ENIGMA_LISTN is not read: did you mean ENIGMA_LISTEN?"}; !slices.Equal(loaded.Warnings, want) {
		t.Errorf("warnings %q, want %q", loaded.Warnings, want)
	}
}

func TestTable_LeavesTheArgumentsBehindTheFlags(t *testing.T) {
	for _, args := range [][]string{{"--listen", ":1", "a", "--b"}, {"--listen", ":1", "--", "a", "--b"}} {
		var got told
		loaded, err := got.table().Load(args, nil)
		if err != nil || !slices.Equal(loaded.Args, []string{"a", "--b"}) {
			t.Errorf("%v: %+v, %v", args, loaded, err)
		}
	}
	for _, help := range []string{"-h", "--help"} {
		var got told
		if _, err := got.table().Load([]string{help}, nil); !errors.Is(err, settings.ErrHelp) {
			t.Errorf("%s: %v", help, err)
		}
	}
}

func TestTable_HelpHoldsEverySettingAndItsDefault(t *testing.T) {
	var c told
	var help strings.Builder
	c.table().Help(&help)
	for _, s := range c.table() {
		if text := help.String(); !strings.Contains(text, "--"+s.Name) || !strings.Contains(text, s.Default) || !strings.Contains(text, s.Usage) {
			t.Errorf("%s is missing in:\n%s", s.Name, text)
		}
	}
	if !strings.Contains(help.String(), "--config") {
		t.Error("--config is missing")
	}
}
