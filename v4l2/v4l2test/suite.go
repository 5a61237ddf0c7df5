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

// Subject is a camera that the suite is held against.
type Subject struct {
	Kernel v4l2.Kernel // nil: Linux
	Device string      // a path
	// Do makes the camera unplug, plug, freeze on, freeze off, err 1, err off, stall on, stall off. nil: it cannot be made to.
	Do func(words ...string) error
	// Leaks is an error if a descriptor or a mapping of the camera is open. nil: OpenFiles of this process is asked.
	Leaks func() error
}

// Case is one assertion about every camera. Run may be called inside a synctest bubble.
type Case struct {
	Name  string
	Fault bool // needs Subject.Do
	Run   func(t *testing.T, s Subject)
}

// Suite is what holds for every camera that streams 640x480 or something near.
func Suite() []Case {
	return []Case{
		{"find", false, suiteFind},
		{"frames", false, suiteFrames},
		{"drivers choice", false, suiteDriversChoice},
		{"sizes in turn", false, suiteSizes},
		{"wake", false, suiteWake},
		{"close while waiting", false, suiteCloseWhileWaiting},
		{"all buffers held", false, suiteAllHeld},
		{"second opener", false, suiteSecondOpener},
		{"list beside a stream", false, suiteListBeside},
		{"restart", false, suiteRestart},
		{"no allocation per frame", false, suiteNoAllocation},
		{"formats beside a stream", false, suiteFormats},
		{"controls beside a stream", false, suiteControls},
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

// patience is for what a real camera may take its time with; nothing is asserted about how long it takes.
const patience = 20 * time.Second

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

// shut closes and then wants nothing left.
func (s Subject) shut(t *testing.T, c *v4l2.Camera) {
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
		t.Errorf("left open: %v", err)
	}
}

func (s Subject) do(t *testing.T, words ...string) {
	t.Helper()
	if err := s.Do(words...); err != nil {
		t.Fatalf("%v: %v", words, err)
	}
}

// OpenFiles is an error if this process has a video node open or mapped.
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

// next takes a frame that is good, and gives it back.
func next(t *testing.T, c *v4l2.Camera) v4l2.Buffer {
	t.Helper()
	b := take(t, c)
	if err := c.Release(b); err != nil {
		t.Fatalf("release: %v", err)
	}
	b.Data = nil
	return b
}

// take takes a frame and looks at it. Real cameras may begin with broken ones.
func take(t *testing.T, c *v4l2.Camera) v4l2.Buffer {
	t.Helper()
	for range 30 {
		b, err := c.Next(patience)
		if err != nil {
			t.Fatalf("next: %v", err)
		}
		if b.Error {
			if err := c.Release(b); err != nil {
				t.Fatalf("release: %v", err)
			}
			continue
		}
		look(t, c.Mode(), b)
		return b
	}
	t.Fatal("30 broken frames one after the other")
	panic("unreachable")
}

func look(t *testing.T, m v4l2.Mode, b v4l2.Buffer) {
	t.Helper()
	switch {
	case len(b.Data) == 0:
		t.Fatal("an empty frame without the error flag")
	case m.Format == v4l2.MJPEG && (b.Data[0] != 0xff || b.Data[1] != 0xd8):
		t.Fatalf("a JPEG frame that begins with % x", b.Data[:2])
	case len(b.Data) < m.Bytes():
		t.Fatalf("a frame of %d bytes, %+v", len(b.Data), m)
	}
}

func suiteFind(t *testing.T, s Subject) {
	d, err := v4l2.Find(s.Kernel, s.Device)
	if err != nil {
		t.Fatal(err)
	}
	if d.Path != s.Device || d.Card == "" || d.Driver == "" || len(d.Formats) == 0 {
		t.Errorf("Find says %+v", d)
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
		t.Errorf("%s is not among %+v", d.Node, all)
	}
	if _, err := v4l2.Find(s.Kernel, "/dev/video4711"); !errors.Is(err, v4l2.ErrNotFound) {
		t.Errorf("a node that is not there: %v, want ErrNotFound", err)
	}
	s.wantNoLeaks(t)
}

func suiteFrames(t *testing.T, s Subject) {
	c := s.open(t, 640, 480)
	m := c.Mode()
	if m.Width <= 0 || m.Height <= 0 || m.SizeImage <= 0 || (m.Format == v4l2.MJPEG) != (m.Bytes() == 0) {
		t.Fatalf("mode %+v", m)
	}
	last := next(t, c)
	for range 20 {
		b := next(t, c)
		if b.Sequence <= last.Sequence {
			t.Errorf("frame %d after %d", b.Sequence, last.Sequence)
		}
		if b.Time <= last.Time {
			t.Errorf("frame of %v after one of %v", b.Time, last.Time)
		}
		last = b
	}
	if s.leaks() == nil {
		t.Fatal("an open camera does not show: the search for leaks is blind")
	}
	s.shut(t, c)
	if err := c.Close(); err != nil {
		t.Errorf("second close: %v", err)
	}
	if _, err := c.Next(time.Second); !errors.Is(err, v4l2.ErrClosed) {
		t.Errorf("Next after Close: %v, want ErrClosed", err)
	}
	if err := c.Restart(); !errors.Is(err, v4l2.ErrClosed) {
		t.Errorf("Restart after Close: %v, want ErrClosed", err)
	}
	if err := c.Release(last); !errors.Is(err, v4l2.ErrClosed) {
		t.Errorf("Release after Close: %v, want ErrClosed", err)
	}
}

func suiteDriversChoice(t *testing.T, s Subject) {
	c, err := v4l2.Open(v4l2.Config{Kernel: s.Kernel, Device: s.Device, Buffers: 3})
	if err != nil {
		t.Fatal(err)
	}
	next(t, c)
	s.shut(t, c)
}

// The buffers of one stream must be freed, or the next S_FMT answers EBUSY.
func suiteSizes(t *testing.T, s Subject) {
	for _, size := range [][2]int{{1280, 720}, {640, 480}, {1280, 720}} {
		c := s.open(t, size[0], size[1])
		next(t, c)
		s.shut(t, c)
	}
}

func suiteWake(t *testing.T, s Subject) {
	c := s.open(t, 640, 480)
	c.Wake()
	c.Wake()
	if _, err := c.Next(patience); !errors.Is(err, v4l2.ErrWoken) {
		t.Fatalf("Next after Wake: %v, want ErrWoken", err)
	}
	next(t, c) // one Next pays for all wakes before it

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
		t.Errorf("Next during Wake: %v, want ErrWoken", err)
	}
	next(t, c)
	s.shut(t, c)
	c.Wake() // after Close: nothing happens
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
		t.Errorf("Next during Close: %v, want ErrClosed", err)
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
			t.Fatal("more frames at once than there can be buffers")
		}
	}
	if len(held) < 2 {
		t.Fatalf("%d buffers in all", len(held))
	}
	for _, b := range held {
		if err := c.Release(b); err != nil {
			t.Errorf("release: %v", err)
		}
	}
	if err := c.Release(held[0]); err == nil {
		t.Error("a buffer could be released twice")
	}
	next(t, c)
	s.shut(t, c)
}

func suiteSecondOpener(t *testing.T, s Subject) {
	c := s.open(t, 640, 480)
	next(t, c)
	second, err := v4l2.Open(v4l2.Config{Kernel: s.Kernel, Device: s.Device, Width: 1280, Height: 720})
	if err == nil {
		_ = second.Close()
	}
	if !errors.Is(err, v4l2.ErrBusy) {
		t.Fatalf("second Open: %v, want ErrBusy", err)
	}
	next(t, c)
	if got := c.Mode(); got.Width != 640 {
		t.Errorf("the mode became %+v", got)
	}
	s.shut(t, c)
}

func suiteListBeside(t *testing.T, s Subject) {
	c := s.open(t, 640, 480)
	last := next(t, c)
	for range 5 {
		if _, err := v4l2.List(s.Kernel); err != nil {
			t.Fatal(err)
		}
		if _, err := v4l2.Find(s.Kernel, s.Device); err != nil {
			t.Fatal(err)
		}
		b := next(t, c)
		if b.Sequence <= last.Sequence { // a stream that was begun anew counts anew
			t.Errorf("frame %d after %d", b.Sequence, last.Sequence)
		}
		last = b
	}
	s.shut(t, c)
}

func suiteRestart(t *testing.T, s Subject) {
	c := s.open(t, 640, 480)
	held := take(t, c)
	before := string(held.Data)
	for range 3 {
		if err := c.Restart(); err != nil {
			t.Fatal(err)
		}
		for range 10 { // more than there are buffers: each but the held one is used
			next(t, c)
		}
	}
	if string(held.Data) != before {
		t.Error("Restart gave a held buffer to the driver")
	}
	if err := c.Release(held); err != nil {
		t.Errorf("release: %v", err)
	}
	next(t, c)
	s.shut(t, c)
}

func suiteNoAllocation(t *testing.T, s Subject) {
	c := s.open(t, 640, 480)
	next(t, c)
	var failed error
	n := testing.AllocsPerRun(30, func() {
		b, err := c.Next(patience)
		if err == nil {
			err = c.Release(b)
		}
		if err != nil {
			failed = err
		}
	})
	if failed != nil || n != 0 {
		t.Errorf("%v allocations per frame, %v", n, failed)
	}
	s.shut(t, c)
}
