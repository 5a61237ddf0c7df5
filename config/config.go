// Package config reads /etc/vchat.yaml into a validated Config.
//
// Guarantees:
//
//   - A returned Config needs no further checks: each value is in its range,
//     each text has its form, and each peer has an id.
//   - For a file with faults it returns no Config, but all faults at once as
//     Errors. Each has its line and column and the expected value.
//   - It has no goroutines and no state. Its functions may be called from any
//     goroutine.
//
// A file passes through three steps. Each step reports all its faults:
//
//	bytes ──text──▶ UTF-8 lines ──document──▶ yaml nodes ──section──▶ Config
//	     syntax.go             syntax.go              keys.go, peers.go,
//	                                                  value.go, check.go, id.go
//
// keys.go is the table of all keys. packaging/vchat.yaml describes them for
// users.
package config

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"vchat/daemon/smallfile"
)

// maxFile is the largest accepted file, in bytes. A file with a thousand peers
// has about 200 KiB.
const maxFile = 1 << 20

// Config is the configuration. It does not change after Load; a reload creates
// a new one.
type Config struct {
	File      string // it was read from; "" = not from a file
	Name      string // of this device, as peers see it: 1 to 64 printable characters
	Listen    string // HOST:PORT or :PORT for peers; "" = do not listen
	Camera    Camera
	Peers     map[string]Peer // by name; never nil
	Calls     Calls
	Discovery bool // announce this device on the local network and browse for others
	Control   Control
	Metrics   string // HOST:PORT or :PORT of the metrics page; "" = none
	Feeds     string // HOST:PORT or :PORT of the feeds for other programs; "" = none
	StateDir  string // absolute path
	Hooks     Hooks
	Log       Log

	Relay      []string // HOST:PORT of transit relays, at most 8, all different
	RelayProxy string   // socks5://[USER:PASSWORD@]HOST:PORT for all relays; "" = none

	lines map[string]int // of the keys that the file sets, by their full path
}

// Line returns the line of a key in the file, such as camera, fps or peers,
// workshop; 0 if the file does not set it.
func (c *Config) Line(path ...string) int {
	full := ""
	for _, name := range path {
		full = join(full, name)
	}
	return c.lines[full]
}

// Place returns where the file sets a key, as FILE:LINE, or as FILE if the line
// is not known. The path is as for Line.
func (c *Config) Place(path ...string) string {
	if line := c.Line(path...); line > 0 {
		return fmt.Sprintf("%s:%d", c.File, line)
	}
	return c.File
}

// Camera is the source of this device's frames and their mode.
type Camera struct {
	Device   string // auto | an absolute path | test | file:PATH | exec:COMMAND
	Size     Size
	FPS      int               // frames a second, 1 to 240
	Format   string            // auto | mjpeg | yuyv | nv12 | grey
	Raw      string            // encoding of raw frames: jpeg | lz4
	Rotate   int               // clockwise degrees in viewers: 0 | 90 | 180 | 270
	USBReset bool              // a frozen USB camera may be reset as the last resort
	Controls map[string]string // values by control name, unchecked; never nil
}

// Size is the size of a frame in pixels. Each side is even and from 16 to 8192.
type Size struct{ Width, Height int }

// String returns the size as in the file: 1280x720.
func (s Size) String() string { return fmt.Sprintf("%dx%d", s.Width, s.Height) }

// Peer is another device.
type Peer struct {
	Name       string // 1 to 32 of a-z A-Z 0-9 . _ -; the key in Config.Peers
	Address    string // HOST:PORT; "" if the peer connects to this device
	ID         string // twelve groups of five characters of A-Z 2-7, with hyphens
	Proxy      string // socks5://[USER:PASSWORD@]HOST:PORT by which Address is dialled; "" = none
	AutoAnswer bool
	MaxBitrate float64 // of sent video, Mbit/s, 0 to 100000; 0 = no limit but the link's capacity
}

// Calls are the limits and times of calls.
type Calls struct {
	Max          int           // simultaneous calls, 1 to 16
	RingTimeout  time.Duration // 1 s to 1 h
	ResumeFor    time.Duration // how long a call survives without a link, 0 to 24 h
	DoNotDisturb bool          // decline calls without ringing
}

// Control is the path and the groups of the control socket. The groups are
// names or numbers.
type Control struct {
	Socket     string // absolute path of at most 107 bytes
	WatchGroup string // may see the state and the frames; "" = none
	Group      string // may use calls too; "" = the group of the daemon's process
	PairGroup  string // may answer pairings too; "" = none
	AdminGroup string // may change the device too; "" = none
}

// Hooks are commands to run on events: the absolute path of a program and its
// arguments, without a shell; nil = none.
type Hooks struct {
	Ring, Answered, Ended, Missed, Text, CameraLost, CameraFound []string
}

// Log is the configuration of the log.
type Log struct {
	Level slog.Level // debug | info | warn | error
}

// Default returns the configuration of an empty file. Its Name is the host name
// up to the first dot, or vchat.
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
		Control: Control{Socket: "/run/vchat/control.sock", Group: "vchat", PairGroup: "vchat-pair",
			AdminGroup: "vchat-admin"},
		StateDir: "/var/lib/vchat",
		Log:      Log{Level: slog.LevelInfo},
	}
}

func defaultName() string {
	host, err := os.Hostname()
	name, _, _ := strings.Cut(host, ".")
	if err != nil || deviceName(name) != nil {
		return "vchat" // the host name is not a valid device name
	}
	return name
}

// OwnID returns the id of the device with a state directory; "" if it is not
// known.
type OwnID func(stateDir string) string

// Load reads the file at path. For a missing file it returns Default. The error
// is Errors for a file with faults. Otherwise it wraps the cause of the failed
// read.
func Load(path string) (*Config, error) { return LoadFor(path, nil) }

// LoadFor is Load for the device with this id: as a peer, that id is a fault.
func LoadFor(path string, own OwnID) (*Config, error) {
	b, err := Read(path)
	if errors.Is(err, fs.ErrNotExist) {
		c := Default()
		c.File = path
		return c, nil
	}
	if err != nil {
		return nil, err
	}
	return ParseFor(path, b, own)
}

// Read returns the contents of the file at path. It returns Errors for a file
// that is too large, or wraps the cause: smallfile.ErrNotRegular for a FIFO,
// device, socket or directory, none of which it opens.
func Read(path string) ([]byte, error) {
	b, err := smallfile.Read(path, maxFile)
	switch {
	case errors.Is(err, smallfile.ErrTooLarge):
		return nil, Errors{{path, 1, 1, tooLarge}}
	case err != nil:
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	return b, nil
}

// ParseFor parses the contents of the file at path, for the device with this
// id. The error is Errors.
func ParseFor(path string, b []byte, own OwnID) (*Config, error) {
	c, err := parse(path, b, own)
	if err != nil {
		return nil, err
	}
	c.File = path
	return c, nil
}

// Parse parses the contents of a file. It uses the file's name only in faults.
// The error is Errors.
func Parse(file string, b []byte) (*Config, error) { return parse(file, b, nil) }

func parse(file string, b []byte, own OwnID) (*Config, error) {
	c := Default()
	r := &reader{file: file, lines: map[string]int{}}
	if r.root = r.document(b); r.root != nil {
		r.section("", r.keys(c), r.root)
	}
	if own != nil && len(c.Peers) > 0 {
		r.ownPeers(c.Peers, own(c.StateDir))
	}
	if len(r.faults) > 0 {
		r.faults.sort()
		return nil, r.faults
	}
	c.lines = r.lines
	return c, nil
}

// reader reads one file and collects its faults.
type reader struct {
	file   string
	root   *yaml.Node     // of the document; nil if it is empty or invalid
	lines  map[string]int // see Config
	faults Errors
}
