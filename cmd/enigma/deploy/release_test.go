package deploy_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/enigma-protocol/enigma/cmd/enigma/enigmatest"
)

// TestRelease_BuildsForEveryPlatform: every platform of the Makefile's has all the files it needs; the soak compiles them,
// which takes minutes where nothing is cached.
func TestRelease_BuildsForEveryPlatform(t *testing.T) {
	found := regexp.MustCompile(`(?m)^PLATFORMS \?= (.*)$`).FindStringSubmatch(read(t, "../../../Makefile"))
	if found == nil {
		t.Fatal("the Makefile names no platforms")
	}
	platforms := strings.Fields(found[1])
	if len(platforms) < 5 {
		t.Errorf("%d platforms", len(platforms))
	}
	args := []string{"list", "-deps", "-f", "{{.ImportPath}}", ".."}
	if enigmatest.Soak {
		args = []string{"build", "-trimpath", "-o", filepath.Join(t.TempDir(), "enigma"), ".."}
	}
	for _, platform := range platforms {
		system, arch, _ := strings.Cut(platform, "/")
		cmd := exec.Command("go", args...)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+system, "GOARCH="+arch)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", platform, err, out)
		}
	}
}

// TestRelease_IsOfOneGo: the image is built with the toolchain that the Makefile's release is, and audit looks into; both are
// a full version, for the standard library's faults are mended by its patches. What a change must pass fetches none.
func TestRelease_IsOfOneGo(t *testing.T) {
	makefile := read(t, "../../../Makefile")
	image := regexp.MustCompile(`(?m)^ARG GO=(1\.\d+\.\d+)\nFROM golang:\$GO AS build$`).FindStringSubmatch(read(t, "Dockerfile"))
	if image == nil || !strings.Contains(makefile, "\nTOOLCHAIN ?= go"+image[1]+"\n") {
		t.Errorf("the Dockerfile's Go is %v, the Makefile has another", image)
	}
	var with []string
	for _, line := range regexp.MustCompile(`(?m)^(\w+): export GOTOOLCHAIN = \$\(TOOLCHAIN\)$`).FindAllStringSubmatch(makefile, -1) {
		with = append(with, line[1])
	}
	if got := strings.Join(with, " "); got != "release audit" || strings.Count(makefile, "TOOLCHAIN)") != 2 {
		t.Errorf("%q use the toolchain", got)
	}
}
