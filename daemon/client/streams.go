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
	"slices"
	"strconv"
	"time"

	"vchat/daemon/api"
)

// Events is a stream of events. Next must not be called concurrently; Close may
// be called at any time.
type Events struct {
	client *Client
	ctx    context.Context
	cancel context.CancelFunc
	res    *http.Response
	lines  *bufio.Scanner
}

// Events opens the stream of events. It ends with ctx or Close. The first event
// is the current state.
func (c *Client) Events(ctx context.Context) (*Events, error) {
	return c.stream(ctx, "GET", api.PathEvents, nil)
}

func (c *Client) stream(ctx context.Context, method, path string, body any) (*Events, error) {
	ctx, cancel := context.WithCancel(ctx)
	res, err := c.send(ctx, method, path, nil, body)
	if err != nil {
		cancel()
		return nil, err
	}
	e := &Events{client: c, ctx: ctx, cancel: cancel, res: res, lines: bufio.NewScanner(res.Body)}
	e.lines.Buffer(nil, maxAnswer)
	return e, nil
}

// Next waits for the next event. It returns ErrUnreachable when the daemon
// exits.
func (e *Events) Next() (api.Event, error) {
	if !e.lines.Scan() {
		err := e.lines.Err()
		if errors.Is(err, bufio.ErrTooLong) {
			return api.Event{}, fmt.Errorf("%w: event of more than %d bytes", ErrProtocol, maxAnswer)
		}
		if err == nil {
			err = io.EOF
		}
		return api.Event{}, e.client.classify(e.ctx, err)
	}
	var ev api.Event
	if err := json.Unmarshal(e.lines.Bytes(), &ev); err != nil {
		return api.Event{}, e.client.protocolError(e.res, err)
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
	Seq      uint64    // frame number of the source; a gap is a lost frame
	Captured time.Time // capture time, on this device's clock
	// Monotonic is the capture time on CLOCK_MONOTONIC; 0 if unknown.
	Monotonic time.Duration
	Age       time.Duration // its age when the daemon sent it
	Card      bool          // a card that says why there is no picture, not a frame of the camera
	// Rotate is the rotation for display, in degrees clockwise: 0, 90, 180,
	// 270. It is 0 for a Snapshot, which has the rotation as EXIF.
	Rotate int
}

// Feed is a stream of frames. Next must not be called concurrently; Close may
// be called at any time.
type Feed struct {
	client *Client
	ctx    context.Context
	cancel context.CancelFunc
	res    *http.Response
	in     *bufio.Reader
	data   []byte
}

// Feed opens a feed: api.Self or the name of a peer. It ends with ctx or Close.
// The error may be an *api.Error of the kind api.NoSuchFeed.
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
	maxLine    = 4 << 10 // bytes of a header line
	maxHeaders = 32      // lines of a frame
	minRead    = 64 << 10
)

// Next waits for the next frame. Its Data is valid until the next call. Next
// returns io.EOF when the feed or the daemon has ended, and ErrUnreachable when
// the connection breaks.
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
		return Frame{}, fmt.Errorf("%w: frame of %d bytes", ErrProtocol, size)
	}
	h.Data, err = f.read(size)
	return h, err
}

// read reads the data of a frame. Its memory grows with what has arrived: a
// header alone costs little.
func (f *Feed) read(size int) ([]byte, error) {
	b := f.data[:0]
	for len(b) < size {
		if len(b) == cap(b) {
			b = slices.Grow(b, min(size-len(b), max(len(b), minRead)))
		}
		next := b[len(b):min(size, cap(b))]
		if _, err := io.ReadFull(f.in, next); err != nil {
			return nil, unexpectedEOF(err)
		}
		b = b[:len(b)+len(next)]
	}
	f.data = b
	return b, nil
}

// header reads the boundary and the headers up to the empty line.
func (f *Feed) header() (h Frame, size int, err error) {
	started := false
	for range maxHeaders {
		line, err := f.in.ReadSlice('\n')
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			return h, 0, fmt.Errorf("%w: header of more than %d bytes", ErrProtocol, maxLine)
		case err == io.EOF && !started:
			return h, 0, io.EOF
		case err != nil:
			return h, 0, unexpectedEOF(err)
		}
		line = bytes.TrimSpace(line)
		if len(line) == 0 || bytes.HasPrefix(line, []byte("--")) {
			// An empty line ends the headers. Before the first header it ends
			// the last frame.
			if started && len(line) == 0 {
				return h, size, nil
			}
			continue
		}
		started = true
		name, value, ok := bytes.Cut(line, []byte(": "))
		if !ok {
			return h, 0, fmt.Errorf("%w: invalid header %q", ErrProtocol, line)
		}
		if err := h.set(string(name), string(value), &size); err != nil {
			return h, 0, fmt.Errorf("%w: header %s: %w", ErrProtocol, name, err)
		}
	}
	return h, 0, fmt.Errorf("%w: frame with more than %d headers", ErrProtocol, maxHeaders)
}

// set parses a header. It skips unknown ones: a newer version may send them.
func (h *Frame) set(name, value string, size *int) (err error) {
	switch name {
	case "Content-Length":
		*size, err = strconv.Atoi(value)
	case api.HeaderSequence:
		h.Seq, err = strconv.ParseUint(value, 10, 64)
	case api.HeaderTimestamp:
		var d time.Duration
		d, err = parseTime(value, time.Second)
		h.Captured = time.Unix(0, 0).Add(d)
	case api.HeaderMonotonic:
		h.Monotonic, err = parseTime(value, time.Second)
	case api.HeaderAge:
		h.Age, err = parseTime(value, time.Millisecond)
	case api.HeaderCard:
		h.Card = value == "1"
	case api.HeaderRotate:
		h.Rotate, err = strconv.Atoi(value)
		if h.Rotate %= 360; h.Rotate%90 != 0 || h.Rotate < 0 {
			h.Rotate = 0 // unsupported
		}
	}
	return err
}

// parseTime returns a time in units, rounded to microseconds. A float64 counts
// microseconds exactly up to maxMicros, which since 1970 is the year 2255.
func parseTime(value string, unit time.Duration) (time.Duration, error) {
	const maxMicros = 9e15
	n, err := strconv.ParseFloat(value, 64)
	if err != nil {
		return 0, err
	}
	micros := math.Round(n * float64(unit.Microseconds()))
	if !(micros >= 0 && micros <= maxMicros) { // NaN neither
		return 0, fmt.Errorf("time %q is out of range", value)
	}
	return time.Duration(micros) * time.Microsecond, nil
}

// unexpectedEOF turns io.EOF into io.ErrUnexpectedEOF.
func unexpectedEOF(err error) error {
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

// Snapshot returns the newest frame of a feed. If there is none yet, it waits
// for up to five seconds. The error may be an *api.Error of the kind
// api.NoFrame, api.CameraUnavailable, api.PrivacyOn or api.NoSuchFeed.
func (c *Client) Snapshot(ctx context.Context, name string) (Frame, error) {
	res, err := c.send(ctx, "GET", api.PathFeeds+name+api.SnapshotSuffix, nil, nil)
	if err != nil {
		return Frame{}, err
	}
	defer res.Body.Close()
	var h Frame
	size := 0
	for _, name := range []string{"Content-Length", api.HeaderSequence, api.HeaderTimestamp, api.HeaderMonotonic,
		api.HeaderAge, api.HeaderCard} {
		if value := res.Header.Get(name); value != "" {
			if err := h.set(name, value, &size); err != nil {
				return Frame{}, fmt.Errorf("%w: header %s: %w", ErrProtocol, name, err)
			}
		}
	}
	if size <= 0 || size > api.MaxFrame {
		return Frame{}, fmt.Errorf("%w: frame of %d bytes", ErrProtocol, size)
	}
	h.Data, err = io.ReadAll(io.LimitReader(res.Body, int64(size)))
	if err == nil && len(h.Data) < size {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return Frame{}, c.classify(ctx, err)
	}
	return h, nil
}
