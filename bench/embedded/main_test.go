package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const wantOutput = `alice is told: GOOD EVENING
bob is away, the message is stored: true
bob is told: are you there?
`

// TestRun_LeavesNothingBehind also fails, by TestMain, if a goroutine outlives the broker.
func TestRun_LeavesNothingBehind(t *testing.T) {
	var out bytes.Buffer
	if err := run([]string{t.TempDir()}, &out); err != nil || out.String() != wantOutput {
		t.Errorf("%v, printed\n%s", err, out.String())
	}
}

// TestEmbedded_InAModuleOfItsOwn builds and runs the program as others write theirs, and looks at what it drags in.
func TestEmbedded_InAModuleOfItsOwn(t *testing.T) {
	dir := t.TempDir()
	makeModule(t, dir)
	deps := strings.Fields(goTool(t, dir, "list", "-deps", "."))
	if !slices.Contains(deps, "github.com/enigma-protocol/enigma/actors") {
		t.Fatalf("it depends on %q only", deps)
	}
	for _, dep := range deps {
		for _, foreign := range []string{"fasthttp", "gobwas/ws", "rueidis", "enigma/transport", "storetest", "net/http/pprof"} {
			if strings.Contains(dep, foreign) {
				t.Errorf("a program that embeds the broker links %s", dep)
			}
		}
	}
	if out := goTool(t, dir, "run", "."); out != wantOutput {
		t.Errorf("it printed\n%s", out)
	}
}

// makeModule copies the program into a module that requires this one, in the place where it is.
func makeModule(t *testing.T, dir string) {
	t.Helper()
	root := filepath.Dir(strings.TrimSpace(goTool(t, ".", "env", "GOMOD")))
	mod := readFile(t, filepath.Join(root, "go.mod"))
	requires := strings.Join(regexp.MustCompile(`(?ms)^require \(.*?^\)`).FindAllString(mod, -1), "\n")
	writeFile(t, filepath.Join(dir, "go.mod"), "module example.test/host\n\ngo 1.26.0\n\n"+requires+
		"\n\nrequire github.com/enigma-protocol/enigma v0.0.0\n\nreplace github.com/enigma-protocol/enigma => "+root+"\n")
	writeFile(t, filepath.Join(dir, "go.sum"), readFile(t, filepath.Join(root, "go.sum")))
	for _, file := range []string{"main.go", "terminal.go"} {
		writeFile(t, filepath.Join(dir, file), readFile(t, file))
	}
}

// goTool runs the go command and returns what it prints. Nothing is fetched: what this module needs is there.
func goTool(t *testing.T, dir string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOPROXY=off", "GOFLAGS=")
	if dir != "." {
		cmd.Env = append(cmd.Env, "GOFLAGS=-mod=mod")
	}
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, errs.String())
	}
	return out.String()
}

func readFile(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func writeFile(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
