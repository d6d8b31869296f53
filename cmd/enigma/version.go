package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// version is set by the Makefile: -ldflags "-X main.version=v1.2.3".
var version string

// buildVersion is what this binary calls itself: what the linker was told, else what the Go tool recorded (a module
// version after `go install …@v1.2.3`, a revision after a build in a clone), else "devel".
func buildVersion() string {
	if version != "" {
		return version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "devel"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	revision, modified := "", ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			revision = s.Value[:min(12, len(s.Value))]
		case s.Key == "vcs.modified" && s.Value == "true":
			modified = "+dirty"
		}
	}
	if revision == "" {
		return "devel"
	}
	return "devel-" + revision + modified
}

func versionCommand() *command {
	return &command{
		name:    "version",
		summary: "print the version",
		about:   "Prints the version of the program, and the Go release and platform it was built with and for.",
		run: func(sys *system, args []string) error {
			if len(args) > 0 {
				return usageError{fmt.Errorf("version takes no arguments: write `enigma version`")}
			}
			_, err := fmt.Fprintf(sys.out, "enigma %s %s %s/%s\n", buildVersion(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return err
		},
	}
}
