package main_test

import (
	"bufio"
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
)

const module = "github.com/enigma-protocol/enigma"

// anything marks a package that may import everything.
const anything = "*"

// importTable says what each package may import beside the standard library and golang.org/x/sys: packages of this
// module by their path in it, others by the path of their module. A package without a row belongs to the row of the
// nearest one above it. Tests are exempt.
var importTable = map[string][]string{
	"actors/protocol":       {},
	"persistence":           {"actors/protocol"},
	"actors":                {"actors/protocol", "persistence", "github.com/asynkron/protoactor-go"},
	"transport":             {"actors", "actors/protocol", "transport/describe", "transport/web", "github.com/valyala/fasthttp", "github.com/fasthttp/router", "github.com/gobwas/ws"},
	"transport/describe":    {"actors/protocol"},
	"transport/web":         {},
	"transport/client":      {"actors/protocol", "github.com/gobwas/ws"},
	"transport/client/seal": {"actors/protocol"},
	"persistence/embedded":  {"persistence", "actors/protocol", "github.com/cockroachdb/pebble"},
	"persistence/redis":     {"persistence", "actors/protocol", "github.com/redis/rueidis"},
	"persistence/storetest": {"actors", "persistence", "actors/protocol", "pgregory.net/rapid"}, // a suite of tests
	"cmd":                   {anything},
	"bench":                 {anything},
}

// topLevel is what may stand at the top, beside dot-files and what .gitignore names.
var topLevel = []string{"actors", "transport", "persistence", "cmd", "bench", "go.mod", "go.sum", "Makefile", "README.md"}

// maxLines is the length at which a file is more than one idea.
const maxLines = 400

// unfinished are the words that say something is missing; they are put together here so as not to be found here.
var unfinished = []string{"TO" + "DO", "FIX" + "ME"}

func TestHouse_StandsAsDesigned(t *testing.T) {
	findings, err := inspect(os.DirFS("../.."))
	if err != nil {
		t.Fatal(err)
	}
	for _, finding := range findings {
		t.Error(finding)
	}
}

func TestHouse_InspectionFindsWhatIsWrong(t *testing.T) {
	goMod := &fstest.MapFile{Data: []byte("module x\n")}
	source := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte("// Package x is x.\n" + text)} }
	for name, c := range map[string]struct {
		tree fstest.MapFS
		want string // in the one finding; empty for none
	}{
		"clean": {fstest.MapFS{
			".gitignore":           {Data: []byte("*.test\n/bin/\n")},
			".ci/run":              {},
			"bin/enigma":           {},
			"actors.test":          {},
			"bench/peers/go.mod":   goMod,
			"bench/peers/p.go":     source("package p\nfunc Undocumented() {}\n"),
			"actors/a.go":          source("package actors\nimport (_ \"fmt\"; _ \"golang.org/x/sys/unix\"; _ \"" + module + "/persistence\")\n"),
			"actors/a_test.go":     {Data: []byte("package actors\nimport _ \"go.uber.org/goleak\"\n")},
			"actors/inner/b.go":    source("package inner\nimport _ \"github.com/asynkron/protoactor-go/actor\"\n"),
			"actors/use.go":        {Data: []byte("package actors\nimport _ \"" + module + "/actors/inner\"\n")},
			"transport/t.go":       source("package transport\nimport _ \"" + module + "/actors\"\n// X is an x.\ntype X int\n// A is an a.\nconst (A = 1; B = 2)\n"),
			"actors/testdata/x":    {Data: []byte("x")},
			"actors/testdata/x.go": {Data: []byte("not Go")},
		}, ""},
		"a layer above":           {fstest.MapFS{"actors/a.go": source("package actors\nimport _ \"" + module + "/transport\"\n")}, "may not import"},
		"another engine":          {fstest.MapFS{"persistence/redis/a.go": source("package redis\nimport _ \"github.com/cockroachdb/pebble/v2\"\n")}, "may not import"},
		"a library with a prefix": {fstest.MapFS{"transport/a.go": source("package transport\nimport _ \"github.com/gobwas/wsx\"\n")}, "may not import"},
		"a sub-package's row":     {fstest.MapFS{"transport/a.go": source("package transport\nimport _ \"" + module + "/transport/client\"\n")}, "may not import"},
		"protocol is the bottom":  {fstest.MapFS{"actors/protocol/a.go": source("package protocol\nimport _ \"" + module + "/persistence\"\n")}, "may not import"},
		"no comment on a func":    {fstest.MapFS{"cmd/a.go": source("package a\nfunc F() {}\n")}, "F has no comment"},
		"no comment on a type":    {fstest.MapFS{"cmd/a.go": source("package a\ntype T int\n")}, "T has no comment"},
		"no comment on a method":  {fstest.MapFS{"cmd/a.go": source("package a\ntype t int\n// T is.\ntype T int\nfunc (T) M() {}\nfunc (t) M() {}\n")}, "M has no comment"},
		"no comment on a var":     {fstest.MapFS{"cmd/a.go": source("package a\nvar V int\n")}, "V has no comment"},
		"no comment on a package": {fstest.MapFS{"cmd/a.go": {Data: []byte("package a\n")}}, "no package comment"},
		"a long file":             {fstest.MapFS{"cmd/a.go": source("package a\n" + strings.Repeat("\n", maxLines))}, "lines"},
		"a new top-level entry":   {fstest.MapFS{"docs/a.txt": {}}, "docs"},
		"a foreign word":          {fstest.MapFS{"cmd/a.go": source("package a\n// X is.\ntype X struct { PeerIDs, sessions int; Speer string }\nfunc hub() { type Hub int }\n")}, "PeerIDs: peer is a foreign word"},
		"a foreign method":        {fstest.MapFS{"cmd/a.go": source("package a\ntype x interface { Sessions() }\n")}, "sessions is a foreign word"},
		"a foreign package":       {fstest.MapFS{"cmd/a.go": source("package session\n")}, "session is a foreign word"},
		"something unfinished":    {fstest.MapFS{"cmd/a.go": source("package a\n// " + unfinished[0] + "\n")}, unfinished[0]},
		"unfinished in a script":  {fstest.MapFS{".ci/run": {Data: []byte("# " + unfinished[1] + "\n")}}, unfinished[1]},
	} {
		findings, err := inspect(c.tree)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if c.want == "" && len(findings) > 0 || c.want != "" && (len(findings) != 1 || !strings.Contains(findings[0], c.want)) {
			t.Errorf("%s: found %q, want %q", name, findings, c.want)
		}
	}
}

// inspect returns what is not as it should be in the tree of a repository.
func inspect(tree fs.FS) ([]string, error) {
	findings, err := checkTop(tree)
	if err != nil {
		return nil, err
	}
	packages := make(map[string]bool) // directory: has a package comment
	err = fs.WalkDir(tree, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			return skipDir(tree, name)
		}
		text, err := readText(tree, name)
		if err != nil || text == nil {
			return err
		}
		findings = append(findings, checkWords(name, text)...)
		if strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go") {
			more, err := checkSource(name, text, packages)
			findings = append(findings, more...)
			return err
		}
		return nil
	})
	for dir, commented := range packages {
		if !commented {
			findings = append(findings, dir+": no package comment")
		}
	}
	slices.Sort(findings)
	return findings, err
}

// skipDir leaves out what is not part of this module's sources.
func skipDir(tree fs.FS, dir string) error {
	if dir == "." {
		return nil
	}
	_, err := fs.Stat(tree, path.Join(dir, "go.mod"))
	if base := path.Base(dir); err == nil || base == "testdata" || base == ".git" || ignored(tree, dir) {
		return fs.SkipDir
	}
	return nil
}

// readText returns the content of the files that people write, nil for others.
func readText(tree fs.FS, name string) ([]byte, error) {
	switch path.Ext(name) {
	case ".go", ".md", ".sh", ".yml", ".yaml", ".lua", ".html", ".js", ".css":
		return fs.ReadFile(tree, name)
	}
	if base := path.Base(name); base == "Makefile" || base == "Dockerfile" || strings.HasPrefix(name, ".ci/") {
		return fs.ReadFile(tree, name)
	}
	return nil, nil
}

// ignored tells whether .gitignore names an entry of the top level.
func ignored(tree fs.FS, name string) bool {
	text, _ := fs.ReadFile(tree, ".gitignore") // without one nothing is ignored
	for line := range strings.Lines(string(text)) {
		pattern := strings.Trim(strings.TrimSpace(line), "/")
		if matched, err := path.Match(pattern, name); matched && err == nil {
			return true
		}
	}
	return false
}

func checkTop(tree fs.FS) (findings []string, err error) {
	entries, err := fs.ReadDir(tree, ".")
	for _, entry := range entries {
		name := entry.Name()
		if !strings.HasPrefix(name, ".") && !slices.Contains(topLevel, name) && !ignored(tree, name) {
			findings = append(findings, name+": does not belong at the top level")
		}
	}
	return findings, err
}

func checkWords(name string, text []byte) (findings []string) {
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, 1<<20)
	for n := 1; lines.Scan(); n++ {
		for _, word := range unfinished {
			if strings.Contains(lines.Text(), word) {
				findings = append(findings, fmt.Sprintf("%s:%d: %s: finish it or say in prose what is missing and why", name, n, word))
			}
		}
	}
	return findings
}

// checkSource checks one Go file and notes whether its package has a comment.
func checkSource(name string, text []byte, packages map[string]bool) (findings []string, err error) {
	if n := bytes.Count(text, []byte("\n")); n > maxLines {
		findings = append(findings, fmt.Sprintf("%s: %d lines, more than %d: more than one idea", name, n, maxLines))
	}
	file, err := parser.ParseFile(token.NewFileSet(), name, text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	dir := path.Dir(name)
	packages[dir] = packages[dir] || file.Doc != nil
	for _, spec := range file.Imports {
		imported, _ := strconv.Unquote(spec.Path.Value) // the parser has accepted it
		if !mayImport(dir, imported) {
			findings = append(findings, fmt.Sprintf("%s: %s may not import %s", name, rowOf(dir), imported))
		}
	}
	for _, identifier := range undocumented(file) {
		findings = append(findings, fmt.Sprintf("%s: %s has no comment", name, identifier))
	}
	for _, finding := range foreignWords(file) {
		findings = append(findings, name+": "+finding)
	}
	return findings, nil
}

// rowOf returns the row of importTable that governs a directory.
func rowOf(dir string) string {
	for ; dir != "."; dir = path.Dir(dir) {
		if _, ok := importTable[dir]; ok {
			return dir
		}
	}
	return ""
}

// mayImport looks an import up in the table.
func mayImport(dir, imported string) bool {
	if first, _, _ := strings.Cut(imported, "/"); !strings.Contains(first, ".") || within(imported, "golang.org/x/sys") {
		return true
	}
	row := rowOf(dir)
	allowed := importTable[row]
	if slices.Contains(allowed, anything) {
		return true
	}
	if ours, ok := strings.CutPrefix(imported, module+"/"); ok {
		target := rowOf(ours)
		return target == row || slices.Contains(allowed, target)
	}
	return slices.ContainsFunc(allowed, func(library string) bool { return within(imported, library) })
}

// within tells whether an import path is a module's or of a package in it.
func within(imported, library string) bool {
	return imported == library || strings.HasPrefix(imported, library+"/")
}

// undocumented returns the exported identifiers of a file that have no comment. One comment may serve a group of
// constants or variables; methods count where their type is exported.
func undocumented(file *ast.File) (names []string) {
	for _, decl := range file.Decls {
		switch d := decl.(type) {
		case *ast.FuncDecl:
			if d.Doc == nil && d.Name.IsExported() && (d.Recv == nil || ast.IsExported(receiver(d.Recv.List[0].Type))) {
				names = append(names, d.Name.Name)
			}
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				names = append(names, undocumentedSpec(d, spec)...)
			}
		}
	}
	return names
}

func undocumentedSpec(d *ast.GenDecl, spec ast.Spec) (names []string) {
	switch s := spec.(type) {
	case *ast.TypeSpec:
		if s.Name.IsExported() && s.Doc == nil && (d.Doc == nil || d.Lparen.IsValid()) {
			names = append(names, s.Name.Name)
		}
	case *ast.ValueSpec:
		for _, name := range s.Names {
			if name.IsExported() && s.Doc == nil && s.Comment == nil && d.Doc == nil {
				names = append(names, name.Name)
			}
		}
	}
	return names
}

// receiver returns the name of a method's type.
func receiver(expr ast.Expr) string {
	switch e := expr.(type) {
	case *ast.StarExpr:
		return receiver(e.X)
	case *ast.IndexExpr:
		return receiver(e.X)
	case *ast.IndexListExpr:
		return receiver(e.X)
	case *ast.Ident:
		return e.Name
	}
	return ""
}
