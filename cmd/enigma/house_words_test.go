package main_test

import (
	"fmt"
	"go/ast"
	"slices"
	"strings"
	"unicode"
)

// foreign are words that no exported name has: each is another word for something that has one already.
var foreign = map[string]string{"session": "conn or receiver", "peer": "user or conn", "hub": "broker", "manager": "what it does"}

// foreignWords returns what is wrong with the exported names of a file, fields and methods of interfaces included.
func foreignWords(file *ast.File) (findings []string) {
	ast.Inspect(file, func(node ast.Node) bool {
		var names []*ast.Ident
		switch n := node.(type) {
		case *ast.File:
			names = []*ast.Ident{{Name: strings.ToUpper(n.Name.Name[:1]) + n.Name.Name[1:]}} // a package's is said with each of its names
		case *ast.BlockStmt:
			return false // nothing in there is exported
		case *ast.FuncDecl:
			names = []*ast.Ident{n.Name}
		case *ast.TypeSpec:
			names = []*ast.Ident{n.Name}
		case *ast.ValueSpec:
			names = n.Names
		case *ast.StructType:
			names = fieldNames(n.Fields)
		case *ast.InterfaceType:
			names = fieldNames(n.Methods)
		}
		for _, name := range names {
			for _, word := range wordsOf(name.Name) {
				if better, ok := foreign[strings.TrimSuffix(word, "s")]; ok && name.IsExported() {
					findings = append(findings, fmt.Sprintf("%s: %s is a foreign word, say %s", name.Name, word, better))
				}
			}
		}
		return true
	})
	return findings
}

func fieldNames(fields *ast.FieldList) (names []*ast.Ident) {
	for _, field := range fields.List {
		names = append(names, field.Names...)
	}
	return names
}

// wordsOf splits an identifier, in lower case: PeerIDs is peer, ids.
func wordsOf(name string) []string {
	var words []string
	runes := []rune(name)
	from := 0
	for at := 1; at <= len(runes); at++ {
		if at == len(runes) || unicode.IsUpper(runes[at]) && (unicode.IsLower(runes[at-1]) || at+1 < len(runes) && unicode.IsLower(runes[at+1])) {
			words = append(words, strings.ToLower(string(runes[from:at])))
			from = at
		}
	}
	return slices.Compact(words)
}
