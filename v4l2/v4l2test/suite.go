package v4l2test

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"vchat/v4l2"
)

// Subject is the camera under test.
type Subject struct {
	Kernel v4l2.Kernel // nil: Linux
	Device string      // a path
	// Do makes the camera fail. The commands are unplug, plug, freeze on,
	// freeze off, err 1, err off, stall on and stall off. It is nil for a
	// camera that cannot be made to fail.
	Do func(words ...string) error
	// Leaks returns an error if a descriptor or mapping of the camera is open.
	// nil: OpenFiles.
	Leaks func() error
}

// Case is one test case. Run may be called in a synctest bubble.
type Case struct {
	Name  string
	Fault bool // needs Subject.Do
	Run   func(t *testing.T, s Subject)
}

// Suite returns the test cases for every camera that streams 640x480 or a near
// size.
func Suite() []Case {
	return []Case{
		{"find", false, suiteFind},
		{"frames", false, suiteFrames},
		{"driver's choice of mode", false, suiteDriversChoice},
		{"sizes one after the other", false, suiteSizes},
		{"wake", false, suiteWake},
		{"close while waiting", false, suiteCloseWhileWaiting},
		{"all buffers held", false, suiteAllHeld},
		{"second opener", false, suiteSecondOpener},
		{"list during a stream", false, suiteListDuringStream},
		{"restart", false, suiteRestart},
		{"no allocation per frame", false, suiteNoAllocation},
		{"formats during a stream", false, suiteFormats},
		{"controls during a stream", false, suiteControls},
		{"inactive control", false, suiteInactive},
		{"unplug", true, suiteUnplug},
		{"unplug with a held buffer", true, suiteUnplugHeld},
		{"freeze", true, suiteFreeze},
		{"error flag", true, suiteErrorFlag},
		{"stall", true, suiteStall},
		{"watch", true, suiteWatch},
		{"reset", true, suiteReset},
	}
}

// frameTimeout is how long the suite waits for a slow real camera. No case
// asserts how long a camera takes.
const frameTimeout = 20 * time.Second

func (s Subject) open(t *testing.T, width, height int) *v4l2.Camera {
	t.Helper()
	c, err := v4l2.Open(v4l2.Config{Kernel: s.Kernel, Device: s.Device, Width: width, Height: height, FPS: 30})
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return c
}

// closeAndCheck closes the camera and checks for leaks.
func (s Subject) closeAndCheck(t *testing.T, c *v4l2.Camera) {
	t.Helper()
	if err := c.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	s.wantNoLeaks(t)
}

func (s Subject) leaks() error {
	if s.Leaks == nil {
		return OpenFiles()
	}
	return s.Leaks()
}

func (s Subject) wantNoLeaks(t *testing.T) {
	t.Helper()
	if err := s.leaks(); err != nil {
		t.Errorf("got leaks: %v", err)
	}
}

func (s Subject) do(t *testing.T, words ...string) {
	t.Helper()
	if err := s.Do(words...); err != nil {
		t.Fatalf("%v: %v", words, err)
	}
}

// OpenFiles returns an error if this process has a video node open or mapped.
func OpenFiles() error {
	const node = "/dev/video"
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return err
	}
	var all error
	for _, f := range fds {
		if target, err := os.Readlink("/proc/self/fd/" + f.Name()); err == nil && strings.HasPrefix(target, node) {
			all = errors.Join(all, fmt.Errorf("descriptor %s is %s", f.Name(), target))
		}
	}
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(maps)) {
		if strings.Contains(line, node) {
			all = errors.Join(all, fmt.Errorf("mapping %s", strings.TrimSpace(line)))
		}
	}
	return all
}

// nextFrame takes a good frame and releases it. The result has no Data.
func nextFrame(t *testing.T, c *v4l2.Camera) v4l2.Buffer {
	t.Helper()
	b := takeFrame(t, c)
	if err := c.Release(b); err != nil {
		t.Fatalf("release: %v", err)
	}
	b.Data = nil
	return b
}

// takeFrame takes a good frame and checks it. Real cameras may start with
// broken ones.
func takeFrame(t *testing.T, c *v4l2.Camera) v4l2.Buffer {
	t.Helper()
	for range 30 {
		b, err := c.Next(frameTimeout)
		if err != nil {
			t.Fatalf("next: %v", err)
		}
		if b.Error {
			if err := c.Release(b); err != nil {
				t.Fatalf("release: %v", err)
			}
			continue
		}
		checkFrame(t, c.Mode(), b)
		return b
	}
	t.Fatal("got 30 broken frames in a row")
	panic("unreachable")
}

func checkFrame(t *testing.T, m v4l2.Mode, b v4l2.Buffer) {
	t.Helper()
	switch {
	case len(b.Data) == 0:
		t.Fatal("got an empty frame without the error flag")
	case m.Format == v4l2.MJPEG && (b.Data[0] != 0xff || b.Data[1] != 0xd8):
		t.Fatalf("got a JPEG frame that starts with % x, want ff d8", b.Data[:2])
	case len(b.Data) < m.Bytes():
		t.Fatalf("got a frame of %d bytes, want at least %d for %+v", len(b.Data), m.Bytes(), m)
	}
}

func suiteFind(t *testing.T, s Subject) {
	d, err := v4l2.Find(s.Kernel, s.Device)
	if err != nil {
		t.Fatal(err)
	}
	if d.Path != s.Device || d.Card == "" || d.Driver == "" || len(d.Formats) == 0 {
		t.Errorf("Find: got %+v, want path %s and all fields", d, s.Device)
	}
	all, err := v4l2.List(s.Kernel)
	if err != nil {
		t.Fatal(err)
	}
	listed := false
	for _, x := range all {
		listed = listed || x.Node == d.Node
	}
	if !listed {
		t.Errorf("List: got %+v, want %s among them", all, d.Node)
	}
	if _, err := v4l2.Find(s.Kernel, "/dev/video4711"); !errors.Is(err, v4l2.ErrNotFound) {
		t.Errorf("missing node: got %v, want ErrNotFound", err)
	}
	s.wantNoLeaks(t)
}

func suiteFrames(t *testing.T, s Subject) {
	c := s.open(t, 640, 480)
	m := c.Mode()
	if m.Width <= 0 || m.Height <= 0 || m.SizeImage <= 0 || (m.Format == v4l2.MJPEG) != (m.Bytes() == 0) {
		t.Fatalf("got mode %+v, want positive sizes, and Bytes of raw formats only", m)
	}
	last := nextFrame(t, c)
	for range 20 {
		b := nextFrame(t, c)
		if b.Sequence <= last.Sequence {
			t.Errorf("got frame %d after %d", b.Sequence, last.Sequence)
		}
		if b.Time <= last.Time {
			t.Errorf("got a frame of %v after one of %v", b.Time, last.Time)
		}
		last = b
	}
	if s.leaks() == nil {
		t.Fatal("the leak check does not find the open camera")
	}
	s.closeAndCheck(t, c)
	if err := c.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
	if _, err := c.Next(time.Second); !errors.Is(err, v4l2.ErrClosed) {
		t.Errorf("Next after Close: got %v, want ErrClosed", err)
	}
	if err := c.Restart(); !errors.Is(err, v4l2.ErrClosed) {
		t.Errorf("Restart after Close: got %v, want ErrClosed", err)
	}
	if err := c.Release(last); !errors.Is(err, v4l2.ErrClosed) {
		t.Errorf("Release after Close: got %v, want ErrClosed", err)
	}
}

func suiteDriversChoice(t *testing.T, s Subject) {
	c, err := v4l2.Open(v4l2.Config{Kernel: s.Kernel, Device: s.Device, Buffers: 3})
	if err != nil {
		t.Fatal(err)
	}
	nextFrame(t, c)
	s.closeAndCheck(t, c)
}

// Close must free the buffers: otherwise the next S_FMT returns EBUSY.
func suiteSizes(t *testing.T, s Subject) {
	for _, size := range [][2]int{{1280, 720}, {640, 480}, {1280, 720}} {
		c := s.open(t, size[0], size[1])
		nextFrame(t, c)
		s.closeAndCheck(t, c)
	}
}

func suiteWake(t *testing.T, s Subject) {
	c := s.open(t, 640, 480)
	c.Wake()
	c.Wake()
	if _, err := c.Next(frameTimeout); !errors.Is(err, v4l2.ErrWoken) {
		t.Fatalf("Next after Wake: got %v, want ErrWoken", err)
	}
	nextFrame(t, c) // several wakes end one Next

	ended := make(chan error)
	go func() {
		for {
			b, err := c.Next(0)
			if err == nil {
				err = c.Release(b)
			}
			if err != nil {
				ended <- err
				return
			}
		}
	}()
	time.Sleep(100 * time.Millisecond)
	c.Wake()
	if err := <-ended; !errors.Is(err, v4l2.ErrWoken) {
		t.Errorf("Next during Wake: got %v, want ErrWoken", err)
	}
	nextFrame(t, c)
	s.closeAndCheck(t, c)
	c.Wake() // does nothing
}

func suiteCloseWhileWaiting(t *testing.T, s Subject) {
	c := s.open(t, 640, 480)
	ended := make(chan error)
	go func() {
		for {
			b, err := c.Next(0)
			if err == nil {
				err = c.Release(b)
			}
			if err != nil {
				ended <- err
				return
			}
		}
	}()
	time.Sleep(100 * time.Millisecond)
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if err := <-ended; !errors.Is(err, v4l2.ErrClosed) {
		t.Errorf("Next during Close: got %v, want ErrClosed", err)
	}
	s.wantNoLeaks(t)
}

func suiteAllHeld(t *testing.T, s Subject) {
	c := s.open(t, 640, 480)
	var held []v4l2.Buffer
	for {
		b, err := c.Next(2 * time.Second)
		if errors.Is(err, v4l2.ErrTimeout) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if held = append(held, b); len(held) > 32 {
			t.Fatalf("got %d frames at once, want at most 32, the limit of buffers", len(held))
		}
	}
	if len(held) < 2 {
		t.Fatalf("got %d buffers, want at least 2", len(held))
	}
	for _, b := range held {
		if err := c.Release(b); err != nil {
			t.Errorf("release: %v", err)
		}
	}
	if err := c.Release(held[0]); err == nil {
		t.Error("second Release of a buffer: got no error")
	}
	nextFrame(t, c)
	s.closeAndCheck(t, c)
}

func suiteSecondOpener(t *testing.T, s Subject) {
	c := s.open(t, 640, 480)
	nextFrame(t, c)
	second, err := v4l2.Open(v4l2.Config{Kernel: s.Kernel, Device: s.Device, Width: 1280, Height: 720})
	if err == nil {
		_ = second.Close()
	}
	if !errors.Is(err, v4l2.ErrBusy) {
		t.Fatalf("second Open: %v, want ErrBusy", err)
	}
	nextFrame(t, c)
	if got := c.Mode(); got.Width != 640 {
		t.Errorf("got mode %+v, want an unchanged width of 640", got)
	}
	s.closeAndCheck(t, c)
}

func suiteListDuringStream(t *testing.T, s Subject) {
	c := s.open(t, 640, 480)
	last := nextFrame(t, c)
	for range 5 {
		if _, err := v4l2.List(s.Kernel); err != nil {
			t.Fatal(err)
		}
		if _, err := v4l2.Find(s.Kernel, s.Device); err != nil {
			t.Fatal(err)
		}
		b := nextFrame(t, c)
		if b.Sequence <= last.Sequence { // a restarted stream counts from 0
			t.Errorf("got frame %d after %d", b.Sequence, last.Sequence)
		}
		last = b
	}
	s.closeAndCheck(t, c)
}

func suiteRestart(t *testing.T, s Subject) {
	c := s.open(t, 640, 480)
	held := takeFrame(t, c)
	before := string(held.Data)
	for range 3 {
		if err := c.Restart(); err != nil {
			t.Fatal(err)
		}
		for range 10 { // more than there are buffers, to use each
			nextFrame(t, c)
		}
	}
	if string(held.Data) != before {
		t.Error("Restart queued a held buffer")
	}
	if err := c.Release(held); err != nil {
		t.Errorf("release: %v", err)
	}
	nextFrame(t, c)
	s.closeAndCheck(t, c)
}

func suiteNoAllocation(t *testing.T, s Subject) {
	c := s.open(t, 640, 480)
	nextFrame(t, c)
	var failed error
	n := testing.AllocsPerRun(30, func() {
		b, err := c.Next(frameTimeout)
		if err == nil {
			err = c.Release(b)
		}
		if err != nil {
			failed = err
		}
	})
	if failed != nil || n != 0 {
		t.Errorf("got %v allocations per frame, error %v; want none", n, failed)
	}
	s.closeAndCheck(t, c)
}
