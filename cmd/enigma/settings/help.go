package settings

import (
	"fmt"
	"io"
	"strings"
)

// helpWidth is where help text breaks: a terminal that nobody has widened.
const helpWidth = 100

// unbroken is a space at which wrap does not break a line.
const unbroken = "\x00"

// configUsage describes the setting that every table has.
const configUsage = "file with lines NAME = VALUE; # begins a comment"

// Help writes the settings as a terminal shows them.
func (t Table) Help(w io.Writer) {
	width := len(configName)
	for _, s := range t {
		width = max(width, len(s.Name))
	}
	indent := strings.Repeat(" ", width+6)
	for _, s := range append(Table{{Name: configName, Usage: configUsage}}, t...) {
		text := s.Usage
		if s.Default != "" && !s.Switch {
			text += " (default" + unbroken + s.Default + ")"
		}
		lines := wrap(text, helpWidth-len(indent))
		fmt.Fprintf(w, "  --%-*s  %s\n", width, s.Name, lines[0])
		for _, line := range lines[1:] {
			fmt.Fprintf(w, "%s%s\n", indent, line)
		}
	}
	if len(t) == 0 {
		return
	}
	s, value := &t[0], t[0].Default
	if value == "" {
		value = "VALUE"
	}
	text := fmt.Sprintf("Each can be given as a flag (--%[1]s %[2]s), an environment variable (%[3]s=%[2]s) or a line of the file "+
		"(%[1]s = %[2]s); the first of these counts.", s.Name, value, s.Env())
	fmt.Fprintf(w, "\n%s\n", strings.Join(wrap(text, helpWidth), "\n"))
}

// wrap breaks text at spaces into lines of at most width, longer only where a word is.
func wrap(text string, width int) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		switch {
		case line == "":
			line = word
		case len(line)+1+len(word) <= width:
			line += " " + word
		default:
			lines = append(lines, line)
			line = word
		}
	}
	lines = append(lines, line)
	for i := range lines {
		lines[i] = strings.ReplaceAll(lines[i], unbroken, " ")
	}
	return lines
}
