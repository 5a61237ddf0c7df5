// Package client calls the control API of vchatd over its unix socket. vchatctl
// is built on it.
//
// Guarantees:
//   - Every blocking call ends with its context.
//   - The length of an answer is checked before memory is allocated for it.
//   - A server gets a request only if it runs as root, as this user or as the
//     user of vchatd. Another one is ErrUntrusted.
//   - Errors wrap ErrUnreachable or ErrPermission if the socket fails,
//     ErrProtocol if the answer is invalid, or are an *api.Error if the daemon
//     refused the request.
//
// The only goroutines that outlive a call are those of idle connections and
// open streams. Close ends them.
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"syscall"
	"time"

	"vchat/daemon/api"
)

// Errors of the connection to the daemon, for errors.Is.
var (
	ErrUnreachable = errors.New("cannot reach vchatd")
	ErrPermission  = errors.New("not permitted")
	ErrProtocol    = errors.New("invalid answer from vchatd")
)

const (
	answerTimeout = 10 * time.Second // until an answer begins; a slow camera driver delays it up to 8 s
	maxAnswer     = 1 << 20          // bytes of a JSON document

	restartTimeout = 3 * time.Second // vchatd stops within two
	restartPause   = 50 * time.Millisecond
)

// Client is a client of a control socket. It is safe for concurrent use.
type Client struct {
	socket string
	http   *http.Client
}

// New returns a client of the daemon at this socket. It does not connect yet.
func New(socket string) *Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx, socket) }
	return &Client{socket: socket, http: &http.Client{Transport: &http.Transport{
		DialContext:           dial,
		DisableCompression:    true,
		MaxIdleConns:          2,
		IdleConnTimeout:       10 * time.Second,
		ResponseHeaderTimeout: answerTimeout,
		ReadBufferSize:        64 << 10, // few reads per frame
	}}}
}

// dial connects to the socket. While the backlog is full it retries: connect(2)
// on a unix socket then returns EAGAIN instead of blocking.
func dial(ctx context.Context, socket string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	for {
		conn, err := new(net.Dialer).DialContext(ctx, "unix", socket)
		if err == nil {
			if err = checkServer(conn, socket); err != nil {
				conn.Close()
				return nil, err
			}
			return conn, nil
		}
		if !errors.Is(err, syscall.EAGAIN) {
			return nil, err
		}
		select {
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
			return nil, err
		}
	}
}

// Close closes idle connections. Streams have their own Close.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Status returns the current state of the device.
func (c *Client) Status(ctx context.Context) (api.Status, error) {
	return request[api.Status](ctx, c, "GET", api.PathStatus, nil)
}

// Network returns the peers of the device, and the devices that announce
// themselves on its network.
func (c *Client) Network(ctx context.Context) (api.Peers, error) {
	return request[api.Peers](ctx, c, "GET", api.PathPeers, nil)
}

// Peers returns the peers of the device.
func (c *Client) Peers(ctx context.Context) ([]api.Peer, error) {
	p, err := request[api.Peers](ctx, c, "GET", api.PathPeers, nil)
	return p.Peers, err
}

// Unpair forgets a peer made by pairing, by its name or id, and returns it.
func (c *Client) Unpair(ctx context.Context, peer string) (api.Peer, error) {
	return request[api.Peer](ctx, c, "DELETE", api.PathPeer+peer, nil)
}

// ChangePeer changes the settings of a peer made by pairing, by its name or id,
// and returns it.
func (c *Client) ChangePeer(ctx context.Context, peer string, r api.PeerChange) (api.Peer, error) {
	return request[api.Peer](ctx, c, "PATCH", api.PathPeer+peer, r)
}

// Identity returns the name and the id of the device.
func (c *Client) Identity(ctx context.Context) (api.Identity, error) {
	return request[api.Identity](ctx, c, "GET", api.PathIdentity, nil)
}

// Probe makes the daemon try once to reach a peer. It takes several seconds if
// the peer does not answer.
func (c *Client) Probe(ctx context.Context, peer string) (api.Probe, error) {
	return request[api.Probe](ctx, c, "POST", api.PathPeer+peer+api.ProbeSuffix, struct{}{})
}

// Diagnosis returns what the daemon knows of its process and the machine.
func (c *Client) Diagnosis(ctx context.Context) (api.Diagnosis, error) {
	return request[api.Diagnosis](ctx, c, "GET", api.PathDiagnosis, nil)
}

// Pair pairs the device with another one. The events are those of the pairing;
// the last one is api.PairingPaired or api.PairingFailed. Closing the stream
// before it cancels the pairing.
func (c *Client) Pair(ctx context.Context, r api.PairRequest) (*Events, error) {
	return c.stream(ctx, "POST", api.PathPair, r)
}

// AcceptPairing is Pair for the request of another device.
func (c *Client) AcceptPairing(ctx context.Context, r api.PairAccept) (*Events, error) {
	return c.stream(ctx, "POST", api.PathAccept, r)
}

// ConfirmPairing confirms the code of the pairing in progress.
func (c *Client) ConfirmPairing(ctx context.Context, r api.PairConfirm) (api.Pairing, error) {
	return request[api.Pairing](ctx, c, "POST", api.PathConfirm, r)
}

// RefusePairing ends the pairing in progress, or refuses the request of another
// device.
func (c *Client) RefusePairing(ctx context.Context, r api.PairRefuse) (api.Pairing, error) {
	return request[api.Pairing](ctx, c, "POST", api.PathRefuse, r)
}

// Rights returns what this program may do.
func (c *Client) Rights(ctx context.Context) (api.Rights, error) {
	return request[api.Rights](ctx, c, "GET", api.PathRights, nil)
}

// Call starts a call and returns without waiting for the peer. Events report
// its progress; open them first.
func (c *Client) Call(ctx context.Context, r api.CallRequest) (api.Call, error) {
	return request[api.Call](ctx, c, "POST", api.PathCalls, r)
}

// Answer answers the incoming call of a peer. If peer is empty, Answer, Reject
// and Hangup use the only call.
func (c *Client) Answer(ctx context.Context, peer string) (api.Call, error) {
	return request[api.Call](ctx, c, "POST", api.PathAnswer, api.PeerRequest{Peer: peer})
}

// Reject declines an incoming call.
func (c *Client) Reject(ctx context.Context, peer string) (api.Call, error) {
	return request[api.Call](ctx, c, "POST", api.PathReject, api.PeerRequest{Peer: peer})
}

// Hangup ends a call in any state.
func (c *Client) Hangup(ctx context.Context, peer string) (api.Call, error) {
	return request[api.Call](ctx, c, "POST", api.PathHangup, api.PeerRequest{Peer: peer})
}

// Say sends a message to the peer of a call. If peer is empty, it uses the only
// call.
func (c *Client) Say(ctx context.Context, peer, text string) error {
	_, err := request[api.Message](ctx, c, "POST", api.PathSay, api.MessageRequest{Peer: peer, Text: text})
	return err
}

// Reload makes the daemon read its configuration file again. After it returns
// nil, the file is in effect; after an error nothing has changed.
func (c *Client) Reload(ctx context.Context) (api.Reloaded, error) {
	return request[api.Reloaded](ctx, c, "POST", api.PathReload, nil)
}

// Readers returns the programs that may read the feeds over the network.
func (c *Client) Readers(ctx context.Context) ([]api.Reader, error) {
	r, err := request[api.Readers](ctx, c, "GET", api.PathReaders, nil)
	return r.Readers, err
}

// AddReader gives a program a token for the feeds.
func (c *Client) AddReader(ctx context.Context, r api.ReaderRequest) (api.NewReader, error) {
	return request[api.NewReader](ctx, c, "POST", api.PathReaders, r)
}

// RemoveReader takes the token of a program away, and ends what it reads.
func (c *Client) RemoveReader(ctx context.Context, name string) (api.Reader, error) {
	return request[api.Reader](ctx, c, "DELETE", api.PathReader+name, nil)
}

// Privacy reports whether the owner has turned the camera off.
func (c *Client) Privacy(ctx context.Context) (bool, error) {
	p, err := request[api.Privacy](ctx, c, "GET", api.PathPrivacy, nil)
	return p.Privacy, err
}

// SetPrivacy turns the camera off, or allows it again. After it returns nil,
// the setting survives a power failure.
func (c *Client) SetPrivacy(ctx context.Context, on bool) error {
	_, err := request[api.Privacy](ctx, c, "PUT", api.PathPrivacy, api.PrivacyRequest{Privacy: &on})
	return err
}

// Cameras returns the cameras of the device.
func (c *Client) Cameras(ctx context.Context) (api.Cameras, error) {
	return request[api.Cameras](ctx, c, "GET", api.PathCameras, nil)
}

// UseCamera makes a camera that of the device.
func (c *Client) UseCamera(ctx context.Context, r api.CameraRequest) (api.CameraChoice, error) {
	return request[api.CameraChoice](ctx, c, "PUT", api.PathCamera, r)
}

// Formats returns the frame formats of a camera. The device is a path under
// /dev, or "" for the configured camera.
func (c *Client) Formats(ctx context.Context, device string) (api.Formats, error) {
	return requestCamera[api.Formats](ctx, c, api.PathFormats, device)
}

// Controls returns the controls of a camera, selected as in Formats.
func (c *Client) Controls(ctx context.Context, device string) (api.Controls, error) {
	return requestCamera[api.Controls](ctx, c, api.PathControls, device)
}

// SetControls sets controls of a camera and then returns all of them.
func (c *Client) SetControls(ctx context.Context, r api.ControlsRequest) (api.Controls, error) {
	return request[api.Controls](ctx, c, "POST", api.PathControls, r)
}

// requestCamera sends a GET request about the camera at a path, or about the
// configured one.
func requestCamera[T any](ctx context.Context, c *Client, path, device string) (v T, err error) {
	query := url.Values{}
	if device != "" {
		query.Set(api.QueryDevice, device)
	}
	res, err := c.send(ctx, "GET", path, query, nil)
	if err != nil {
		return v, err
	}
	return decode[T](ctx, c, res)
}

// request sends a request and decodes its answer.
func request[T any](ctx context.Context, c *Client, method, path string, body any) (v T, err error) {
	res, err := c.send(ctx, method, path, nil, body)
	if err != nil {
		return v, err
	}
	return decode[T](ctx, c, res)
}

// decode reads a whole answer.
func decode[T any](ctx context.Context, c *Client, res *http.Response) (v T, err error) {
	defer res.Body.Close()
	b, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	if err != nil {
		return v, c.classify(ctx, err)
	}
	if len(b) > maxAnswer {
		return v, fmt.Errorf("%w: more than %d bytes", ErrProtocol, maxAnswer)
	}
	if err := json.Unmarshal(b, &v); err != nil {
		return v, c.protocolError(res, err)
	}
	return v, nil
}

// send returns an answer with status 200. The caller closes its body. It sends
// a request again that met the end of vchatd: during a restart the socket of
// systemd stays, and the next vchatd answers.
func (c *Client) send(ctx context.Context, method, path string, query url.Values, body any) (*http.Response, error) {
	res, err := c.sendOnce(ctx, method, path, query, body)
	for end := time.Now().Add(restartTimeout); err != nil && isRestart(method, err) && time.Now().Before(end); {
		select {
		case <-time.After(restartPause):
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
		again, errAgain := c.sendOnce(ctx, method, path, query, body)
		if errors.Is(errAgain, fs.ErrNotExist) || errors.Is(errAgain, syscall.ECONNREFUSED) {
			return nil, err // no restart: vchatd has stopped
		}
		res, err = again, errAgain
	}
	return res, err
}

// isRestart reports whether vchatd has not done a request because it stops.
// Only a GET may be sent again when the connection ended without an answer.
func isRestart(method string, err error) bool {
	var refused *api.Error
	if errors.As(err, &refused) {
		return refused.Kind == api.ShuttingDown
	}
	return method == http.MethodGet && (errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) ||
		errors.Is(err, syscall.EPIPE))
}

func (c *Client) sendOnce(ctx context.Context, method, path string, query url.Values, body any) (*http.Response,
	error) {
	var data io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		data = bytes.NewReader(b)
	}
	// HTTP requires a host, but a unix socket ignores it.
	u := url.URL{Scheme: "http", Host: "vchat", Path: path, RawQuery: query.Encode()}
	req, err := http.NewRequestWithContext(ctx, method, u.String(), data)
	if err != nil {
		return nil, err
	}
	return c.do(ctx, req)
}

// do returns an answer with status 200. The caller closes its body.
func (c *Client) do(ctx context.Context, req *http.Request) (*http.Response, error) {
	res, err := c.http.Do(req)
	if err != nil {
		return nil, c.classify(ctx, err)
	}
	if res.StatusCode == http.StatusOK && res.Header.Get(api.VersionHeader) != "" {
		return res, nil
	}
	defer res.Body.Close()
	return nil, c.decodeError(res)
}

// decodeError returns the error in an answer.
func (c *Client) decodeError(res *http.Response) error {
	b, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	var e api.ErrorBody
	if err == nil {
		err = json.Unmarshal(b, &e)
	}
	if err == nil && e.Error == nil {
		err = fmt.Errorf("answer %s", res.Status)
	}
	if err != nil {
		return c.protocolError(res, err)
	}
	// An unknown route or field probably belongs to another version.
	version := res.Header.Get(api.VersionHeader)
	if version != api.Version && (e.Error.Kind == api.NotFound || e.Error.Kind == api.BadRequest) {
		e.Error.Hint = versionHint(version)
	}
	return e.Error
}

func (c *Client) protocolError(res *http.Response, err error) error {
	switch version := res.Header.Get(api.VersionHeader); version {
	case "":
		return fmt.Errorf("%w: the server at %s is not vchatd: %w", ErrProtocol, c.socket, err)
	case api.Version:
		return fmt.Errorf("%w: %w", ErrProtocol, err)
	default:
		return fmt.Errorf("%w: %s: %w", ErrProtocol, versionHint(version), err)
	}
}

func versionHint(daemon string) string {
	return fmt.Sprintf("vchatd has version %s, this program %s: restart vchatd", daemon, api.Version)
}

// classify wraps an error of the connection in ErrUnreachable or ErrPermission,
// leaves ErrUntrusted, or returns the cause of an ended ctx.
func (c *Client) classify(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err // drop the method and the made-up URL
	}
	var op *net.OpError
	if errors.As(err, &op) {
		err = op.Err // the messages below have the path
	}
	switch {
	case errors.Is(err, ErrUntrusted):
		return err
	case errors.Is(err, fs.ErrPermission):
		return connectError{"not permitted to use " + c.socket, ErrPermission, err}
	case errors.Is(err, syscall.EINVAL): // the path does not fit into struct sockaddr_un
		return connectError{"the path of the socket is longer than 107 bytes: " + c.socket, ErrUnreachable, err}
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET):
		return connectError{"vchatd closed the connection to " + c.socket, ErrUnreachable, err}
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return connectError{"vchatd is not running: nothing listens on " + c.socket, ErrUnreachable, err}
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, syscall.EAGAIN):
		return connectError{"vchatd does not answer on " + c.socket, ErrUnreachable, err}
	}
	return fmt.Errorf("%w at %s: %w", ErrUnreachable, c.socket, err)
}

// connectError says what happened in plain words, and keeps the cause for
// errors.Is.
type connectError struct {
	text        string
	kind, cause error
}

func (e connectError) Error() string   { return e.text }
func (e connectError) Unwrap() []error { return []error{e.kind, e.cause} }
