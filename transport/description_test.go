package transport_test

import (
	"encoding/json"
	"net/url"
	"sort"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/enigma-protocol/enigma/actors/protocol"
	"github.com/enigma-protocol/enigma/transport"
	"github.com/enigma-protocol/enigma/transport/web"
)

// description is a document that the server gives of itself, and what of it was seen to be so.
type description struct {
	t        *testing.T
	doc      map[string]any
	compiler *jsonschema.Compiler
	seen     map[string]bool
}

func describe(t *testing.T, addr, path string) *description {
	t.Helper()
	r := get(t, addr, path)
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(r.body))
	if err != nil || r.StatusCode != 200 {
		t.Fatalf("%s: %d %v", path, r.StatusCode, err)
	}
	d := &description{t: t, doc: doc.(map[string]any), compiler: jsonschema.NewCompiler(), seen: map[string]bool{}}
	if err := d.compiler.AddResource("doc.json", doc); err != nil {
		t.Fatal(err)
	}
	return d
}

// at returns what stands at a place in the document, and that place after references.
func (d *description) at(place ...string) (value any, where []string) {
	value, where = d.doc, nil
	for _, step := range place {
		object, ok := value.(map[string]any)
		if !ok {
			return nil, nil
		}
		value, where = object[step], append(where, step)
		for object, ok := value.(map[string]any); ok && object["$ref"] != nil; object, ok = value.(map[string]any) {
			to := strings.Split(strings.TrimPrefix(object["$ref"].(string), "#/"), "/")
			for i, s := range to {
				to[i] = strings.NewReplacer("~1", "/", "~0", "~").Replace(s)
			}
			value, where = d.at(to...)
		}
	}
	return value, where
}

// matches says how a JSON text is not what the schema at that place says.
func (d *description) matches(text string, place ...string) error {
	_, where := d.at(place...)
	pointer := "doc.json#"
	for _, step := range where {
		pointer += "/" + url.PathEscape(strings.NewReplacer("~", "~0", "/", "~1").Replace(step))
	}
	schema, err := d.compiler.Compile(pointer)
	if err != nil {
		return err
	}
	value, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		return err
	}
	return schema.Validate(value)
}

func keys(of any) []string {
	object, _ := of.(map[string]any)
	var list []string
	for key := range object {
		list = append(list, key)
	}
	sort.Strings(list)
	return list
}

// check compares an answer with what the document says of it.
func (d *description) check(method, path string, r response) {
	d.t.Helper()
	place := []string{"paths", path, strings.ToLower(method), "responses", strconv.Itoa(r.StatusCode)}
	answer, where := d.at(place...)
	if answer == nil {
		d.t.Errorf("%s %s answers %d %s, which is not described", method, path, r.StatusCode, r.body)
		return
	}
	d.seen[strings.Join(where, " ")] = true
	headers, _ := d.at(append(place, "headers")...)
	for _, name := range keys(headers) {
		required, _ := d.at(append(place, "headers", name, "required")...)
		value := r.Header.Get(name)
		if value == "" && required == true {
			d.t.Errorf("%s %s: %d without %s", method, path, r.StatusCode, name)
		}
		quoted, _ := json.Marshal(value)
		if value != "" && d.matches(string(quoted), append(place, "headers", name, "schema")...) != nil {
			d.t.Errorf("%s %s: %d with %s %q", method, path, r.StatusCode, name, value)
		}
	}
	content, _ := d.at(append(place, "content")...)
	if method == "HEAD" && r.body == "" {
		return
	}
	kind, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	if any, _ := content.(map[string]any); any["*/*"] != nil {
		return
	}
	if content != nil && kind == "application/json" {
		if err := d.matches(r.body, append(place, "content", kind, "schema")...); err != nil {
			d.t.Errorf("%s %s: %d %s is not as described: %v", method, path, r.StatusCode, r.body, err)
		}
	} else if r.body != "" && (content == nil || content.(map[string]any)[kind] == nil) {
		d.t.Errorf("%s %s: %d with an undescribed body of type %q", method, path, r.StatusCode, kind)
	}
}

// TestOpenAPI_SaysWhatTheServerDoes provokes every answer that is described, and compares.
func TestOpenAPI_SaysWhatTheServerDoes(t *testing.T) {
	accounts, site := newAccounts(), web.New()
	_, addr := serve(t, accounts, transport.Options{RateLogins: 1, ReadTimeout: 300 * time.Millisecond, Version: "v1", Page: site})
	d := describe(t, addr, "/openapi.json")
	id := protocol.NewUserID([]byte("alice")).String()
	ask := func(method, path, target, body string, headers ...string) {
		t.Helper()
		d.check(method, path, do(t, addr, method, target, body, headers...))
	}
	const login, connect, ws, long = "/login/{publicKey}", "/connect/{userId}", "/ws/{userId}", "X-Long: "
	ask("GET", login, "/login/alice", "")
	ask("HEAD", login, "/login/alice", "")
	ask("GET", "/login", "/login", "")
	ask("POST", "/login", "/login", `{"publicKey":"bob"}`)
	ask("POST", "/login", "/login", `{"publicKey":`)
	ask("POST", "/login", "/login", `{"publicKey":"`+strings.Repeat("k", 70<<10)+`"}`)
	ask("POST", "/login", "/login", `{"publicKey":"`+strings.Repeat("k", 9<<10)+`"}`)
	ask("GET", login, "/login/"+strings.Repeat("k", 9<<10), "")
	ask("GET", login, "/login/x", "", long+strings.Repeat("x", 20<<10))
	ask("GET", login, "/login/x", "", "X-Forwarded-For: 192.0.2.1")
	ask("GET", login, "/login/x", "", "X-Forwarded-For: 192.0.2.1")
	for _, method := range []string{"GET", "HEAD", "OPTIONS"} {
		ask(method, connect, "/connect/"+id, "")
		ask(method, connect, "/connect/nobody", "")
		ask(method, ws, "/ws/"+id, "")
		for _, path := range []string{"/", "/version", "/healthz", "/readyz", "/openapi.json", "/asyncapi.json"} {
			ask(method, path, path, "")
		}
	}
	for target, path := range map[string]string{"/": "/", site.Paths()[0]: "/web/{file}"} {
		for _, method := range []string{"GET", "HEAD", "OPTIONS"} {
			first := do(t, addr, method, target, "", "Accept: text/html")
			d.check(method, path, first)
			ask(method, path, target, "", "Accept: text/html", "If-None-Match: "+first.Header.Get("ETag"))
		}
	}
	ask("GET", "/web/{file}", "/web/none", "")
	for _, path := range []string{login, "/login"} {
		ask("OPTIONS", path, "/login/x", "")
	}
	ask("GET", "/{other}", "/other", "")
	slow := dial(t, addr)
	slow.send("GET /version HTTP/1.1\r\nHost: x\r\n")
	d.check("GET", "/version", slow.response("GET"))
	for code, statuses := range map[protocol.Code][]string{
		protocol.CodeStoreUnavailable: {"GET", "POST"}, protocol.CodeStoreFull: {"GET", "POST"}, protocol.CodeKeyNotProvable: {"GET", "POST"},
	} {
		accounts.fail(code)
		ask(statuses[0], login, "/login/alice", "")
		ask(statuses[1], "/login", "/login", `{"publicKey":"bob"}`)
	}
	accounts.panic = true
	ask("GET", login, "/login/alice", "")
	_, strict := serve(t, newAccounts(), transport.Options{Origins: []string{"https://chat.example"}})
	d.check("GET", "/version", get(t, strict, "/version", "Origin: https://evil.example"))
	d.check("GET", "/version", get(t, strict, "/version", "Origin: https://chat.example"))
	n := backends[0].start(t, transport.Options{})
	c := dial(t, n.addr)
	c.send(upgradeRequest("/ws/" + id))
	d.check("GET", ws, c.response("GET"))

	for _, path := range keys(d.doc["paths"]) {
		item, _ := d.at("paths", path)
		for _, method := range keys(item) {
			answers, _ := d.at("paths", path, method, "responses")
			for _, status := range keys(answers) {
				if _, where := d.at("paths", path, method, "responses", status); !d.seen[strings.Join(where, " ")] {
					t.Errorf("%s %s is said to answer %s and was not seen to", method, path, status)
				}
			}
		}
	}
}

// TestOpenAPI_KnowsEveryRouteAndCode compares it with the router and the list of codes.
func TestOpenAPI_KnowsEveryRouteAndCode(t *testing.T) {
	s, addr := serve(t, newAccounts(), transport.Options{Page: web.New()})
	d := describe(t, addr, "/openapi.json")
	for method, routes := range s.Routes() {
		for _, route := range routes {
			route = strings.NewReplacer("{key:*}", "{publicKey}", "{id}", "{userId}", "{file:*}", "{file}").Replace(route)
			if operation, _ := d.at("paths", route, strings.ToLower(method)); operation == nil {
				t.Errorf("%s %s is not described", method, route)
			}
		}
	}
	http, frames := get(t, addr, "/openapi.json").body, get(t, addr, "/asyncapi.json").body
	for code := protocol.CodeNone + 1; code <= protocol.CodeInternal; code++ {
		quoted := strconv.Quote(code.String())
		if !strings.Contains(http, quoted) && !strings.Contains(frames, quoted) {
			t.Errorf("%s is described nowhere", code)
		}
	}
}
