package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	generator "github.com/enigma-protocol/enigma/bench/load"
	"github.com/enigma-protocol/enigma/cmd/enigma/settings"
	"github.com/enigma-protocol/enigma/cmd/enigma/topics"
)

const completionAbout = `Prints a script that makes the Tab key complete commands and settings in a shell: bash, zsh or
fish.

  source <(enigma completion bash)                                  # now; put the line into ~/.bashrc for always
  enigma completion bash > /etc/bash_completion.d/enigma            # for all users
  enigma completion zsh > "${fpath[1]}/_enigma"                     # from the next zsh on
  enigma completion fish > ~/.config/fish/completions/enigma.fish   # from the next fish on`

// shells are those that completion knows.
var shells = []string{"bash", "zsh", "fish"}

// writeCompletion writes the script for one of them.
func writeCompletion(w io.Writer, shell string) {
	switch shell {
	case "bash":
		writeBash(w)
	case "zsh":
		writeZsh(w)
	case "fish":
		writeFish(w)
	}
}

// takesFile names the settings whose values are paths.
var takesFile = []string{"config", "key", "store", "tls-cert", "tls-key", "plot"}

func completionCommand() *command {
	return &command{
		name:    "completion",
		args:    "SHELL",
		summary: "make the Tab key complete in bash, zsh or fish",
		about:   completionAbout,
		run: func(sys *system, args []string) error {
			if len(args) == 1 && slices.Contains(shells, args[0]) {
				writeCompletion(sys.out, args[0])
				return nil
			}
			if len(args) == 1 && (args[0] == "-h" || args[0] == "--help") {
				return settings.ErrHelp
			}
			return usageError{errors.New("for which shell? Write `enigma completion bash`, zsh or fish")}
		},
	}
}

// option is a setting as completion shows it.
type option struct {
	name, usage string
	alone       bool // no value follows
}

// options returns what a command can be told; it always can be asked for help.
func (c *command) options() (all []option) {
	if c.settings != nil {
		all = append(all, option{"config", "file with settings", false})
		for _, s := range c.settings() {
			all = append(all, option{s.Name, s.Usage, s.Switch})
		}
	}
	return append(all, option{"help", "tell about the command", true})
}

// words returns the arguments of a command that are one of a list.
func (c *command) words() (all []string) {
	switch c.name {
	case "help":
		for _, other := range commands() {
			all = append(all, other.name)
		}
		all = append(append(all, topics.Names()...), metricsTopic)
	case "completion":
		all = append(all, shells...)
	case "load":
		all = append(all, generator.Modes...)
	}
	return all
}

// files joins the flags whose values are paths.
func files(separator string) string { return "--" + strings.Join(takesFile, separator+"--") }

func writeBash(w io.Writer) {
	fmt.Fprint(w, `# bash completion for enigma
_enigma() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} words=
	COMPREPLY=()
	case $prev in
	`+files("|")+`) return ;; # bash itself completes files
	esac
	if ((COMP_CWORD == 1)); then
		words="`)
	for _, c := range commands() {
		fmt.Fprint(w, c.name, " ")
	}
	fmt.Fprint(w, "\"\n\telse\n\t\tcase ${COMP_WORDS[1]} in\n")
	for _, c := range commands() {
		words := c.words()
		for _, o := range c.options() {
			words = append(words, "--"+o.name)
		}
		fmt.Fprintf(w, "\t\t%s) words=\"%s\" ;;\n", c.name, strings.Join(words, " "))
	}
	fmt.Fprint(w, `		esac
	fi
	COMPREPLY=($(compgen -W "$words" -- "$cur"))
}
complete -o default -F _enigma enigma
`)
}

// quoted puts text into the single quotes of zsh or fish, with another way out of them for each.
func quoted(text, quote string) string { return "'" + strings.ReplaceAll(text, "'", quote) + "'" }

func writeZsh(w io.Writer) {
	q := func(text string) string { return quoted(text, `'\''`) }
	fmt.Fprint(w, "#compdef enigma\n_enigma() {\n\tlocal -a list args\n\tcase $words[CURRENT-1] in\n\t"+files("|")+") _files; return ;;\n\tesac\n")
	fmt.Fprint(w, "\tif (( CURRENT == 2 )); then\n\t\tlist=(\n")
	for _, c := range commands() {
		fmt.Fprintf(w, "\t\t\t%s\n", q(c.name+":"+c.summary))
	}
	fmt.Fprint(w, "\t\t)\n\t\t_describe command list\n\t\treturn\n\tfi\n\tcase $words[2] in\n")
	for _, c := range commands() {
		fmt.Fprintf(w, "\t%s)\n\t\targs=(%s)\n\t\tlist=(\n", c.name, strings.Join(c.words(), " "))
		for _, o := range c.options() {
			fmt.Fprintf(w, "\t\t\t%s\n", q("--"+o.name+":"+o.usage))
		}
		fmt.Fprint(w, "\t\t) ;;\n")
	}
	fmt.Fprint(w, "\tesac\n\tif [[ $words[CURRENT] = -* ]]; then\n\t\t_describe -o setting list\n"+
		"\telif (( $#args )); then\n\t\t_describe argument args\n\telse\n\t\t_files\n\tfi\n}\n"+
		"if [ \"$funcstack[1]\" = _enigma ]; then _enigma \"$@\"; else compdef _enigma enigma; fi\n")
}

func writeFish(w io.Writer) {
	q := func(text string) string { return quoted(strings.ReplaceAll(text, `\`, `\\`), `\'`) }
	fmt.Fprint(w, "# fish completion for enigma\ncomplete -c enigma -f\n")
	for _, c := range commands() {
		fmt.Fprintf(w, "complete -c enigma -n __fish_use_subcommand -a %s -d %s\n", c.name, q(c.summary))
	}
	for _, c := range commands() {
		when := q("__fish_seen_subcommand_from " + c.name)
		if words := c.words(); len(words) > 0 {
			fmt.Fprintf(w, "complete -c enigma -n %s -a %s\n", when, q(strings.Join(words, " ")))
		} else if strings.Contains(c.args, "FILE") {
			fmt.Fprintf(w, "complete -c enigma -n %s -F\n", when)
		}
		for _, o := range c.options() {
			value := "-x" // a value that is no file
			switch {
			case o.alone:
				value = ""
			case slices.Contains(takesFile, o.name):
				value = "-r -F"
			}
			fmt.Fprintf(w, "complete -c enigma -n %s -l %s %s -d %s\n", when, o.name, value, q(o.usage))
		}
	}
}
