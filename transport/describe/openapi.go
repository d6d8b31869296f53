package describe

import (
	"maps"
	"slices"
	"strconv"

	"github.com/enigma-protocol/enigma/actors/protocol"
)

func sortedKeys(m object) []string { return slices.Sorted(maps.Keys(m)) }

// OpenAPI returns the description of HTTP, as JSON.
func OpenAPI(s Server) []byte {
	url := s.Prefix
	if url == "" {
		url = "/"
	}
	return encode(object{
		"openapi":    "3.1.0",
		"info":       info(s, "Enigma over HTTP"),
		"servers":    list{object{"url": url}},
		"paths":      paths(s),
		"components": object{"schemas": httpSchemas(s), "responses": responses(s), "headers": headers()},
	})
}

// headers are those of answers.
func headers() object {
	h := func(description string, values ...any) object {
		of := object{"type": "string"}
		if len(values) > 0 {
			of["enum"] = values
		}
		return object{"description": description, "required": true, "schema": of}
	}
	origin := h("* or, if the server has a list of origins, the request's own if it is listed; missing otherwise")
	delete(origin, "required")
	return object{
		"Origin":  origin,
		"NoStore": h("not to be cached", "no-store"),
		"Cache":   h("how long it may be kept"),
		"ETag":    h("what the content is called"),
		"Forever": h("an id's key never changes", "public, max-age=31536000, immutable"),
		"NoSniff": h("the type is what it says", "nosniff"),
		"Retry":   h("seconds after which to try again", "1", "2"),
		"Allow":   h("the methods there are"),
		"Vary":    h("what the answer depends on"),
	}
}

// with adds headers, by their name in an answer and among the components, to those that every answer has.
func with(more ...string) object {
	h := object{"Access-Control-Allow-Origin": ref("headers", "Origin"), "X-Content-Type-Options": ref("headers", "NoSniff")}
	for ; len(more) >= 2; more = more[2:] {
		h[more[0]] = ref("headers", more[1])
	}
	return h
}

func body(description string, schema, headers object) object {
	return object{"description": description, "headers": headers, "content": object{"application/json": object{"schema": schema}}}
}

// refused is an answer with an error.
func refused(description string, headers object, codes ...protocol.Code) object {
	headers["Cache-Control"] = ref("headers", "NoStore")
	return body(description, faults(codes...), headers)
}

// responses are the answers that several requests have.
func responses(s Server) object {
	return object{
		"BadRequest": refused("The request cannot be understood.", with(), protocol.CodeBadRequest),
		"Origin":     refused("The server has a list of web origins, and the request's is not on it.", with(), protocol.CodeOriginRefused),
		"Method":     refused("The resource does not answer this method.", with("Allow", "Allow"), protocol.CodeMethodNotAllowed),
		"Timeout":    refused("The request took too long to come.", with(), protocol.CodeBadRequest),
		"TooLarge":   refused("The body is over "+strconv.Itoa(s.MaxBody)+" bytes.", with(), protocol.CodeBodyTooLarge),
		"TooMany": refused("Too many logins or connections of one source address.", with("Retry-After", "Retry"),
			protocol.CodeRateLimited),
		"Headers": refused("Request line and headers are over 18 KiB; 16 KiB are accepted always.", with(), protocol.CodeHeadersTooLarge),
		"Fault":   refused("A fault of the server.", with(), protocol.CodeInternal),
		"Unavailable": refused("The store does not answer, or the server takes nobody now.", with("Retry-After", "Retry"),
			protocol.CodeStoreUnavailable),
		"NotFound":    refused("There is no such resource.", with(), protocol.CodeNotFound),
		"UnknownUser": refused("No key with this id has ever logged in.", with(), protocol.CodeUserNotFound),
		"KeyTooLong":  refused("The key is over "+strconv.Itoa(protocol.MaxKeyLength)+" bytes.", with(), protocol.CodeKeyTooLong),
		"StoreFull":   refused("Disk or memory of the store is exhausted.", with(), protocol.CodeStoreFull),
		"Upgrade":     refused("The request has no upgrade headers.", with(), protocol.CodeUpgradeRequired),
		"LoginRefused": refused("The server's policy demands proof of the key, and it is of no kind that can be proved; or the origin is not on its list.",
			with(), protocol.CodeKeyNotProvable, protocol.CodeOriginRefused),
	}
}

// common are the answers that any request may have.
var common = map[string]string{
	"400": "BadRequest", "403": "Origin", "408": "Timeout", "413": "TooLarge", "429": "TooMany", "431": "Headers", "500": "Fault", "503": "Unavailable",
}

// operation is one method of a resource. Its own answers, by status, are responses or names of such.
func operation(id, summary string, own object) object {
	answers := object{}
	for status, name := range common {
		answers[status] = ref("responses", name)
	}
	for status, answer := range own {
		if name, ok := answer.(string); ok {
			answer = ref("responses", name)
		}
		answers[status] = answer
	}
	return object{"operationId": id, "summary": summary, "responses": answers}
}

// resource is a path with GET, and HEAD unless that would change something, and OPTIONS.
func resource(id, summary string, own object) object {
	item := object{"get": operation(id, summary, own), "options": preflight(id)}
	head := object{}
	for status, answer := range own {
		if full, ok := answer.(object); ok {
			answer = object{"description": full["description"], "headers": full["headers"]}
		}
		head[status] = answer
	}
	delete(head, "101") // HEAD upgrades nothing
	item["head"] = operation(id+"Head", "As GET, without the body: "+summary, head)
	return item
}

func preflight(id string) object {
	return object{"operationId": id + "Options", "summary": "CORS preflight", "responses": object{
		"204": object{"description": "GET, POST and Content-Type are allowed.", "headers": with("Cache-Control", "NoStore")},
		"403": ref("responses", "Origin"),
	}}
}

func parameter(name, description string, schema object) object {
	return object{"name": name, "in": "path", "required": true, "description": description, "schema": schema}
}

func paths(s Server) object {
	known := body("The user is known from now on.", schema("User"), with("Cache-Control", "NoStore"))
	login := object{"200": known, "403": "LoginRefused", "414": "KeyTooLong", "507": "StoreFull"}
	post := operation("loginByBody", "Make a user known by its public key; for keys that do not fit a path.", login)
	post["requestBody"] = object{"required": true, "content": object{"application/json": object{"schema": schema("Key")}}}
	byPath := object{
		"get": operation("loginByPath", "Make a user known by its public key, durably. The same key always has the same id.", login),
		"head": operation("loginByPathHead", "Not allowed: HEAD must change nothing.", object{"405": object{
			"description": "The resource does not answer HEAD.", "headers": with("Allow", "Allow", "Cache-Control", "NoStore")}}),
		"options": preflight("loginByPath"),
		"parameters": list{parameter("publicKey", "The key, percent-encoded once; + is a plus, and slashes need no escape: all of the path is the key.",
			object{"type": "string", "minLength": 1, "maxLength": protocol.MaxKeyLength})},
	}
	connect := resource("connect", "Fetch a user's public key.", object{
		"200": body("The key, byte for byte as it was logged in.", schema("PublicKey"), with("Cache-Control", "Forever")), "404": "UnknownUser"})
	connect["parameters"] = list{parameter("userId", "The user's id.", userID())}
	ws := resource("upgrade", "The WebSocket; asyncapi.json describes what is said there. Unknown users are upgraded too, and told so in a frame.", object{
		"101": object{"description": "The connection is a WebSocket now. Sec-WebSocket-Protocol is enigma.v1 if that was offered."}, "426": "Upgrade"})
	ws["parameters"] = list{parameter("userId", "The id of the user who connects.", object{"type": "string"})}
	ok := body("All is well.", schema("Status"), with("Cache-Control", "NoStore"))
	root := body("The server is there. A browser gets the web page instead, if the server has one.", schema("Status"), with("Cache-Control", "Cache", "Vary", "Vary"))
	root["content"].(object)["text/html"] = object{}
	file := object{"description": "The file.", "headers": with("Cache-Control", "Cache", "Vary", "Vary", "ETag", "ETag"), "content": object{"*/*": object{}}}
	same := object{"description": "The file is the one that the client has.", "headers": with("Cache-Control", "Cache", "ETag", "ETag")}
	files := resource("file", "What the web page consists of, if the server has one.", object{"200": file, "304": same, "404": "NotFound"})
	files["parameters"] = list{parameter("file", "Version and name; all of the path.", object{"type": "string"})}
	home := object{"200": root, "304": same}
	if s.Prefix != "" {
		home["308"] = object{"description": "The page's addresses need the slash at the end.", "headers": with()}
	}
	document := func(what string) object {
		return object{"200": object{"description": what, "headers": with("Cache-Control", "NoStore"), "content": object{"application/json": object{"schema": object{"type": "object"}}}}}
	}
	return object{
		"/login/{publicKey}": byPath,
		"/login":             object{"post": post, "get": operation("loginWithoutKey", "Not allowed.", object{"405": "Method"}), "options": preflight("loginByBody")},
		"/connect/{userId}":  connect,
		"/ws/{userId}":       ws,
		"/":                  resource("root", "The web page, or a sign of life.", home),
		"/web/{file}":        files,
		"/version":           resource("version", "What runs here, and its limits.", object{"200": body("", schema("Version"), with("Cache-Control", "NoStore"))}),
		"/healthz":           resource("health", "Does the process answer?", object{"200": ok}),
		"/readyz":            resource("ready", "Does the store answer, and are connections taken?", object{"200": ok}),
		"/openapi.json":      resource("openapi", "This document.", document("OpenAPI 3.1")),
		"/asyncapi.json":     resource("asyncapi", "What is said on the WebSocket.", document("AsyncAPI 3.0")),
		"/{other}": object{
			"get":        operation("other", "Whatever else.", object{"404": "NotFound"}),
			"parameters": list{parameter("other", "Any other path.", object{"type": "string"})},
		},
	}
}

func httpSchemas(s Server) object {
	user := func() object {
		return object{"userId": userID(), "user": object{"type": "string", "pattern": idForm, "description": "userId again: the reference client reads this name"}}
	}
	known := user()
	known["publicKey"] = object{"type": "string", "minLength": 1, "maxLength": protocol.MaxKeyLength}
	return object{
		"User":      exactly(user()),
		"PublicKey": exactly(known),
		"Key":       atLeast(object{"publicKey": object{"type": "string", "minLength": 1, "maxLength": protocol.MaxKeyLength}}),
		"Status":    exactly(object{"status": object{"const": "ok"}}),
		"Limits":    limits(s.Limits),
		"Version": exactly(object{
			"version": text("of the program"), "protocols": object{"const": list{protocol.Subprotocol}}, "limits": schema("Limits")}),
	}
}
