package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"

	"vchat/daemon/api"
)

type handlerFunc func(*Server, http.ResponseWriter, *http.Request) error

type route struct {
	method string
	path   string // a pattern of http.ServeMux
	right  right
	handle handlerFunc
}

// feedName is the wildcard for a feed's name with its suffix. It matches
// slashes too, so that an odd name gets NoSuchFeed, not NotFound.
const feedName = "{feed...}"

// routes lists every route.
var routes = []route{
	{"GET", api.PathStatus, rightWatch, func(s *Server, w http.ResponseWriter, _ *http.Request) error {
		return answer(w, s.backend.Status())
	}},
	{"GET", api.PathPeers, rightWatch, func(s *Server, w http.ResponseWriter, _ *http.Request) error {
		return answer(w, api.Peers{Peers: s.backend.Peers(), Devices: s.backend.Devices()})
	}},
	{"POST", api.PathPeer + "{peer}" + api.ProbeSuffix, rightCall, (*Server).probe},
	{"GET", api.PathDiagnosis, rightWatch, (*Server).diagnosis},
	{"DELETE", api.PathPeer + "{peer}", rightAdmin, func(s *Server, w http.ResponseWriter, r *http.Request) error {
		return command(s, w, r, func(struct{}) (api.Peer, error) { return s.backend.Unpair(r.PathValue("peer")) })
	}},
	{"PATCH", api.PathPeer + "{peer}", rightAdmin, func(s *Server, w http.ResponseWriter, r *http.Request) error {
		return command(s, w, r, func(req api.PeerChange) (api.Peer, error) {
			return s.backend.ChangePeer(r.PathValue("peer"), req)
		})
	}},
	{"POST", api.PathPair, rightAdmin, func(s *Server, w http.ResponseWriter, r *http.Request) error {
		return pair(s, w, r, s.backend.Pair)
	}},
	{"POST", api.PathAccept, rightPair, (*Server).acceptPairing},
	{"POST", api.PathConfirm, rightPair, func(s *Server, w http.ResponseWriter, r *http.Request) error {
		return command(s, w, r, s.backend.ConfirmPairing)
	}},
	{"POST", api.PathRefuse, rightPair, func(s *Server, w http.ResponseWriter, r *http.Request) error {
		return command(s, w, r, s.backend.RefusePairing)
	}},
	{"GET", api.PathRights, rightWatch, func(s *Server, w http.ResponseWriter, r *http.Request) error {
		return answer(w, s.rights(connOf(r.Context()).right))
	}},
	{"GET", api.PathIdentity, rightWatch, func(s *Server, w http.ResponseWriter, _ *http.Request) error {
		return answer(w, s.backend.Identity())
	}},
	{"GET", api.PathMetrics, rightWatch, (*Server).metrics},
	{"GET", api.PathEvents, rightWatch, (*Server).events},
	{"GET", api.PathFeeds + feedName, rightWatch, (*Server).feed},
	{"POST", api.PathCalls, rightCall, func(s *Server, w http.ResponseWriter, r *http.Request) error {
		return command(s, w, r, s.backend.Call)
	}},
	{"POST", api.PathAnswer, rightCall, peerCommand(Backend.Answer)},
	{"POST", api.PathReject, rightCall, peerCommand(Backend.Reject)},
	{"POST", api.PathHangup, rightCall, peerCommand(Backend.Hangup)},
	{"POST", api.PathSay, rightCall, func(s *Server, w http.ResponseWriter, r *http.Request) error {
		return command(s, w, r, s.backend.Say)
	}},
	{"POST", api.PathReload, rightAdmin, func(s *Server, w http.ResponseWriter, r *http.Request) error {
		return command(s, w, r, func(struct{}) (api.Reloaded, error) { return s.backend.ReloadFile() })
	}},
	{"GET", api.PathReaders, rightWatch, func(s *Server, w http.ResponseWriter, _ *http.Request) error {
		return answer(w, api.Readers{Readers: s.backend.Readers()})
	}},
	{"POST", api.PathReaders, rightAdmin, func(s *Server, w http.ResponseWriter, r *http.Request) error {
		return command(s, w, r, s.backend.AddReader)
	}},
	{"DELETE", api.PathReader + "{reader}", rightAdmin, func(s *Server, w http.ResponseWriter, r *http.Request) error {
		return command(s, w, r, func(struct{}) (api.Reader,
			error) {
			return s.backend.RemoveReader(r.PathValue("reader"))
		})
	}},
	{"GET", api.PathPrivacy, rightWatch, (*Server).privacy},
	{"PUT", api.PathPrivacy, rightCall, (*Server).setPrivacy},
	{"GET", api.PathCameras, rightWatch, (*Server).cameras},
	{"PUT", api.PathCamera, rightAdmin, func(s *Server, w http.ResponseWriter, r *http.Request) error {
		return command(s, w, r, func(req api.CameraRequest) (api.CameraChoice, error) {
			return s.backend.UseCamera(r.Context(), req)
		})
	}},
	{"GET", api.PathFormats, rightWatch, (*Server).formats},
	{"GET", api.PathControls, rightWatch, (*Server).controls},
	{"POST", api.PathControls, rightAdmin, (*Server).setControls},
}

func (s *Server) acceptPairing(w http.ResponseWriter, r *http.Request) error {
	return pair(s, w, r, func(ctx context.Context, req api.PairAccept, report func(api.Event)) error {
		if err := s.checkAccept(connOf(ctx).right, req); err != nil {
			return err
		}
		return s.backend.AcceptPairing(ctx, req, report)
	})
}

// checkAccept leaves it to those who may administer to let a peer in without
// ringing.
func (s *Server) checkAccept(has right, req api.PairAccept) error {
	if req.AutoAnswer && has < rightAdmin {
		return s.refusal(rightAdmin)
	}
	return nil
}

func peerCommand(do func(Backend, string) (api.Call, error)) handlerFunc {
	return func(s *Server, w http.ResponseWriter, r *http.Request) error {
		return command(s, w, r, func(req api.PeerRequest) (api.Call, error) { return do(s.backend, req.Peer) })
	}
}

// command decodes a request, runs do, and writes its result.
func command[T, A any](s *Server, w http.ResponseWriter, r *http.Request, do func(T) (A, error)) error {
	var req T
	if err := readBody(w, r, &req); err != nil {
		return err
	}
	// A place only now: a client that sends half a request must not have one.
	release, err := s.places.take(connOf(r.Context()), placeOf(r))
	if err != nil {
		return err
	}
	defer release()
	a, err := do(req)
	if err != nil {
		return err
	}
	return answer(w, a)
}

// handler serves routes. The patterns without a method replace the plain text
// answers of ServeMux for a wrong method and an unknown path.
func (s *Server) handler() http.Handler {
	mux := http.NewServeMux()
	methods := make(map[string][]string) // of each path
	for _, rt := range routes {
		methods[rt.path] = append(methods[rt.path], rt.method)
		mux.HandleFunc(rt.method+" "+rt.path, func(w http.ResponseWriter, r *http.Request) {
			if r.Method != rt.method { // ServeMux routes HEAD to GET
				s.refuse(w, r, wrongMethod(r, methods[rt.path]))
			} else if err := s.run(rt, w, r); err != nil {
				s.refuse(w, r, err)
			}
		})
	}
	for path, allowed := range methods {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) { s.refuse(w, r, wrongMethod(r, allowed)) })
	}
	notFound := func(w http.ResponseWriter, r *http.Request) { s.refuse(w, r, unknownPath(r)) }
	mux.HandleFunc("/", notFound)
	mux.HandleFunc(strings.TrimSuffix(api.PathFeeds, "/"), notFound) // no redirect to PathFeeds
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set(api.VersionHeader, s.cfg.Version)
		if !isClean(r.URL.Path) { // ServeMux would redirect to the clean path
			notFound(w, r)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// isClean reports whether ServeMux routes a path as it is.
func isClean(p string) bool {
	c := path.Clean(p)
	return strings.HasPrefix(p, "/") && (c == p || c+"/" == p)
}

func wrongMethod(r *http.Request, allowed []string) error {
	return &api.Error{Kind: api.BadRequest,
		Message: fmt.Sprintf("method not allowed: %s %s; use %s", r.Method, r.URL.Path, strings.Join(allowed, " or "))}
}

func unknownPath(r *http.Request) error {
	if name, ok := strings.CutPrefix(r.URL.Path, api.PathFeeds); ok {
		return noSuchFeed(name)
	}
	return &api.Error{Kind: api.NotFound, Message: "no such route: " + r.URL.Path}
}

func (s *Server) run(rt route, w http.ResponseWriter, r *http.Request) error {
	c := connOf(r.Context())
	if r.ContentLength != 0 {
		// net/http reads the rest of a refused request.
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(headerTimeout))
	}
	if c.right < rt.right || rt.right == noRight {
		return s.refusal(rt.right)
	}
	if r.Method != http.MethodGet {
		s.log.Debug("control request", "path", r.URL.Path,
			"uid", c.client.uid, "gid", c.client.gid, "pid", c.client.pid)
		return rt.handle(s, w, r)
	}
	if r.ContentLength != 0 {
		return &api.Error{Kind: api.BadRequest, Message: fmt.Sprintf("%s %s does not accept a body", r.Method,
			r.URL.Path)}
	}
	release, err := s.places.take(c, placeOf(r))
	if err != nil {
		return err
	}
	defer release()
	return rt.handle(s, w, r)
}

// refuse answers with an error. Once a stream has started, refuse can only
// abort it: the client sees the connection end early.
func (s *Server) refuse(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, ErrStream) {
		s.log.Debug("control stream aborted", "path", r.URL.Path, "err", err)
		panic(http.ErrAbortHandler)
	}
	var e *api.Error
	if !errors.As(err, &e) {
		level := slog.LevelError
		if errors.Is(err, context.Canceled) { // the client has gone; it may do that a thousand times a second
			level = slog.LevelDebug
		}
		s.log.Log(r.Context(), level, "control request failed", "path", r.URL.Path, "err", err)
		e = &api.Error{Kind: api.Internal, Message: err.Error()}
	}
	// Do not wait for the rest of a refused request.
	w.Header().Set("Connection", "close")
	_ = write(w, e.Kind.HTTPStatus(), api.ErrorBody{Error: e})
}

// readBody decodes the JSON document of a request, within the deadline that run
// has set. An empty body is an empty request.
func readBody(w http.ResponseWriter, r *http.Request, into any) error {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, api.MaxBody))
	if err != nil {
		return &api.Error{Kind: api.BadRequest, Message: "read request: " + err.Error()}
	}
	if err := http.NewResponseController(w).SetReadDeadline(time.Time{}); err != nil {
		return err
	}
	if len(bytes.TrimSpace(body)) == 0 {
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return &api.Error{Kind: api.BadRequest, Message: "decode request: " + strings.TrimPrefix(err.Error(), "json: ")}
	}
	if _, err := d.Token(); err != io.EOF {
		return &api.Error{Kind: api.BadRequest, Message: "decode request: data after the JSON document"}
	}
	return nil
}

func (s *Server) probe(w http.ResponseWriter, r *http.Request) error {
	return command(s, w, r, func(struct{}) (api.Probe, error) {
		return s.backend.Probe(r.Context(), r.PathValue("peer"))
	})
}

func (s *Server) diagnosis(w http.ResponseWriter, r *http.Request) error {
	v := s.backend.Diagnosis()
	v.Right, v.Group, v.AdminGroup = connOf(r.Context()).right.key(), s.cfg.Group, s.cfg.AdminGroup
	return answer(w, v)
}

func (s *Server) metrics(w http.ResponseWriter, _ *http.Request) error {
	return writeAs(w, http.StatusOK, api.MetricsType, []byte(s.backend.Metrics()))
}

func answer(w http.ResponseWriter, v any) error { return write(w, http.StatusOK, v) }

// write sends v as a JSON answer. Like writeAs it ignores a client that has
// disconnected.
func write(w http.ResponseWriter, status int, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode answer: %w", err)
	}
	return writeAs(w, status, "application/json", append(body, '\n'))
}

func writeAs(w http.ResponseWriter, status int, contentType string, body []byte) error {
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(stallTimeout))
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body)
	return nil
}
