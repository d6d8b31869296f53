package main_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/enigma-protocol/enigma/cmd/enigma/enigmatest"
	"github.com/enigma-protocol/enigma/cmd/enigma/topics"
)

var settingName = regexp.MustCompile(`--[a-z][a-z-]*`)

// Every topic is listed and told, and speaks only of settings that there are.
func TestTopics_AreToldAndTrue(t *testing.T) {
	help := enigmatest.Run(t, nil, "help")
	settings := enigmatest.Run(t, nil, "help", "serve").Stdout
	for _, name := range topics.Names() {
		if !strings.Contains(help.Stdout, "\n  "+name+" ") {
			t.Errorf("help does not list %s", name)
		}
		r := enigmatest.Run(t, nil, "help", name)
		if r.Status != 0 || len(r.Stdout) < 200 {
			t.Errorf("help %s: status %d, %d bytes", name, r.Status, len(r.Stdout))
		}
		for _, flag := range settingName.FindAllString(r.Stdout, -1) {
			if !strings.Contains(settings, flag) {
				t.Errorf("help %s speaks of %s, which serve does not know", name, flag)
			}
		}
		for i, line := range strings.Split(r.Stdout, "\n") {
			if len([]rune(line)) > 120 {
				t.Errorf("help %s, line %d is too long for a terminal", name, i+1)
			}
		}
	}
}
