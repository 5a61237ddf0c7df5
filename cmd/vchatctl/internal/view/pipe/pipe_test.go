package pipe

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"testing"

	"vchat/cmd/vchatctl/internal/view"
	"vchat/daemon/client"
	"vchat/daemon/daemontest/leaktest"
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
	go func() { done <- Copy(t.Context(), w, n) }()
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
	if err := Copy(t.Context(), w, n); err != nil {
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
			go func() { done <- Copy(ctx, w, n) }()
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
