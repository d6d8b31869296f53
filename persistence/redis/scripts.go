package redis

import (
	"crypto/sha1"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"strings"
)

// op names what a call does on the server: one of our functions, or a plain command.
type op uint8

const (
	opAppend op = iota
	opProbe
	opRead
	opConfirm
	opExpire
	opPut
	opLock
	opCeiling
	functions // how many functions there are; what follows are plain commands

	opExists
	opGetFields
	opGetField
	opGet
)

// command is the plain command of an op.
var command = map[op]string{opExists: "HEXISTS", opGetFields: "HMGET", opGetField: "HGET", opGet: "GET"}

// script is one function in the forms in which it can be called.
type script struct {
	file  string // in lua/, and the Lua function's name
	flags string // of the registered function, as Lua
	name  string // of the registered function
	sha   string // of text, for EVALSHA
	text  string // for EVAL
}

// Functions that free memory, or must work when it is exhausted, are allowed to; see lua/common.lua for plain scripts.
var scripts = [functions]script{
	opAppend:  {file: "append"},
	opProbe:   {file: "probe", flags: "'no-writes'"},
	opRead:    {file: "read", flags: "'no-writes'"},
	opConfirm: {file: "confirm", flags: "'allow-oom'"},
	opExpire:  {file: "expire", flags: "'allow-oom'"},
	opPut:     {file: "put"},
	opLock:    {file: "lock", flags: "'allow-oom'"},
	opCeiling: {file: "ceiling", flags: "'allow-oom'"},
}

//go:embed lua/*.lua
var luaFiles embed.FS

// library is the code for FUNCTION LOAD. The name carries a digest of the code, and so do the functions' names: servers
// of two versions work on the same Redis, each with its own functions.
var library = buildLibrary()

func buildLibrary() string {
	var body strings.Builder
	body.WriteString(source("common"))
	for i := range scripts {
		body.WriteString(source(scripts[i].file))
	}
	for i := range scripts { // what eval gets is part of what the digest names
		buildScript(op(i))
	}
	digest := sha256.Sum256([]byte(body.String()))
	version := hex.EncodeToString(digest[:4])
	code := "#!lua name=enigma_" + version + "\n" + body.String()
	for i := range scripts {
		s := &scripts[i]
		s.name = "enigma_" + s.file + "_" + version
		code += fmt.Sprintf("redis.register_function{function_name='%s', callback=%s, flags={%s}}\n", s.name, s.file, s.flags)
	}
	return code
}

// buildScript makes the text of one function for servers without FUNCTION: the same code, and a call of it.
func buildScript(o op) {
	s := &scripts[o]
	s.text = source("common")
	if o == opProbe {
		s.text += source("append")
	}
	s.text += source(s.file) + "return " + s.file + "(KEYS, ARGV)\n"
	sum := sha1.Sum([]byte(s.text))
	s.sha = hex.EncodeToString(sum[:])
}

func source(name string) string {
	b, err := luaFiles.ReadFile("lua/" + name + ".lua")
	if err != nil {
		panic(err) // the files are embedded
	}
	return string(b)
}
