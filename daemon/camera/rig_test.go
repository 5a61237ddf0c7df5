package camera

import (
	"bytes"
	"context"
	"image/jpeg"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"vchat/daemon/daemontest/leaktest"
	"vchat/daemon/daemontest/syncbuffer"
	"vchat/daemon/frame"
	"vchat/daemon/sandbox"
	"vchat/v4l2"
	"vchat/v4l2/v4l2test"
)

func TestMain(m *testing.M) { leaktest.Main(m, sandbox.Main) }

// rig is a running camera under test.
type rig struct {
	*Camera
	t      *testing.T
	kernel *v4l2test.Kernel
	log    *syncbuffer.Buffer
	cancel context.CancelFunc
	done   chan error
}

// run starts a camera. kernel may be nil for sources other than V4L2.
func run(t *testing.T, kernel *v4l2test.Kernel, cfg Config) *rig {
	t.Helper()
	if kernel != nil && cfg.Kernel == nil {
		cfg.Kernel = kernel
	}
	r := &rig{t: t, kernel: kernel, log: &syncbuffer.Buffer{}, done: make(chan error, 1)}
	r.Camera = New(cfg, slog.New(slog.NewTextHandler(r.log, nil)))
	var ctx context.Context
	ctx, r.cancel = context.WithCancel(context.Background())
	go func() { r.done <- r.Run(ctx) }()
	return r
}

// stop ends Run and checks that nothing is left open.
func (r *rig) stop() {
	r.t.Helper()
	r.cancel()
	if err := <-r.done; err != nil {
		r.t.Errorf("Run: got %v, want nil", err)
	}
	if r.kernel != nil {
		if err := r.kernel.Leaks(); err != nil {
			r.t.Errorf("after Run: got %v, want nothing open", err)
		}
	}
}

// countingKernel counts calls of Open, also those that fail.
type countingKernel struct {
	*v4l2test.Kernel
	opens atomic.Int64
}

func (k *countingKernel) Open(path string) (v4l2.Handle, error) {
	k.opens.Add(1)
	return k.Kernel.Open(path)
}

// frameCopy is a frame after its release.
type frameCopy struct {
	seq           uint64
	card          bool
	format        frame.Format
	width, height int
	captured, at  time.Duration
	data          []byte
}

// next waits for a frame that matches. It fails unless frames arrive in order.
func (r *rig) next(rd *frame.Reader, what string, match func(*frame.Frame) bool) frameCopy {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	var last uint64
	for {
		f, err := rd.Next(ctx)
		if err != nil {
			r.t.Fatalf("waiting for %s: %v; status %+v; log:\n%s", what, err, r.Status(), r.log)
		}
		s := frameCopy{f.Seq, f.Card, f.Format, f.Width, f.Height, f.Captured, f.Arrived, bytes.Clone(f.Data)}
		ok := match(f)
		f.Release()
		if s.seq <= last {
			r.t.Fatalf("got frame %d after %d, want rising numbers", s.seq, last)
		}
		last = s.seq
		if ok {
			return s
		}
	}
}

// frame waits for a frame that is not a card.
func (r *rig) frame(rd *frame.Reader) frameCopy {
	r.t.Helper()
	return r.next(rd, "a frame", func(f *frame.Frame) bool { return !f.Card })
}

// card waits for a card.
func (r *rig) card(rd *frame.Reader) frameCopy {
	r.t.Helper()
	return r.next(rd, "a card", func(f *frame.Frame) bool { return f.Card })
}

// state checks the state once all other goroutines of the bubble are blocked.
func (r *rig) state(want State) Status {
	r.t.Helper()
	synctest.Wait()
	s := r.Status()
	if s.State != want {
		r.t.Errorf("got state %s (%s), want %s", s.State, s.Reason, want)
	}
	return s
}

// checkJPEG fails the test unless image/jpeg decodes b with the wanted size.
func checkJPEG(t *testing.T, b []byte, width, height int) {
	t.Helper()
	img, err := jpeg.Decode(bytes.NewReader(b))
	if err != nil {
		t.Errorf("decode the frame: %v", err)
		return
	}
	if got := img.Bounds().Size(); got.X != width || got.Y != height {
		t.Errorf("got a frame of %v, want %dx%d", got, width, height)
	}
}
