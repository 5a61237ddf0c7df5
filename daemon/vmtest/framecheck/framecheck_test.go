package main

import (
	"bytes"
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

// card returns a frame without a stamp.
func card(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, image.NewGray(image.Rect(0, 0, 16, 16)), nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// reencode returns the image of jpg in fewer bytes, with the stamp of stamped.
// It has so many eighths of the width and height.
func reencode(t *testing.T, jpg, stamped []byte, eighths int) []byte {
	t.Helper()
	m, err := jpeg.Decode(bytes.NewReader(jpg))
	if err != nil {
		t.Fatal(err)
	}
	if eighths < 8 {
		size := m.Bounds().Size().Mul(eighths).Div(8)
		small := image.NewYCbCr(image.Rectangle{Max: size}, image.YCbCrSubsampleRatio420)
		for i := range small.Y {
			small.Y[i] = uint8(luma(m, (2*(i%small.YStride)+1)*4/eighths, (2*(i/small.YStride)+1)*4/eighths))
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

func TestSplitter(t *testing.T) {
	want := [][]byte{frame(1, 0), card(t), testframe.WithoutTables(frame(1, 1))}
	s := newSplitter(iotest.HalfReader(bytes.NewReader(bytes.Join(want, nil))))
	for i, w := range want {
		if got, err := s.next(); err != nil || !bytes.Equal(got, w) {
			t.Fatalf("frame %d: got %d bytes, %v, want the %d bytes of the frame", i, len(got), err, len(w))
		}
	}
	if _, err := s.next(); err != io.EOF {
		t.Errorf("after the last frame: got %v, want io.EOF", err)
	}
}

func TestSplitter_invalid(t *testing.T) {
	good := frame(1, 0)
	for _, tt := range []struct {
		name   string
		stream []byte
		want   error
	}{
		{"text", []byte("HTTP/1.1 404"), errNotJPEG},
		{"no SOI", good[2:], errNotJPEG},
		{"segment of length 1", []byte("\xff\xd8\xff\xfe\x00\x01"), errNotJPEG},
		{"no marker", []byte("\xff\xd8\xff\xfe\x00\x02xx"), errNotJPEG},
		{"truncated segment", good[:30], io.ErrUnexpectedEOF},
		{"truncated scan", good[:len(good)-2], io.ErrUnexpectedEOF},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := newSplitter(bytes.NewReader(tt.stream)).next(); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}

// check runs the checker over frames and returns its report without times.
func check(t *testing.T, frames [][]byte) report {
	t.Helper()
	var out bytes.Buffer
	in := io.NopCloser(bytes.NewReader(bytes.Join(frames, nil)))
	if err := run(t.Context(), in, &out, newChecker(1, 320, 240, 0), 0, 0); err != nil {
		t.Fatal(err)
	}
	var r report
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		t.Fatal(err)
	}
	if (r.ReturnedAt > 0) != (r.Returns > 0) {
		t.Errorf("got %d returns and the last at %d, want a time exactly if there are returns", r.Returns, r.ReturnedAt)
	}
	if len(r.Repeats) != r.Repeated {
		t.Errorf("got %d repeats, want %d: %v", len(r.Repeats), r.Repeated, r.Repeats)
	}
	r.Repeats, r.ReturnedAt, r.Seconds, r.FPS, r.DelayMS = nil, 0, 0, 0, delays{}
	return r
}

func TestChecker(t *testing.T) {
	altered := frame(1, 3)
	altered[len(altered)-20] ^= 1
	otherTables := frame(1, 3)
	otherTables[bytes.Index(otherTables, []byte("\xff\xc4"))+10] ^= 1
	reduced := reencode(t, frame(1, 3), frame(1, 3), 8)
	halved := reencode(t, frame(1, 3), frame(1, 3), 4)
	small := reencode(t, frame(1, 3), frame(1, 3), 3)
	otherReduced := reencode(t, frame(1, 5), frame(1, 3), 8)
	bare := testframe.WithoutTables(frame(1, 3))
	jfif := "\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00"
	withJFIF := append([]byte(jfif), frame(1, 3)[2:]...)
	for _, tt := range []struct {
		name   string
		frames [][]byte
		want   report
	}{
		{"exact", [][]byte{frame(1, 3), frame(1, 4)}, report{Frames: 2, Exact: 2, First: 3, Last: 4}},
		{"JFIF put first", [][]byte{withJFIF}, report{Frames: 1, Exact: 1, First: 3, Last: 3}},
		{"one missing", [][]byte{frame(1, 3), frame(1, 5)},
			report{Frames: 2, Exact: 2, Missing: 1, First: 3, Last: 5}},
		{"repeated", [][]byte{frame(1, 3), frame(1, 3)}, report{Frames: 2, Exact: 2, Repeated: 1, First: 3, Last: 3}},
		{"out of order", [][]byte{frame(1, 3), frame(1, 2)},
			report{Frames: 2, Exact: 2, Repeated: 1, First: 3, Last: 3}},
		{"flipped bit", [][]byte{altered}, report{Frames: 1, Altered: 1, First: 3, Last: 3}},
		{"other tables", [][]byte{otherTables}, report{Frames: 1, Completed: 1, First: 3, Last: 3}},
		{"reduced", [][]byte{reduced}, report{Frames: 1, Reduced: 1, First: 3, Last: 3}},
		{"reduced to half the size", [][]byte{halved}, report{Frames: 1, Reduced: 1, First: 3, Last: 3}},
		{"reduced to three eighths", [][]byte{small}, report{Frames: 1, Reduced: 1, First: 3, Last: 3}},
		{"reduced, of another still", [][]byte{otherReduced}, report{Frames: 1, Altered: 1, First: 3, Last: 3}},
		{"no tables", [][]byte{bare}, report{Frames: 1, Bare: 1, First: 3, Last: 3}},
		{"another camera", [][]byte{frame(2, 3)}, report{Frames: 1, Foreign: 1}},
		{"card in between", [][]byte{frame(1, 3), card(t), frame(1, 4)},
			report{Frames: 3, Exact: 2, Cards: 1, Returns: 1, First: 3, Last: 4}},
		{"only a card", [][]byte{card(t)}, report{Frames: 1, Cards: 1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, check(t, tt.frames)); diff != "" {
				t.Errorf("report (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRun_skipAndCount(t *testing.T) {
	stream := bytes.Join([][]byte{frame(1, 9), card(t), frame(1, 0), frame(1, 1), frame(1, 2)}, nil)
	in := io.NopCloser(bytes.NewReader(stream))
	var out bytes.Buffer
	if err := run(t.Context(), in, &out, newChecker(1, 320, 240, 1), 2, 0); err != nil {
		t.Fatal(err)
	}
	var got report
	if err := json.Unmarshal(out.Bytes(), &got); err != nil || got.Exact != 2 || got.Cards != 1 {
		t.Errorf("got report %s, %v, want 2 exact, 1 card and the first frame ignored", &out, err)
	}
}

func TestRun_notJPEG(t *testing.T) {
	in := io.NopCloser(bytes.NewReader(append(frame(1, 0), "oops"...)))
	var out bytes.Buffer
	err := run(t.Context(), in, &out, newChecker(1, 320, 240, 0), 0, 0)
	if !errors.Is(err, errNotJPEG) {
		t.Errorf("got error %v, want errNotJPEG", err)
	}
	var got report
	if err := json.Unmarshal(out.Bytes(), &got); err != nil || got.Exact != 1 || got.Error == "" {
		t.Errorf("got report %s, %v, want 1 exact and the error", &out, err)
	}
}
