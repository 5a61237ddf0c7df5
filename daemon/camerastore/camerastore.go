// Package camerastore keeps what users have chosen for the camera of a device:
// which one, its size and rate, and the values of controls. It is the file
// camera.json of the state directory.
//
// Guarantees:
//   - A change is on the disk when Choose or KeepControls returns nil, and not
//     made at all when it returns an error.
//   - An unusable file is set aside under its name with ".corrupt" and reported
//     by Problem. It costs the choices and nothing else.
//   - It reads a file of at most 64 KiB, and keeps the controls of at most
//     MaxCameras cameras: those that were set last.
//   - A chosen device is test or a path under /dev: no other file is read, and
//     no command is run, because of this file.
//
// The package has no goroutines. A Store is safe for concurrent use.
package camerastore

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"vchat/config"
	"vchat/daemon/smallfile"
)

// FileName is the name of the file in the state directory.
const FileName = "camera.json"

const (
	// MaxCameras is the largest number of cameras whose controls are kept.
	MaxCameras = 16

	maxFile     = 64 << 10
	maxControls = 64  // of a camera
	maxText     = 255 // bytes of a path or a value
	version     = 1
)

// ErrInvalid reports a choice that is not possible.
var ErrInvalid = errors.New("invalid choice of a camera")

// Choice is a camera and its mode. The zero Choice is that of the
// configuration.
type Choice struct {
	Device string      // test or a path under /dev; "": not chosen
	Size   config.Size // zero: not chosen
	FPS    int         // 0: not chosen
}

// Store holds the choices.
type Store struct {
	path string

	mu       sync.Mutex
	choice   Choice
	controls []controls // the last ones set come last
	fault    error      // why the file cannot be read; nil: it can
	problem  string     // what was wrong with the file
}

// controls are the values of controls of a camera, by name.
type controls struct {
	Camera string            `json:"camera"` // stable name
	Values map[string]string `json:"values"`
}

// file is the content of the file.
type file struct {
	Version  int        `json:"version"`
	Device   string     `json:"device,omitempty"`
	Size     string     `json:"size,omitempty"`
	FPS      int        `json:"fps,omitempty"`
	Controls []controls `json:"controls,omitempty"`
}

// Open reads the file in a state directory. It returns a Store for any content
// of the directory; Problem has what is wrong.
func Open(stateDir string) *Store {
	s := &Store{path: filepath.Join(stateDir, FileName)}
	b, err := smallfile.ReadState(s.path, maxFile)
	if errors.Is(err, fs.ErrNotExist) {
		return s
	}
	if err == nil {
		s.choice, s.controls, err = parse(b)
	}
	if err != nil {
		s.problem, s.fault = smallfile.Recover(s.path, err,
			"choice of the camera lost", "choice of the camera not read")
	}
	return s
}

func parse(b []byte) (Choice, []controls, error) {
	var f file
	if err := json.Unmarshal(b, &f); err != nil {
		return Choice{}, nil, fmt.Errorf("%w: %w", smallfile.ErrDamaged, err)
	}
	if f.Version != version {
		return Choice{}, nil, fmt.Errorf("%w: version %d, want %d", smallfile.ErrDamaged, f.Version, version)
	}
	c := Choice{Device: f.Device, FPS: f.FPS}
	if f.Size != "" {
		var err error
		if c.Size, err = config.ParseSize(f.Size); err != nil {
			return Choice{}, nil, fmt.Errorf("%w: the size %w", smallfile.ErrDamaged, err)
		}
	}
	if err := c.check(); err != nil {
		return Choice{}, nil, fmt.Errorf("%w: %w", smallfile.ErrDamaged, err)
	}
	if len(f.Controls) > MaxCameras {
		return Choice{}, nil, fmt.Errorf("%w: controls of %d cameras", smallfile.ErrDamaged, len(f.Controls))
	}
	for _, c := range f.Controls {
		if err := c.check(); err != nil {
			return Choice{}, nil, fmt.Errorf("%w: %w", smallfile.ErrDamaged, err)
		}
	}
	return c, f.Controls, nil
}

// CheckDevice returns an error, with what is allowed, if a device cannot be
// chosen: one that is neither "", test nor a path under /dev.
func CheckDevice(device string) error {
	switch {
	case device == "", device == "test":
		return nil
	case !isText(device):
	case strings.HasPrefix(device, "/dev/") && filepath.Clean(device) == device:
		return nil
	}
	return fmt.Errorf("%w: the camera must be auto, test or a path under /dev", ErrInvalid)
}

func (c Choice) check() error {
	if err := CheckDevice(c.Device); err != nil {
		return err
	}
	if c.Size != (config.Size{}) {
		if _, err := config.ParseSize(c.Size.String()); err != nil {
			return fmt.Errorf("%w: the size %w", ErrInvalid, err)
		}
	}
	if c.FPS < 0 || c.FPS > config.MaxFPS {
		return fmt.Errorf("%w: the rate must be from 1 to %d, not %d", ErrInvalid, config.MaxFPS, c.FPS)
	}
	return nil
}

func (c controls) check() error {
	if c.Camera == "" || !isText(c.Camera) {
		return fmt.Errorf("%w: no name of a camera", ErrInvalid)
	}
	if len(c.Values) > maxControls {
		return fmt.Errorf("%w: more than %d controls", ErrInvalid, maxControls)
	}
	for name, value := range c.Values {
		if err := config.CheckControl(name); err != nil {
			return fmt.Errorf("%w: %w", ErrInvalid, err)
		}
		if value == "" || !isText(value) {
			return fmt.Errorf("%w: no value of control %s", ErrInvalid, name)
		}
	}
	return nil
}

// isText reports whether s is short and printable.
func isText(s string) bool {
	return len(s) <= maxText && utf8.ValidString(s) &&
		!strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) })
}

// Choice returns what was chosen.
func (s *Store) Choice() Choice {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.choice
}

// Choose replaces the choice. Errors: ErrInvalid, or one with the errno.
func (s *Store) Choose(c Choice) error {
	if err := c.check(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if c == s.choice {
		return s.fault
	}
	return s.write(c, s.controls)
}

// Controls returns the values that were set, by the stable name of the camera
// and the name of the control.
func (s *Store) Controls() map[string]map[string]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := map[string]map[string]string{}
	for _, c := range s.controls {
		all[c.Camera] = maps.Clone(c.Values)
	}
	return all
}

// KeepControls adds values of controls of a camera, given by its stable name.
// Errors: ErrInvalid, or one with the errno.
func (s *Store) KeepControls(camera string, values map[string]string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	changed := controls{camera, map[string]string{}}
	var others []controls
	for _, c := range s.controls {
		if c.Camera == camera {
			maps.Copy(changed.Values, c.Values)
		} else {
			others = append(others, c)
		}
	}
	before := maps.Clone(changed.Values)
	maps.Copy(changed.Values, values)
	if err := changed.check(); err != nil {
		return err
	}
	if maps.Equal(before, changed.Values) { // spare the flash
		return s.fault
	}
	all := append(others, changed)
	return s.write(s.choice, slices.Clone(all[max(len(all)-MaxCameras, 0):]))
}

// write writes the file and makes its content the present one. The caller holds
// mu.
func (s *Store) write(c Choice, all []controls) error {
	if s.fault != nil {
		return s.fault
	}
	f := file{Version: version, Device: c.Device, FPS: c.FPS, Controls: all}
	if c.Size != (config.Size{}) {
		f.Size = c.Size.String()
	}
	b, err := json.Marshal(f)
	if err == nil && len(b) >= maxFile {
		err = fmt.Errorf("%w: %d bytes are too many", ErrInvalid, len(b))
	}
	if err == nil {
		err = smallfile.Replace(s.path, append(b, '\n'))
	}
	if err != nil {
		return fmt.Errorf("keep choice of the camera: %w", err)
	}
	s.choice, s.controls = c, all
	return nil
}

// Problem returns what was wrong with the file at Open; "" if nothing was.
func (s *Store) Problem() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.problem
}
