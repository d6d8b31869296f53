// Command enigma is a message broker with end-to-end encrypted mail in mind: `enigma serve` runs it, `enigma help`
// lists what else there is, README.md tells the rest.
//
// This package is configuration and wiring. Each command has a file of its own and a line in the table of commands;
// what a command can be told is one [settings.Table]; serve.go puts store, broker and front end together, in the order
// in which they depend on each other, and takes them apart in reverse.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/enigma-protocol/enigma/cmd/enigma/settings"
)

// Exit statuses. A supervisor may start again after exitFailed; after exitUsage it would only fail again.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

// system is what a command has of the process around it.
type system struct {
	out, err io.Writer
	environ  []string // as of os.Environ
}

// usageError is a wrong command line or configuration; its text says what to write instead.
type usageError struct{ error }

func main() {
	os.Exit(run(&system{out: os.Stdout, err: os.Stderr, environ: os.Environ()}, os.Args[1:]))
}

// run carries out one command line and returns the exit status.
func run(sys *system, args []string) int {
	err := dispatch(sys, args)
	if err == nil {
		return exitOK
	}
	// Joined errors have a line each: each gets the program's name, as grep and editors expect of a list of errors.
	for line := range strings.SplitSeq(err.Error(), "\n") {
		fmt.Fprintf(sys.err, "enigma: %s\n", strings.TrimPrefix(line, "enigma: ")) // the errors of the Go client have it
	}
	if errors.As(err, new(usageError)) {
		return exitUsage
	}
	return exitFailed
}

// dispatch finds the command and runs it.
func dispatch(sys *system, args []string) error {
	if len(args) == 0 {
		writeHelp(sys.err)
		return usageError{errors.New("no command: write `enigma serve` to run the server")}
	}
	name, args := args[0], args[1:]
	switch name {
	case "-h", "--help":
		name = "help"
	case "-v", "--version":
		name = "version"
	}
	cmd := find(name)
	if cmd == nil {
		return unknownCommand(name)
	}
	err := cmd.run(sys, args)
	if errors.Is(err, settings.ErrHelp) {
		cmd.writeHelp(sys.out)
		return nil
	}
	return err
}
