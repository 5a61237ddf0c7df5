// Package camera keeps one camera running. It opens the camera for its first
// reader and reopens it after every fault. While there are no frames it
// publishes a card with the reason.
//
// Guarantees:
//   - The sequence numbers of the feed only rise, across reopens and cards.
//   - Only complete frames are published.
//   - The camera is closed within a second after its last reader has left.
//   - While privacy is on, no camera device is open.
//   - A fault is logged once, however often it is retried.
//   - Once warm, a frame causes no allocation.
//
// States:
//
//	             last reader left                 first reader
//	      ┌───────────────────────────▶ idle ────────────────────────┐
//	      │                                                          ▼
//	streaming ◀── a frame ── lost, failed ◀──── error ─────────── opening
//	      │                     ▲  │  ▲                              │
//	      └── error, no frames ─┘  └──┘ retry after                  └── a frame ──▶ streaming
//	                                    100 ms … 2 s
//
//	privacy on:   any state ──▶ privacy: closed, with a card
//	privacy off:  privacy ────▶ opening if there are readers, else idle
//
// lost may pass without help. failed needs a user to change something. Both
// are retried, with jitter. classify in cause.go lists every error, its state
// and what the user sees.
//
// A camera without frames goes through these steps. "No frames" means none for
// five frame intervals and for at least a second, or for three seconds until
// the interval is measured. For the first frame of a command, the three seconds
// double with each start in vain, up to 30 s.
//
//	step  action                when                          how often
//	1     restart the stream    no frames                     once
//	2     close and reopen      still no frames, or an error  every retry
//	3     reset the USB device  step 2 did not help, and      10 s apart, doubling
//	                            the configuration allows it   to 10 min
//
// Five seconds of frames start the steps afresh.
//
// Goroutines: Run is the supervisor. It alone opens, reads, closes and
// publishes. Run also owns a watcher, which wakes the supervisor when readers
// come or go. An open or a USB reset runs in a goroutine of its own, because
// some drivers take seconds. An exec source has three more. They end before it
// counts as closed, except for a reader that is busy with the stream. An
// [Inspector] has one while it queries a driver.
package camera

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"vchat/daemon/frame"
	"vchat/v4l2"
)

// Config selects the camera and its settings. The words are those of the
// configuration file.
type Config struct {
	Device             string            // auto | /dev/… | test | file:PATH | exec:COMMAND; "": auto
	Width, Height, FPS int               // requested, in pixels and frames per second; 0: 1280, 720, 30
	Format             string            // auto | mjpeg | yuyv | nv12 | grey; "": auto
	Raw                string            // encoding of raw frames: jpeg | lz4 (lossless); "": jpeg
	Controls           map[string]string // V4L2 controls to set at each open
	// Saved are controls that were set by hand before the start, by the stable
	// name of the camera. Controls wins.
	Saved    map[string]map[string]string
	Rotate   int         // clockwise degrees for viewers; the frames themselves are not rotated
	USBReset bool        // allow the reset of a USB camera that stays frozen
	Hidden   []string    // absolute paths that an exec: command must not reach
	Name     string      // of this device, for the cards
	Kernel   v4l2.Kernel // nil: Linux
}

// equal reports whether the camera can stay open. Rotate only concerns viewers,
// and Saved the next open.
func (c Config) equal(d Config) bool {
	return c.Device == d.Device && c.Width == d.Width && c.Height == d.Height && c.FPS == d.FPS &&
		c.Format == d.Format && c.Raw == d.Raw && c.USBReset == d.USBReset && c.Name == d.Name &&
		c.Kernel == d.Kernel && maps.Equal(c.Controls, d.Controls) && slices.Equal(c.Hidden, d.Hidden)
}

// withDefaults returns c with defaults for what is unset, and within limits.
func (c Config) withDefaults() Config {
	if c.Device == "" {
		c.Device = "auto"
	}
	if c.Width <= 0 || c.Height <= 0 {
		c.Width, c.Height = 1280, 720
	}
	c.Width, c.Height = min(max(c.Width, minSide), maxSide), min(max(c.Height, minSide), maxSide)
	if c.FPS <= 0 {
		c.FPS = 30
	}
	c.FPS = min(c.FPS, maxFPS)
	c.Controls = maps.Clone(c.Controls) // the caller may change the original
	return c
}

const (
	minSide, maxSide = 16, 8192 // pixels
	maxFPS           = 240
)

// Camera is this device's own camera, or a substitute for one. Its methods are
// safe for concurrent use.
type Camera struct {
	log      *slog.Logger
	hub      *frame.Hub
	pool     *frame.Pool
	counters counters
	messages messageLog
	status   statusVar

	wakeup chan struct{} // capacity 1; wakes the supervisor

	mu             sync.Mutex
	cfg            Config
	manualControls map[string]string // set by SetControls; they override those of cfg
	private        bool
	version        int           // of cfg and private
	open           chan struct{} // closed when the camera is; nil: the camera is not open
	reading        source        // the supervisor may be waiting for its next frame
	readersChanged time.Time     // the last time that a reader came or left
}

// New returns a camera without readers. It does nothing before Run.
func New(cfg Config, log *slog.Logger) *Camera {
	c := &Camera{
		log:    log,
		hub:    frame.NewHub(),
		pool:   frame.NewPool(16),
		wakeup: make(chan struct{}, 1),
		cfg:    cfg.withDefaults(),
	}
	c.status.init(c.cfg.Device)
	c.status.s.Rotate = c.cfg.Rotate
	return c
}

// Hub returns the camera's feed. The camera is open while the feed has readers.
// The feed ends when Run returns.
func (c *Camera) Hub() *frame.Hub { return c.hub }

// Changed returns a channel that receives after a change of State, Reason,
// Privacy, Rotate, Warnings, Device, Format or size in [Status]. One value may
// stand for several changes. There is one channel, for one listener. A slow
// listener does not delay the camera.
func (c *Camera) Changed() <-chan struct{} { return c.status.changed }

// Reconfigure applies cfg at once, except for Kernel. The camera is reopened,
// unless cfg is equal or differs only in Rotate and Saved. A control set by
// hand is dropped if cfg changes its value. All of them are dropped if cfg
// changes the Device.
func (c *Camera) Reconfigure(cfg Config) {
	cfg = cfg.withDefaults()
	c.mu.Lock()
	cfg.Kernel = c.cfg.Kernel
	same, moved := c.cfg.equal(cfg), c.cfg.Device != cfg.Device
	c.cfg.Rotate, c.cfg.Saved = cfg.Rotate, cfg.Saved
	if !same {
		maps.DeleteFunc(c.manualControls, func(name, _ string) bool {
			return c.cfg.Device != cfg.Device || c.cfg.Controls[name] != cfg.Controls[name]
		})
		if c.cfg.Device != cfg.Device {
			c.messages.reset()
		}
		c.cfg = cfg
		c.version++
	}
	c.mu.Unlock()
	c.status.set(func(st *Status) {
		st.Rotate = cfg.Rotate
		if moved && st.State == Idle { // else the supervisor closes the other camera first
			*st = Status{Device: cfg.Device, State: Idle, Privacy: st.Privacy, Since: st.Since, Rotate: st.Rotate}
		}
	})
	if !same {
		c.wakeSupervisor()
	}
}

// Run keeps the camera running until ctx ends. Then it closes everything, ends
// the feed and returns nil. Call it once.
func (c *Camera) Run(ctx context.Context) error {
	var watcher sync.WaitGroup
	done := make(chan struct{})
	watcher.Go(func() {
		for {
			select {
			case <-c.hub.Changed():
				c.mu.Lock()
				c.readersChanged = time.Now()
				c.mu.Unlock()
				c.wakeSupervisor()
			case <-ctx.Done():
				c.wakeSupervisor()
				return
			case <-done:
				return
			}
		}
	})
	newSupervisor(c).run(ctx)
	close(done)
	watcher.Wait()
	c.hub.End(errClosed)
	return nil
}

var errClosed = errors.New("camera closed")

// wakeSupervisor makes the supervisor check readers, configuration and privacy.
func (c *Camera) wakeSupervisor() {
	c.mu.Lock()
	if c.reading != nil {
		c.reading.wake()
	}
	c.mu.Unlock()
	notify(c.wakeup)
}

// setReading stores the source that the supervisor reads from; nil for none.
func (c *Camera) setReading(src source) {
	c.mu.Lock()
	c.reading = src
	c.mu.Unlock()
}

// config returns the configuration, with the controls set by hand, and its
// version.
func (c *Camera) config() (Config, int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	cfg := c.cfg
	if len(c.manualControls) > 0 {
		cfg.Controls = make(map[string]string)
		maps.Copy(cfg.Controls, c.cfg.Controls)
		maps.Copy(cfg.Controls, c.manualControls)
	}
	return cfg, c.version
}

// configVersion returns the version of config without copying. It is called for
// each frame.
func (c *Camera) configVersion() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.version
}

// readersChangedAt returns the last time that a reader came or left.
func (c *Camera) readersChangedAt() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.readersChanged
}

// now returns CLOCK_MONOTONIC of the configured kernel.
func (c Config) now() time.Duration {
	if c.Kernel != nil {
		return c.Kernel.Now()
	}
	return frame.Now()
}

// notify sends to a channel of capacity 1, unless it is full.
func notify(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
