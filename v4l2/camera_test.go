package v4l2_test

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"vchat/daemon/daemontest/faketime"
	"vchat/v4l2"
	"vchat/v4l2/v4l2test"
)

// inBubble runs f on fake time with one camera. It fails the test if anything
// stays open or mapped.
func inBubble(t *testing.T, f func(t *testing.T, k *v4l2test.Kernel, cam *v4l2test.Camera)) {
	inBubbleWith(t, v4l2test.Device{}, f)
}

func inBubbleWith(t *testing.T, d v4l2test.Device, f func(t *testing.T, k *v4l2test.Kernel, cam *v4l2test.Camera)) {
	faketime.Test(t, func(t *testing.T) {
		k := v4l2test.New()
		f(t, k, k.Plug(d))
		if err := k.Leaks(); err != nil {
			t.Error(err)
		}
		if n := k.Counts(); n.Opens != n.Closes || n.Maps != n.Unmaps {
			t.Errorf("got unbalanced calls: %+v", n)
		}
	})
}

func mustOpen(t *testing.T, cfg v4l2.Config) *v4l2.Camera {
	t.Helper()
	cfg.Device = "/dev/video0"
	c, err := v4l2.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestOpen_errors(t *testing.T) {
	for _, x := range []struct {
		name    string
		faults  v4l2test.Faults
		kind    error
		errno   error // nil: none
		class   v4l2.Class
		message string
	}{
		{"no permission", v4l2test.Faults{Open: unix.EACCES},
			v4l2.ErrPermission, unix.EACCES, v4l2.RetryLoudly, `group "video"`},
		{"exclusive open", v4l2test.Faults{Open: unix.EBUSY},
			v4l2.ErrBusy, unix.EBUSY, v4l2.RetryLoudly, "in use"},
		{"in use", v4l2test.Faults{Busy: "firefox (pid 42)"},
			v4l2.ErrBusy, unix.EBUSY, v4l2.RetryLoudly, "in use by firefox (pid 42)"},
		{"unplugged during open", v4l2test.Faults{VanishAtOpen: true},
			v4l2.ErrUnplugged, unix.ENODEV, v4l2.RetryQuietly, "unplugged or crashed"},
		{"S_FMT", v4l2test.Faults{SetFormat: unix.EIO},
			v4l2.ErrFailed, unix.EIO, v4l2.RetryLoudly, "S_FMT"},
		{"REQBUFS", v4l2test.Faults{Buffers: unix.ENOMEM},
			v4l2.ErrFailed, unix.ENOMEM, v4l2.RetryLoudly, "REQBUFS"},
		{"no buffers", v4l2test.Faults{MaxBuffers: -1},
			v4l2.ErrFailed, nil, v4l2.RetryLoudly, "no buffers"},
		{"QBUF", v4l2test.Faults{QueueBuffer: unix.EINVAL},
			v4l2.ErrFailed, unix.EINVAL, v4l2.RetryLoudly, "QBUF"},
		{"STREAMON", v4l2test.Faults{StreamOn: unix.EIO},
			v4l2.ErrFailed, unix.EIO, v4l2.RetryLoudly, "plug it in again"},
		{"no bandwidth", v4l2test.Faults{StreamOn: unix.ENOSPC},
			v4l2.ErrNoSpace, unix.ENOSPC, v4l2.RetryLoudly, "another port"},
		{"unplugged at S_PARM", v4l2test.Faults{SetParm: unix.ENODEV},
			v4l2.ErrUnplugged, unix.ENODEV, v4l2.RetryQuietly, "unplugged or crashed"},
		{"unplugged at STREAMON", v4l2test.Faults{StreamOn: unix.ENODEV},
			v4l2.ErrUnplugged, unix.ENODEV, v4l2.RetryQuietly, "unplugged or crashed"},
		{"other format set", v4l2test.Faults{Format: 'H' | '2'<<8 | '6'<<16 | '4'<<24},
			v4l2.ErrNoFormat, nil, v4l2.Fatal, "MJPG"},
		{"impossible size", v4l2test.Faults{Size: [2]int{1 << 20, 1}},
			v4l2.ErrFailed, nil, v4l2.RetryLoudly, "invalid answer"},
	} {
		t.Run(x.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, k *v4l2test.Kernel, cam *v4l2test.Camera) {
				cam.Script(func(f *v4l2test.Faults) { *f = x.faults })
				c, err := v4l2.Open(v4l2.Config{Kernel: k, Device: "/dev/video0", Width: 640, Height: 480, FPS: 30})
				if err == nil {
					_ = c.Close()
				}
				if !errors.Is(err, x.kind) || x.errno != nil && !errors.Is(err, x.errno) {
					t.Fatalf("got %v, want %v and %v", err, x.kind, x.errno)
				}
				if !strings.Contains(err.Error(), x.message) || !strings.HasPrefix(err.Error(), "/dev/video0: ") {
					t.Errorf("got %q, want it to start with the device and contain %q", err, x.message)
				}
				if got := v4l2.Classify(err); got != x.class {
					t.Errorf("Classify: got %d, want %d", got, x.class)
				}
				if cam.Streaming() {
					t.Error("the camera streams after the error")
				}
			})
		})
	}
}

func TestNext_errors(t *testing.T) {
	for _, x := range []struct {
		name   string
		faults v4l2test.Faults
		kind   error
		errno  error
	}{
		{"POLLERR", v4l2test.Faults{PollError: true}, v4l2.ErrUnplugged, unix.EIO},
		{"ENODEV", v4l2test.Faults{Dequeue: unix.ENODEV}, v4l2.ErrUnplugged, unix.ENODEV},
		{"EIO every time", v4l2test.Faults{Dequeue: unix.EIO}, v4l2.ErrUnplugged, unix.EIO},
		{"unknown errno", v4l2test.Faults{Dequeue: unix.EPROTO}, v4l2.ErrFailed, unix.EPROTO},
		{"index out of range", v4l2test.Faults{Index: 1 << 30}, v4l2.ErrFailed, nil},
		{"ready without a frame", v4l2test.Faults{FalseReady: true}, v4l2.ErrFailed, nil},
	} {
		t.Run(x.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, k *v4l2test.Kernel, cam *v4l2test.Camera) {
				c := mustOpen(t, v4l2.Config{Kernel: k})
				cam.Script(func(f *v4l2test.Faults) { *f = x.faults })
				_, err := c.Next(time.Minute)
				if !errors.Is(err, x.kind) || x.errno != nil && !errors.Is(err, x.errno) {
					t.Errorf("got %v, want %v and %v", err, x.kind, x.errno)
				}
				if err := k.Leaks(); err != nil {
					t.Errorf("before Close: %v", err)
				}
				if again := c.Restart(); again != err {
					t.Errorf("Restart: got %v, want %v", again, err)
				}
				if err := c.Close(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// With the index of a held buffer the driver could overwrite a frame that is
// being read.
func TestNext_heldBufferIndex(t *testing.T) {
	inBubble(t, func(t *testing.T, k *v4l2test.Kernel, cam *v4l2test.Camera) {
		c := mustOpen(t, v4l2.Config{Kernel: k})
		defer c.Close()
		for range 2 { // the second is buffer 1
			if _, err := c.Next(time.Second); err != nil {
				t.Fatal(err)
			}
		}
		cam.Script(func(f *v4l2test.Faults) { f.Index = 1 })
		if _, err := c.Next(time.Second); !errors.Is(err, v4l2.ErrFailed) {
			t.Errorf("got %v, want ErrFailed", err)
		}
	})
}

// By the documentation of DQBUF, single EIOs together with POLLIN are
// temporary.
func TestNext_temporaryEIO(t *testing.T) {
	inBubble(t, func(t *testing.T, k *v4l2test.Kernel, cam *v4l2test.Camera) {
		flaky := &flakyKernel{Kernel: k}
		c := mustOpen(t, v4l2.Config{Kernel: flaky})
		defer c.Close()
		flaky.eioLeft = 3
		b, err := c.Next(time.Second)
		if err != nil || b.Error || flaky.eioLeft != 0 {
			t.Fatalf("got %v, error flag %v, %d EIO left; want a good frame after all EIO", err, b.Error, flaky.eioLeft)
		}
	})
}

// With some drivers poll reports the loss, but DQBUF does not return ENODEV.
func TestNext_lossFromPollOnly(t *testing.T) {
	for name, ev := range map[string]v4l2.Events{
		"POLLHUP": v4l2.EventHangup,
		"POLLERR": v4l2.EventError,
		"both":    v4l2.EventHangup | v4l2.EventError,
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, k *v4l2test.Kernel, cam *v4l2test.Camera) {
				flaky := &flakyKernel{Kernel: k}
				c := mustOpen(t, v4l2.Config{Kernel: flaky})
				defer c.Close()
				flaky.poll = ev
				if _, err := c.Next(time.Second); !errors.Is(err, v4l2.ErrUnplugged) {
					t.Errorf("got %v, want ErrUnplugged", err)
				}
				if err := k.Leaks(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

func TestOpen_bufferSmallerThanRawFrame(t *testing.T) {
	inBubble(t, func(t *testing.T, k *v4l2test.Kernel, cam *v4l2test.Camera) {
		cam.Script(func(f *v4l2test.Faults) { f.SizeImage = 4096 })
		_, err := v4l2.Open(v4l2.Config{Kernel: k, Device: "/dev/video0", Format: v4l2.YUYV})
		const want = "a buffer of 4096 bytes for 640x480 YUYV"
		if !errors.Is(err, v4l2.ErrFailed) || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want ErrFailed with %q", err, want)
		}
	})
}

func TestNext_errorFlag(t *testing.T) {
	const full = 2 * 320 * 240
	var all v4l2test.Device
	for _, f := range []v4l2.PixelFormat{v4l2.MJPEG, v4l2.YUYV, v4l2.NV12, v4l2.GREY} {
		all.Formats = append(all.Formats, v4l2test.Format{FourCC: f, Sizes: [][2]int{{320, 240}}})
	}
	for _, x := range []struct {
		name   string
		faults v4l2test.Faults
		format v4l2.PixelFormat
		broken bool
		most   int
	}{
		{"good", v4l2test.Faults{}, v4l2.MJPEG, false, full},
		{"flagged", v4l2test.Faults{FlagError: 1}, v4l2.MJPEG, true, full},
		{"empty", v4l2test.Faults{Empty: 1}, v4l2.MJPEG, true, 0},
		{"longer than its buffer", v4l2test.Faults{BytesUsed: 1 << 31}, v4l2.MJPEG, true, full + 4095},
		{"truncated JPEG is left to the decoder", v4l2test.Faults{Truncate: 1}, v4l2.MJPEG, false, full},
		{"truncated YUYV", v4l2test.Faults{Truncate: 1}, v4l2.YUYV, true, full / 2},
		{"YUYV", v4l2test.Faults{}, v4l2.YUYV, false, full},
		{"YUYV without its last byte", v4l2test.Faults{BytesUsed: full - 1}, v4l2.YUYV, true, full},
		{"NV12", v4l2test.Faults{}, v4l2.NV12, false, full * 3 / 4},
		{"NV12 without its last byte", v4l2test.Faults{BytesUsed: full*3/4 - 1}, v4l2.NV12, true, full},
		{"GREY", v4l2test.Faults{}, v4l2.GREY, false, full / 2},
		{"GREY without its last byte", v4l2test.Faults{BytesUsed: full/2 - 1}, v4l2.GREY, true, full},
	} {
		t.Run(x.name, func(t *testing.T) {
			inBubbleWith(t, all, func(t *testing.T, k *v4l2test.Kernel, cam *v4l2test.Camera) {
				cam.Script(func(f *v4l2test.Faults) { *f = x.faults })
				c := mustOpen(t, v4l2.Config{Kernel: k, Width: 320, Height: 240, Format: x.format})
				defer c.Close()
				b, err := c.Next(time.Second)
				if err != nil {
					t.Fatal(err)
				}
				if b.Error != x.broken || len(b.Data) > x.most || cap(b.Data) != len(b.Data) {
					t.Errorf("got Error %v, %d bytes, capacity %d; want Error %v, at most %d bytes, no more capacity",
						b.Error, len(b.Data), cap(b.Data), x.broken, x.most)
				}
				if err := c.Release(b); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

func TestNext_captureTime(t *testing.T) {
	inBubble(t, func(t *testing.T, k *v4l2test.Kernel, cam *v4l2test.Camera) {
		c := mustOpen(t, v4l2.Config{Kernel: k})
		defer c.Close()
		time.Sleep(50 * time.Millisecond) // the frame is older than Next
		b, err := c.Next(time.Second)
		if err != nil {
			t.Fatal(err)
		}
		seq, at, ok := v4l2test.Stamp(b.Data)
		if !ok || seq != b.Sequence || at != b.Time {
			t.Errorf("got frame %d at %v, want %d at %v (stamp found: %v)", b.Sequence, b.Time, seq, at, ok)
		}
		if b.Time >= k.Now() {
			t.Errorf("got %v, want a time before %v", b.Time, k.Now())
		}
		if err := c.Release(b); err != nil {
			t.Fatal(err)
		}
	})
}

// An implausible time stamp is replaced by the time of DQBUF.
func TestNext_implausibleCaptureTime(t *testing.T) {
	for name, faults := range map[string]v4l2test.Faults{
		"another clock": {OtherClock: true},
		"the future":    {FutureClock: true},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, k *v4l2test.Kernel, cam *v4l2test.Camera) {
				cam.Script(func(f *v4l2test.Faults) { *f = faults })
				c := mustOpen(t, v4l2.Config{Kernel: k})
				defer c.Close()
				b, err := c.Next(time.Second)
				if err != nil {
					t.Fatal(err)
				}
				if b.Time != k.Now() {
					t.Errorf("got %v, want %v", b.Time, k.Now())
				}
			})
		})
	}
}

// Close also frees the buffers by REQBUFS: a child that inherited the
// descriptor between fork and exec would keep them.
func TestClose_freesBuffers(t *testing.T) {
	inBubble(t, func(t *testing.T, k *v4l2test.Kernel, _ *v4l2test.Camera) {
		c := mustOpen(t, v4l2.Config{Kernel: k})
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		if n := k.Counts().Frees; n != 1 {
			t.Errorf("got %d calls of REQBUFS 0, want 1", n)
		}
	})
}

// A slow reader loses frames and sees a gap in the sequence numbers.
func TestNext_slowReader(t *testing.T) {
	inBubble(t, func(t *testing.T, k *v4l2test.Kernel, _ *v4l2test.Camera) {
		c := mustOpen(t, v4l2.Config{Kernel: k, Buffers: 3})
		defer c.Close()
		time.Sleep(time.Second)
		var got []uint32
		for range 4 {
			b, err := c.Next(time.Second)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, b.Sequence)
			if err := c.Release(b); err != nil {
				t.Fatal(err)
			}
		}
		if got[2] != 2 || got[3] < 25 {
			t.Errorf("got frames %v, want 0 1 2 and then one of a second later", got)
		}
	})
}

func TestNext_timeout(t *testing.T) {
	inBubble(t, func(t *testing.T, k *v4l2test.Kernel, cam *v4l2test.Camera) {
		c := mustOpen(t, v4l2.Config{Kernel: k})
		defer c.Close()
		cam.Script(func(f *v4l2test.Faults) { f.Freeze = true })
		start := time.Now()
		if _, err := c.Next(1500 * time.Millisecond); !errors.Is(err, v4l2.ErrTimeout) {
			t.Errorf("got %v, want ErrTimeout", err)
		}
		if took := time.Since(start); took != 1500*time.Millisecond { // fake time is exact
			t.Errorf("got a timeout after %v, want 1.5s", took)
		}
	})
}

func TestWake_concurrent(t *testing.T) {
	k := v4l2test.New()
	k.Plug(v4l2test.Device{})
	c := mustOpen(t, v4l2.Config{Kernel: k})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 100 {
				c.Wake()
			}
		})
	}
	for range 20 {
		b, err := c.Next(time.Second)
		if err == nil {
			err = c.Release(b)
		}
		if err != nil && !errors.Is(err, v4l2.ErrWoken) {
			t.Fatal(err)
		}
	}
	for range 4 {
		wg.Go(func() {
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if err := k.Leaks(); err != nil {
		t.Error(err)
	}
}

func BenchmarkNextRelease(b *testing.B) {
	k := v4l2test.New()
	k.Plug(v4l2test.Device{Rates: []int{100000}})
	c, err := v4l2.Open(v4l2.Config{Kernel: k, Device: "auto", Width: 320, Height: 240})
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	b.ReportAllocs()
	for b.Loop() {
		nextRelease(b, c)
	}
}

// nextRelease takes one frame and returns it to the driver.
func nextRelease(t testing.TB, c *v4l2.Camera) {
	b, err := c.Next(time.Second)
	if err == nil {
		err = c.Release(b)
	}
	if err != nil {
		t.Fatal(err)
	}
}
