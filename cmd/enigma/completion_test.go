package main_test

import (
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/enigma-protocol/enigma/cmd/enigma/enigmatest"
)

// completeBash returns what a real bash offers for the last of words.
func completeBash(t *testing.T, words ...string) []string {
	t.Helper()
	script := `source <("$0" completion bash) || exit 1
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
_enigma
printf '%s\n' "${COMPREPLY[@]}"
complete -p enigma >&2`
	cmd := exec.Command("bash", append([]string{"-uc", script, enigmatest.Binary(t)}, words...)...)
	var log strings.Builder
	cmd.Stderr = &log
	out, err := cmd.Output()
	if err != nil || !strings.Contains(log.String(), "-F _enigma enigma") {
		t.Fatalf("%v: %v\n%s", words, err, log.String())
	}
	return strings.Fields(string(out))
}

func TestCompletion_BashCompletesCommandsAndSettings(t *testing.T) {
	for _, c := range []struct {
		words []string
		want  []string // exactly, if it ends in "."; else among others
	}{
		{[]string{"enigma", ""}, []string{"serve", "keygen", "id", "send", "listen", "chat", "completion", "help"}},
		{[]string{"enigma", "ser"}, []string{"serve", "."}},
		{[]string{"enigma", "send", "--wait"}, []string{"--wait-delivered", "."}},
		{[]string{"enigma", "serve", "--"}, []string{"--listen", "--store", "--config", "--help"}},
		{[]string{"enigma", "send", "bob", "hi", "--ser"}, []string{"--server", "."}},
		{[]string{"enigma", "help", "metr"}, []string{"metrics", "."}},
		{[]string{"enigma", "completion", "z"}, []string{"zsh", "."}},
		{[]string{"enigma", "load", "onew"}, []string{"oneway", "."}},
		{[]string{"enigma", "send", "--key", ""}, []string{"."}}, // files, by bash itself
		{[]string{"enigma", "nothing", ""}, []string{"."}},
	} {
		got := completeBash(t, c.words...)
		want := strings.Join(c.want, " ")
		if exact, ok := strings.CutSuffix(want, "."); ok && strings.TrimSpace(exact) != strings.Join(got, " ") {
			t.Errorf("%q: bash offers %q, want %q", c.words, got, c.want)
		} else if !ok {
			for _, word := range c.want {
				if !slices.Contains(got, word) {
					t.Errorf("%q: bash offers %q, without %q", c.words, got, word)
				}
			}
		}
	}
}

func TestCompletion_EveryShellGetsAScriptItCanRead(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish"} {
		r := enigmatest.Run(t, nil, "completion", shell)
		for _, want := range []string{"send", "wait-delivered", "max-message", "enigma"} {
			if r.Status != 0 || !strings.Contains(r.Stdout, want) {
				t.Errorf("%s: no %q in %s", shell, want, r)
			}
		}
		if strings.Count(r.Stdout, "'")%2 != strings.Count(r.Stdout, `\'`)%2 {
			t.Errorf("%s: a quote is open in\n%s", shell, r.Stdout)
		}
		cmd := exec.Command(shell, "-n")
		cmd.Stdin = strings.NewReader(r.Stdout)
		cmd.Dir = t.TempDir()
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v (make tools installs the shells)\n%s", shell, err, out)
		}
	}
	for _, args := range [][]string{{"completion"}, {"completion", "tcsh"}, {"completion", "bash", "zsh"}} {
		if r := enigmatest.Run(t, nil, args...); r.Status != 2 || !strings.Contains(r.Stderr, "for which shell?") {
			t.Errorf("%v: %s", args, r)
		}
	}
}

// offers are what zsh and fish say to the last of words. zsh is asked through the functions with which its completion is
// told what there is.
func offers(t *testing.T, shell string, words ...string) []string {
	t.Helper()
	script := map[string]string{
		"zsh": `compdef() {}; _files() { print FILES }; _describe() { local name=${@[-1]}; print -rl -- ${${(P)name}%%:*} }
			source <("$0" completion zsh); words=("$@"); CURRENT=$#words; _enigma`,
		"fish": `$argv[1] completion fish | source; complete -C "$argv[2..]"`,
	}[shell]
	args := []string{"-fc", script}
	if shell == "fish" {
		args = []string{"-Nc", script}
	}
	cmd := exec.Command(shell, append(append(args, enigmatest.Binary(t)), words...)...)
	cmd.Env = append(cmd.Environ(), "HOME="+t.TempDir())
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v (make tools installs the shells)", shell, err)
	}
	var all []string
	for line := range strings.Lines(string(out)) {
		word, _, _ := strings.Cut(strings.TrimSpace(line), "\t")
		all = append(all, word)
	}
	return all
}

func TestCompletion_ZshAndFishOfferWhatFits(t *testing.T) {
	for _, shell := range []string{"zsh", "fish"} {
		for _, c := range []struct {
			words []string
			want  string
		}{
			{[]string{"enigma", ""}, "serve"},
			{[]string{"enigma", "load", ""}, "oneway"},
			{[]string{"enigma", "help", ""}, "promises"},
			{[]string{"enigma", "completion", ""}, "zsh"},
			{[]string{"enigma", "send", "--"}, "--wait-delivered"},
			{[]string{"enigma", "serve", "--"}, "--listen"},
			{[]string{"enigma", "top", "--on"}, "--once"},
			{[]string{"enigma", "send", "--wait-delivered", "--"}, "--key"},
		} {
			if got := offers(t, shell, c.words...); !slices.Contains(got, c.want) {
				t.Errorf("%s: %q: offered %q, without %q", shell, c.words, got, c.want)
			}
		}
		for _, words := range [][]string{{"enigma", "id", "../../go.m"}, {"enigma", "serve", "--config", "../../go.m"}} {
			if got := offers(t, shell, words...); !slices.ContainsFunc(got, func(s string) bool { return s == "FILES" || strings.Contains(s, "go.mod") }) {
				t.Errorf("%s: %q: offered %q, want files", shell, words, got)
			}
		}
	}
}
