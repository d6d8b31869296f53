package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/enigma-protocol/enigma/cmd/enigma/admin"
	"github.com/enigma-protocol/enigma/cmd/enigma/settings"
	"github.com/enigma-protocol/enigma/cmd/enigma/topics"
)

// command is one of the words that may follow `enigma`.
type command struct {
	name     string
	args     string                // what follows the name, as the help shows it
	summary  string                // half a sentence for the list of commands
	about    string                // what its own help says before the settings
	settings func() settings.Table // what it can be told; nil for nothing
	run      func(sys *system, args []string) error
}

// commands lists them in the order of the help. It is a function because help, which is one of them, reads it.
func commands() []*command {
	return []*command{
		serveCommand(), keygenCommand(), idCommand(), sendCommand(), listenCommand(), chatCommand(),
		topCommand(), loadCommand(), healthCommand(), completionCommand(), versionCommand(), helpCommand(),
	}
}

// find returns the command of that name, or nil.
func find(name string) *command {
	for _, cmd := range commands() {
		if cmd.name == name {
			return cmd
		}
	}
	return nil
}

// unknownCommand is the error for a name that is no command, with the one that was probably meant.
func unknownCommand(name string) error {
	var names []string
	for _, cmd := range commands() {
		names = append(names, cmd.name)
	}
	if near := settings.Nearest(strings.ToLower(name), names); near != "" {
		return usageError{fmt.Errorf("no command %q: did you mean `enigma %s`?", name, near)}
	}
	return usageError{fmt.Errorf("no command %q: there are %s", name, strings.Join(names, ", "))}
}

// writeHelp writes the list of commands.
func writeHelp(w io.Writer) {
	fmt.Fprint(w, "Enigma is an actor-model message broker.\n\nUsage:\n\n  enigma COMMAND [SETTINGS]\n\nCommands:\n\n")
	for _, cmd := range commands() {
		fmt.Fprintf(w, "  %-11s %s\n", cmd.name, cmd.summary)
	}
	fmt.Fprint(w, "\nTopics:\n\n")
	topics.WriteList(w)
	fmt.Fprintf(w, "  %-11s %s\n", metricsTopic, "what can be measured")
	fmt.Fprint(w, "\n`enigma help COMMAND` or `enigma help TOPIC` tells more.\n")
}

// writeHelp writes what the command does and what it can be told.
func (c *command) writeHelp(w io.Writer) {
	fmt.Fprintf(w, "Usage:\n\n  enigma %s\n\n%s\n", strings.TrimSpace(c.name+" "+c.args), c.about)
	if c.settings != nil {
		fmt.Fprint(w, "\nSettings:\n\n")
		c.settings().Help(w)
	}
}

// metricsTopic is what help tells about beside the commands.
const metricsTopic = "metrics"

// writeMetrics writes the table of what the server counts.
func writeMetrics(w io.Writer) {
	fmt.Fprint(w, "What `curl http://ADMIN/metrics` shows, for Prometheus, beside go_… of the Go runtime and process_…:\n\n")
	admin.WriteTable(w)
	fmt.Fprint(w, "\nThe same as JSON is at /metrics.json. All count from the start of the server, but for gauges.\n")
}

func helpCommand() *command {
	return &command{
		name:    "help",
		args:    "[COMMAND | TOPIC]",
		summary: "list the commands, or tell about one",
		about:   "Lists the commands and topics, or tells about one.",
		run: func(sys *system, args []string) error {
			switch len(args) {
			case 0:
				writeHelp(sys.out)
				return nil
			case 1:
				if args[0] == metricsTopic {
					writeMetrics(sys.out)
					return nil
				}
				if text, ok := topics.Text(args[0]); ok {
					fmt.Fprint(sys.out, text)
					return nil
				}
				if cmd := find(args[0]); cmd != nil {
					cmd.writeHelp(sys.out)
					return nil
				}
				return unknownCommand(args[0])
			}
			return usageError{errors.New("help takes one command: write `enigma help serve`")}
		},
	}
}
