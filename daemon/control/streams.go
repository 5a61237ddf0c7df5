package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"vchat/daemon/api"
	"vchat/daemon/frame"
	"vchat/daemon/mjpeg"
)

// ErrStream marks an error after the start of a stream.
var ErrStream = errors.New("stream aborted")

// events writes one event a line until the client or the server closes.
func (s *Server) events(w http.ResponseWriter, r *http.Request) error {
	sub := s.backend.Subscribe()
	defer sub.Close()
	rc := http.NewResponseController(w)
	w.Header().Set("Content-Type", "application/x-ndjson")
	enc := json.NewEncoder(w)
	for {
		e, err := sub.Next(r.Context())
		if err != nil {
			return nil
		}
		err = rc.SetWriteDeadline(time.Now().Add(stallTimeout))
		if err == nil {
			err = enc.Encode(e)
		}
		if err == nil {
			err = rc.Flush()
		}
		if err != nil {
			return fmt.Errorf("%w: %w", ErrStream, err)
		}
	}
}

// pair pairs this device with another one, and writes one event a line. The
// pairing ends with the request.
func pair[T any](s *Server, w http.ResponseWriter, r *http.Request,
	begin func(context.Context, T, func(api.Event)) error) error {
	var req T
	if err := readBody(w, r, &req); err != nil {
		return err
	}
	release, err := s.places.take(connOf(r.Context()), placeOf(r))
	if err != nil {
		return err
	}
	defer release()
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	rc, enc := http.NewResponseController(w), json.NewEncoder(w)
	started := false
	var failed error
	err = begin(ctx, req, func(e api.Event) {
		if failed != nil {
			return
		}
		if !started {
			started = true
			w.Header().Set("Content-Type", "application/x-ndjson")
		}
		failed = rc.SetWriteDeadline(time.Now().Add(stallTimeout))
		if failed == nil {
			failed = enc.Encode(e)
		}
		if failed == nil {
			failed = rc.Flush()
		}
		if failed != nil {
			cancel() // the client is gone
		}
	})
	if failed != nil {
		return fmt.Errorf("%w: %w", ErrStream, failed)
	}
	if started {
		return nil // the last event has the error
	}
	return err
}

func (s *Server) feed(w http.ResponseWriter, r *http.Request) error {
	return ServeFeed(s.backend, w, r, r.PathValue("feed"))
}

// FeedSource is the part of a Backend that ServeFeed needs.
type FeedSource interface {
	Status() api.Status
	Privacy() bool
	Watch(feed string) (Viewer, error)
}

// ServeFeed answers with a feed, by its name with api.StreamSuffix or
// api.SnapshotSuffix. It returns ErrStream once it has begun to answer, else an
// *api.Error.
func ServeFeed(b FeedSource, w http.ResponseWriter, r *http.Request, name string) error {
	feed, isStream := strings.CutSuffix(name, api.StreamSuffix)
	isSnapshot := false
	if !isStream {
		feed, isSnapshot = strings.CutSuffix(name, api.SnapshotSuffix)
	}
	if !isStream && !isSnapshot || feed == "" {
		return noSuchFeed(name)
	}
	v, err := b.Watch(feed)
	if err != nil {
		return err
	}
	defer v.Close()
	if isStream {
		return stream(w, r, v)
	}
	return snapshot(b, w, r, feed, v)
}

func noSuchFeed(name string) error {
	return &api.Error{Kind: api.NoSuchFeed, Message: fmt.Sprintf("no such feed: %q", name),
		Hint: "feeds are self" + api.StreamSuffix + ", PEER" + api.StreamSuffix + ", self" + api.SnapshotSuffix +
			" and PEER" + api.SnapshotSuffix}
}

const boundary = "vchat"

// StreamType is the Content-Type of a stream of frames.
const StreamType = "multipart/x-mixed-replace; boundary=" + boundary

// stream writes a part for each frame. A slow client gets fewer frames; the
// viewer counts the dropped ones.
func stream(w http.ResponseWriter, r *http.Request, v Viewer) error {
	h := w.Header()
	h.Set("Content-Type", StreamType)
	h.Set("Cache-Control", "no-store")
	p := parts{w: w, rc: http.NewResponseController(w), head: make([]byte, 0, 256)}
	if err := p.begin(); err != nil {
		return fmt.Errorf("%w: %w", ErrStream, err)
	}
	for {
		f, err := v.Next(r.Context())
		if err != nil {
			// The feed, the client or the server has ended: a normal end of the
			// stream.
			return nil
		}
		err = p.write(f)
		f.Release()
		if err != nil {
			return fmt.Errorf("%w: %w", ErrStream, err)
		}
	}
}

// parts writes the frames of one multipart stream.
type parts struct {
	w    http.ResponseWriter
	rc   *http.ResponseController
	head []byte // reused
}

// The boundary is sent at once after a frame, not before the next one: a
// browser shows a frame when it has read the boundary.
var (
	firstBoundary = []byte("--" + boundary + "\r\n")
	nextBoundary  = []byte("\r\n--" + boundary + "\r\n")
)

func (p *parts) begin() error {
	if _, err := p.w.Write(firstBoundary); err != nil {
		return err
	}
	return p.rc.Flush()
}

func (p *parts) write(f *frame.Frame) error {
	now := frame.Now()
	b := append(p.head[:0], "Content-Type: image/jpeg\r\nContent-Length: "...)
	b = strconv.AppendInt(b, int64(len(f.Data)), 10)
	b = append(b, "\r\n"+api.HeaderTimestamp+": "...)
	b = appendTimestamp(b, f, now)
	b = append(b, "\r\n"+api.HeaderMonotonic+": "...)
	b = appendSeconds(b, f.Captured.Microseconds())
	b = append(b, "\r\n"+api.HeaderSequence+": "...)
	b = strconv.AppendUint(b, f.Seq, 10)
	b = append(b, "\r\n"+api.HeaderAge+": "...)
	b = appendAge(b, f, now)
	if f.Card {
		b = append(b, "\r\n"+api.HeaderCard+": 1"...)
	} else if f.Rotate != 0 {
		b = append(b, "\r\n"+api.HeaderRotate+": "...)
		b = strconv.AppendInt(b, int64(f.Rotate), 10)
	}
	b = append(b, "\r\n\r\n"...)
	p.head = b
	if err := p.rc.SetWriteDeadline(time.Now().Add(stallTimeout)); err != nil {
		return err
	}
	for _, piece := range [...][]byte{b, f.Data, nextBoundary} {
		if _, err := p.w.Write(piece); err != nil {
			return err
		}
	}
	return p.rc.Flush()
}

func appendTimestamp(b []byte, f *frame.Frame, now time.Duration) []byte {
	return appendSeconds(b, time.Now().Add(f.Captured-now).UnixMicro())
}

// appendSeconds appends microseconds as seconds; a negative value as 0.
func appendSeconds(b []byte, us int64) []byte {
	us = max(us, 0)
	b = strconv.AppendInt(b, us/1e6, 10)
	b = append(b, '.')
	return appendPadded(b, us%1e6, 6)
}

func appendAge(b []byte, f *frame.Frame, now time.Duration) []byte {
	us := max(0, (now - f.Captured).Microseconds())
	b = strconv.AppendInt(b, us/1e3, 10)
	b = append(b, '.')
	return appendPadded(b, us%1e3, 3)
}

// appendPadded appends n ≥ 0, padded with zeros to width digits.
func appendPadded(b []byte, n int64, width int) []byte {
	at := len(b) + width
	b = append(b, "000000"[:width]...)
	for i := at - 1; n > 0; i, n = i-1, n/10 {
		b[i] = byte('0' + n%10)
	}
	return b
}

const (
	snapshotTimeout = 5 * time.Second // a closed camera needs one to three seconds to open
	maxSnapshotAge  = time.Second     // an older frame is used only after snapshotTimeout
)

// snapshot answers with one frame.
func snapshot(b FeedSource, w http.ResponseWriter, r *http.Request, feed string, v Viewer) error {
	if feed == api.Self && b.Privacy() {
		return noFrame(b, feed, nil) // the newest frame may be older than privacy mode
	}
	f, err := freshFrame(r.Context(), v)
	if err != nil {
		return noFrame(b, feed, err)
	}
	defer f.Release()
	if f.Card && feed == api.Self {
		return noFrame(b, feed, nil)
	}
	data := f.Data
	if f.Rotate != 0 && !f.Card { // the client saves a file without the headers, so EXIF carries it
		data = mjpeg.Orient(nil, data, f.Rotate)
	}
	h, now := w.Header(), frame.Now()
	h.Set("Content-Type", "image/jpeg")
	h.Set("Content-Length", strconv.Itoa(len(data)))
	h.Set("Cache-Control", "no-store")
	h.Set(api.HeaderTimestamp, string(appendTimestamp(nil, f, now)))
	h.Set(api.HeaderMonotonic, string(appendSeconds(nil, f.Captured.Microseconds())))
	h.Set(api.HeaderSequence, strconv.FormatUint(f.Seq, 10))
	h.Set(api.HeaderAge, string(appendAge(nil, f, now)))
	if f.Card {
		h.Set(api.HeaderCard, "1")
	}
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(stallTimeout))
	if _, err := w.Write(data); err != nil {
		return fmt.Errorf("%w: %w", ErrStream, err)
	}
	return nil
}

// freshFrame waits for a frame of at most maxSnapshotAge. After snapshotTimeout
// it returns the newest older frame, if any. The caller releases it.
func freshFrame(ctx context.Context, v Viewer) (*frame.Frame, error) {
	ctx, cancel := context.WithTimeout(ctx, snapshotTimeout)
	defer cancel()
	var old *frame.Frame
	for {
		f, err := v.Next(ctx)
		if err != nil {
			if old != nil {
				return old, nil
			}
			return nil, err
		}
		if old != nil {
			old.Release()
		}
		if f.Card || frame.Now()-f.Captured < maxSnapshotAge {
			return f, nil
		}
		old = f
	}
}

func noFrame(b FeedSource, feed string, cause error) error {
	if feed != api.Self {
		return &api.Error{Kind: api.NoFrame, Message: "no picture from " + feed,
			Hint: "vchatctl status shows the state of the link"}
	}
	if b.Privacy() {
		return &api.Error{Kind: api.PrivacyOn, Message: "privacy is on: the camera is closed",
			Hint: "vchatctl privacy off"}
	}
	e := &api.Error{Kind: api.CameraUnavailable, Message: "no picture from the camera"}
	if cam := b.Status().Camera; cam.Reason != "" {
		e.Message += ": " + cam.Reason
	} else if errors.Is(cause, context.DeadlineExceeded) {
		e.Message += fmt.Sprintf(" within %v", snapshotTimeout)
	}
	return e
}
