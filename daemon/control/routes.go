package control

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"vchat/daemon/api"
)

// right is what a route lets its user do. Whoever may open the socket has both today; what is done is told apart from
// what is looked at, in the log and for finer rights later.
type right string

const (
	look right = "look"
	act  right = "act"
)

type route struct {
	method string
	path   string // one that ends in a slash takes a name after it
	right  right
	handle func(*Server, http.ResponseWriter, *http.Request) error
}

// routes is all that is served.
var routes = []route{
	{"GET", api.PathStatus, look, func(s *Server, w http.ResponseWriter, _ *http.Request) error {
		return answer(w, s.backend.Status())
	}},
	{"GET", api.PathPeers, look, func(s *Server, w http.ResponseWriter, _ *http.Request) error {
		return answer(w, api.Peers{Peers: s.backend.Peers()})
	}},
	{"GET", api.PathIdentity, look, func(s *Server, w http.ResponseWriter, _ *http.Request) error {
		return answer(w, s.backend.Identity())
	}},
	{"GET", api.PathMetrics, look, (*Server).metrics},
	{"GET", api.PathEvents, look, (*Server).events},
	{"GET", api.PathFeeds, look, (*Server).feed},
	{"POST", api.PathCalls, act, func(s *Server, w http.ResponseWriter, r *http.Request) error {
		return command(w, r, s.backend.Call)
	}},
	{"POST", api.PathAnswer, act, onPeer(Backend.Answer)},
	{"POST", api.PathReject, act, onPeer(Backend.Reject)},
	{"POST", api.PathHangup, act, onPeer(Backend.Hangup)},
	{"POST", api.PathSay, act, func(s *Server, w http.ResponseWriter, r *http.Request) error {
		return command(w, r, s.backend.Say)
	}},
	{"GET", api.PathPrivacy, look, (*Server).privacy},
	{"PUT", api.PathPrivacy, act, (*Server).setPrivacy},
	{"GET", api.PathCameras, look, (*Server).cameras},
	{"GET", api.PathFormats, look, (*Server).formats},
	{"GET", api.PathControls, look, (*Server).controls},
	{"POST", api.PathControls, act, (*Server).setControls},
}

func onPeer(do func(Backend, string) (api.Call, error)) func(*Server, http.ResponseWriter, *http.Request) error {
	return func(s *Server, w http.ResponseWriter, r *http.Request) error {
		return command(w, r, func(req api.PeerRequest) (api.Call, error) { return do(s.backend, req.Peer) })
	}
}

// command reads a request, does what it asks, and answers with what came of it.
func command[T, A any](w http.ResponseWriter, r *http.Request, do func(T) (A, error)) error {
	var req T
	if err := readBody(w, r, &req); err != nil {
		return err
	}
	c := connOf(r.Context())
	c.serve()
	defer c.done()
	a, err := do(req)
	if err != nil {
		return err
	}
	return answer(w, a)
}

func (s *Server) handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set(api.VersionHeader, s.cfg.Version)
		rt, err := find(r)
		if err == nil {
			err = s.run(rt, w, r)
		}
		if err != nil {
			s.refuse(w, r, err)
		}
	})
}

func find(r *http.Request) (*route, error) {
	var others []string // that the path takes
	for i, rt := range routes {
		named := strings.HasSuffix(rt.path, "/") && strings.HasPrefix(r.URL.Path, rt.path)
		if r.URL.Path != rt.path && !named {
			continue
		}
		if r.Method == rt.method {
			return &routes[i], nil
		}
		others = append(others, rt.method)
	}
	if len(others) > 0 {
		return nil, &api.Error{Kind: api.BadRequest, Message: fmt.Sprintf("%s takes %s, not %s", r.URL.Path, strings.Join(others, " or "), r.Method)}
	}
	return nil, &api.Error{Kind: api.NotFound, Message: "there is no " + r.URL.Path + " in this version of the control API"}
}

func (s *Server) run(rt *route, w http.ResponseWriter, r *http.Request) error {
	c := connOf(r.Context())
	if rt.right == act {
		if c.cred != nil {
			s.log.Debug("control", "path", r.URL.Path, "uid", c.cred.Uid, "gid", c.cred.Gid, "pid", c.cred.Pid)
		}
		return rt.handle(s, w, r)
	}
	if r.ContentLength != 0 {
		return &api.Error{Kind: api.BadRequest, Message: r.URL.Path + " takes no body"}
	}
	c.serve()
	defer c.done()
	return rt.handle(s, w, r)
}

// refuse answers with an error. A stream that has begun is past that: there the client sees the connection end early.
func (s *Server) refuse(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, errStream) {
		s.log.Debug("control stream", "path", r.URL.Path, "err", err)
		panic(http.ErrAbortHandler)
	}
	var e *api.Error
	if !errors.As(err, &e) {
		s.log.Error("control request", "path", r.URL.Path, "err", err)
		e = &api.Error{Kind: api.Internal, Message: err.Error()}
	}
	// The rest of a request that was not understood is not waited for.
	w.Header().Set("Connection", "close")
	_ = write(w, e.Kind.HTTPStatus(), api.ErrorBody{Error: e})
}

// readBody reads the one JSON document of a request, in the time that a request has. An empty body is an empty request.
func readBody(w http.ResponseWriter, r *http.Request, into any) error {
	rc := http.NewResponseController(w)
	if err := rc.SetReadDeadline(time.Now().Add(headerTimeout)); err != nil {
		return err
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, api.MaxBody))
	if err != nil {
		return &api.Error{Kind: api.BadRequest, Message: "reading the request: " + err.Error()}
	}
	if err := rc.SetReadDeadline(time.Time{}); err != nil {
		return err
	}
	if len(bytes.TrimSpace(body)) == 0 {
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return &api.Error{Kind: api.BadRequest, Message: "understanding the request: " + strings.TrimPrefix(err.Error(), "json: ")}
	}
	if _, err := d.Token(); err != io.EOF {
		return &api.Error{Kind: api.BadRequest, Message: "understanding the request: there is something after its end"}
	}
	return nil
}

func (s *Server) metrics(w http.ResponseWriter, _ *http.Request) error {
	return writeAs(w, http.StatusOK, api.MetricsType, []byte(s.backend.Metrics()))
}

func answer(w http.ResponseWriter, v any) error { return write(w, http.StatusOK, v) }

// write sends a whole answer in JSON. That the client has gone meanwhile is nobody's error, here and in writeAs.
func write(w http.ResponseWriter, status int, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("writing the answer: %w", err)
	}
	return writeAs(w, status, "application/json", append(body, '\n'))
}

func writeAs(w http.ResponseWriter, status int, kind string, body []byte) error {
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(stallTimeout))
	h := w.Header()
	h.Set("Content-Type", kind)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body)
	return nil
}

// rawAnswer is an error as a whole HTTP answer, for a connection that no server reads.
func rawAnswer(version string, e *api.Error) []byte {
	body, _ := json.Marshal(api.ErrorBody{Error: e}) // strings only: it cannot fail
	var b bytes.Buffer
	fmt.Fprintf(&b, "HTTP/1.1 %d %s\r\n%s: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\n\r\n",
		e.Kind.HTTPStatus(), http.StatusText(e.Kind.HTTPStatus()), api.VersionHeader, version, len(body))
	b.Write(body)
	return b.Bytes()
}
