package mjpeg

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"testing"
	"testing/iotest"
)

// split returns copies of all frames and the error at the end.
func split(s *Splitter) (all [][]byte, err error) {
	for {
		b, _, err := s.Next()
		if err != nil {
			return all, err
		}
		all = append(all, slices.Clone(b))
	}
}

func TestSplitterFindsEveryWholeFrame(t *testing.T) {
	one := frame(t)
	two := insert(t, one, mDQT, slices.Concat([]byte{0xFF, 0xE1, 0, 2 + 6}, []byte{0xFF, mSOI, 0xFF, mEOI, 0, 0})...) // as a thumbnail
	three := without(t, one, mDHT)
	zeros := make([]byte, 999)
	for _, c := range []struct {
		name    string
		in      [][]byte
		want    [][]byte
		skipped int
		why     error
	}{
		{"nothing", nil, nil, 0, nil},
		{"one behind the other", [][]byte{one, two, three}, [][]byte{one, two, three}, 0, nil},
		{"padding", [][]byte{zeros, one, zeros, two, zeros}, [][]byte{one, two}, 3 * 999, ErrNoStart},
		{"cut at the end", [][]byte{one, two[:len(two)-9]}, [][]byte{one}, len(two) - 9, nil},
		{"cut in the middle", [][]byte{one[:len(one)-9], two, three}, [][]byte{two, three}, len(one) - 9, ErrMarker},
		{"a length into the next", [][]byte{change(t, one, mDHT, 2, 0xFF), two}, [][]byte{two}, len(one), nil},
		{"no picture", [][]byte{zeros, []byte("text"), {0xFF, 0xFF, mSOI}}, nil, 999 + 4 + 3, nil},
		{"too large", [][]byte{one, insert(t, one, mDQT, slices.Concat([]byte{0xFF, mCOM, 0xFF, 0xFF}, make([]byte, 0xFFFD))...), two},
			[][]byte{one, two}, len(one) + 0xFFFF + 2, nil},
	} {
		for how, wrap := range map[string]func(io.Reader) io.Reader{
			"whole": func(r io.Reader) io.Reader { return r }, "byte by byte": iotest.OneByteReader, "data with EOF": iotest.DataErrReader,
		} {
			t.Run(c.name+"/"+how, func(t *testing.T) {
				s := NewSplitter(wrap(bytes.NewReader(slices.Concat(c.in...))), 20000)
				got, err := split(s)
				if err != io.EOF {
					t.Errorf("ended with %v", err)
				}
				if !slices.EqualFunc(got, c.want, bytes.Equal) {
					t.Errorf("%d frames, want %d, or they differ", len(got), len(c.want))
				}
				skipped, why := s.Skipped()
				if int(skipped) != c.skipped || (why == nil) != (c.skipped == 0) || c.why != nil && !errors.Is(why, c.why) {
					t.Errorf("skipped %d bytes because of %v; want %d, %v", skipped, why, c.skipped, c.why)
				}
			})
		}
	}
}

func TestSplitterIsBounded(t *testing.T) {
	endless := io.MultiReader(bytes.NewReader(frame(t)[:700]), io.LimitReader(zeroes{}, 10<<20), bytes.NewReader(frame(t)))
	s := NewSplitter(endless, 100<<10)
	got, err := split(s)
	if err != io.EOF || len(got) != 1 {
		t.Errorf("%d frames, %v", len(got), err)
	}
	if cap(s.buf) > 100<<10 {
		t.Errorf("it took %d bytes", cap(s.buf))
	}
}

func TestSplitterPassesTheReadersErrorOn(t *testing.T) {
	why := errors.New("the disk is gone")
	for _, r := range []io.Reader{iotest.ErrReader(why), io.MultiReader(bytes.NewReader(frame(t)[:50]), iotest.ErrReader(why))} {
		if got, err := split(NewSplitter(r, 1<<20)); err != why || len(got) != 0 {
			t.Errorf("%d frames, %v", len(got), err)
		}
	}
	if _, err := split(NewSplitter(idle{}, 1<<20)); err != io.ErrNoProgress {
		t.Errorf("a reader that gives nothing: %v", err)
	}
}

type zeroes struct{}

func (zeroes) Read(b []byte) (int, error) { clear(b); return len(b), nil }

type idle struct{}

func (idle) Read([]byte) (int, error) { return 0, nil }

func FuzzSplitter(f *testing.F) {
	good := frame(f)
	f.Add(slices.Concat(good, good), 7)
	f.Add(slices.Concat(good[:300], good), 1000)
	f.Add([]byte{0xFF, mSOI, 0xFF, 0xFF, mSOI, 0xFF}, 1)
	f.Fuzz(func(t *testing.T, b []byte, chunk int) {
		whole, err := split(NewSplitter(bytes.NewReader(b), 4096))
		if err != io.EOF {
			t.Fatal(err)
		}
		for _, p := range whole {
			if info, err := Check(p); err != nil || info.End != len(p) {
				t.Fatalf("gave a frame that Check refuses: %v", err)
			}
		}
		pieces, err := split(NewSplitter(&chunked{b, min(max(chunk, 1), 4096)}, 4096))
		if err != io.EOF || !slices.EqualFunc(whole, pieces, bytes.Equal) {
			t.Fatalf("%d frames at once, %d in pieces, %v", len(whole), len(pieces), err)
		}
	})
}

type chunked struct {
	b []byte
	n int
}

func (c *chunked) Read(p []byte) (int, error) {
	if len(c.b) == 0 {
		return 0, io.EOF
	}
	n := copy(p, c.b[:min(c.n, len(c.b))])
	c.b = c.b[n:]
	return n, nil
}
