// Package topics holds what `enigma help` tells beside its commands: texts for those who run the server.
package topics

import (
	"embed"
	"fmt"
	"io"
	"strings"
)

//go:embed *.txt
var texts embed.FS

// topic is a text and the line that lists it.
type topic struct{ name, summary string }

// list is in the order of the help; the text of each is in a file of its name.
var list = []topic{
	{"promises", "what happens to messages when something breaks"},
	{"stores", "where mail is kept, and what that survives"},
	{"operation", "running it for others: files, proxies, memory, health"},
	{"security", "who is kept out, what the server learns, how to put it on the internet"},
}

// Text returns the text of a topic.
func Text(name string) (text string, ok bool) {
	for _, t := range list {
		if t.name == name {
			b, err := texts.ReadFile(name + ".txt")
			return string(b), err == nil
		}
	}
	return "", false
}

// Names returns the names of all topics.
func Names() []string {
	var names []string
	for _, t := range list {
		names = append(names, t.name)
	}
	return names
}

// WriteList writes a line for each topic, in the form in which the commands are listed.
func WriteList(w io.Writer) {
	for _, t := range list {
		fmt.Fprintf(w, "  %-11s %s\n", t.name, strings.TrimSpace(t.summary))
	}
}
