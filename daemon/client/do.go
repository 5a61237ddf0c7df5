package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"vchat/daemon/api"
)

// Answer is the body of an answer as it comes, of any length. Close must be
// called. It may be called while another goroutine reads: that Read fails.
type Answer struct {
	ContentType string

	client *Client
	ctx    context.Context
	cancel context.CancelFunc
	body   io.ReadCloser
}

// Do sends any request of the API and returns its answer. The target is a path
// with an optional query, and an empty body is none. The error is an *api.Error
// if the daemon refused the request, or wraps ErrUnreachable, ErrPermission,
// ErrUntrusted or ErrProtocol. The end of ctx ends the answer, too.
func (c *Client) Do(ctx context.Context, method, target string, body []byte) (*Answer, error) {
	u, err := url.ParseRequestURI(target)
	if err != nil || u.Host != "" {
		return nil, &api.Error{Kind: api.BadValue, Message: fmt.Sprintf("not a path of the API: %q", target)}
	}
	u.Scheme, u.Host = "http", "vchat"
	var data io.Reader
	if len(body) > 0 {
		data = bytes.NewReader(body)
	}
	ctx, cancel := context.WithCancel(ctx)
	req, err := http.NewRequestWithContext(ctx, method, u.String(), data)
	if err != nil {
		cancel()
		return nil, err
	}
	res, err := c.do(ctx, req)
	if err != nil {
		cancel()
		return nil, err
	}
	return &Answer{res.Header.Get("Content-Type"), c, ctx, cancel, res.Body}, nil
}

// Read reads the body. It returns io.EOF at its end. Other errors are those of
// Do.
func (a *Answer) Read(b []byte) (int, error) {
	n, err := a.body.Read(b)
	if err != nil && !errors.Is(err, io.EOF) {
		err = a.client.classify(a.ctx, err)
	}
	return n, err
}

// Close ends the request and the answer.
func (a *Answer) Close() {
	a.cancel()
	a.body.Close()
}
