package pipe

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"testing"

	"vchat/cmd/vchatctl/internal/view"
	"vchat/daemon/client"
	"vchat/daemon/daemontest/leaktest"
	"vchat/daemon/mjpeg"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// frameSource returns a frame for each token, and then end.
type frameSource struct {
	frames [][]byte
	token  chan struct{}
	end    error
}

func (s *frameSource) Next() (client.Frame, error) {
	_, ok := <-s.token
	if len(s.frames) == 0 || !ok {
		return client.Frame{}, s.end
	}
	data := s.frames[0]
	s.frames = s.frames[1:]
	return client.Frame{Data: data}, nil
}

func TestCopy(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	src := &frameSource{token: make(chan struct{}), end: io.EOF}
	for i := range 10 {
		src.frames = append(src.frames, bytes.Repeat([]byte{0xff, byte(i)}, 50_000*i+1))
	}
	frames := src.frames
	n := view.ReadNewest(src)
	done := make(chan error, 1)
	go func() { done <- Copy(t.Context(), w, n, MJPEG, t.Logf) }()
	for i, want := range frames {
		src.token <- struct{}{}
		got := make([]byte, len(want))
		if _, err := io.ReadFull(r, got); err != nil || !bytes.Equal(got, want) {
			t.Fatalf("frame %d: got other bytes, or error %v", i, err)
		}
	}
	close(src.token)
	if err := <-done; err != nil {
		t.Errorf("end of the feed: got %v, want nil", err)
	}
	n.Wait()
	w.Close()
	if rest, err := io.ReadAll(r); err != nil || len(rest) > 0 {
		t.Errorf("got %d bytes after the last frame, %v; want none", len(rest), err)
	}
}

// Players recognise the stream by JFIF segments, which some cameras omit.
func TestCopy_jfif(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	avi1 := "\xff\xe0\x00\x06AVI1\xff\xdb\x00\x02"
	src := &frameSource{token: make(chan struct{}, 1), end: io.EOF, frames: [][]byte{[]byte("\xff\xd8" + avi1)}}
	src.token <- struct{}{}
	close(src.token)
	n := view.ReadNewest(src)
	if err := Copy(t.Context(), w, n, MJPEG, t.Logf); err != nil {
		t.Fatal(err)
	}
	n.Wait()
	w.Close()
	got, err := io.ReadAll(r)
	want := "\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00" + avi1
	if err != nil || string(got) != want {
		t.Errorf("got %q, %v; want %q", got, err, want)
	}
}

func TestCopy_ends(t *testing.T) {
	broken, quit := errors.New("broken"), errors.New("quit")
	for _, tt := range []struct {
		name string
		run  func(src *frameSource, r *os.File, cancel context.CancelCauseFunc)
		want error
	}{
		{"reader closes", func(src *frameSource, r *os.File, _ context.CancelCauseFunc) {
			r.Close()
			src.token <- struct{}{}
		}, nil},
		{"feed fails", func(src *frameSource, _ *os.File, _ context.CancelCauseFunc) {
			src.end = broken
			close(src.token)
		}, broken},
		{"user quits", func(_ *frameSource, _ *os.File, cancel context.CancelCauseFunc) { cancel(quit) }, quit},
		{"user quits, reader does not read", func(src *frameSource, r *os.File, cancel context.CancelCauseFunc) {
			src.token <- struct{}{}
			_, _ = io.ReadFull(r, make([]byte, 1)) // the write has begun
			cancel(quit)
		}, quit},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, w, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			defer w.Close()
			src := &frameSource{token: make(chan struct{}), end: io.EOF, frames: [][]byte{make([]byte, 1<<20)}}
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			n := view.ReadNewest(src)
			done := make(chan error, 1)
			go func() { done <- Copy(ctx, w, n, MJPEG, t.Logf) }()
			tt.run(src, r, cancel)
			if err := <-done; !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
			if tt.want != broken {
				close(src.token)
			}
			n.Wait()
		})
	}
}

// A reader that has stopped gets the frame that was being written, and then
// only the newest one.
func TestCopy_stoppedReader(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	src := &frameSource{token: make(chan struct{}), end: io.EOF}
	for i := range 100 {
		src.frames = append(src.frames, bytes.Repeat([]byte{byte(i)}, os.Getpagesize()*3/4))
	}
	size := len(src.frames[0])
	n := view.ReadNewest(src)
	done := make(chan error, 1)
	go func() { done <- Copy(t.Context(), w, n, MJPEG, t.Logf) }()
	for range 100 {
		src.token <- struct{}{}
	}
	for frames, _ := n.Totals(); frames < 100; frames, _ = n.Totals() {
		runtime.Gosched()
	}
	got := make(chan []byte, 1)
	go func() {
		all, _ := io.ReadAll(r)
		got <- all
	}()
	close(src.token)
	if err := <-done; err != nil {
		t.Error(err)
	}
	w.Close()
	n.Wait()
	all := <-got
	if len(all) > 4*size || len(all)%size != 0 || all[len(all)-1] != 99 {
		t.Errorf("got %d frames, the last is %d; want at most 4, and the newest", len(all)/size, all[len(all)-1])
	}
}

// A turned camera is turned in the player, too.
func TestCopy_rotation(t *testing.T) {
	frame, err := mjpeg.NewEncoder(50).EncodeGrey(nil, make([]byte, 16*16), 16, 16, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		format Format
		want   string
		note   string
	}{
		{MJPEG, "Exif\x00\x00",
			"frames are turned by 90 degrees; if ffplay does not turn them, add -vf transpose=1"},
		{Matroska, "\x76\x75", // ProjectionPoseRoll
			"frames are turned by 90 degrees; if mpv does not turn them, add --video-rotate=90"},
	} {
		t.Run(string(tt.format), func(t *testing.T) {
			for _, rotate := range []int{0, 90} {
				r, w, err := os.Pipe()
				if err != nil {
					t.Fatal(err)
				}
				defer r.Close()
				n := view.ReadNewest(&turnedFrame{data: frame, rotate: rotate})
				var notes []string
				logf := func(format string, args ...any) { notes = append(notes, fmt.Sprintf(format, args...)) }
				if err := Copy(t.Context(), w, n, tt.format, logf); err != nil {
					t.Fatal(err)
				}
				n.Wait()
				w.Close()
				got, err := io.ReadAll(r)
				if err != nil || len(got) == 0 || bytes.Contains(got, []byte(tt.want)) != (rotate != 0) {
					t.Errorf("rotated by %d: got %q, %v", rotate, got, err)
				}
				var want []string
				if rotate != 0 {
					want = []string{tt.note}
				}
				if !slices.Equal(notes, want) {
					t.Errorf("rotated by %d: got notes %q, want %q", rotate, notes, want)
				}
			}
		})
	}
}

// turnedFrame returns one frame.
type turnedFrame struct {
	data   []byte
	rotate int
}

func (s *turnedFrame) Next() (client.Frame, error) {
	data := s.data
	if s.data = nil; data == nil {
		return client.Frame{}, io.EOF
	}
	return client.Frame{Data: data, Rotate: s.rotate, Monotonic: 1}, nil
}

// A rotation is reported once, and again when it changes: by `--follow` to
// another camera, or by a reload.
func TestRotation_change(t *testing.T) {
	const again = "; start the player again"
	for _, tt := range []struct {
		format  Format
		degrees []int
		want    []string
	}{
		{MJPEG, []int{0, 0}, []string{"", ""}},
		{MJPEG, []int{180, 180, 270, 0, 0}, []string{
			"frames are turned by 180 degrees; if ffplay does not turn them, add -vf hflip,vflip", "",
			"frames are turned by 270 degrees; if ffplay does not turn them, add -vf transpose=2",
			"frames are no longer turned", "",
		}},
		{Matroska, []int{270, 270, 180, 0, 270}, []string{
			"frames are turned by 270 degrees; if mpv does not turn them, add --video-rotate=270", "",
			"frames are turned by 180 degrees" + again,
			"frames are no longer turned" + again,
			"frames are turned by 270 degrees; if mpv does not turn them, add --video-rotate=270",
		}},
		{Matroska, []int{0, 90, 0}, []string{
			"", "frames are turned by 90 degrees" + again, "frames are no longer turned",
		}},
	} {
		r := rotation{format: tt.format}
		for i, degrees := range tt.degrees {
			if got := r.change(degrees); got != tt.want[i] {
				t.Errorf("%s, %v, frame %d: got %q, want %q", tt.format, tt.degrees, i, got, tt.want[i])
			}
		}
	}
}
