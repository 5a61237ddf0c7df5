package control

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"vchat/daemon/api"
)

// The right of every route. A new route needs a line here: think about who may
// use it.
var wantRights = map[string]right{
	"GET /v1/status":              rightWatch,
	"GET /v1/peers":               rightWatch,
	"GET /v1/id":                  rightWatch,
	"GET /v1/diagnosis":           rightWatch,
	"GET /v1/metrics":             rightWatch,
	"GET /v1/events":              rightWatch,
	"GET /v1/feeds/{feed...}":     rightWatch,
	"GET /v1/privacy":             rightWatch,
	"GET /v1/cameras":             rightWatch,
	"GET /v1/camera/formats":      rightWatch,
	"GET /v1/camera/controls":     rightWatch,
	"GET /v1/readers":             rightWatch,
	"POST /v1/readers":            rightAdmin,
	"DELETE /v1/readers/{reader}": rightAdmin,
	"POST /v1/calls":              rightCall,
	"POST /v1/calls/answer":       rightCall,
	"POST /v1/calls/reject":       rightCall,
	"POST /v1/calls/hangup":       rightCall,
	"POST /v1/say":                rightCall,
	"POST /v1/peers/{peer}/probe": rightCall,
	"PUT /v1/privacy":             rightCall,
	"POST /v1/camera/controls":    rightAdmin,
	"PUT /v1/camera":              rightAdmin,
	"DELETE /v1/peers/{peer}":     rightAdmin,
	"PATCH /v1/peers/{peer}":      rightAdmin,
	"POST /v1/reload":             rightAdmin,
	"POST /v1/pair":               rightAdmin,
	"POST /v1/pair/accept":        rightPair,
	"POST /v1/pair/confirm":       rightPair,
	"POST /v1/pair/refuse":        rightPair,
	"GET /v1/rights":              rightWatch,
}

func TestRoutes_rights(t *testing.T) {
	s := &Server{cfg: Config{Group: "vchat", PairGroup: "vchat-pair", AdminGroup: "vchat-admin"}, log: discardLog}
	for _, rt := range routes {
		name := rt.method + " " + rt.path
		if want := wantRights[name]; rt.right != want || want == noRight {
			t.Errorf("%s: got the right to %v, want %v; see wantRights", name, rt.right, want)
		}
		for has := noRight; has <= rightAdmin; has++ {
			called := false
			guarded := rt
			guarded.handle = func(*Server, http.ResponseWriter, *http.Request) error { called = true; return nil }
			if guarded.method == http.MethodGet && has >= rt.right {
				continue // takes a place: TestServer_rights
			}
			ctx := context.WithValue(t.Context(), connKey{}, &conn{right: has})
			r := httptest.NewRequestWithContext(ctx, rt.method, "/", nil)
			err := s.run(guarded, httptest.NewRecorder(), r)
			if called != (has >= rt.right) {
				t.Errorf("%s with the right to %v: served is %v", name, has, called)
			}
			var e *api.Error
			if !called && (!asError(err, &e) || e.Kind != api.NotPermitted || !strings.Contains(e.Hint, "sudo")) {
				t.Errorf("%s with the right to %v: got %v, want %s with a hint", name, has, err, api.NotPermitted)
			}
		}
	}
}

func asError(err error, e **api.Error) (ok bool) { *e, ok = err.(*api.Error); return ok }

func TestGroups_of(t *testing.T) {
	g := groups{watch: 10, call: 20, pair: 25, admin: 30}
	for _, tt := range []struct {
		client client
		want   right
	}{
		{client{uid: 0}, rightAdmin},
		{client{uid: os.Geteuid()}, rightAdmin},
		{client{uid: 77001, gids: []uint32{1, 2, 3}}, noRight},
		{client{uid: 77001, gids: []uint32{1, 10}}, rightWatch},
		{client{uid: 77001, gids: []uint32{20, 10}}, rightCall},
		{client{uid: 77001, gids: []uint32{25, 20}}, rightPair},
		{client{uid: 77001, gids: []uint32{25, 30}}, rightAdmin},
		{client{uid: 77001, gids: []uint32{30}}, rightAdmin},
		{client{uid: -1, gids: nil}, noRight},
	} {
		if got := g.of(tt.client); got != tt.want {
			t.Errorf("%+v: got the right to %v, want %v", tt.client, got, tt.want)
		}
	}
	if got := (groups{-1, -1, -1, -1}).of(client{uid: 77001, gids: []uint32{1<<32 - 1}}); got != noRight {
		t.Errorf("no groups: got the right to %v, want none", got)
	}
}

func TestGroupID(t *testing.T) {
	for _, tt := range []struct {
		group string
		want  int
		ok    bool
	}{{"", -1, true}, {"20", 20, true}, {"no-such-group-here", -1, false}, {"99999999999", -1, false}} {
		if got, err := groupID(tt.group); got != tt.want || (err == nil) != tt.ok {
			t.Errorf("%q: got %d, %v; want %d, ok %v", tt.group, got, err, tt.want, tt.ok)
		}
	}
}

func TestClientOf(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	other, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	got := clientOf(c.(*net.UnixConn))
	if got.uid != os.Geteuid() || got.gid != os.Getegid() || got.pid != os.Getpid() {
		t.Errorf("got %+v, want this process", got)
	}
	groups, err := os.Getgroups()
	if err != nil {
		t.Fatal(err)
	}
	for _, gid := range append(groups, os.Getegid()) {
		if !slices.Contains(got.gids, uint32(gid)) {
			t.Errorf("got groups %v, want %d among them", got.gids, gid)
		}
	}
}

// Real clients of another user, with the groups of each right.
func TestServer_rights(t *testing.T) {
	for _, tool := range []string{"setpriv", "curl"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip(tool + " is not installed")
		}
	}
	if os.Getuid() != 0 {
		t.Skip("needs root, to run programs as another user")
	}
	dir := t.TempDir()
	for _, d := range []string{filepath.Dir(dir), dir} {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	socket := filepath.Join(dir, "control.sock")
	s := New(Config{Socket: socket, WatchGroup: "64001", Group: "64002", AdminGroup: "64003", Version: "1"},
		nil, discardLog)
	if err := s.Listen(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx) }()
	defer func() { cancel(); <-done }()
	for _, tt := range []struct {
		name, groups    string
		uid             int
		wantStatus      [3]int // to watch, call, administer; 0: no connection
		wantKind        api.Kind
		wantMessagePart string
	}{
		{name: "outsider", groups: "64000", uid: 65534},
		{name: "watch group", groups: "64000,64001", uid: 65534, wantStatus: [3]int{400, 403, 403}},
		{name: "call group", groups: "64002", uid: 65534, wantStatus: [3]int{400, 400, 403}},
		{name: "admin group", groups: "64003", uid: 65534, wantStatus: [3]int{400, 400, 400}},
		{name: "root", groups: "64000", uid: 0, wantStatus: [3]int{400, 400, 400}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got [3]int
			// Permitted requests are faulty: the server has no backend.
			for i, args := range [][]string{
				{"http://x/v1/status", "-X", "GET", "-d", "{}"},
				{"http://x/v1/calls/answer", "-d", "{"},
				{"http://x/v1/camera/controls", "-d", "{"},
			} {
				cmd := exec.Command("setpriv", append([]string{fmt.Sprintf("--reuid=%d", tt.uid), "--regid=65534",
					"--groups=" + tt.groups, "curl", "-s", "-o", "-", "-w", "\n%{http_code}",
					"--unix-socket", socket}, args...)...)
				out, _ := cmd.Output() // curl fails without a connection
				body, code, _ := strings.Cut(string(out), "\n")
				if code = strings.TrimSpace(code); code == "" {
					code = strings.TrimSpace(body)
				}
				fmt.Sscan(code, &got[i])
				var e api.ErrorBody
				if got[i] == 403 && (json.Unmarshal([]byte(body), &e) != nil || e.Error.Kind != api.NotPermitted) {
					t.Errorf("got %s, want kind %s", body, api.NotPermitted)
				}
			}
			if got != tt.wantStatus {
				t.Errorf("to watch, call, administer: got %v, want %v", got, tt.wantStatus)
			}
		})
	}
}

// Who may only answer pairings cannot let a peer in without ringing.
func TestCheckAccept(t *testing.T) {
	s := &Server{cfg: Config{AdminGroup: "vchat-admin"}, log: discardLog}
	var e *api.Error
	on := api.PairAccept{ID: "CCCCC", AutoAnswer: true}
	if err := s.checkAccept(rightPair, on); !asError(err, &e) || e.Kind != api.NotPermitted {
		t.Errorf("automatic answers: got %v, want %s", err, api.NotPermitted)
	}
	if err := s.checkAccept(rightAdmin, on); err != nil {
		t.Errorf("an administrator: got %v", err)
	}
	if err := s.checkAccept(rightPair, api.PairAccept{ID: "CCCCC"}); err != nil {
		t.Errorf("a peer that rings: got %v", err)
	}
}
