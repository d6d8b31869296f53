package main_test

import (
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/enigma-protocol/enigma/cmd/enigma/enigmatest"
)

var (
	readmeHelp = regexp.MustCompile("`bin/enigma help ([a-z]+)`")
	readmeWord = regexp.MustCompile("`bin/enigma ([a-z]+)[ `]")
	readmeMake = regexp.MustCompile("`make ([a-z-]+)`")
	readmeDoc  = regexp.MustCompile("`go doc\\s(\\./[a-z/]+)`")
	readmeLink = regexp.MustCompile(`\]\(([a-z][^):]*)\)`)
	readmePath = regexp.MustCompile("`((?:transport|cmd|actors|bench|persistence)/[a-z/]+)`")
)

// What the README names is there: commands, topics, targets, packages, files. It fits into four screens.
func TestReadme_NamesWhatThereIs(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	text := string(readme)
	if n := strings.Count(text, "\n"); n > 200 {
		t.Errorf("%d lines are more than four screens", n)
	}
	help := enigmatest.Run(t, nil, "help").Stdout
	makefile, err := os.ReadFile("../../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	for _, word := range named(readmeWord, text) {
		if !strings.Contains(help, "\n  "+word+" ") {
			t.Errorf("there is no command %s", word)
		}
	}
	for _, word := range named(readmeHelp, text) {
		if r := enigmatest.Run(t, nil, "help", word); r.Status != 0 {
			t.Errorf("help %s: %s", word, r)
		}
	}
	for _, target := range named(readmeMake, text) {
		if !strings.Contains(string(makefile), "\n"+target+":") {
			t.Errorf("there is no target %s", target)
		}
	}
	for _, pkg := range named(readmeDoc, text) {
		cmd := exec.Command("go", "doc", pkg)
		cmd.Dir = "../.."
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("go doc %s: %v\n%s", pkg, err, out)
		}
	}
	for _, file := range slices.Concat(named(readmeLink, text), named(readmePath, text)) {
		if _, err := os.Stat("../../" + file); err != nil {
			t.Errorf("the README names %s: %v", file, err)
		}
	}
}

// named returns what the pattern's group found, each once.
func named(pattern *regexp.Regexp, text string) (names []string) {
	for _, m := range pattern.FindAllStringSubmatch(text, -1) {
		names = append(names, m[1])
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// TestReadme_TalksInATerminal runs the block of the README that talks in a terminal.
func TestReadme_TalksInATerminal(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	script := ""
	for _, part := range strings.Split(string(readme), "```sh\n")[1:] {
		if block, _, _ := strings.Cut(part, "```"); strings.HasPrefix(block, "bin/enigma ") {
			script += block
		}
	}
	s := enigmatest.Start(t)
	cmd := exec.Command("sh", "-e", "-c", strings.ReplaceAll(script, "bin/enigma", enigmatest.Binary(t)))
	cmd.Dir = t.TempDir()
	cmd.Env = append(os.Environ(), "ENIGMA_SERVER="+s.URL(""))
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if text := string(out); !strings.Contains(text, "safe\n") || !strings.Contains(text, `"text":"are you there?"`) {
		t.Errorf("got:\n%s", text)
	}
}
