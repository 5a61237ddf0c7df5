package camera

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"vchat/v4l2"
)

// Errors of an [Inspector], for errors.Is, besides those of package v4l2. Their
// texts are for the user.
var (
	ErrPrivacy   = errors.New("privacy is on: no camera is opened")
	ErrNoAnswer  = errors.New("camera driver does not answer")
	ErrNotV4L2   = errors.New("only a V4L2 camera has formats and controls")
	ErrBadPath   = errors.New("must be auto or a path under /dev")
	ErrNoControl = v4l2.ErrNoControl
	ErrBadValue  = v4l2.ErrBadValue
	ErrInactive  = v4l2.ErrInactive
)

// Types of package v4l2 in the results of an [Inspector].
type (
	// Format is a format of a camera with its sizes and rates.
	Format = v4l2.FormatInfo
	// Control is a control of a camera.
	Control = v4l2.Control
	// Change is a control that was set.
	Change = v4l2.Change
)

const (
	turnTimeout   = 5 * time.Second // for the query before
	answerTimeout = 8 * time.Second // from the call on; a driver sends each request to the camera and waits
)

// Inspector queries cameras and sets their controls, without disturbing the
// stream. It runs one query at a time: a driver may hang in a query forever,
// and so would its goroutine. Its methods are safe for concurrent use. They end
// with their context, and with ErrNoAnswer after 8 seconds.
type Inspector struct {
	camera *Camera
	turn   chan struct{} // capacity 1; full while a query runs
}

// NewInspector returns an Inspector for c and for every other V4L2 camera.
func NewInspector(c *Camera) *Inspector {
	return &Inspector{camera: c, turn: make(chan struct{}, 1)}
}

// Run waits for the end of ctx, and then for the running query. No query starts
// after that. It returns nil.
func (q *Inspector) Run(ctx context.Context) error {
	<-ctx.Done()
	q.turn <- struct{}{}
	return nil
}

// Drain waits until no query is running. If ctx ends first, it returns its
// error.
func (q *Inspector) Drain(ctx context.Context) error {
	select {
	case q.turn <- struct{}{}:
		<-q.turn
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for the camera driver: %w", ctx.Err())
	}
}

// query runs do when its turn comes, and waits for its result. opens reports
// whether do opens a device, which is refused while privacy is on.
func query[T any](ctx context.Context, q *Inspector, opens bool, do func() (T, error)) (none T, err error) {
	end := time.Now().Add(answerTimeout)
	timer := time.NewTimer(turnTimeout)
	defer timer.Stop()
	select {
	case q.turn <- struct{}{}:
	case <-timer.C:
		return none, fmt.Errorf("%w: an earlier request is still waiting", ErrNoAnswer)
	case <-ctx.Done():
		return none, context.Cause(ctx)
	}
	// Check with the turn held: who sets privacy drains the queries afterwards,
	// so no device is opened after that.
	if opens && q.camera.Status().Privacy {
		<-q.turn
		return none, ErrPrivacy
	}
	type result struct {
		v   T
		err error
	}
	done := make(chan result, 1)
	go func() {
		defer func() { <-q.turn }()
		v, err := do()
		done <- result{v, err}
	}()
	timer.Reset(time.Until(end))
	select {
	case r := <-done:
		return r.v, r.err
	case <-timer.C:
		return none, fmt.Errorf("%w within %v", ErrNoAnswer, answerTimeout)
	case <-ctx.Done():
		return none, context.Cause(ctx)
	}
}

// own returns the own camera: the open one, or else the configured one.
func (q *Inspector) own() (device string, cfg Config) {
	cfg, _ = q.camera.config()
	if s := q.camera.Status(); s.State == Streaming && isNode(s.Device) {
		return s.Device, cfg
	}
	return cfg.Device, cfg
}

// find returns the device that a query names, "" for the own camera, and
// reports whether it is the own camera. It is called within a query.
func (q *Inspector) find(device string) (d v4l2.Device, own bool, k v4l2.Kernel, err error) {
	ownDevice, cfg := q.own()
	k = cfg.Kernel
	if device == "" {
		if !isNode(ownDevice) {
			return d, false, k, fmt.Errorf("camera %s: %w", ownDevice, ErrNotV4L2)
		}
		d, err = v4l2.FindAny(k, ownDevice)
		return d, true, k, err
	}
	if path := filepath.Clean(device); device != "auto" && !strings.HasPrefix(path, "/dev/") {
		return d, false, k, fmt.Errorf("%s: %w", device, ErrBadPath)
	}
	if d, err = v4l2.FindAny(k, device); err != nil {
		return d, false, k, err
	}
	if ownDevice != "auto" {
		return d, v4l2.NodeOf(k, ownDevice) == d.Node, k, nil
	}
	first, err := v4l2.FindAny(k, ownDevice)
	return d, err == nil && first.Node == d.Node, k, nil
}

// DeviceInfo identifies the camera that answered a query.
type DeviceInfo struct{ Path, Name string }

// Formats returns the formats of a camera. device is auto, a path under /dev,
// or "" for the own camera.
func (q *Inspector) Formats(ctx context.Context, device string) (DeviceInfo, []Format, error) {
	type answer struct {
		DeviceInfo
		formats []Format
	}
	a, err := query(ctx, q, true, func() (a answer, err error) {
		d, _, k, err := q.find(device)
		if err != nil {
			return a, err
		}
		a.DeviceInfo = DeviceInfo{d.Path, d.Card}
		a.formats, err = v4l2.Formats(k, d.Path)
		return a, err
	})
	return a.DeviceInfo, a.formats, err
}

// Controls returns the controls of a camera. device is as in
// [Inspector.Formats].
func (q *Inspector) Controls(ctx context.Context, device string) (DeviceInfo, []Control, error) {
	s, err := q.set(ctx, device, nil)
	return s.DeviceInfo, s.Controls, err
}

// Set sets controls by name and returns all controls afterwards. The controls
// of the own camera are set again at each open. All values are checked before
// the first is set. If the camera refuses one, those before it stay set, and
// the error names them.
func (q *Inspector) Set(ctx context.Context, device string, values map[string]string) (Settings, error) {
	return q.set(ctx, device, values)
}

// Find returns the camera at a path, by the name that survives a restart.
// Errors: those of package v4l2, ErrBadPath, or ErrPrivacy.
func (q *Inspector) Find(ctx context.Context, path string) (DeviceInfo, error) {
	return query(ctx, q, true, func() (DeviceInfo, error) {
		d, _, k, err := q.find(path)
		return DeviceInfo{v4l2.StableName(k, d), d.Card}, err
	})
}

// Settings is the result of [Inspector.Set].
type Settings struct {
	DeviceInfo
	Controls []Control // all of the camera
	Changes  []Change  // made by this call
	Own      bool      // the own camera: the changes are set again at each open
	Stable   string    // name of the camera that survives a restart
}

func (q *Inspector) set(ctx context.Context, device string, values map[string]string) (Settings, error) {
	return query(ctx, q, true, func() (s Settings, err error) {
		d, own, k, err := q.find(device)
		if err != nil {
			return s, err
		}
		s.DeviceInfo, s.Own, s.Stable = DeviceInfo{d.Path, d.Card}, own, v4l2.StableName(k, d)
		if len(values) > 0 {
			s.Changes, err = v4l2.SetControls(k, d.Path, values)
			if own {
				q.keep(s.Changes)
			}
			if err != nil {
				return s, addChanges(err, s.Changes)
			}
		}
		s.Controls, err = v4l2.Controls(k, d.Path)
		return s, err
	})
}

// keep stores changes for the next opens, except for buttons: each is pressed
// once.
func (q *Inspector) keep(changes []Change) {
	values := map[string]string{}
	for _, c := range changes {
		if c.After.Type != "button" {
			values[c.After.Name] = c.Requested
		}
	}
	q.camera.SetControls(values)
}

// addChanges adds to an error the controls that were set before it.
func addChanges(err error, changes []Change) error {
	var names []string
	for _, c := range changes {
		names = append(names, c.After.Name)
	}
	if len(names) == 0 {
		return err
	}
	return fmt.Errorf("%w; already set: %s", err, strings.Join(names, ", "))
}

func isNode(device string) bool { return Config{Device: device}.isV4L2() }

// Found is a camera, or a device node that may be one.
type Found struct {
	v4l2.Finding
	Own bool // it is the own camera
}

// List returns all cameras. The own camera is included even if it is missing or
// not a V4L2 camera. While privacy is on, no device is opened. Then only names
// are known, and each Err is ErrPrivacy.
func (q *Inspector) List(ctx context.Context) ([]Found, error) {
	all, err := query(ctx, q, true, func() ([]v4l2.Finding, error) {
		cfg, _ := q.camera.config()
		return v4l2.Survey(cfg.Kernel)
	})
	if errors.Is(err, ErrPrivacy) {
		all, err = query(ctx, q, false, q.listUnopened)
	}
	if err != nil {
		return nil, err
	}
	return q.markOwn(all), nil
}

func (q *Inspector) listUnopened() ([]v4l2.Finding, error) {
	cfg, _ := q.camera.config()
	labels, err := v4l2.Labels(cfg.Kernel)
	var all []v4l2.Finding
	for _, d := range labels {
		all = append(all, v4l2.Finding{Device: d, Err: ErrPrivacy})
	}
	return all, err
}

// markOwn marks the own camera, and adds it if it is not in all.
func (q *Inspector) markOwn(all []v4l2.Finding) []Found {
	ownDevice, cfg := q.own()
	if s := q.camera.Status(); s.State == Lost || s.State == Failed || s.Privacy {
		ownDevice = cmp.Or(s.Device, ownDevice)
	}
	node := ""
	if isNode(ownDevice) && ownDevice != "auto" {
		node = cmp.Or(v4l2.NodeOf(cfg.Kernel, ownDevice), ownDevice)
	}
	found, marked := make([]Found, 0, len(all)+1), false
	for _, f := range all {
		own := !marked && (f.Node == node || ownDevice == "auto" && f.Usable)
		marked = marked || own
		found = append(found, Found{f, own})
	}
	if !marked && ownDevice != "auto" {
		own := Found{v4l2.Finding{Device: v4l2.Device{Path: ownDevice}}, true}
		found = append([]Found{own}, found...)
	}
	return found
}

// Label returns the kernel's name for a camera, without opening it: a status
// query must not light the camera's LED. device is auto or a path. name is ""
// if it is unknown, such as for auto with several cameras. missing is a
// sentence if there is no such camera, or else "".
func (c *Camera) Label(device string) (name, missing string) {
	cfg, _ := c.config()
	if !isNode(device) {
		return "", ""
	}
	all, err := v4l2.Labels(cfg.Kernel)
	if err != nil {
		return "", ""
	}
	if device == "auto" {
		switch len(all) {
		case 0:
			return "", fmt.Sprintf("%s: no camera is connected", device)
		case 1:
			return all[0].Card, ""
		}
		return "", ""
	}
	node := v4l2.NodeOf(cfg.Kernel, device)
	if node == "" {
		return "", fmt.Sprintf("%s: %v", device, v4l2.ErrNotFound)
	}
	for _, d := range all {
		if d.Node == node {
			return d.Card, ""
		}
	}
	return "", ""
}
