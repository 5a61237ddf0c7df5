package control_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"vchat/daemon/api"
	"vchat/daemon/control"
	"vchat/daemon/control/controltest"
)

var update = flag.Bool("update", false, "write packaging/openapi.json")

const openAPIFile = "../../packaging/openapi.json"

// An operation is what openapi.json says about a route beyond its types.
type operation struct {
	id, summary, right string
	query              string // name of a query parameter
	request, answer    any    // values of their types; nil: none
	answerType         string // "": application/json
}

const (
	watch, act, pairing, admin = "watch", "call", "pair", "administer"
	ndjson                     = "application/x-ndjson" // one document a line
)

var operations = map[string]operation{
	"GET /v1/status": {id: "getStatus", summary: "The state of the device", right: watch,
		answer: api.Status{}},
	"GET /v1/peers": {id: "listPeers", summary: "The known peers", right: watch, answer: api.Peers{}},
	"GET /v1/id": {id: "getIdentity", summary: "The name and the id of the device", right: watch,
		answer: api.Identity{}},
	"GET /v1/metrics": {id: "getMetrics", summary: "Metrics for Prometheus", right: watch,
		answerType: "text/plain"},
	"GET /v1/events": {id: "streamEvents", summary: "Events, one a line, the present state first",
		right: watch, answer: api.Event{}, answerType: ndjson},
	"GET /v1/readers": {id: "listReaders", summary: "The programs that may read the feeds over the network",
		right: watch, answer: api.Readers{}},
	"GET /v1/privacy": {id: "getPrivacy", summary: "Whether the owner has turned the camera off",
		right: watch, answer: api.Privacy{}},
	"GET /v1/cameras": {id: "listCameras", summary: "The cameras", right: watch, answer: api.Cameras{}},
	"POST /v1/readers": {id: "addReader", summary: "Give a program a token for the feeds", right: admin,
		request: api.ReaderRequest{}, answer: api.NewReader{}},
	"PUT /v1/privacy": {id: "setPrivacy", summary: "Turn the camera off, or allow it again", right: act,
		request: api.PrivacyRequest{}, answer: api.Privacy{}},
	"POST /v1/calls": {id: "call", summary: "Start a call", right: act, request: api.CallRequest{},
		answer: api.Call{}},
	"POST /v1/say": {id: "say", summary: "Send a message to the peer of a call", right: act,
		request: api.MessageRequest{}, answer: api.Message{}},
	"POST /v1/reload": {id: "reload", summary: "Read the configuration file again", right: admin,
		answer: api.Reloaded{}},
	"POST /v1/pair": {id: "pair", summary: "Pair with another device; the end of the request cancels it",
		right: admin, request: api.PairRequest{}, answer: api.Event{}, answerType: ndjson},
	"DELETE /v1/peers/{peer}": {id: "unpair", summary: "Forget a peer made by pairing", right: admin,
		answer: api.Peer{}},
	"PATCH /v1/peers/{peer}": {id: "changePeer", summary: "Change the settings of a peer made by pairing",
		right: admin, request: api.PeerChange{}, answer: api.Peer{}},
	"DELETE /v1/readers/{reader}": {id: "removeReader", summary: "Take the token of a program away", right: admin,
		answer: api.Reader{}},
	"POST /v1/calls/answer": {id: "answer", summary: "Answer a call", right: act, request: api.PeerRequest{},
		answer: api.Call{}},
	"POST /v1/calls/reject": {id: "reject", summary: "Decline a call", right: act, request: api.PeerRequest{},
		answer: api.Call{}},
	"POST /v1/calls/hangup": {id: "hangUp", summary: "End a call", right: act, request: api.PeerRequest{},
		answer: api.Call{}},
	"POST /v1/pair/confirm": {id: "confirmPairing", summary: "Confirm the code of a pairing", right: pairing,
		request: api.PairConfirm{}, answer: api.Pairing{}},
	"POST /v1/pair/refuse": {id: "refusePairing", summary: "End a pairing", right: pairing,
		request: api.PairRefuse{}, answer: api.Pairing{}},
	"GET /v1/camera/formats": {id: "listFormats", summary: "The frame formats of a camera", right: watch,
		query: api.QueryDevice, answer: api.Formats{}},
	"GET /v1/camera/controls": {id: "listControls", summary: "The controls of a camera", right: watch,
		query: api.QueryDevice, answer: api.Controls{}},
	"POST /v1/camera/controls": {id: "setControls", summary: "Set controls of a camera", right: admin,
		request: api.ControlsRequest{}, answer: api.Controls{}},
	"PUT /v1/camera": {id: "useCamera", summary: "Choose the camera", right: admin, request: api.CameraRequest{},
		answer: api.CameraChoice{}},
	"GET /v1/rights": {id: "getRights", summary: "What this client may do", right: watch,
		answer: api.Rights{}},
	"POST /v1/pair/accept": {id: "acceptPairing",
		summary: "Accept a pairing that another device has requested; the end of the request cancels it",
		right:   pairing, request: api.PairAccept{}, answer: api.Event{}, answerType: ndjson},
	"GET /v1/diagnosis": {id: "diagnose", summary: "What doctor asks the daemon", right: watch,
		answer: api.Diagnosis{}},
	"POST /v1/peers/{peer}/probe": {id: "probe", summary: "Try to reach a peer", right: act, answer: api.Probe{}},
	"GET /v1/feeds/{feed...}": {id: "getFeed",
		summary: "A feed: self or PEER with .mjpeg for all frames, as multipart/x-mixed-replace, or .jpg for one",
		right:   watch, answerType: "image/jpeg"},
}

type object = map[string]any

// schemas collects the schemas of api's types, with its comments.
type schemas struct {
	all    object
	docs   map[string]string   // of a type, or of TYPE.FIELD
	values map[string][]string // of a type with constants
}

func newSchemas(t *testing.T) *schemas {
	t.Helper()
	s := &schemas{object{}, map[string]string{}, map[string][]string{}}
	names, err := filepath.Glob("../api/*.go")
	if err != nil || len(names) == 0 {
		t.Fatalf("got files %v, %v", names, err)
	}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			if g, ok := d.(*ast.GenDecl); ok {
				s.read(g)
			}
		}
	}
	return s
}

// read takes the comments and constants of a declaration.
func (s *schemas) read(g *ast.GenDecl) {
	for _, spec := range g.Specs {
		switch x := spec.(type) {
		case *ast.TypeSpec:
			s.docs[x.Name.Name] = text(g.Doc)
			if st, ok := x.Type.(*ast.StructType); ok {
				for _, f := range st.Fields.List {
					for _, n := range f.Names {
						s.docs[x.Name.Name+"."+n.Name] = text(f.Doc) + text(f.Comment)
					}
				}
			}
		case *ast.ValueSpec:
			if typ, ok := x.Type.(*ast.Ident); ok && len(x.Values) == 1 {
				if lit, ok := x.Values[0].(*ast.BasicLit); ok {
					v, _ := strconv.Unquote(lit.Value)
					s.values[typ.Name] = append(s.values[typ.Name], v)
				}
			}
		}
	}
}

func text(c *ast.CommentGroup) string { return strings.Join(strings.Fields(c.Text()), " ") }

// of returns the schema of a type.
func (s *schemas) of(t reflect.Type) object {
	switch {
	case t == reflect.TypeFor[time.Time]():
		return object{"type": "string", "format": "date-time"}
	case t.Kind() == reflect.Pointer:
		return s.of(t.Elem())
	case t.Kind() == reflect.Slice:
		return object{"type": "array", "items": s.of(t.Elem())}
	case t.Kind() == reflect.Map:
		return object{"type": "object", "additionalProperties": s.of(t.Elem())}
	case t.Kind() == reflect.Bool:
		return object{"type": "boolean"}
	case t.Kind() == reflect.Float64:
		return object{"type": "number"}
	case t.Kind() == reflect.String && t.Name() == "string":
		return object{"type": "string"}
	case t.Kind() == reflect.Struct, t.Kind() == reflect.String:
		s.component(t)
		return object{"$ref": "#/components/schemas/" + t.Name()}
	}
	return object{"type": "integer"}
}

// component adds the schema of a named type.
func (s *schemas) component(t reflect.Type) {
	if _, ok := s.all[t.Name()]; ok {
		return
	}
	c := object{"description": s.docs[t.Name()]}
	s.all[t.Name()] = c
	if t.Kind() == reflect.String {
		// No enum: kinds are added, and clients ignore unknown ones.
		c["type"], c["examples"] = "string", s.values[t.Name()]
		return
	}
	properties, required := object{}, []string{}
	for _, f := range reflect.VisibleFields(t) {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Anonymous || name == "-" {
			continue
		}
		p := s.of(f.Type)
		owner := t
		if len(f.Index) > 1 {
			owner = t.FieldByIndex(f.Index[:1]).Type
		}
		if doc := s.docs[owner.Name()+"."+f.Name]; doc != "" {
			p["description"] = doc
		}
		if properties[name] = p; options == "" {
			required = append(required, name)
		}
	}
	c["type"], c["properties"], c["required"] = "object", properties, required
}

var wildcard = regexp.MustCompile(`\{([a-z]+)(?:\.\.\.)?\}`)

// openAPI returns the document.
func openAPI(t *testing.T) object {
	t.Helper()
	s := newSchemas(t)
	paths := object{}
	for _, pattern := range control.RoutePatterns() {
		op, ok := operations[pattern]
		if !ok {
			t.Errorf("operations has no %s; add it", pattern)
			continue
		}
		method, path, _ := strings.Cut(pattern, " ")
		parameters := []object{}
		for _, m := range wildcard.FindAllStringSubmatch(path, -1) {
			parameters = append(parameters, object{"name": m[1], "in": "path", "required": true,
				"schema": object{"type": "string"}})
		}
		if op.query != "" {
			parameters = append(parameters, object{"name": op.query, "in": "query", "schema": object{"type": "string"}})
		}
		content := object{}
		schema := object{"type": "string"}
		if op.answer != nil {
			schema = s.of(reflect.TypeOf(op.answer))
		}
		kind := op.answerType
		if kind == "" {
			kind = "application/json"
		}
		content[kind] = object{"schema": schema}
		o := object{
			"operationId": op.id, "summary": op.summary, "description": "Needs the right to " + op.right + ".",
			"parameters": parameters,
			"responses": object{
				"200":     object{"description": op.summary, "content": content},
				"default": object{"$ref": "#/components/responses/Error"},
			},
		}
		if op.request != nil {
			o["requestBody"] = object{"content": object{
				"application/json": object{"schema": s.of(reflect.TypeOf(op.request))}}}
		}
		path = wildcard.ReplaceAllString(path, "{$1}")
		if paths[path] == nil {
			paths[path] = object{}
		}
		paths[path].(object)[strings.ToLower(method)] = o
	}
	errorSchema := s.of(reflect.TypeFor[api.ErrorBody]())
	return object{
		"openapi": "3.1.0",
		"info": object{
			"title": "vchat control API", "version": "1", "license": object{"name": "see LICENSE"},
			"description": "HTTP/1.1 with JSON on the unix socket /run/vchat/control.sock. Each route needs a right, " +
				"which follows " +
				"from the user and the groups of the client. Fields and kinds are only added: " +
				"a client ignores what it does not know.",
		},
		"servers": []object{{"url": "http://vchat", "description": "the host name is ignored"}},
		"paths":   paths,
		"components": object{"schemas": s.all,
			"responses": object{"Error": object{"description": "The request was refused",
				"content": object{"application/json": object{"schema": errorSchema}}}}},
	}
}

// TestOpenAPI compares packaging/openapi.json with the routes and the types.
func TestOpenAPI(t *testing.T) {
	var want bytes.Buffer
	e := json.NewEncoder(&want)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	doc := openAPI(t)
	if err := e.Encode(doc); err != nil {
		t.Fatal(err)
	}
	for pattern := range operations {
		if !slices.Contains(control.RoutePatterns(), pattern) {
			t.Errorf("operations has %s, which is no route; remove it", pattern)
		}
	}
	if *update {
		if err := os.WriteFile(openAPIFile, want.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(openAPIFile); err != nil || !bytes.Equal(got, want.Bytes()) {
		t.Errorf("packaging/openapi.json is not up to date (%v); run: go test ./daemon/control -run OpenAPI -update",
			err)
	}
	ids := map[string]bool{}
	for _, op := range operations {
		if op.id == "" || op.summary == "" || ids[op.id] {
			t.Errorf("operation %q: the id and the summary must be set, and the id unique", op.id)
		}
		ids[op.id] = true
	}
}

// validator checks JSON values against openapi.json.
type validator struct{ doc object }

func loadOpenAPI(t *testing.T) validator {
	t.Helper()
	b, err := os.ReadFile(openAPIFile)
	v := validator{}
	if err == nil {
		err = json.Unmarshal(b, &v.doc)
	}
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// at returns the value below keys.
func (v validator) at(keys ...string) any {
	var x any = v.doc
	for _, k := range keys {
		o, _ := x.(object)
		x = o[k]
	}
	return x
}

func (v validator) check(path string, schema object, value any) error {
	if ref, ok := schema["$ref"].(string); ok {
		name := ref[strings.LastIndexByte(ref, '/')+1:]
		target, ok := v.at("components", "schemas", name).(object)
		if !ok {
			return fmt.Errorf("%s: no schema %s", path, ref)
		}
		return v.check(path, target, value)
	}
	kind := ""
	switch x := value.(type) {
	case bool:
		kind = "boolean"
	case string:
		kind = "string"
		if _, err := time.Parse(time.RFC3339, x); schema["format"] == "date-time" && err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	case float64:
		if kind = "number"; schema["type"] == "integer" && x == float64(int64(x)) {
			kind = "integer"
		}
	case []any:
		kind = "array"
		items, _ := schema["items"].(object)
		for i, e := range x {
			if err := v.check(fmt.Sprintf("%s[%d]", path, i), items, e); err != nil {
				return err
			}
		}
	case object:
		kind = "object"
		if err := v.checkObject(path, schema, x); err != nil {
			return err
		}
	}
	if schema["type"] != kind {
		return fmt.Errorf("%s: got %v, want %v", path, value, schema["type"])
	}
	return nil
}

func (v validator) checkObject(path string, schema, value object) error {
	required, _ := schema["required"].([]any)
	for _, r := range required {
		if _, ok := value[r.(string)]; !ok {
			return fmt.Errorf("%s: %v is missing", path, r)
		}
	}
	properties, _ := schema["properties"].(object)
	for name, e := range value {
		p, ok := properties[name].(object)
		if !ok {
			if p, ok = schema["additionalProperties"].(object); !ok {
				return fmt.Errorf("%s: unknown property %s", path, name)
			}
		}
		if err := v.check(path+"."+name, p, e); err != nil {
			return err
		}
	}
	return nil
}

// TestOpenAPI_answers validates the answers to the examples of package api.
func TestOpenAPI_answers(t *testing.T) {
	v := loadOpenAPI(t)
	d := controltest.New()
	c := httpClient(t, controltest.Start(t, d))
	for _, e := range readExamples(t) {
		if strings.Contains(e.route, "/feeds/") || strings.HasSuffix(e.route, "/metrics") || strings.HasSuffix(e.route,
			"/pair") {
			continue // no JSON, or a stream that waits for people
		}
		t.Run(e.route, func(t *testing.T) {
			req, err := http.NewRequestWithContext(t.Context(), e.method, "http://vchat"+e.path,
				strings.NewReader(e.body))
			if err != nil {
				t.Fatal(err)
			}
			res, err := c.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			var value any
			if err := json.NewDecoder(res.Body).Decode(&value); err != nil {
				t.Fatal(err)
			}
			kind, _, _ := strings.Cut(res.Header.Get("Content-Type"), ";")
			method, path, _ := strings.Cut(e.route, " ")
			schema, _ := v.at("paths", wildcard.ReplaceAllString(path, "{$1}"),
				strings.ToLower(method), "responses", "200",
				"content",
				kind, "schema").(object)
			if res.StatusCode != http.StatusOK {
				schema, _ = v.at("components", "responses", "Error", "content", kind, "schema").(object)
			}
			if schema == nil {
				t.Fatalf("no schema of %s as %s", e.route, kind)
			}
			if err := v.check("answer", schema, value); err != nil {
				t.Error(err)
			}
		})
	}
	for _, bad := range []string{`{}`, `{"name":1,"id":"x"}`, `{"name":"a","id":"x","more":1}`, `[]`, `null`} {
		var value any
		if err := json.Unmarshal([]byte(bad), &value); err != nil {
			t.Fatal(err)
		}
		if v.check("answer", object{"$ref": "#/components/schemas/Identity"}, value) == nil {
			t.Errorf("%s is accepted as an identity", bad)
		}
	}
}
