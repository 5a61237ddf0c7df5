// Package client talks to the daemon of this device over its control socket. It is what vchatctl is written on.
//
// It promises that every wait ends with its context, that what the daemon sends is bounded before memory is taken for
// it, and that an error says whose fault it is: ErrUnreachable and ErrPermission for the socket, *api.Error for what the
// daemon refused. It starts no goroutine that outlives the call that started it, but for idle connections, which Close
// ends.
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

// Errors of the socket itself, to test with errors.Is.
var (
	ErrUnreachable = errors.New("the daemon cannot be reached")
	ErrPermission  = errors.New("not permitted to use the control socket")
	ErrProtocol    = errors.New("not understood what the daemon said")
)

const (
	answerTimeout = 10 * time.Second // for the daemon to begin an answer; the slowest one, of a camera's driver, takes 8 s
	maxAnswer     = 1 << 20          // bytes of one JSON document
)

// Client is one user of a control socket. It is safe for concurrent use.
type Client struct {
	socket string
	http   *http.Client
}

// New makes a client for the daemon at this socket; it does not connect yet.
func New(socket string) *Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx, socket) }
	return &Client{socket: socket, http: &http.Client{Transport: &http.Transport{
		DialContext:           dial,
		DisableCompression:    true,
		MaxIdleConns:          2,
		IdleConnTimeout:       10 * time.Second,
		ResponseHeaderTimeout: answerTimeout,
		ReadBufferSize:        64 << 10, // a frame in a few reads
	}}}
}

// dial connects, and tries again while the daemon has more connections waiting than the kernel queues: then connect(2)
// on a unix socket answers EAGAIN at once instead of waiting.
func dial(ctx context.Context, socket string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	for {
		conn, err := new(net.Dialer).DialContext(ctx, "unix", socket)
		if !errors.Is(err, syscall.EAGAIN) {
			return conn, err
		}
		select {
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
			return nil, err
		}
	}
}

// Close ends idle connections. Streams are ended by their own Close.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Status gives the present state of the device.
func (c *Client) Status(ctx context.Context) (api.Status, error) {
	return ask[api.Status](ctx, c, "GET", api.PathStatus, nil)
}

// Peers gives the peers that the device knows.
func (c *Client) Peers(ctx context.Context) ([]api.Peer, error) {
	p, err := ask[api.Peers](ctx, c, "GET", api.PathPeers, nil)
	return p.Peers, err
}

// Identity gives what the device is known by.
func (c *Client) Identity(ctx context.Context) (api.Identity, error) {
	return ask[api.Identity](ctx, c, "GET", api.PathIdentity, nil)
}

// Call begins a call. What becomes of it is told by Events, which are to be opened before.
func (c *Client) Call(ctx context.Context, r api.CallRequest) (api.Call, error) {
	return ask[api.Call](ctx, c, "POST", api.PathCalls, r)
}

// Answer takes the incoming call of a peer, or the only one if peer is empty. So do Reject and Hangup.
func (c *Client) Answer(ctx context.Context, peer string) (api.Call, error) {
	return ask[api.Call](ctx, c, "POST", api.PathAnswer, api.PeerRequest{Peer: peer})
}

// Reject declines an incoming call.
func (c *Client) Reject(ctx context.Context, peer string) (api.Call, error) {
	return ask[api.Call](ctx, c, "POST", api.PathReject, api.PeerRequest{Peer: peer})
}

// Hangup ends a call, in whatever state it is.
func (c *Client) Hangup(ctx context.Context, peer string) (api.Call, error) {
	return ask[api.Call](ctx, c, "POST", api.PathHangup, api.PeerRequest{Peer: peer})
}

// Say says a line of text to a peer with whom there is a call, or to the only one if peer is empty.
func (c *Client) Say(ctx context.Context, peer, text string) error {
	_, err := ask[api.Message](ctx, c, "POST", api.PathSay, api.MessageRequest{Peer: peer, Text: text})
	return err
}

// Privacy says whether the camera is switched off.
func (c *Client) Privacy(ctx context.Context) (bool, error) {
	p, err := ask[api.Privacy](ctx, c, "GET", api.PathPrivacy, nil)
	return p.Privacy, err
}

// SetPrivacy switches the camera off, or lets it be opened again. Once it returns nil that survives a power cut.
func (c *Client) SetPrivacy(ctx context.Context, on bool) error {
	_, err := ask[api.Privacy](ctx, c, "PUT", api.PathPrivacy, api.PrivacyRequest{Privacy: &on})
	return err
}

// Cameras lists the cameras of the device.
func (c *Client) Cameras(ctx context.Context) (api.Cameras, error) {
	return ask[api.Cameras](ctx, c, "GET", api.PathCameras, nil)
}

// Formats gives what a camera offers; the device is a path, or "" for the camera that is configured. So do Controls.
func (c *Client) Formats(ctx context.Context, device string) (api.Formats, error) {
	return askCamera[api.Formats](ctx, c, api.PathFormats, device)
}

// Controls gives what can be set of a camera.
func (c *Client) Controls(ctx context.Context, device string) (api.Controls, error) {
	return askCamera[api.Controls](ctx, c, api.PathControls, device)
}

// SetControls sets controls of a camera, and gives all of them as they are then.
func (c *Client) SetControls(ctx context.Context, r api.ControlsRequest) (api.Controls, error) {
	return ask[api.Controls](ctx, c, "POST", api.PathControls, r)
}

// askCamera asks about the camera at a path, or about the configured one.
func askCamera[T any](ctx context.Context, c *Client, path, device string) (v T, err error) {
	query := url.Values{}
	if device != "" {
		query.Set(api.QueryDevice, device)
	}
	res, err := c.send(ctx, "GET", path, query, nil)
	if err != nil {
		return v, err
	}
	return read[T](ctx, c, res)
}

// ask sends a request and reads the one document that answers it.
func ask[T any](ctx context.Context, c *Client, method, path string, body any) (v T, err error) {
	res, err := c.send(ctx, method, path, nil, body)
	if err != nil {
		return v, err
	}
	return read[T](ctx, c, res)
}

// read reads an answer as a whole.
func read[T any](ctx context.Context, c *Client, res *http.Response) (v T, err error) {
	defer res.Body.Close()
	b, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	if err != nil {
		return v, c.classify(ctx, err)
	}
	if len(b) > maxAnswer {
		return v, fmt.Errorf("%w: an answer of more than %d bytes", ErrProtocol, maxAnswer)
	}
	if err := json.Unmarshal(b, &v); err != nil {
		return v, c.misunderstood(res, err)
	}
	return v, nil
}

// send gives an answer that is not an error. The caller closes its body.
func (c *Client) send(ctx context.Context, method, path string, query url.Values, body any) (*http.Response, error) {
	var data io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		data = bytes.NewReader(b)
	}
	// The host is of no meaning on a unix socket, but HTTP wants one.
	u := url.URL{Scheme: "http", Host: "vchat", Path: path, RawQuery: query.Encode()}
	req, err := http.NewRequestWithContext(ctx, method, u.String(), data)
	if err != nil {
		return nil, err
	}
	res, err := c.http.Do(req)
	if err != nil {
		return nil, c.classify(ctx, err)
	}
	if res.StatusCode == http.StatusOK && res.Header.Get(api.VersionHeader) != "" {
		return res, nil
	}
	defer res.Body.Close()
	return nil, c.refused(res)
}

// refused reads what the daemon has against a request.
func (c *Client) refused(res *http.Response) error {
	b, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	var e api.ErrorBody
	if err == nil {
		err = json.Unmarshal(b, &e)
	}
	if err == nil && e.Error == nil {
		err = fmt.Errorf("answer %s", res.Status)
	}
	if err != nil {
		return c.misunderstood(res, err)
	}
	// A route or field that the other does not know is most likely one of another version.
	there := res.Header.Get(api.VersionHeader)
	if there != api.Version && (e.Error.Kind == api.NotFound || e.Error.Kind == api.BadRequest) {
		e.Error.Hint = versions(there)
	}
	return e.Error
}

func (c *Client) misunderstood(res *http.Response, err error) error {
	switch there := res.Header.Get(api.VersionHeader); there {
	case "":
		return fmt.Errorf("%w: what answers at %s is not vchatd: %w", ErrProtocol, c.socket, err)
	case api.Version:
		return fmt.Errorf("%w: %w", ErrProtocol, err)
	default:
		return fmt.Errorf("%w: %s: %w", ErrProtocol, versions(there), err)
	}
}

func versions(there string) string {
	return fmt.Sprintf("vchatd runs in version %s and this program is of version %s: restart vchatd after an upgrade", there, api.Version)
}

// classify says what an error of the connection means.
func (c *Client) classify(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err // its method and made-up address would only puzzle
	}
	var op *net.OpError
	if errors.As(err, &op) {
		err = op.Err // the path stands in our own words
	}
	switch {
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w %s (%w)", ErrPermission, c.socket, err)
	case errors.Is(err, syscall.EINVAL): // so says connect(2) of a path that struct sockaddr_un has no room for
		return fmt.Errorf("%w: the path %s is longer than the 107 bytes that a socket's may have (%w)", ErrUnreachable, c.socket, err)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("%w any more: it has closed the connection at %s (%w)", ErrUnreachable, c.socket, err)
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("%w: nobody listens at %s (%w)", ErrUnreachable, c.socket, err)
	}
	return fmt.Errorf("%w at %s (%w)", ErrUnreachable, c.socket, err)
}
