package control_test

import (
	"io"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"vchat/daemon/api"
	"vchat/daemon/control"
	"vchat/daemon/control/controltest"
)

// example is one request of the package comment of api, with its answer.
type example struct {
	route              string
	method, path, body string
	answer             string // "…" matches any text, white space is ignored
}

var (
	routeLine = regexp.MustCompile(`^//\t([A-Z]+ /v1/\S+)$`)
	curlLine  = regexp.MustCompile(`^//\t    curl --unix-socket \$S (?:--no-buffer )?` +
		`(?:-X (\S+) )?(?:-d '(.*)' )?http://vchat(\S+)(?: -o \S+)?$`)
)

func readExamples(t *testing.T) (all []example) {
	t.Helper()
	b, err := os.ReadFile("../api/doc.go")
	if err != nil {
		t.Fatal(err)
	}
	doc := regexp.MustCompile(` \\\n//\s+`).ReplaceAllString(string(b), " ")
	route := ""
	for line := range strings.Lines(doc) {
		line = strings.TrimSuffix(line, "\n")
		if m := routeLine.FindStringSubmatch(line); m != nil {
			route = m[1]
		} else if m := curlLine.FindStringSubmatch(line); m != nil {
			e := example{route: route, method: m[1], body: m[2], path: m[3]}
			switch {
			case e.method != "":
			case e.body != "":
				e.method = "POST" // as curl does
			default:
				e.method = "GET"
			}
			all = append(all, e)
		} else if answer, ok := strings.CutPrefix(line, "//\t    "); ok && len(all) > 0 {
			all[len(all)-1].answer += answer
		}
	}
	return all
}

// TestDoc runs the examples of the package comment of api, in their order, and
// checks that every route has one.
func TestDoc(t *testing.T) {
	examples := readExamples(t)
	for _, pattern := range control.RoutePatterns() {
		if !slices.ContainsFunc(examples, func(e example) bool { return e.route == pattern }) {
			t.Errorf("daemon/api/doc.go has no example of %s", pattern)
		}
	}
	d := controltest.New()
	c := httpClient(t, controltest.Start(t, d))
	for _, e := range examples {
		t.Run(e.method+" "+e.path, func(t *testing.T) {
			if !slices.Contains(control.RoutePatterns(), e.route) {
				t.Errorf("no route %s", e.route)
			}
			d.Publish(api.Self, 1, false, []byte("frame"))
			d.Publish("workshop", 1, false, []byte("frame"))
			body := strings.NewReader(e.body)
			req, err := http.NewRequestWithContext(t.Context(), e.method, "http://vchat"+e.path, body)
			if err != nil {
				t.Fatal(err)
			}
			res, err := c.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			// A pairing ends when the server notices that its reader is gone.
			// The next example may need that.
			defer await(t, "no pairing", func() bool { return d.Status().Pairing == nil })
			defer res.Body.Close()
			if wantOK := !strings.HasPrefix(e.answer, `{"error"`); (res.StatusCode == http.StatusOK) != wantOK {
				t.Errorf("got %s, want answer %s", res.Status, e.answer)
			}
			var got []byte
			for b := make([]byte, 4096); !matches(string(got), e.answer); {
				n, err := res.Body.Read(b)
				got = append(got, b[:n]...)
				if err == nil || err == io.EOF && matches(string(got), e.answer) {
					continue
				}
				t.Fatalf("got %s, %v; want %s", got, err, e.answer)
			}
		})
	}
}

// matches reports whether the parts of want between "…" occur in got, in this
// order and from its beginning.
func matches(got, want string) bool {
	got = strings.Join(strings.Fields(got), "")
	parts := strings.Split(strings.Join(strings.Fields(want), ""), "…")
	if !strings.HasPrefix(got, parts[0]) {
		return false
	}
	for _, part := range parts {
		i := strings.Index(got, part)
		if i < 0 {
			return false
		}
		got = got[i+len(part):]
	}
	return true
}
