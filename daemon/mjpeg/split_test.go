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
			[][]byte{two, three}, len(one) - 9, ErrNoEnd},
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

// The thumbnail of a damaged frame is not a frame.
func TestSplitter_thumbnail(t *testing.T) {
	good := stdFrame(t)
	thumbnail, err := NewEncoder(50).EncodeGrey(nil, make([]byte, 16*16), 16, 16, 0)
	if err != nil {
		t.Fatal(err)
	}
	app1 := slices.Concat([]byte{0xFF, mAPP0 + 1, 0, byte(8 + len(thumbnail))}, []byte("Exif\x00\x00"), thumbnail)
	app1[2], app1[3] = byte((len(app1)-2)>>8), byte(len(app1)-2)
	b := insertBefore(t, good, mDQT, app1...)
	_, end := segmentAt(t, b, mAPP0+1)
	_, data := segmentAt(t, b, mSOS)
	complete, lost, thumbnails := 0, 0, 0
	for pos := 2; pos < data; pos++ {
		for _, damage := range []func(b []byte) []byte{
			func(b []byte) []byte { b[pos] ^= 0x80; return b },
			func(b []byte) []byte { b[pos] = 0xFF; return b },
			func(b []byte) []byte { return slices.Delete(b, pos, pos+1) },
			func(b []byte) []byte { return slices.Insert(b, pos, 0) },
			func(b []byte) []byte { return b[:pos] },
		} {
			damaged := damage(slices.Clone(b))
			frames := collectSizes(t, slices.Concat(b, damaged, b, b))
			for _, size := range frames {
				if size == [2]int{16, 16} {
					thumbnails++
				}
			}
			complete += len(frames)
			if pos > end { // an incomplete application segment swallows what follows
				lost += max(3-len(frames), 0)
			}
		}
	}
	// A segment that is cut off can end exactly at a marker in the thumbnail of
	// the next frame.
	if thumbnails > complete/2000 {
		t.Errorf("got %d thumbnails in %d complete frames", thumbnails, complete)
	}
	if lost > complete/500 {
		t.Errorf("got %d complete frames, %d undamaged ones lost", complete, lost)
	}
}

func collectSizes(t *testing.T, stream []byte) (sizes [][2]int) {
	t.Helper()
	s := NewSplitter(bytes.NewReader(stream), 1<<20)
	for {
		_, info, err := s.Next()
		if err == io.EOF {
			return sizes
		}
		if err != nil {
			t.Fatal(err)
		}
		sizes = append(sizes, [2]int{info.Width, info.Height})
	}
}

// Streams without EOI, and with junk, are streams of frames.
func TestSplitter_mends(t *testing.T) {
	good := stdFrame(t)
	noEOI := good[:len(good)-2]
	for _, c := range []struct {
		name   string
		stream []byte
		frames int
		broken int64
	}{
		{"no EOI", slices.Concat(noEOI, noEOI, noEOI), 3, 0},
		{"no EOI, zeros between", slices.Concat(noEOI, make([]byte, 500), noEOI), 2, 0},
		{"MCUs missing", slices.Concat(noEOI[:len(noEOI)-20], noEOI, noEOI[:len(noEOI)-20]), 1, 2},
		{"two SOIs", slices.Concat([]byte{0xFF, mSOI}, good, []byte{0xFF, mSOI}, good), 2, 0},
		{"junk between segments", bytes.Repeat(insertBefore(t, good, mSOF0, 1, 2), 4), 4, 0},
		{"progressive", bytes.Repeat(setByte(t, good, mSOF0, 1, 0xC3), 4), 0, 4},
		{"text", []byte("hello, world"), 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := NewSplitter(bytes.NewReader(c.stream), 1<<20)
			n := 0
			for {
				b, info, err := s.Next()
				if err == io.EOF {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
				n++
				if got := Complete(nil, b, info); !bytes.Equal(got, good) {
					t.Errorf("frame %d: got %d bytes, want the %d of the frame", n, len(got), len(good))
				}
			}
			if n != c.frames || s.Broken() != c.broken {
				t.Errorf("got %d frames, %d broken; want %d, %d", n, s.Broken(), c.frames, c.broken)
			}
		})
	}
}

// Crafted streams with many starts inside one another are read in linear time:
// every byte is looked at a few times.
func TestSplitter_linearTime(t *testing.T) {
	good := stdFrame(t)
	noEOI := good[:len(good)-2]
	_, data := segmentAt(t, good, mSOS)
	start := []byte{0xFF, mSOI}
	fill := func(unit ...byte) []byte { return bytes.Repeat(unit, 1<<20/len(unit)) }
	for _, c := range []struct {
		name   string
		stream []byte
	}{
		{"starts", fill(start...)},
		{"long APP1", fill(0xFF, mSOI, 0xFF, mAPP0+1, 0xFF, 0xFF)},
		{"APP1 of 1 KiB", fill(0xFF, mSOI, 0xFF, mAPP0+1, 4, 1)},
		{"long DQT", fill(0xFF, mSOI, 0xFF, mDQT, 0xFF, 0xFF)},
		{"long DQT before zeros", fill(append([]byte{0xFF, mSOI, 0xFF, mDQT, 0xFF, 0xF1}, make([]byte, 300)...)...)},
		{"DQT of 1 KiB before zeros", fill(append([]byte{0xFF, mSOI, 0xFF, mDQT, 4, 7}, make([]byte, 40)...)...)},
		{"short DQT", fill(0xFF, mSOI, 0xFF, mDQT, 0, 5, 0, 0, 0, 0)},
		{"headers", fill(good[:data]...)},
		{"truncated frames", fill(noEOI[:len(noEOI)-9]...)},
		{"frames without EOI", fill(noEOI...)},
		{"frames with junk", fill(insertBefore(t, good, mSOF0, 1)...)},
		{"one long scan", append(slices.Clone(good[:data]), fill(0xFF, 0)...)},
		{"zeros", fill(0)},
		{"starts in a long scan", append(slices.Clone(good[:data]), fill(0xFF, 0, 1, 0xFF, mSOI)...)},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := NewSplitter(bytes.NewReader(c.stream), 256<<10)
			if _, err := splitAll(s); err != io.EOF {
				t.Fatal(err)
			}
			if limit := 4 * int64(len(c.stream)); s.read > limit {
				t.Errorf("got %d bytes looked at, want at most %d", s.read, limit)
			}
		})
	}
}
