// Package camera keeps one camera alive: it opens it when somebody looks, reopens it after any fault for ever, and shows a
// card that says what is wrong while there is no picture.
//
//	              nobody looks                        a reader
//	      ┌──────────────────────────▶ idle ──────────────────────────┐
//	      │                                                           ▼
//	streaming ◀── a frame ── lost, failed ◀── an error ────────── opening
//	      │                      ▲  │  ▲                              │
//	      └─── error, silence ───┘  └──┘ try again:                   └── a frame ─▶ streaming
//	                                     100 ms … 2 s, jittered
//
// Silence is no picture for five frame times, and for one second at least. The ladder out of it: the stream is restarted,
// after as long again the camera is reopened, and if that does not help either, and the configuration permits it, its USB
// device is reset, ever more rarely.
//
// Privacy stands above all of it: while it is on, the camera is closed and stays so, and whoever looks is shown a card.
//
// It promises that the feed's sequence numbers only ever rise, over reopening and cards too, that nothing is published that
// is not a whole frame, and that a camera is closed within a second after its last reader has left. Once warm, a frame
// allocates nothing.
//
// Goroutines: Run is the supervisor, which alone opens, reads, closes and publishes. Beside it Run owns the watcher, which ends
// the supervisor's waits when readers come or go or the configuration changes, and for the time of an open, or of a reset, one
// that does it, since some drivers take seconds. A command as the camera has three more of its own, which end before it
// counts as closed. Questions have one of their own while a driver is asked.
package camera

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"sync"
	"time"

	"vchat/daemon/frame"
	"vchat/v4l2"
)

// Config says which camera it is, and what is wished of it. The words are those of the configuration file.
type Config struct {
	Device             string // auto | /dev/… | test | file:PATH | exec:COMMAND; "" is auto
	Width, Height, FPS int    // wished; 0: 1280, 720, 30
	Format             string // auto | mjpeg | yuyv | nv12 | grey; "" is auto
	Raw                string // what becomes of raw frames: jpeg | lz4 (they stay as they are); "" is jpeg
	Controls           map[string]string
	Rotate             int         // degrees clockwise that its frames are to be shown with: they stay as they are
	USBReset           bool        // whether a USB camera that stays frozen may be reset
	Name               string      // of this device, for the cards
	Kernel             v4l2.Kernel // nil: Linux
}

// equal says whether the camera can stay open: what viewers do with its frames is not its own affair.
func (c Config) equal(d Config) bool {
	return c.Device == d.Device && c.Width == d.Width && c.Height == d.Height && c.FPS == d.FPS && c.Format == d.Format &&
		c.Raw == d.Raw && c.USBReset == d.USBReset && c.Name == d.Name && c.Kernel == d.Kernel && maps.Equal(c.Controls, d.Controls)
}

// withDefaults fills in what was left out.
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
	c.Controls = maps.Clone(c.Controls) // the caller may go on with his
	return c
}

const (
	minSide, maxSide = 16, 8192 // pixels
	maxFPS           = 240
)

// Camera is the device's own camera, or what stands in for it. Its methods are safe for concurrent use.
type Camera struct {
	log      *slog.Logger
	hub      *frame.Hub
	pool     *frame.Pool
	counters counters
	status   statusVar

	kick chan struct{} // of one: the supervisor is to look again

	mu      sync.Mutex
	cfg     Config
	set     map[string]string // controls that were set by hand, over those of cfg
	private bool
	version int           // of cfg and private
	open    chan struct{} // closed when the camera is; nil: it is not open
	reading stream        // what the supervisor may be waiting for
	stirred time.Time     // when readers came or went last
}

// New makes a camera that nobody looks at yet. It does nothing before Run.
func New(cfg Config, log *slog.Logger) *Camera {
	c := &Camera{
		log:  log,
		hub:  frame.NewHub(),
		pool: frame.NewPool(16),
		kick: make(chan struct{}, 1),
		cfg:  cfg.withDefaults(),
	}
	c.status.init(c.cfg.Device)
	c.status.s.Rotate = c.cfg.Rotate
	return c
}

// Hub is the camera's feed. The camera is open while it has readers. It ends when Run returns.
func (c *Camera) Hub() *frame.Hub { return c.hub }

// Changed receives a value after State, Reason, Privacy, Rotate, Warnings, Device, Format or size in Status have changed. Several
// changes may be told by one value. There is one such channel, for one listener, who cannot delay the camera.
func (c *Camera) Changed() <-chan struct{} { return c.status.changed }

// Reconfigure takes effect at once, by reopening; another Rotate alone is told in the frames and in Status, without it. It
// does nothing if cfg is what it is already. Controls for which it has another
// value now are no longer as they were set by hand, and with another Device none is.
func (c *Camera) Reconfigure(cfg Config) {
	cfg = cfg.withDefaults()
	c.mu.Lock()
	same := c.cfg.equal(cfg)
	c.cfg.Rotate = cfg.Rotate
	if !same {
		maps.DeleteFunc(c.set, func(name, _ string) bool {
			return c.cfg.Device != cfg.Device || c.cfg.Controls[name] != cfg.Controls[name]
		})
		c.cfg = cfg
		c.version++
	}
	c.mu.Unlock()
	c.status.set(func(s *Status) { s.Rotate = cfg.Rotate })
	if !same {
		c.poke()
	}
}

// Run keeps the camera until ctx ends, then closes everything, ends the feed, and returns nil. It is called once.
func (c *Camera) Run(ctx context.Context) error {
	var watcher sync.WaitGroup
	done := make(chan struct{})
	watcher.Go(func() {
		for {
			select {
			case <-c.hub.Changed():
				c.mu.Lock()
				c.stirred = time.Now()
				c.mu.Unlock()
				c.poke()
			case <-ctx.Done():
				c.poke()
				return
			case <-done:
				return
			}
		}
	})
	newSupervisor(c).keep(ctx)
	close(done)
	watcher.Wait()
	c.hub.End(errStopped)
	return nil
}

var errStopped = errors.New("the camera was switched off")

// poke makes the supervisor look again at who looks and at the configuration.
func (c *Camera) poke() {
	c.mu.Lock()
	if c.reading != nil {
		c.reading.wake()
	}
	c.mu.Unlock()
	signal(c.kick)
}

// attach says what the supervisor is going to wait for, nil for nothing.
func (c *Camera) attach(s stream) {
	c.mu.Lock()
	c.reading = s
	c.mu.Unlock()
}

// config is the configuration with the controls that were set by hand.
func (c *Camera) config() (Config, int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	cfg := c.cfg
	if len(c.set) > 0 {
		cfg.Controls = make(map[string]string)
		maps.Copy(cfg.Controls, c.cfg.Controls)
		maps.Copy(cfg.Controls, c.set)
	}
	return cfg, c.version
}

// current is the version of config, without the copying: it is asked for each frame.
func (c *Camera) current() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.version
}

// lastStir is when readers came or went last.
func (c *Camera) lastStir() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.stirred
}

// now is CLOCK_MONOTONIC, of the pretended kernel if there is one.
func (c Config) now() time.Duration {
	if c.Kernel != nil {
		return c.Kernel.Now()
	}
	return frame.Now()
}

// signal puts a value into a channel of one unless there is one.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
