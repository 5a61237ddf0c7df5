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

// reel gives a frame for each token, and then its end.
type reel struct {
	frames [][]byte
	token  chan struct{}
	end    error
}

func (r *reel) Next() (client.Frame, error) {
	_, ok := <-r.token
	if len(r.frames) == 0 || !ok {
		return client.Frame{}, r.end
	}
	p := r.frames[0]
	r.frames = r.frames[1:]
	return client.Frame{Data: p}, nil
}

func TestFramesAreWrittenAsTheyCame(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	src := &reel{token: make(chan struct{}), end: io.EOF}
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
			t.Fatalf("frame %d: %v, or other bytes", i, err)
		}
	}
	close(src.token)
	if err := <-done; err != nil {
		t.Errorf("at the end of the feed: %v", err)
	}
	n.Wait()
	w.Close()
	if rest, err := io.ReadAll(r); err != nil || len(rest) > 0 {
		t.Errorf("%d bytes too many, %v", len(rest), err)
	}
}

func TestTheEnds(t *testing.T) {
	broken, enough := errors.New("broken"), errors.New("enough")
	for _, tt := range []struct {
		name string
		run  func(src *reel, r *os.File, cancel context.CancelCauseFunc)
		want error
	}{
		{"the reader goes", func(src *reel, r *os.File, _ context.CancelCauseFunc) { r.Close(); src.token <- struct{}{} }, nil},
		{"the feed breaks", func(src *reel, _ *os.File, _ context.CancelCauseFunc) { src.end = broken; close(src.token) }, broken},
		{"the user has enough", func(_ *reel, _ *os.File, cancel context.CancelCauseFunc) { cancel(enough) }, enough},
		{"the user has enough of a reader that does not read", func(src *reel, r *os.File, cancel context.CancelCauseFunc) {
			src.token <- struct{}{}
			_, _ = io.ReadFull(r, make([]byte, 1)) // it is being written
			cancel(enough)
		}, enough},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, w, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			defer w.Close()
			src := &reel{token: make(chan struct{}), end: io.EOF, frames: [][]byte{make([]byte, 1<<20)}}
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
