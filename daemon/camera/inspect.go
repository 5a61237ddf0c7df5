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

// Errors of an Inspector, to test with errors.Is, beside those that say why a camera cannot be asked. Their text is a sentence.
var (
	ErrPrivacy   = errors.New("privacy is on, and no camera is opened")
	ErrHangs     = errors.New("the camera's driver does not answer")
	ErrNotAsked  = errors.New("it has neither formats nor controls") // a camera that is none of the kernel's
	ErrNoPath    = errors.New("a camera is auto or a path under /dev")
	ErrNoControl = v4l2.ErrNoControl
	ErrBadValue  = v4l2.ErrBadValue
	ErrInactive  = v4l2.ErrInactive
)

// What the kernel's cameras say of themselves.
type (
	Format  = v4l2.FormatInfo
	Control = v4l2.Control
	Change  = v4l2.Change
)

const (
	turnWithin   = 5 * time.Second // for the question before to be answered
	answerWithin = 8 * time.Second // from the asking; a driver waits for each request to the camera
)

// Inspector asks cameras what they have, and sets their controls, beside the stream and without disturbing it. One question is
// asked at a time: a driver may hang in one for ever, and the goroutine with it, of which there is one at most. Its methods
// are safe for concurrent use and end with their context.
type Inspector struct {
	camera *Camera
	turn   chan struct{} // of one: held by the question that is being asked
}

// NewInspector is for the cameras that c could be, and for c itself.
func NewInspector(c *Camera) *Inspector {
	return &Inspector{camera: c, turn: make(chan struct{}, 1)}
}

// Run returns after the end of ctx when no question is being asked. None can be asked any more then.
func (q *Inspector) Run(ctx context.Context) error {
	<-ctx.Done()
	q.turn <- struct{}{}
	return nil
}

// Drain waits until the question that is being asked is answered, and gives the error of ctx if that ends before.
func (q *Inspector) Drain(ctx context.Context) error {
	select {
	case q.turn <- struct{}{}:
		<-q.turn
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for a camera's answer: %w", ctx.Err())
	}
}

// query waits for its turn, then for the answer.
func query[T any](ctx context.Context, q *Inspector, opens bool, question func() (T, error)) (none T, err error) {
	end := time.Now().Add(answerWithin)
	late := time.NewTimer(turnWithin)
	defer late.Stop()
	select {
	case q.turn <- struct{}{}:
	case <-late.C:
		return none, fmt.Errorf("%w: a question before this one still waits for its answer", ErrHangs)
	case <-ctx.Done():
		return none, context.Cause(ctx)
	}
	// With the turn in hand: who has switched privacy on waits for it, and no camera is opened after that.
	if opens && q.camera.Status().Privacy {
		<-q.turn
		return none, ErrPrivacy
	}
	type answer struct {
		v   T
		err error
	}
	answered := make(chan answer, 1)
	go func() {
		defer func() { <-q.turn }()
		v, err := question()
		answered <- answer{v, err}
	}()
	late.Reset(time.Until(end))
	select {
	case a := <-answered:
		return a.v, a.err
	case <-late.C:
		return none, fmt.Errorf("%w, not within %v", ErrHangs, answerWithin)
	case <-ctx.Done():
		return none, context.Cause(ctx)
	}
}

// own is the camera that a question means which names none: the open one, else what is configured.
func (q *Inspector) own() (device string, cfg Config) {
	cfg, _ = q.camera.config()
	if s := q.camera.Status(); s.State == Streaming && isNode(s.Device) {
		return s.Device, cfg
	}
	return cfg.Device, cfg
}

// find is the camera that a question is for: device, or where that is "" its own. It is called with the turn.
func (q *Inspector) find(device string) (d v4l2.Device, own bool, k v4l2.Kernel, err error) {
	mine, cfg := q.own()
	k = cfg.Kernel
	if device == "" {
		if !isNode(mine) {
			return d, false, k, fmt.Errorf("the camera is %s: %w", mine, ErrNotAsked)
		}
		d, err = v4l2.Find(k, mine)
		return d, true, k, err
	}
	if path := filepath.Clean(device); device != "auto" && !strings.HasPrefix(path, "/dev/") {
		return d, false, k, fmt.Errorf("%s: %w", device, ErrNoPath)
	}
	if d, err = v4l2.Find(k, device); err != nil {
		return d, false, k, err
	}
	if mine != "auto" {
		return d, v4l2.NodeOf(k, mine) == d.Node, k, nil
	}
	first, err := v4l2.Find(k, mine)
	return d, err == nil && first.Node == d.Node, k, nil
}

// Formats is what a camera offers; device is "" for the own one.
func (q *Inspector) Formats(ctx context.Context, device string) (About, []Format, error) {
	type both struct {
		About
		all []Format
	}
	a, err := query(ctx, q, true, func() (a both, err error) {
		d, _, k, err := q.find(device)
		if err != nil {
			return a, err
		}
		a.About = About{d.Path, d.Card}
		a.all, err = v4l2.Formats(k, d.Path)
		return a, err
	})
	return a.About, a.all, err
}

// About is the camera that has answered.
type About struct{ Path, Name string }

// Controls is what can be set of a camera.
func (q *Inspector) Controls(ctx context.Context, device string) (About, []Control, error) {
	a, err := q.set(ctx, device, nil)
	return a.About, a.Controls, err
}

// Set sets controls, and tells those that there are then. The own camera gets them again at each opening, as with Camera.SetControls.
// All are checked before one is set; if the camera itself then refuses one, those before it stay set, and the error names them.
func (q *Inspector) Set(ctx context.Context, device string, want map[string]string) (Settings, error) {
	return q.set(ctx, device, want)
}

// Settings are a camera's controls, and which were changed just now.
type Settings struct {
	About
	Controls []Control
	Changes  []Change
	Own      bool // they are kept for the next opening
}

func (q *Inspector) set(ctx context.Context, device string, want map[string]string) (Settings, error) {
	return query(ctx, q, true, func() (a Settings, err error) {
		d, own, k, err := q.find(device)
		if err != nil {
			return a, err
		}
		a.About, a.Own = About{d.Path, d.Card}, own
		if len(want) > 0 {
			a.Changes, err = v4l2.SetControls(k, d.Path, want)
			if own {
				q.keep(a.Changes)
			}
			if err != nil {
				return a, alsoSet(err, a.Changes)
			}
		}
		a.Controls, err = v4l2.Controls(k, d.Path)
		return a, err
	})
}

// keep remembers what was set for when the camera is opened again. A button is pressed once.
func (q *Inspector) keep(changes []Change) {
	kept := map[string]string{}
	for _, c := range changes {
		if c.After.Type != "button" {
			kept[c.After.Name] = c.Requested
		}
	}
	q.camera.SetControls(kept)
}

func alsoSet(err error, changes []Change) error {
	var names []string
	for _, c := range changes {
		names = append(names, c.After.Name)
	}
	if len(names) == 0 {
		return err
	}
	return fmt.Errorf("%w; set before it: %s", err, strings.Join(names, ", "))
}

func isNode(device string) bool { return Config{Device: device}.isV4L2() }

// Found is a camera, or a node that may be one.
type Found struct {
	v4l2.Finding
	Used bool // it is the own one
}

// List finds all cameras, the own one among them even if it is not there, or none of the kernel's. While privacy is on nothing is
// opened: of each node only its name is known then, and Err is ErrPrivacy.
func (q *Inspector) List(ctx context.Context) ([]Found, error) {
	all, err := query(ctx, q, true, func() ([]v4l2.Finding, error) {
		cfg, _ := q.camera.config()
		return v4l2.Survey(cfg.Kernel)
	})
	if errors.Is(err, ErrPrivacy) {
		all, err = query(ctx, q, false, q.unopened)
	}
	if err != nil {
		return nil, err
	}
	return q.mark(all), nil
}

func (q *Inspector) unopened() ([]v4l2.Finding, error) {
	cfg, _ := q.camera.config()
	labels, err := v4l2.Labels(cfg.Kernel)
	var all []v4l2.Finding
	for _, d := range labels {
		all = append(all, v4l2.Finding{Device: d, Err: ErrPrivacy})
	}
	return all, err
}

// mark says which of them is the own one.
func (q *Inspector) mark(all []v4l2.Finding) []Found {
	mine, cfg := q.own()
	if s := q.camera.Status(); s.State == Lost || s.State == Failed || s.Privacy {
		mine = cmp.Or(s.Device, mine)
	}
	node := ""
	if isNode(mine) && mine != "auto" {
		node = cmp.Or(v4l2.NodeOf(cfg.Kernel, mine), mine)
	}
	found, marked := make([]Found, 0, len(all)+1), false
	for _, f := range all {
		used := !marked && (f.Node == node || mine == "auto" && f.Usable)
		marked = marked || used
		found = append(found, Found{f, used})
	}
	if !marked && mine != "auto" {
		own := Found{v4l2.Finding{Device: v4l2.Device{Path: mine}}, true}
		found = append([]Found{own}, found...)
	}
	return found
}

// Label is what the kernel calls the camera of this name, a path or auto, without opening it: whoever asks for the status must not
// switch a camera on. It is "" if that cannot be told, as where auto has a choice. Missing says in a sentence that there is none.
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
		return "", fmt.Sprintf("%s: no such camera", device)
	}
	for _, d := range all {
		if d.Node == node {
			return d.Card, ""
		}
	}
	return "", ""
}
