package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"image"
	"image/jpeg"
	"io"
	"slices"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"vchat/daemon/vmtest/testframe"
)

var source = testframe.New(320, 240)

func frame(camera, sequence uint32) []byte {
	return source.Frame(nil, testframe.Stamp{Camera: camera, Sequence: sequence, Time: int64(sequence) * 1e9})
}

// card is a frame that is not the camera's.
func card(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, image.NewGray(image.Rect(0, 0, 16, 16)), nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// recoded is a frame in fewer bytes with the stamp of another, which may be its own.
func recoded(t *testing.T, jpg, stamped []byte, half bool) []byte {
	t.Helper()
	m, err := jpeg.Decode(bytes.NewReader(jpg))
	if err != nil {
		t.Fatal(err)
	}
	if half {
		small := image.NewYCbCr(image.Rect(0, 0, m.Bounds().Dx()/2, m.Bounds().Dy()/2), image.YCbCrSubsampleRatio420)
		for i := range small.Y {
			small.Y[i] = uint8(luma(m, i%small.YStride*2, i/small.YStride*2))
		}
		for i := range small.Cb {
			small.Cb[i], small.Cr[i] = 128, 128
		}
		m = small
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, &jpeg.Options{Quality: 15}); err != nil {
		t.Fatal(err)
	}
	return slices.Concat(b.Bytes()[:2], stamped[2:2+testframe.StampSize], b.Bytes()[2:])
}

func TestSplit(t *testing.T) {
	want := [][]byte{frame(1, 0), card(t), testframe.WithoutTables(frame(1, 1))}
	s := newSplitter(iotest.HalfReader(bytes.NewReader(bytes.Join(want, nil))))
	for i, w := range want {
		if got, err := s.next(); err != nil || !bytes.Equal(got, w) {
			t.Fatalf("frame %d: %d bytes, %v; want %d", i, len(got), err, len(w))
		}
	}
	if _, err := s.next(); err != io.EOF {
		t.Errorf("after the last: %v, want io.EOF", err)
	}
}

func TestSplitRefuses(t *testing.T) {
	good := frame(1, 0)
	for name, tt := range map[string]struct {
		stream []byte
		want   error
	}{
		"text":                {[]byte("HTTP/1.1 404"), errNotJPEG},
		"no SOI":              {good[2:], errNotJPEG},
		"segment of length 1": {[]byte("\xff\xd8\xff\xfe\x00\x01"), errNotJPEG},
		"no marker":           {[]byte("\xff\xd8\xff\xfe\x00\x02xx"), errNotJPEG},
		"cut in a segment":    {good[:30], io.ErrUnexpectedEOF},
		"cut in the scan":     {good[:len(good)-2], io.ErrUnexpectedEOF},
	} {
		if _, err := newSplitter(bytes.NewReader(tt.stream)).next(); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", name, err, tt.want)
		}
	}
}

func TestCheck(t *testing.T) {
	altered := frame(1, 3)
	altered[len(altered)-20] ^= 1
	damagedTables := frame(1, 3)
	damagedTables[bytes.Index(damagedTables, []byte("\xff\xc4"))+10] ^= 1
	for name, tt := range map[string]struct {
		frames [][]byte
		want   report
	}{
		"all well":             {[][]byte{frame(1, 3), frame(1, 4)}, report{Frames: 2, Exact: 2, First: 3, Last: 4}},
		"one missing":          {[][]byte{frame(1, 3), frame(1, 5)}, report{Frames: 2, Exact: 2, Missing: 1, First: 3, Last: 5}},
		"twice":                {[][]byte{frame(1, 3), frame(1, 3)}, report{Frames: 2, Exact: 2, Repeated: 1, First: 3, Last: 3}},
		"out of order":         {[][]byte{frame(1, 3), frame(1, 2)}, report{Frames: 2, Exact: 2, Repeated: 1, First: 3, Last: 3}},
		"a bit flipped":        {[][]byte{altered}, report{Frames: 1, Altered: 1, First: 3, Last: 3}},
		"tables exchanged":     {[][]byte{damagedTables}, report{Frames: 1, Completed: 1, First: 3, Last: 3}},
		"reduced":              {[][]byte{recoded(t, frame(1, 3), frame(1, 3), false)}, report{Frames: 1, Reduced: 1, First: 3, Last: 3}},
		"half as large":        {[][]byte{recoded(t, frame(1, 3), frame(1, 3), true)}, report{Frames: 1, Reduced: 1, First: 3, Last: 3}},
		"another reduced one":  {[][]byte{recoded(t, frame(1, 5), frame(1, 3), false)}, report{Frames: 1, Altered: 1, First: 3, Last: 3}},
		"tables missing":       {[][]byte{testframe.WithoutTables(frame(1, 3))}, report{Frames: 1, Bare: 1, First: 3, Last: 3}},
		"another camera's":     {[][]byte{frame(2, 3)}, report{Frames: 1, Foreign: 1}},
		"a card between":       {[][]byte{frame(1, 3), card(t), frame(1, 4)}, report{Frames: 3, Exact: 2, Cards: 1, Returns: 1, First: 3, Last: 4}},
		"nothing but the card": {[][]byte{card(t)}, report{Frames: 1, Cards: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			in := io.NopCloser(bytes.NewReader(bytes.Join(tt.frames, nil)))
			if err := run(context.Background(), in, &out, newChecker(1, 320, 240, 0), 0, 0); err != nil {
				t.Fatal(err)
			}
			var got report
			if err := json.Unmarshal(out.Bytes(), &got); err != nil {
				t.Fatal(err)
			}
			if (got.ReturnedAt > 0) != (got.Returns > 0) {
				t.Errorf("%d returns, the last one at %d", got.Returns, got.ReturnedAt)
			}
			if len(got.Repeats) != got.Repeated {
				t.Errorf("%d repeated, and tells of %v", got.Repeated, got.Repeats)
			}
			got.Repeats = nil
			got.ReturnedAt, got.Seconds, got.FPS, got.DelayMS = 0, 0, 0, delays{}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("report (-want +got):\n%s", diff)
			}
		})
	}
}

func TestSkipAndCount(t *testing.T) {
	var out bytes.Buffer
	in := io.NopCloser(bytes.NewReader(bytes.Join([][]byte{frame(1, 9), card(t), frame(1, 0), frame(1, 1), frame(1, 2)}, nil)))
	if err := run(context.Background(), in, &out, newChecker(1, 320, 240, 1), 2, 0); err != nil {
		t.Fatal(err)
	}
	var got report
	if err := json.Unmarshal(out.Bytes(), &got); err != nil || got.Exact != 2 || got.Cards != 1 {
		t.Errorf("report %s (%v), want 2 exact, 1 card, the first left out", &out, err)
	}
}

func TestStreamThatIsNotJPEG(t *testing.T) {
	var out bytes.Buffer
	in := io.NopCloser(bytes.NewReader(append(frame(1, 0), "oops"...)))
	err := run(context.Background(), in, &out, newChecker(1, 320, 240, 0), 0, 0)
	var got report
	if jsonErr := json.Unmarshal(out.Bytes(), &got); jsonErr != nil || !errors.Is(err, errNotJPEG) || got.Exact != 1 || got.Error == "" {
		t.Errorf("run = %v, report %s; want errNotJPEG, 1 exact and the error", err, &out)
	}
}
