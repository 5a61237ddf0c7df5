// Package config turns /etc/vchat.yaml into one validated Config.
// It promises that a Config it returns needs no further checks: every value is in its range, every text has its form,
// every peer has an id. A file with faults gives no Config at all but Errors, all of them at once, each with its line
// and column and what was expected there.
// A file passes through three steps, and each reports what it can before the next one begins:
//
//	bytes ──text──▶ UTF-8 with plain line ends ──document──▶ yaml nodes ──section──▶ Config
//	      syntax.go                           syntax.go                  keys.go, peers.go, value.go, check.go, id.go
//
// keys.go is the table of all keys; packaging/vchat.yaml tells the same to people. The package imports nothing of
// vchat's, starts nothing and keeps nothing: its functions may be called from any goroutine.
package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"strings"
	"time"
)

// maxFile bounds what is read, in bytes. A file with a thousand peers has about 200 KiB.
const maxFile = 1 << 20

// Config is the whole configuration. It is not changed after Load: a reload makes another one.
type Config struct {
	Name      string // of this device, as peers see it: 1 to 64 printable characters
	Listen    string // HOST:PORT or :PORT for peers; "" = do not listen
	Camera    Camera
	Peers     map[string]Peer // by name; never nil
	Calls     Calls
	Discovery bool // whether this device tells the local network of itself and looks for others
	Control   Control
	Metrics   string // HOST:PORT or :PORT of the metrics page; "" = none
	StateDir  string // absolute path
	Hooks     Hooks
	Log       Log
}

// Camera says where the frames of this device come from and how they shall be.
type Camera struct {
	Device   string // auto | an absolute path | test | file:PATH | exec:COMMAND
	Size     Size
	FPS      int               // frames a second, 1 to 240
	Format   string            // auto | mjpeg | yuyv | nv12 | grey
	Raw      string            // what becomes of raw frames: jpeg | lz4
	Rotate   int               // degrees, 0 | 90 | 180 | 270, as the viewer shows it
	USBReset bool              // whether a frozen USB camera may be reset as the last resort
	Controls map[string]string // values by name, as they stand in the file; never nil
}

// Size is that of a frame in pixels; each side is even and from 16 to 8192.
type Size struct{ Width, Height int }

// String gives the size as it is written in the file: 1280x720.
func (s Size) String() string { return fmt.Sprintf("%dx%d", s.Width, s.Height) }

// Peer is another device that this one knows.
type Peer struct {
	Name       string // 1 to 32 of a-z A-Z 0-9 . _ -; the key in Config.Peers
	Address    string // HOST:PORT; "" where the peer calls us, or discovery finds it
	ID         string // twelve groups of five characters of A-Z 2-7, with hyphens between
	AutoAnswer bool
	MaxBitrate float64 // of video sent, Mbit/s, 0 to 100000; 0 = as much as the link carries
}

// Calls says how calls begin and how long they last without a link.
type Calls struct {
	Max          int           // calls at once, 1 to 16
	RingTimeout  time.Duration // 1 s to 1 h
	ResumeFor    time.Duration // how long a call survives without a link, 0 to 24 h
	DoNotDisturb bool
}

// Control says where the control socket is and whose.
type Control struct {
	Socket string // absolute path of at most 107 bytes
	Group  string // a group's name or number; "" = that of the daemon's process
}

// Hooks are the commands to run when something happens: program and arguments, without a shell; nil = none.
type Hooks struct {
	Ring, Answered, Ended, CameraLost, CameraFound []string
}

// Log says how much is logged.
type Log struct {
	Level slog.Level // debug | info | warn | error
}

// Default is the configuration of an empty file. Its Name is the host name up to the first dot.
func Default() *Config {
	return &Config{
		Name:   defaultName(),
		Listen: ":7450",
		Camera: Camera{
			Device:   "auto",
			Size:     Size{1280, 720},
			FPS:      30,
			Format:   "auto",
			Raw:      "jpeg",
			Controls: map[string]string{},
		},
		Peers:     map[string]Peer{},
		Calls:     Calls{Max: 1, RingTimeout: 30 * time.Second, ResumeFor: 10 * time.Minute},
		Discovery: true,
		Control:   Control{Socket: "/run/vchat/control.sock", Group: "vchat"},
		StateDir:  "/var/lib/vchat",
		Log:       Log{Level: slog.LevelInfo},
	}
}

func defaultName() string {
	host, err := os.Hostname()
	name, _, _ := strings.Cut(host, ".")
	if err != nil || deviceName(name) != nil {
		return "vchat" // a device without a usable host name still needs something to be called by
	}
	return name
}

// Load reads the file at path; a file that does not exist gives Default.
// The error is Errors if the file has faults, and wraps the cause if it cannot be read.
func Load(path string) (*Config, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Default(), nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the configuration: %w", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("reading the configuration: %w", err)
	}
	return Parse(path, b)
}

// Parse reads the contents of a file, whose name is only for the faults. The error is Errors.
func Parse(file string, b []byte) (*Config, error) {
	c := Default()
	r := &reader{file: file}
	if root := r.document(b); root != nil {
		r.section("", r.keys(c), root)
	}
	if len(r.faults) > 0 {
		r.faults.sort()
		return nil, r.faults
	}
	return c, nil
}

// reader goes through one file and gathers its faults.
type reader struct {
	file   string
	faults Errors
}
