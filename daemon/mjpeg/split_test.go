package mjpeg

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"testing"
	"testing/iotest"
)

// splitAll returns copies of all frames and the final error.
func splitAll(s *Splitter) (all [][]byte, err error) {
	for {
		b, _, err := s.Next()
		if err != nil {
			return all, err
		}
		all = append(all, slices.Clone(b))
	}
}

func TestSplitter_frames(t *testing.T) {
	one := stdFrame(t)
	two := insertBefore(t, one, mDQT, 0xFF, mAPP0+1, 0, 2+6, 0xFF, mSOI, 0xFF, mEOI, 0, 0) // like a thumbnail
	comment := slices.Concat([]byte{0xFF, mCOM, 0xFF, 0xFF}, make([]byte, 0xFFFD))
	three := without(t, one, mDHT)
	zeros := make([]byte, 999)
	for _, c := range []struct {
		name    string
		in      [][]byte
		want    [][]byte
		skipped int
		why     error
	}{
		{"empty stream", nil, nil, 0, nil},
		{"consecutive frames", [][]byte{one, two, three}, [][]byte{one, two, three}, 0, nil},
		{"padding", [][]byte{zeros, one, zeros, two, zeros}, [][]byte{one, two}, 3 * 999, ErrNoStart},
		{"truncated last frame", [][]byte{one, two[:len(two)-9]}, [][]byte{one}, len(two) - 9, nil},
		{"truncated first frame", [][]byte{one[:len(one)-9], two, three},
			[][]byte{two, three}, len(one) - 9, ErrMarker},
		{"segment length into the next frame", [][]byte{setByte(t, one, mDHT, 2, 0xFF), two},
			[][]byte{two}, len(one), nil},
		{"no frame", [][]byte{zeros, []byte("text"), {0xFF, 0xFF, mSOI}}, nil, 999 + 4 + 3, nil},
		{"too large", [][]byte{one, insertBefore(t, one, mDQT, comment...), two},
			[][]byte{one, two}, len(one) + 0xFFFF + 2, nil},
	} {
		for how, wrap := range map[string]func(io.Reader) io.Reader{
			"all at once":   func(r io.Reader) io.Reader { return r },
			"byte by byte":  iotest.OneByteReader,
			"data with EOF": iotest.DataErrReader,
		} {
			t.Run(c.name+"/"+how, func(t *testing.T) {
				s := NewSplitter(wrap(bytes.NewReader(slices.Concat(c.in...))), 20000)
				got, err := splitAll(s)
				if err != io.EOF {
					t.Errorf("got %v at the end, want EOF", err)
				}
				if !slices.EqualFunc(got, c.want, bytes.Equal) {
					t.Errorf("got %d frames, want %d, or they differ", len(got), len(c.want))
				}
				skipped, why := s.Skipped()
				wrongReason := (why == nil) != (c.skipped == 0) || c.why != nil && !errors.Is(why, c.why)
				if int(skipped) != c.skipped || wrongReason {
					t.Errorf("got %d bytes skipped, %v; want %d, %v", skipped, why, c.skipped, c.why)
				}
			})
		}
	}
}

func TestSplitter_memory(t *testing.T) {
	good := stdFrame(t)
	zeros := io.LimitReader(zeroReader{}, 10<<20)
	s := NewSplitter(io.MultiReader(bytes.NewReader(good[:700]), zeros, bytes.NewReader(good)), 100<<10)
	got, err := splitAll(s)
	if err != io.EOF || len(got) != 1 {
		t.Errorf("got %d frames, %v; want 1, EOF", len(got), err)
	}
	if cap(s.buf) > 100<<10 {
		t.Errorf("got a buffer of %d bytes, want at most 100 KiB", cap(s.buf))
	}
}

func TestSplitter_readError(t *testing.T) {
	why := errors.New("disk removed")
	start := bytes.NewReader(stdFrame(t)[:50])
	for _, r := range []io.Reader{iotest.ErrReader(why), io.MultiReader(start, iotest.ErrReader(why))} {
		if got, err := splitAll(NewSplitter(r, 1<<20)); err != why || len(got) != 0 {
			t.Errorf("got %d frames, %v; want none, %v", len(got), err, why)
		}
	}
	if _, err := splitAll(NewSplitter(idleReader{}, 1<<20)); err != io.ErrNoProgress {
		t.Errorf("idle reader: got %v, want ErrNoProgress", err)
	}
}

type zeroReader struct{}

func (zeroReader) Read(b []byte) (int, error) { clear(b); return len(b), nil }

type idleReader struct{}

func (idleReader) Read([]byte) (int, error) { return 0, nil }

func FuzzSplitter(f *testing.F) {
	good := stdFrame(f)
	f.Add(slices.Concat(good, good), 7)
	f.Add(slices.Concat(good[:300], good), 1000)
	f.Add([]byte{0xFF, mSOI, 0xFF, 0xFF, mSOI, 0xFF}, 1)
	f.Fuzz(func(t *testing.T, b []byte, chunk int) {
		whole, err := splitAll(NewSplitter(bytes.NewReader(b), 4096))
		if err != io.EOF {
			t.Fatal(err)
		}
		for _, p := range whole {
			if info, err := Check(p); err != nil || info.End != len(p) {
				t.Fatalf("got a frame that Check rejects: %v", err)
			}
		}
		pieces, err := splitAll(NewSplitter(&chunkReader{b, min(max(chunk, 1), 4096)}, 4096))
		if err != io.EOF || !slices.EqualFunc(whole, pieces, bytes.Equal) {
			t.Fatalf("got %d frames at once, %d in chunks, %v", len(whole), len(pieces), err)
		}
	})
}

type chunkReader struct {
	b []byte
	n int
}

func (c *chunkReader) Read(p []byte) (int, error) {
	if len(c.b) == 0 {
		return 0, io.EOF
	}
	n := copy(p, c.b[:min(c.n, len(c.b))])
	c.b = c.b[n:]
	return n, nil
}
