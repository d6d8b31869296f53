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
	width := 0
	for _, s := range t {
		width = max(width, len(s.Name))
	}
	indent := strings.Repeat(" ", width+6)
	for _, s := range append(Table{{Name: configName, Usage: configUsage}}, t...) {
		text := s.Usage
		if s.Default != "" {
			text += " (default" + unbroken + s.Default + ")"
		}
		lines := wrap(text, helpWidth-len(indent))
		fmt.Fprintf(w, "  --%-*s  %s\n", width, s.Name, lines[0])
		for _, line := range lines[1:] {
			fmt.Fprintf(w, "%s%s\n", indent, line)
		}
	}
	fmt.Fprintf(w, "\nEvery setting can be given as a flag (--max-message 64KiB), an environment variable\n"+
		"(%sMAX_MESSAGE=64KiB) or a line of the file (max-message = 64KiB); the first of these counts.\n", Prefix)
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
