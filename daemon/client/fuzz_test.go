package client

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"mime/multipart"
	"net/http"
	"runtime"
	"strconv"
	"testing"
	"time"
)

// FuzzFeed reads a feed from any bytes. The same bytes in small pieces yield
// the same frames, memory is proportional to the bytes, and mime/multipart
// finds the same frames in what a Feed accepts.
func FuzzFeed(f *testing.F) {
	part := "Content-Type: image/jpeg\r\nContent-Length: 5\r\nX-Sequence: 7\r\nX-Timestamp: 1700000000.000001\r\n" +
		"X-Monotonic: 12.000001\r\nX-Age-Ms: 3.125\r\nX-Card: 1\r\nX-Rotate: 90\r\n\r\nABCDE"
	for _, text := range []string{
		"--vchat\r\n" + part + "\r\n--vchat\r\n" + part + "\r\n--vchat\r\n",
		"--vchat\r\n" + part + "\r\n--vchat--\r\n",
		"--vchat\nContent-Length: 1\n\nX\n--vchat\nContent-Length: 1\n\nY",
		"--vchat\r\nContent-Length: 16777216\r\n\r\n",
		"--vchat\r\nContent-Length: -1\r\n\r\n",
		"--vchat\r\nContent-Length: 3\r\nX-Timestamp: NaN\r\nX-Monotonic: -Inf\r\nX-Age-Ms: 1e300\r\n\r\nABC",
		"\r\n\r\n\r\n\r\n",
		"--vchat\r\nX-Rotate: -90\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nABC",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, stream []byte) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		frames := readFeed(t, bytes.NewReader(stream))
		runtime.ReadMemStats(&after)
		// The test copies each frame; the constant is for the first buffers.
		if got, limit := after.TotalAlloc-before.TotalAlloc, uint64(256<<10+64*len(stream)); got > limit {
			t.Fatalf("stream of %d bytes: got %d bytes allocated, want at most %d", len(stream), got, limit)
		}
		pieces := readFeed(t, &pieceReader{stream})
		if len(pieces) != len(frames) {
			t.Fatalf("got %d frames at once, %d in pieces", len(frames), len(pieces))
		}
		for i, p := range pieces {
			if !bytes.Equal(p.Data, frames[i].Data) || p.Seq != frames[i].Seq || !p.Captured.Equal(frames[i].Captured) {
				t.Fatalf("frame %d: got %+v at once, %+v in pieces", i, frames[i], p)
			}
		}
		compareMultipart(t, stream, frames)
	})
}

// readFeed returns all frames up to an error.
func readFeed(t *testing.T, r io.Reader) (all []Frame) {
	feed := &Feed{client: &Client{}, ctx: t.Context(), in: bufio.NewReaderSize(r, maxLine)}
	for {
		got, err := feed.Next()
		if err != nil {
			if err != io.EOF && !errors.Is(err, ErrProtocol) && !errors.Is(err, ErrUnreachable) {
				t.Fatalf("got %v", err)
			}
			return all
		}
		if got.Rotate%90 != 0 || got.Rotate < 0 || got.Rotate > 270 || len(got.Data) == 0 {
			t.Fatalf("got rotation %d, %d bytes", got.Rotate, len(got.Data))
		}
		wrong := !got.Captured.IsZero() && (got.Captured.Before(time.Unix(0, 0)) || got.Captured.Year() > 2255)
		if got.Monotonic < 0 || got.Age < 0 || wrong {
			t.Fatalf("got a time that no daemon sends: %+v", got)
		}
		got.Data = bytes.Clone(got.Data)
		all = append(all, got)
	}
}

// pieceReader returns few bytes at a time.
type pieceReader struct{ b []byte }

func (r *pieceReader) Read(b []byte) (int, error) {
	if len(r.b) == 0 {
		return 0, io.EOF
	}
	n := copy(b, r.b[:min(len(r.b), 1+len(r.b)%7)])
	r.b = r.b[n:]
	return n, nil
}

// compareMultipart reads a stream that is well-formed by RFC 2046 with
// mime/multipart. Each part with a Content-Length that matches its data must be
// a frame of the Feed.
func compareMultipart(t *testing.T, stream []byte, frames []Frame) {
	if !bytes.HasPrefix(stream, []byte("--vchat\r\n")) {
		return
	}
	r := multipart.NewReader(bytes.NewReader(stream), "vchat")
	for i := 0; ; i++ {
		p, err := r.NextRawPart()
		if err != nil {
			return
		}
		data, err := io.ReadAll(p)
		length, lengthErr := strconv.Atoi(p.Header.Get("Content-Length"))
		if err != nil || lengthErr != nil || length != len(data) || len(p.Header) > maxHeaders/2 ||
			!isPlain(p.Header) {
			return
		}
		if i >= len(frames) || !bytes.Equal(frames[i].Data, data) {
			t.Fatalf("part %d of %d bytes: got frames %+v", i, len(data), frames)
		}
	}
}

// isPlain reports whether a part has only the header that a Feed needs, as the
// daemon writes it.
func isPlain(h map[string][]string) bool {
	return len(h) == 1 && len(h["Content-Length"]) == 1
}

// FuzzSnapshotHeaders sets a Frame from any header values.
func FuzzSnapshotHeaders(f *testing.F) {
	f.Add("X-Timestamp", "1700000000.000001")
	f.Add("X-Monotonic", "9223372036.854775")
	f.Add("X-Age-Ms", "0x1p-2")
	f.Add("X-Sequence", "18446744073709551615")
	f.Add("Content-Length", "+16")
	f.Add("X-Rotate", "-9223372036854775808")
	f.Fuzz(func(t *testing.T, name, value string) {
		var h Frame
		size := 0
		if err := h.set(http.CanonicalHeaderKey(name), value, &size); err != nil {
			return
		}
		if h.Monotonic < 0 || h.Age < 0 || h.Rotate < 0 || h.Rotate > 270 {
			t.Fatalf("%s: %s: got %+v", name, value, h)
		}
	})
}
