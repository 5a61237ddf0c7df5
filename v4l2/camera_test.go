package v4l2_test

import (
	"testing"
	"time"

	"vchat/v4l2"
	"vchat/v4l2/v4l2test"
)

func TestSmoke(t *testing.T) {
	k := v4l2test.New()
	k.Plug(v4l2test.Device{ID: "usb-Pretend_0001-video-index0"})
	c, err := v4l2.Open(v4l2.Config{Kernel: k, Device: "auto", Width: 1280, Height: 720, FPS: 30, Controls: map[string]string{"power_line_frequency": "50hz"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Log(c.Device(), c.Mode(), c.Warnings())
	for range 5 {
		b, err := c.Next(time.Second)
		if err != nil {
			t.Fatal(err)
		}
		seq, at, ok := v4l2test.Stamp(b.Data)
		t.Log(len(b.Data), b.Sequence, b.Time, b.Error, seq, at, ok)
		if err := c.Release(b); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if err := k.Leaks(); err != nil {
		t.Fatal(err)
	}
}
