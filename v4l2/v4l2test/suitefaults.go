package v4l2test

import (
	"errors"
	"testing"
	"time"

	"vchat/v4l2"
)

// The cases that need a camera which can be made to fail.

// reopen waits until the camera is there again.
func (s Subject) reopen(t *testing.T) *v4l2.Camera {
	t.Helper()
	var err error
	for range 100 {
		var c *v4l2.Camera
		c, err = v4l2.Open(v4l2.Config{Kernel: s.Kernel, Device: s.Device, Width: 640, Height: 480})
		if err == nil {
			t.Cleanup(func() { _ = c.Close() })
			return c
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatalf("the camera does not come back: %v", err)
	return nil
}

// lost takes frames until there are no more, and is why.
func lost(t *testing.T, c *v4l2.Camera) error {
	t.Helper()
	for range 1000 {
		b, err := c.Next(patience)
		if err == nil {
			err = c.Release(b)
		}
		if err != nil {
			return err
		}
	}
	t.Fatal("frames go on and on")
	return nil
}

func suiteUnplug(t *testing.T, s Subject) {
	d, err := v4l2.Find(s.Kernel, s.Device)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		c := s.reopen(t)
		if got := c.Device().Node; got != d.Node {
			t.Errorf("the camera came back as %s, it was %s: something held the number", got, d.Node)
		}
		next(t, c)
		s.do(t, "unplug")
		err := lost(t, c)
		if !errors.Is(err, v4l2.ErrUnplugged) {
			t.Errorf("unplugged: %v, want ErrUnplugged", err)
		}
		s.wantNoLeaks(t) // before Close
		if _, again := c.Next(patience); !errors.Is(again, v4l2.ErrUnplugged) {
			t.Errorf("the next Next: %v, want ErrUnplugged", again)
		}
		if _, err := v4l2.Find(s.Kernel, s.Device); err == nil {
			t.Error("found though it is unplugged")
		}
		s.do(t, "plug")
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
	next(t, s.reopen(t))
}

func suiteUnplugHeld(t *testing.T, s Subject) {
	c := s.open(t, 640, 480)
	held := take(t, c)
	before := string(held.Data)
	s.do(t, "unplug")
	if err := lost(t, c); !errors.Is(err, v4l2.ErrUnplugged) {
		t.Errorf("unplugged: %v, want ErrUnplugged", err)
	}
	if string(held.Data) != before { // and it can be read at all
		t.Error("a held buffer changed")
	}
	if err := c.Release(held); !errors.Is(err, v4l2.ErrUnplugged) {
		t.Errorf("release: %v, want ErrUnplugged", err)
	}
	s.wantNoLeaks(t)
	s.do(t, "plug")
	s.shut(t, c)
	c = s.reopen(t)
	next(t, c)
	s.shut(t, c)
}

func suiteFreeze(t *testing.T, s Subject) {
	c := s.open(t, 640, 480)
	next(t, c)
	s.do(t, "freeze", "on")
	for i := 0; ; i++ {
		b, err := c.Next(time.Second)
		if errors.Is(err, v4l2.ErrTimeout) {
			break
		}
		if err != nil || i > 32 {
			t.Fatalf("frozen: %v after %d frames, want ErrTimeout", err, i)
		}
		if err := c.Release(b); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Restart(); err != nil {
		t.Fatalf("restart: %v", err)
	}
	s.do(t, "freeze", "off")
	next(t, c)
	s.shut(t, c)
}

// Some drivers pass a broken frame on with the flag, others keep it to themselves.
func suiteErrorFlag(t *testing.T, s Subject) {
	c := s.open(t, 640, 480)
	next(t, c)
	s.do(t, "err", "1")
	for i := 0; ; i++ {
		b, err := c.Next(2 * time.Second)
		if errors.Is(err, v4l2.ErrTimeout) {
			break
		}
		if err != nil || i > 300 {
			t.Fatalf("broken frames: %v after %d good ones", err, i)
		}
		if err := c.Release(b); err != nil {
			t.Fatal(err)
		}
		if b.Error {
			break
		}
	}
	s.do(t, "err", "off")
	next(t, c)
	s.shut(t, c)
}

func suiteStall(t *testing.T, s Subject) {
	s.do(t, "stall", "on")
	c, err := v4l2.Open(v4l2.Config{Kernel: s.Kernel, Device: s.Device, Width: 640, Height: 480})
	if err == nil {
		_ = c.Close()
	}
	s.do(t, "stall", "off")
	if !errors.Is(err, v4l2.ErrFailed) {
		t.Errorf("the camera does not start: %v, want ErrFailed", err)
	}
	s.wantNoLeaks(t)
	c = s.reopen(t)
	next(t, c)
	s.shut(t, c)
}
