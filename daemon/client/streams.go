package client

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"strconv"
	"time"

	"vchat/daemon/api"
)

// Events is a stream of events. Next is for one goroutine at a time, Close for any.
type Events struct {
	client *Client
	ctx    context.Context
	cancel context.CancelFunc
	res    *http.Response
	lines  *bufio.Scanner
}

// Events opens the stream, which ends with ctx or Close. Its first event is the present state.
func (c *Client) Events(ctx context.Context) (*Events, error) {
	ctx, cancel := context.WithCancel(ctx)
	res, err := c.send(ctx, "GET", api.PathEvents, nil, nil)
	if err != nil {
		cancel()
		return nil, err
	}
	e := &Events{client: c, ctx: ctx, cancel: cancel, res: res, lines: bufio.NewScanner(res.Body)}
	e.lines.Buffer(nil, maxAnswer)
	return e, nil
}

// Next waits for an event. When the daemon ends, it gives ErrUnreachable.
func (e *Events) Next() (api.Event, error) {
	if !e.lines.Scan() {
		err := e.lines.Err()
		if errors.Is(err, bufio.ErrTooLong) {
			return api.Event{}, fmt.Errorf("%w: an event of more than %d bytes", ErrProtocol, maxAnswer)
		}
		if err == nil {
			err = io.EOF
		}
		return api.Event{}, e.client.classify(e.ctx, err)
	}
	var ev api.Event
	if err := json.Unmarshal(e.lines.Bytes(), &ev); err != nil {
		return api.Event{}, e.client.misunderstood(e.res, err)
	}
	return ev, nil
}

// Close ends the stream.
func (e *Events) Close() {
	e.cancel()
	e.res.Body.Close()
}

// Frame is one frame of a feed.
type Frame struct {
	Data     []byte    // JPEG
	Seq      uint64    // counts the frames of the source; a gap is a lost one
	Captured time.Time // when it was taken, by this device's clock
	// Monotonic is the same on CLOCK_MONOTONIC, which is never set; 0: not told.
	Monotonic time.Duration
	Age       time.Duration // how old it was when the daemon sent it
	Card      bool          // not from the camera, but a card that says why there is no picture
	Rotate    int           // degrees clockwise to show it with: 0, 90, 180, 270. Of Newest 0, as the frame says it itself (EXIF)
}

// Feed is a stream of frames. Next is for one goroutine at a time, Close for any.
type Feed struct {
	client *Client
	ctx    context.Context
	cancel context.CancelFunc
	res    *http.Response
	in     *bufio.Reader
	data   []byte
}

// Feed opens a feed: api.Self or the name of a peer. It ends with ctx or Close.
func (c *Client) Feed(ctx context.Context, name string) (*Feed, error) {
	ctx, cancel := context.WithCancel(ctx)
	res, err := c.send(ctx, "GET", api.PathFeeds+name+api.StreamSuffix, nil, nil)
	if err != nil {
		cancel()
		return nil, err
	}
	return &Feed{client: c, ctx: ctx, cancel: cancel, res: res, in: bufio.NewReaderSize(res.Body, maxLine)}, nil
}

const (
	maxLine    = 4 << 10 // bytes of one header line of a frame
	maxHeaders = 32      // lines
)

// Next waits for the next frame. Its Data is valid until the call after. A feed that is over ends with io.EOF, so does
// one whose daemon ends; a connection that breaks with ErrUnreachable.
func (f *Feed) Next() (Frame, error) {
	frame, err := f.next()
	switch {
	case err == nil, err == io.EOF, errors.Is(err, ErrProtocol):
		return frame, err
	}
	return Frame{}, f.client.classify(f.ctx, err)
}

func (f *Feed) next() (Frame, error) {
	h, size, err := f.header()
	if err != nil {
		return Frame{}, err
	}
	if size <= 0 || size > api.MaxFrame {
		return Frame{}, fmt.Errorf("%w: a frame of %d bytes", ErrProtocol, size)
	}
	if cap(f.data) < size {
		f.data = make([]byte, size+size/4)
	}
	h.Data = f.data[:size]
	if _, err := io.ReadFull(f.in, h.Data); err != nil {
		return Frame{}, early(err)
	}
	return h, nil
}

// header reads what stands before a frame: the boundary, then lines up to an empty one.
func (f *Feed) header() (h Frame, size int, err error) {
	begun := false
	for range maxHeaders {
		line, err := f.in.ReadSlice('\n')
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			return h, 0, fmt.Errorf("%w: a header of more than %d bytes", ErrProtocol, maxLine)
		case err == io.EOF && !begun:
			return h, 0, io.EOF
		case err != nil:
			return h, 0, early(err)
		}
		line = bytes.TrimSpace(line)
		if len(line) == 0 || bytes.HasPrefix(line, []byte("--")) {
			// An empty line ends the headers, once there are any; before, it is the end of the last frame's line.
			if begun && len(line) == 0 {
				return h, size, nil
			}
			continue
		}
		begun = true
		name, value, ok := bytes.Cut(line, []byte(": "))
		if !ok {
			return h, 0, fmt.Errorf("%w: %q is no header of a frame", ErrProtocol, line)
		}
		if err := h.set(string(name), string(value), &size); err != nil {
			return h, 0, fmt.Errorf("%w: header %s: %w", ErrProtocol, name, err)
		}
	}
	return h, 0, fmt.Errorf("%w: more than %d headers of one frame", ErrProtocol, maxHeaders)
}

// set takes a header. Those that are not known are of a newer version and are skipped.
func (h *Frame) set(name, value string, size *int) (err error) {
	var n float64
	switch name {
	case "Content-Length":
		*size, err = strconv.Atoi(value)
	case api.HeaderSequence:
		h.Seq, err = strconv.ParseUint(value, 10, 64)
	case api.HeaderTimestamp:
		n, err = strconv.ParseFloat(value, 64)
		// A float64 holds microseconds since 1970 exactly until the year 2255.
		h.Captured = time.UnixMicro(int64(math.Round(n * 1e6)))
	case api.HeaderMonotonic:
		n, err = strconv.ParseFloat(value, 64)
		h.Monotonic = time.Duration(math.Round(n*1e6)) * time.Microsecond
	case api.HeaderAge:
		n, err = strconv.ParseFloat(value, 64)
		h.Age = time.Duration(n * float64(time.Millisecond))
	case api.HeaderCard:
		h.Card = value == "1"
	case api.HeaderRotate:
		h.Rotate, err = strconv.Atoi(value)
		if h.Rotate %= 360; h.Rotate%90 != 0 || h.Rotate < 0 {
			h.Rotate = 0 // nothing that a viewer could do
		}
	}
	return err
}

func early(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// Close ends the stream.
func (f *Feed) Close() {
	f.cancel()
	f.res.Body.Close()
}

// Newest gives one frame of a feed, the newest; it waits some seconds for the first one.
func (c *Client) Newest(ctx context.Context, name string) (Frame, error) {
	res, err := c.send(ctx, "GET", api.PathFeeds+name+api.SnapshotSuffix, nil, nil)
	if err != nil {
		return Frame{}, err
	}
	defer res.Body.Close()
	var h Frame
	size := 0
	for _, name := range []string{"Content-Length", api.HeaderSequence, api.HeaderTimestamp, api.HeaderMonotonic, api.HeaderAge, api.HeaderCard} {
		if value := res.Header.Get(name); value != "" {
			if err := h.set(name, value, &size); err != nil {
				return Frame{}, fmt.Errorf("%w: header %s: %w", ErrProtocol, name, err)
			}
		}
	}
	if size <= 0 || size > api.MaxFrame {
		return Frame{}, fmt.Errorf("%w: a frame of %d bytes", ErrProtocol, size)
	}
	h.Data = make([]byte, size)
	if _, err := io.ReadFull(res.Body, h.Data); err != nil {
		return Frame{}, c.classify(ctx, early(err))
	}
	return h, nil
}
