package camera

import (
	"bytes"
	"context"
	"image/jpeg"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"vchat/daemon/daemontest/leaktest"
	"vchat/daemon/frame"
	"vchat/v4l2"
	"vchat/v4l2/v4l2test"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// rig is a camera that runs.
type rig struct {
	*Camera
	t      *testing.T
	kernel *v4l2test.Kernel
	log    *journal
	cancel context.CancelFunc
	done   chan error
}

// run starts a camera and stops it at the end of the test, when nothing may be left open.
func run(t *testing.T, kernel *v4l2test.Kernel, cfg Config) *rig {
	t.Helper()
	if kernel != nil && cfg.Kernel == nil {
		cfg.Kernel = kernel
	}
	r := &rig{t: t, kernel: kernel, log: &journal{}, done: make(chan error, 1)}
	r.Camera = New(cfg, slog.New(slog.NewTextHandler(r.log, nil)))
	var ctx context.Context
	ctx, r.cancel = context.WithCancel(context.Background())
	go func() { r.done <- r.Run(ctx) }()
	return r
}

func (r *rig) stop() {
	r.t.Helper()
	r.cancel()
	if err := <-r.done; err != nil {
		r.t.Errorf("Run: %v", err)
	}
	if r.kernel != nil {
		if err := r.kernel.Leaks(); err != nil {
			r.t.Errorf("left behind: %v", err)
		}
	}
}

// counting counts tries to open.
type counting struct {
	*v4l2test.Kernel
	tries atomic.Int64
}

func (k *counting) Open(path string) (v4l2.Handle, error) {
	k.tries.Add(1)
	return k.Kernel.Open(path)
}

// journal is a log.
type journal struct {
	mu sync.Mutex
	b  strings.Builder
}

func (j *journal) Write(b []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.Write(b)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.String()
}

// seen is what a test keeps of a frame.
type seen struct {
	seq           uint64
	card          bool
	format        frame.Format
	width, height int
	captured, at  time.Duration
	data          []byte
}

// next waits for a frame that matches; its reader must get frames in order.
func (r *rig) next(rd *frame.Reader, what string, match func(*frame.Frame) bool) seen {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	var last uint64
	for {
		f, err := rd.Next(ctx)
		if err != nil {
			r.t.Fatalf("waiting for %s: %v; status %+v; log:\n%s", what, err, r.Status(), r.log)
		}
		s := seen{f.Seq, f.Card, f.Format, f.Width, f.Height, f.Captured, f.Arrived, bytes.Clone(f.Data)}
		ok := match(f)
		f.Release()
		if s.seq <= last {
			r.t.Fatalf("frame %d after %d", s.seq, last)
		}
		last = s.seq
		if ok {
			return s
		}
	}
}

func (r *rig) frame(rd *frame.Reader) seen {
	r.t.Helper()
	return r.next(rd, "a frame", func(f *frame.Frame) bool { return !f.Card })
}

func (r *rig) card(rd *frame.Reader) seen {
	r.t.Helper()
	return r.next(rd, "a card", func(f *frame.Frame) bool { return f.Card })
}

// state waits until everything else waits, and then wants a state.
func (r *rig) state(want State) Status {
	r.t.Helper()
	synctest.Wait()
	s := r.Status()
	if s.State != want {
		r.t.Errorf("state %s (%s), want %s", s.State, s.Reason, want)
	}
	return s
}

// readable fails unless b is a JPEG of that size, also to image/jpeg.
func readable(t *testing.T, b []byte, width, height int) {
	t.Helper()
	img, err := jpeg.Decode(bytes.NewReader(b))
	if err != nil {
		t.Errorf("unreadable frame: %v", err)
		return
	}
	if got := img.Bounds().Size(); got.X != width || got.Y != height {
		t.Errorf("a frame of %v, want %dx%d", got, width, height)
	}
}
