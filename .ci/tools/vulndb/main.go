// Command vulndb makes a database of vulnerabilities that govulncheck can read (https://go.dev/doc/security/vuln/database)
// from the source of the Go project's own, which is a module: it can be had wherever modules can, and go checks its sum.
//
//	vulndb DATA/OSV OUT
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// entry is the part of a report in the OSV format that the index of the database is made of.
type entry struct {
	ID       string    `json:"id"`
	Modified time.Time `json:"modified"`
	Affected []struct {
		Package struct {
			Name string `json:"name"`
		} `json:"package"`
	} `json:"affected"`
}

// module is an element of index/modules.json.
type module struct {
	Path  string      `json:"path"`
	Vulns []vulnEntry `json:"vulns"`
}

type vulnEntry struct {
	ID       string    `json:"id"`
	Modified time.Time `json:"modified"`
}

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "vulndb: write vulndb DATA/OSV OUT")
		os.Exit(2)
	}
	if err := convert(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "vulndb:", err)
		os.Exit(1)
	}
}

func convert(source, out string) error {
	for _, dir := range []string{"ID", "index"} {
		if err := os.MkdirAll(filepath.Join(out, dir), 0o755); err != nil {
			return err
		}
	}
	files, err := filepath.Glob(filepath.Join(source, "GO-*.json"))
	if err != nil {
		return err
	}
	if len(files) == 0 {
		return fmt.Errorf("no reports in %s", source)
	}
	modules := map[string][]vulnEntry{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		var e entry
		if err := json.Unmarshal(text, &e); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		if err := os.WriteFile(filepath.Join(out, "ID", filepath.Base(file)), text, 0o644); err != nil {
			return err
		}
		seen := map[string]bool{}
		for _, affected := range e.Affected {
			if name := affected.Package.Name; !seen[name] {
				seen[name] = true
				modules[name] = append(modules[name], vulnEntry{e.ID, e.Modified})
			}
		}
	}
	index := make([]module, 0, len(modules))
	for path, vulns := range modules {
		index = append(index, module{path, vulns})
	}
	if err := write(filepath.Join(out, "index", "modules.json"), index); err != nil {
		return err
	}
	return write(filepath.Join(out, "index", "db.json"), map[string]time.Time{"modified": time.Now().UTC()})
}

func write(file string, value any) error {
	text, err := json.Marshal(value)
	if err != nil {
		return err
	}
	return os.WriteFile(file, text, 0o644)
}
