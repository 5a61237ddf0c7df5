package v4l2test

import (
	"errors"
	"testing"
	"time"

	"vchat/v4l2"
)

// This file has the cases for cameras that can be made to fail.

// reopen opens the camera, with retries while it is missing.
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
	t.Fatalf("the camera did not come back: %v", err)
	return nil
}

// nextError takes frames until Next or Release fails, and returns the error.
func nextError(t *testing.T, c *v4l2.Camera) error {
	t.Helper()
	for range 1000 {
		b, err := c.Next(frameTimeout)
		if err == nil {
			err = c.Release(b)
		}
		if err != nil {
			return err
		}
	}
	t.Fatal("got 1000 frames, want an error")
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
			t.Errorf("got node %s, want %s: the number was not free", got, d.Node)
		}
		nextFrame(t, c)
		s.do(t, "unplug")
		err := nextError(t, c)
		if !errors.Is(err, v4l2.ErrUnplugged) {
			t.Errorf("Next: got %v, want ErrUnplugged", err)
		}
		s.wantNoLeaks(t) // before Close
		if _, again := c.Next(frameTimeout); !errors.Is(again, v4l2.ErrUnplugged) {
			t.Errorf("second Next: got %v, want ErrUnplugged", again)
		}
		if _, err := v4l2.Find(s.Kernel, s.Device); err == nil {
			t.Error("Find: got the unplugged camera, want an error")
		}
		s.do(t, "plug")
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
	nextFrame(t, s.reopen(t))
}

func suiteUnplugHeld(t *testing.T, s Subject) {
	c := s.open(t, 640, 480)
	held := takeFrame(t, c)
	before := string(held.Data)
	s.do(t, "unplug")
	if err := nextError(t, c); !errors.Is(err, v4l2.ErrUnplugged) {
		t.Errorf("Next: got %v, want ErrUnplugged", err)
	}
	if string(held.Data) != before { // an unmapped buffer would fault
		t.Error("the held buffer changed")
	}
	if err := c.Release(held); !errors.Is(err, v4l2.ErrUnplugged) {
		t.Errorf("Release: got %v, want ErrUnplugged", err)
	}
	s.wantNoLeaks(t)
	s.do(t, "plug")
	s.closeAndCheck(t, c)
	c = s.reopen(t)
	nextFrame(t, c)
	s.closeAndCheck(t, c)
}

func suiteFreeze(t *testing.T, s Subject) {
	c := s.open(t, 640, 480)
	nextFrame(t, c)
	s.do(t, "freeze", "on")
	for i := 0; ; i++ {
		b, err := c.Next(time.Second)
		if errors.Is(err, v4l2.ErrTimeout) {
			break
		}
		if err != nil || i > 32 {
			t.Fatalf("frozen: got %v after %d frames, want ErrTimeout", err, i)
		}
		if err := c.Release(b); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Restart(); err != nil {
		t.Fatalf("restart: %v", err)
	}
	s.do(t, "freeze", "off")
	nextFrame(t, c)
	s.closeAndCheck(t, c)
}

// Some drivers deliver a broken frame with the error flag, others drop it.
func suiteErrorFlag(t *testing.T, s Subject) {
	c := s.open(t, 640, 480)
	nextFrame(t, c)
	s.do(t, "err", "1")
	for i := 0; ; i++ {
		b, err := c.Next(2 * time.Second)
		if errors.Is(err, v4l2.ErrTimeout) {
			break
		}
		if err != nil || i > 300 {
			t.Fatalf("broken frames: got %v after %d good ones, want the error flag or ErrTimeout", err, i)
		}
		if err := c.Release(b); err != nil {
			t.Fatal(err)
		}
		if b.Error {
			break
		}
	}
	s.do(t, "err", "off")
	nextFrame(t, c)
	s.closeAndCheck(t, c)
}

func suiteStall(t *testing.T, s Subject) {
	s.do(t, "stall", "on")
	c, err := v4l2.Open(v4l2.Config{Kernel: s.Kernel, Device: s.Device, Width: 640, Height: 480})
	if err == nil {
		_ = c.Close()
	}
	s.do(t, "stall", "off")
	if !errors.Is(err, v4l2.ErrFailed) {
		t.Errorf("Open: got %v, want ErrFailed", err)
	}
	s.wantNoLeaks(t)
	c = s.reopen(t)
	nextFrame(t, c)
	s.closeAndCheck(t, c)
}
