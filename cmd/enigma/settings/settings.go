// Package settings reads what a command is told: flags, environment variables, a configuration file, defaults.
//
// A command describes itself with one [Table]: a name, a default, a sentence and a parser for every setting. All else
// follows from it: `--name VALUE` on the command line, ENIGMA_NAME in the environment, `name = VALUE` in the file, the
// help text, the table in the README. A value is looked for in that order, and only the one that counts is parsed.
//
// Parsers return errors that end in what to write instead. Whatever is wrong is reported together, so that nobody has
// to correct a configuration one start at a time.
package settings

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
)

// Prefix begins the name of every environment variable that is read.
const Prefix = "ENIGMA_"

// configName is the one setting every table has beside its own: the file with the others.
const configName = "config"

// ErrHelp is returned by [Table.Load] when the arguments ask for help (-h, --help).
var ErrHelp = errors.New("help requested")

// Setting is one thing that a command can be told.
type Setting struct {
	Name    string             // as in --name: lower case, words joined by hyphens
	Default string             // what holds when nobody says anything; goes through Set like any other value
	Usage   string             // what it means, half a sentence, for the help and the README
	Set     func(string) error // parses and keeps a value; see [Into]
	Switch  bool               // true or false, and true if the command lets the flag stand alone
}

// Env is the environment variable of the setting.
func (s *Setting) Env() string {
	return Prefix + strings.ToUpper(strings.ReplaceAll(s.Name, "-", "_"))
}

// Into makes a Setting's Set out of a parser and the place for what it returns.
func Into[T any](dst *T, parse func(string) (T, error)) func(string) error {
	return func(text string) error {
		v, err := parse(text)
		if err == nil {
			*dst = v
		}
		return err
	}
}

// Table is all that a command can be told.
type Table []Setting

// source is a value as somebody wrote it, and where.
type source struct {
	text  string
	where string // how an error names the place: "--listen", "ENIGMA_LISTEN", "enigma.conf:3: listen"
}

// Loaded is what [Table.Load] found beside the values.
type Loaded struct {
	Args     []string // the arguments that follow the flags
	Warnings []string // nothing wrong for certain, but worth a line in the log
}

// Load gives every setting its value: from args (flags first, as in `--name VALUE` or `--name=VALUE`), else environ
// (as of os.Environ), else the file named by --config or ENIGMA_CONFIG, else the default. The error, if any, has one
// line for each thing that is wrong.
func (t Table) Load(args, environ []string) (*Loaded, error) {
	flags, rest, err := t.fromArgs(args)
	if err != nil {
		return nil, err
	}
	env, warnings := t.fromEnviron(environ)
	file, err := t.fromFile(first(configName, flags, env).text)
	if err != nil {
		return nil, err
	}
	var errs []error
	for i := range t {
		s := &t[i]
		src := first(s.Name, flags, env, file)
		if src.where == "" {
			src = source{s.Default, "default of " + s.Name}
		}
		if err := s.Set(src.text); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", src.where, err))
		}
	}
	return &Loaded{Args: rest, Warnings: warnings}, errors.Join(errs...)
}

// first returns the value of name in the first of the layers that has one.
func first(name string, layers ...map[string]source) source {
	for _, layer := range layers {
		if src, ok := layer[name]; ok {
			return src
		}
	}
	return source{}
}

// fromArgs splits the command line into values and what follows them. The last of several flags of one name counts.
func (t Table) fromArgs(args []string) (map[string]source, []string, error) {
	values := make(map[string]source)
	for len(args) > 0 {
		arg := args[0]
		if arg == "--" {
			return values, args[1:], nil
		}
		if len(arg) < 2 || arg[0] != '-' {
			return values, args, nil
		}
		name, text, joined := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(arg, "-"), "-"), "=")
		if name == "h" || name == "help" {
			return nil, nil, ErrHelp
		}
		if !t.knows(name) {
			return nil, nil, t.unknown("flag --"+name, "--", name)
		}
		args = args[1:]
		if !joined {
			if len(args) == 0 {
				return nil, nil, fmt.Errorf("--%s: no value follows: write --%s VALUE", name, name)
			}
			text, args = args[0], args[1:]
		}
		values[name] = source{text, "--" + name}
	}
	return values, nil, nil
}

// fromEnviron picks this table's variables. A variable of another name is no error, because others may own it (an
// orchestrator sets ENIGMA_SERVICE_HOST for a service called enigma), but one that looks like a slip is mentioned.
func (t Table) fromEnviron(environ []string) (map[string]source, []string) {
	values := make(map[string]source)
	var warnings []string
	for _, entry := range environ {
		key, text, _ := strings.Cut(entry, "=")
		rest, ours := strings.CutPrefix(key, Prefix)
		if !ours {
			continue
		}
		name := strings.ToLower(strings.ReplaceAll(rest, "_", "-"))
		if t.knows(name) {
			values[name] = source{text, key}
		} else if near := Nearest(name, t.names()); near != "" {
			s := Setting{Name: near}
			warnings = append(warnings, fmt.Sprintf("%s is not read: did you mean %s?", key, s.Env()))
		}
	}
	return values, warnings
}

// fromFile reads `name = value` lines; an empty path is no file.
func (t Table) fromFile(path string) (map[string]source, error) {
	if path == "" {
		return nil, nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("--%s: %w: write the path of a file with lines NAME = VALUE", configName, err)
	}
	values := make(map[string]source)
	var errs []error
	for i, line := range strings.Split(string(text), "\n") {
		where := fmt.Sprintf("%s:%d", path, i+1)
		name, value, err := t.parseLine(line)
		if err == nil && name != "" {
			if before, twice := values[name]; twice {
				err = fmt.Errorf("set before at %s: write it once", before.where)
			}
			values[name] = source{value, where + ": " + name}
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", where, err))
		}
	}
	return values, errors.Join(errs...)
}

// parseLine takes one line of a file apart. A comment begins with # at the start of the line or after white space; a
// value may stand in double quotes, which many write from habit. An empty name means that the line says nothing.
func (t Table) parseLine(line string) (name, value string, err error) {
	line = strings.TrimSpace(strings.TrimPrefix(line, "\ufeff"))
	if i := strings.IndexByte(line, '#'); i == 0 {
		return "", "", nil
	}
	for _, mark := range []string{" #", "\t#"} {
		line, _, _ = strings.Cut(line, mark)
	}
	if line == "" {
		return "", "", nil
	}
	name, value, found := strings.Cut(line, "=")
	name, value = strings.TrimSpace(name), strings.TrimSpace(value)
	if !found {
		return "", "", fmt.Errorf("%q is no setting: write NAME = VALUE", line)
	}
	if name == configName || !t.knows(name) {
		return "", "", t.unknown(fmt.Sprintf("setting %q", name), "", name)
	}
	if n := len(value); n >= 2 && value[0] == '"' && value[n-1] == '"' {
		value = value[1 : n-1]
	}
	return name, value, nil
}

func (t Table) knows(name string) bool {
	if name == configName {
		return true
	}
	for i := range t {
		if t[i].Name == name {
			return true
		}
	}
	return false
}

// Switch tells whether name is that of a switch.
func (t Table) Switch(name string) bool {
	return slices.ContainsFunc(t, func(s Setting) bool { return s.Name == name && s.Switch })
}

func (t Table) names() []string {
	names := []string{configName}
	for i := range t {
		names = append(names, t[i].Name)
	}
	return names
}

// unknown is the error for a name that is in no table, with the one that was probably meant.
func (t Table) unknown(what, dashes, name string) error {
	if near := Nearest(name, t.names()); near != "" {
		return fmt.Errorf("no %s: did you mean %s%s?", what, dashes, near)
	}
	return fmt.Errorf("no %s: --help lists what there is", what)
}
