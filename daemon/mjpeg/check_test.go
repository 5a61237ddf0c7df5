package mjpeg

import (
	"bytes"
	"errors"
	"image"
	"image/color"
	"image/jpeg"
	"slices"
	"strings"
	"testing"
)

// stdFrame returns a 4:2:0 frame of image/jpeg, with tables.
func stdFrame(t testing.TB) []byte {
	t.Helper()
	img := image.NewRGBA(image.Rect(0, 0, 70, 50))
	for i := range 70 * 50 {
		img.Set(i%70, i/70, color.RGBA{uint8(i % 70 * 3), uint8(i / 70 * 5), uint8(i * 7), 255})
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// segmentAt returns the start and end of the first segment with marker m.
func segmentAt(t testing.TB, b []byte, m byte) (start, end int) {
	t.Helper()
	for pos := 2; pos+4 <= len(b); {
		end := pos + 2 + int(b[pos+2])<<8 + int(b[pos+3])
		if b[pos+1] == m {
			return pos, end
		}
		pos = end
	}
	t.Fatalf("no marker %02X", m)
	return 0, 0
}

func without(t testing.TB, b []byte, m byte) []byte {
	start, end := segmentAt(t, b, m)
	return slices.Concat(b[:start], b[end:])
}

// insertBefore inserts bytes before the first segment with marker m.
func insertBefore(t testing.TB, b []byte, m byte, what ...byte) []byte {
	start, _ := segmentAt(t, b, m)
	return slices.Concat(b[:start], what, b[start:])
}

// setByte sets the byte at an offset from the first segment with marker m.
func setByte(t testing.TB, b []byte, m byte, offset int, v byte) []byte {
	start, _ := segmentAt(t, b, m)
	b = slices.Clone(b)
	b[start+offset] = v
	return b
}

func TestCheck_completeFrame(t *testing.T) {
	good := stdFrame(t)
	bare := without(t, good, mDHT)
	sos, _ := segmentAt(t, good, mSOS)
	info := func(tables bool, sos, end int) Info {
		return Info{Width: 70, Height: 50, Tables: tables, SOS: sos, End: end}
	}
	for _, c := range []struct {
		name string
		b    []byte
		want Info
	}{
		{"plain", good, info(true, sos, len(good))},
		{"without tables", bare, info(false, sos-(len(good)-len(bare)), len(bare))},
		{"zeros after the end", append(slices.Clone(good), 0, 0, 0), info(true, sos, len(good))},
		{"0xFF after the end", append(slices.Clone(good), 0xFF, 0xFF), info(true, sos, len(good))},
		{"rest of an older frame after the end", append(slices.Clone(good), good[100:]...),
			info(true, sos, len(good))},
		{"comment", insertBefore(t, good, mDQT, 0xFF, mCOM, 0, 4, 0xFF, mEOI),
			info(true, sos+6, len(good)+6)},
		{"fill bytes", insertBefore(t, good, mDQT, 0xFF, 0xFF, 0xFF), info(true, sos+3, len(good)+3)},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got, err := Check(c.b); err != nil || got != c.want {
				t.Errorf("got %+v, %v; want %+v", got, err, c.want)
			}
		})
	}
}

func TestCheck_invalidFrame(t *testing.T) {
	good := stdFrame(t)
	sof, sofEnd := segmentAt(t, good, mSOF0)
	_, data := segmentAt(t, good, mSOS)
	for _, c := range []struct {
		name string
		b    []byte
		want error
	}{
		{"nothing", nil, ErrNoEnd},
		{"zeros", make([]byte, 5000), ErrNoStart},
		{"SOI only", good[:2], ErrNoEnd},
		{"no frame header yet", good[:sof+3], ErrNoEnd},
		{"truncated data", good[:len(good)-10], ErrNoEnd},
		{"truncated and padded with zeros", append(slices.Clone(good[:len(good)-10]), make([]byte, 50)...), ErrNoEnd},
		{"no SOF", without(t, good, mSOF0), ErrNoFrameHeader},
		{"two SOF", insertBefore(t, good, mSOS, good[sof:sofEnd]...), ErrMarker},
		{"SOF with width 0", setByte(t, setByte(t, good, mSOF0, 7, 0), mSOF0, 8, 0), ErrNoFrameHeader},
		{"SOF with wrong component count", setByte(t, good, mSOF0, 9, 2), ErrNoFrameHeader},
		{"SOF with sampling factor 0", setByte(t, good, mSOF0, 11, 0), ErrNoFrameHeader},
		{"12 bits", setByte(t, good, mSOF0, 4, 12), ErrUnsupported},
		{"lossless", setByte(t, good, mSOF0, 1, 0xC3), ErrUnsupported},
		{"arithmetic", setByte(t, good, mSOF0, 1, 0xC9), ErrUnsupported},
		{"segment length 1", setByte(t, setByte(t, good, mDQT, 2, 0), mDQT, 3, 1), ErrMarker},
		{"segment beyond the end", setByte(t, good, mDHT, 2, 0xFF), ErrNoEnd},
		{"reserved marker", setByte(t, good, mDHT, 1, 0x30), ErrMarker},
		{"SOS with wrong component count", setByte(t, good, mSOS, 4, 2), ErrMarker},
		{"next frame begins in the data", slices.Concat(good[:data+40], good), ErrNoEnd},
		{"no scan", slices.Concat(good[:sofEnd], []byte{0xFF, mEOI}), ErrMarker},
		{"too few bytes for the size", setByte(t, good, mSOF0, 5, 0x10), ErrTooSmall},
		{"empty scan", slices.Concat(good[:data], []byte{0xFF, mEOI}), ErrTooSmall},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := Check(c.b); !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
}

func TestComplete_addsMissingTables(t *testing.T) {
	good := stdFrame(t)
	bare := without(t, good, mDHT)
	info, err := Check(bare)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := jpeg.Decode(bytes.NewReader(bare)); err == nil {
		t.Fatal("image/jpeg decodes a frame without tables; want an error")
	}
	b := Complete([]byte("before"), append(slices.Clone(bare), 0, 0, 0), info)
	rest, found := bytes.CutPrefix(b, []byte("before"))
	if !found || len(rest) != CompletedLen(info) {
		t.Errorf("got %d bytes appended, want CompletedLen %d", len(rest), CompletedLen(info))
	}
	if at := info.SOS; !bytes.Equal(slices.Concat(rest[:at], rest[at+len(standardDHT):]), bare) {
		t.Error("bytes other than the tables changed")
	}
	got, err := jpeg.Decode(bytes.NewReader(rest))
	if err != nil {
		t.Fatal(err)
	}
	want, err := jpeg.Decode(bytes.NewReader(good))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.(*image.YCbCr).Y, want.(*image.YCbCr).Y) {
		t.Error("the completed frame decodes to different luma")
	}
}

func TestComplete_completeFrameUnchanged(t *testing.T) {
	good := stdFrame(t)
	info, err := Check(good)
	if err != nil {
		t.Fatal(err)
	}
	b := Complete(nil, append(slices.Clone(good), 0, 0), info)
	if !bytes.Equal(b, good) || CompletedLen(info) != len(b) {
		t.Errorf("got %d bytes, want the %d of the frame unchanged", len(b), len(good))
	}
}

func TestStandardDHT(t *testing.T) {
	good := stdFrame(t)
	start, end := segmentAt(t, good, mDHT) // image/jpeg writes one segment in the order of Annex K
	if !bytes.Equal(good[start:end], standardDHT) {
		t.Error("got other tables than image/jpeg")
	}
}

func TestCheck_allocations(t *testing.T) {
	bare := without(t, stdFrame(t), mDHT)
	dst := make([]byte, 0, len(bare)+1000)
	if n := testing.AllocsPerRun(10, func() {
		info, err := Check(bare)
		if err != nil {
			t.Fatal(err)
		}
		dst = Complete(dst[:0], bare, info)
	}); n != 0 {
		t.Errorf("got %v allocations per frame, want none", n)
	}
}

func TestComment(t *testing.T) {
	good := stdFrame(t)
	if c := Comment(insertBefore(t, good, mDQT, 0xFF, mCOM, 0, 4, 'h', 'i')); string(c) != "hi" {
		t.Errorf("got %q, want hi", c)
	}
	for name, b := range map[string][]byte{
		"no comment":            good,
		"empty input":           nil,
		"length beyond the end": {0xFF, mSOI, 0xFF, mCOM, 0, 9, 'x'},
		"length 0":              {0xFF, mSOI, 0xFF, mCOM, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			if c := Comment(b); c != nil {
				t.Errorf("got %q, want nil", c)
			}
		})
	}
}

func TestCheck_errorOffset(t *testing.T) {
	_, err := Check(setByte(t, stdFrame(t), mDHT, 1, 0x30))
	if err == nil || !strings.Contains(err.Error(), "at byte") {
		t.Errorf("got %v, want an error with the offset", err)
	}
}

func FuzzCheck(f *testing.F) {
	good := stdFrame(f)
	f.Add(good)
	f.Add(without(f, good, mDHT))
	f.Add(good[:len(good)-3])
	f.Add(setByte(f, good, mSOF0, 1, mSOF2))
	f.Add([]byte{0xFF, mSOI, 0xFF, mEOI})
	f.Fuzz(func(t *testing.T, b []byte) {
		Comment(b)
		info, err := Check(b)
		if err != nil {
			if info != (Info{}) {
				t.Fatalf("got %+v with %v", info, err)
			}
			return
		}
		if info.End > len(b) || info.SOS >= info.End || info.Start > info.SOS || info.Width < 1 || info.Height < 1 {
			t.Fatalf("got %+v of %d bytes", info, len(b))
		}
		once := Complete(nil, b, info)
		if len(once) != CompletedLen(info) {
			t.Fatalf("got %d bytes, want CompletedLen %d", len(once), CompletedLen(info))
		}
		again, err := Check(once)
		sameSize := again.Width == info.Width && again.Height == info.Height
		if err != nil || !again.Tables || !sameSize || again.End != len(once) {
			t.Fatalf("got %+v, %v after Complete, want %+v", again, err, info)
		}
		if !bytes.Equal(Complete(nil, once, again), once) {
			t.Fatal("completing twice differs from once")
		}
	})
}

func BenchmarkCheckAndComplete720p(b *testing.B) {
	const w, h = 1280, 720
	src, err := NewEncoder(80).EncodeYUYV(nil, scene(w, h, 2*w, 1), w, h, 0)
	if err != nil {
		b.Fatal(err)
	}
	src = without(b, src, mDHT)
	dst := make([]byte, 0, 2*len(src))
	b.SetBytes(int64(len(src)))
	b.ReportAllocs()
	for b.Loop() {
		info, err := Check(src)
		if err != nil {
			b.Fatal(err)
		}
		dst = Complete(dst[:0], src, info)
	}
}
