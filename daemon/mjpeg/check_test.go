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

// frame is a small one of another encoder's, 4:2:0 with tables; gray is one with a single component.
func frame(t testing.TB) []byte {
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

// segmentAt returns where the first segment with marker m begins and ends.
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

// insert puts bytes before the first segment with marker m.
func insert(t testing.TB, b []byte, m byte, what ...byte) []byte {
	start, _ := segmentAt(t, b, m)
	return slices.Concat(b[:start], what, b[start:])
}

// change sets the byte at offset behind the start of the first segment with marker m.
func change(t testing.TB, b []byte, m byte, offset int, v byte) []byte {
	start, _ := segmentAt(t, b, m)
	b = slices.Clone(b)
	b[start+offset] = v
	return b
}

func TestCheckAcceptsWholeFrames(t *testing.T) {
	good := frame(t)
	bare := without(t, good, mDHT)
	sos, _ := segmentAt(t, good, mSOS)
	for _, c := range []struct {
		name string
		b    []byte
		want Info
	}{
		{"plain", good, Info{70, 50, true, sos, len(good)}},
		{"without tables", bare, Info{70, 50, false, sos - (len(good) - len(bare)), len(bare)}},
		{"zeros behind", append(slices.Clone(good), 0, 0, 0), Info{70, 50, true, sos, len(good)}},
		{"0xFF behind", append(slices.Clone(good), 0xFF, 0xFF), Info{70, 50, true, sos, len(good)}},
		{"an older frame's rest behind", append(slices.Clone(good), good[100:]...), Info{70, 50, true, sos, len(good)}},
		{"a comment", insert(t, good, mDQT, 0xFF, mCOM, 0, 4, 0xFF, mEOI), Info{70, 50, true, sos + 6, len(good) + 6}},
		{"fill bytes", insert(t, good, mDQT, 0xFF, 0xFF, 0xFF), Info{70, 50, true, sos + 3, len(good) + 3}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got, err := Check(c.b); err != nil || got != c.want {
				t.Errorf("got %+v, %v; want %+v", got, err, c.want)
			}
		})
	}
}

func TestCheckRefuses(t *testing.T) {
	good := frame(t)
	sof, sofEnd := segmentAt(t, good, mSOF0)
	_, data := segmentAt(t, good, mSOS)
	for _, c := range []struct {
		name string
		b    []byte
		want error
	}{
		{"nothing", nil, ErrNoEnd},
		{"zeros", make([]byte, 5000), ErrNoStart},
		{"a byte before", append([]byte{0}, good...), ErrNoStart},
		{"SOI only", good[:2], ErrNoEnd},
		{"no frame header yet", good[:sof+3], ErrNoEnd},
		{"cut in the data", good[:len(good)-10], ErrNoEnd},
		{"cut before the last byte", good[:len(good)-1], ErrNoEnd},
		{"cut and filled with zeros", append(slices.Clone(good[:len(good)-10]), make([]byte, 50)...), ErrNoEnd},
		{"no SOF", without(t, good, mSOF0), ErrNoFrameHeader},
		{"two SOF", insert(t, good, mSOS, good[sof:sofEnd]...), ErrMarker},
		{"SOF of zero width", change(t, change(t, good, mSOF0, 7, 0), mSOF0, 8, 0), ErrNoFrameHeader},
		{"SOF with a wrong count", change(t, good, mSOF0, 9, 2), ErrNoFrameHeader},
		{"SOF with sampling 0", change(t, good, mSOF0, 11, 0), ErrNoFrameHeader},
		{"12 bits", change(t, good, mSOF0, 4, 12), ErrUnsupported},
		{"lossless", change(t, good, mSOF0, 1, 0xC3), ErrUnsupported},
		{"arithmetic", change(t, good, mSOF0, 1, 0xC9), ErrUnsupported},
		{"a length of 1", change(t, change(t, good, mDQT, 2, 0), mDQT, 3, 1), ErrMarker},
		{"a length over the end", change(t, good, mDHT, 2, 0xFF), ErrNoEnd},
		{"no marker", change(t, good, mDHT, 0, 0), ErrMarker},
		{"a reserved marker", change(t, good, mDHT, 1, 0x30), ErrMarker},
		{"SOS with a wrong count", change(t, good, mSOS, 4, 2), ErrMarker},
		{"the next frame inside", slices.Concat(good[:data+40], good), ErrMarker},
		{"no scan", slices.Concat(good[:sofEnd], []byte{0xFF, mEOI}), ErrMarker},
		{"tiny for its size", change(t, good, mSOF0, 5, 0x10), ErrTooSmall},
		{"ends at once", slices.Concat(good[:data], []byte{0xFF, mEOI}), ErrTooSmall},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := Check(c.b); !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
}

func TestCompleteAddsTheTablesThatAreMissing(t *testing.T) {
	good := frame(t)
	bare := without(t, good, mDHT)
	info, err := Check(bare)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := jpeg.Decode(bytes.NewReader(bare)); err == nil {
		t.Fatal("image/jpeg reads a frame without tables: this test shows nothing")
	}
	b := Complete([]byte("before"), append(slices.Clone(bare), 0, 0, 0), info)
	rest, found := bytes.CutPrefix(b, []byte("before"))
	if !found || len(rest) != CompletedLen(info) {
		t.Errorf("%d bytes appended, CompletedLen says %d", len(rest), CompletedLen(info))
	}
	if at := info.SOS; !bytes.Equal(slices.Concat(rest[:at], rest[at+len(standardDHT):]), bare) {
		t.Error("more than the tables has changed")
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
		t.Error("the completed frame looks different")
	}
}

func TestCompleteLeavesACompleteFrameAlone(t *testing.T) {
	good := frame(t)
	info, err := Check(good)
	if err != nil {
		t.Fatal(err)
	}
	if b := Complete(nil, append(slices.Clone(good), 0, 0), info); !bytes.Equal(b, good) || CompletedLen(info) != len(b) {
		t.Error("a complete frame was changed")
	}
}

func TestStandardTablesAreThoseOfImageJPEG(t *testing.T) {
	good := frame(t)
	start, end := segmentAt(t, good, mDHT) // image/jpeg writes one segment in the order of Annex K
	if !bytes.Equal(good[start:end], standardDHT) {
		t.Error("the tables differ")
	}
}

func TestCheckAndCompleteAllocateNothing(t *testing.T) {
	bare := without(t, frame(t), mDHT)
	dst := make([]byte, 0, len(bare)+1000)
	if n := testing.AllocsPerRun(10, func() {
		info, err := Check(bare)
		if err != nil {
			t.Fatal(err)
		}
		dst = Complete(dst[:0], bare, info)
	}); n != 0 {
		t.Errorf("%v allocations per frame", n)
	}
}

func TestCommentIsFoundOnlyWhereThereIsOne(t *testing.T) {
	good := frame(t)
	if c := Comment(insert(t, good, mDQT, 0xFF, mCOM, 0, 4, 'h', 'i')); string(c) != "hi" {
		t.Errorf("got %q", c)
	}
	for name, b := range map[string][]byte{
		"none": good, "empty": nil, "length over the end": {0xFF, mSOI, 0xFF, mCOM, 0, 9, 'x'}, "length 0": {0xFF, mSOI, 0xFF, mCOM, 0, 0},
	} {
		if c := Comment(b); c != nil {
			t.Errorf("%s: got %q", name, c)
		}
	}
}

func TestErrorsNameThePlace(t *testing.T) {
	_, err := Check(change(t, frame(t), mDHT, 1, 0x30))
	if err == nil || !strings.Contains(err.Error(), "at byte") {
		t.Errorf("%v", err)
	}
}

func FuzzCheck(f *testing.F) {
	good := frame(f)
	f.Add(good)
	f.Add(without(f, good, mDHT))
	f.Add(good[:len(good)-3])
	f.Add(change(f, good, mSOF0, 1, mSOF2))
	f.Add([]byte{0xFF, mSOI, 0xFF, mEOI})
	f.Fuzz(func(t *testing.T, b []byte) {
		Comment(b)
		info, err := Check(b)
		if err != nil {
			if info != (Info{}) {
				t.Fatalf("%+v beside %v", info, err)
			}
			return
		}
		if info.End > len(b) || info.SOS >= info.End || info.Width < 1 || info.Height < 1 {
			t.Fatalf("%+v of %d bytes", info, len(b))
		}
		once := Complete(nil, b, info)
		if len(once) != CompletedLen(info) {
			t.Fatalf("%d bytes, CompletedLen says %d", len(once), CompletedLen(info))
		}
		again, err := Check(once)
		if err != nil || !again.Tables || again.Width != info.Width || again.Height != info.Height || again.End != len(once) {
			t.Fatalf("%+v became %+v, %v", info, again, err)
		}
		if !bytes.Equal(Complete(nil, once, again), once) {
			t.Fatal("completing twice changes the frame")
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
