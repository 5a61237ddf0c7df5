package camera

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"vchat/v4l2"
)

// Errors of Questions, to test with errors.Is, beside those that say why a camera cannot be asked. Their text is a sentence.
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

// Questions asks cameras what they have, and sets their controls, beside the stream and without disturbing it. One question is
// asked at a time: a driver may hang in one for ever, and the goroutine with it, of which there is one at most. Its methods
// are safe for concurrent use and end with their context.
type Questions struct {
	camera *Camera
	turn   chan struct{} // of one: held by the question that is being asked
}

// NewQuestions is for the cameras that c could be, and for c itself.
func NewQuestions(c *Camera) *Questions {
	return &Questions{camera: c, turn: make(chan struct{}, 1)}
}

// Run returns after the end of ctx when no question is being asked. None can be asked any more then.
func (q *Questions) Run(ctx context.Context) error {
	<-ctx.Done()
	q.turn <- struct{}{}
	return nil
}

// Settle waits until the question that is being asked is answered, and gives the error of ctx if that ends before.
func (q *Questions) Settle(ctx context.Context) error {
	select {
	case q.turn <- struct{}{}:
		<-q.turn
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for a camera's answer: %w", ctx.Err())
	}
}

// ask waits for its turn, then for the answer.
func ask[T any](ctx context.Context, q *Questions, opens bool, question func() (T, error)) (none T, err error) {
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
func (q *Questions) own() (device string, cfg Config) {
	cfg, _ = q.camera.config()
	if s := q.camera.Status(); s.State == Streaming && isNode(s.Device) {
		return s.Device, cfg
	}
	return cfg.Device, cfg
}

// find is the camera that a question is for: device, or where that is "" its own. It is called with the turn.
func (q *Questions) find(device string) (d v4l2.Device, own bool, k v4l2.Kernel, err error) {
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
func (q *Questions) Formats(ctx context.Context, device string) (About, []Format, error) {
	type both struct {
		About
		all []Format
	}
	a, err := ask(ctx, q, true, func() (a both, err error) {
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
func (q *Questions) Controls(ctx context.Context, device string) (About, []Control, error) {
	a, err := q.set(ctx, device, nil)
	return a.About, a.Controls, err
}

// Set sets controls, and tells those that there are then. The own camera gets them again at each opening, as with Camera.SetControls.
// All are checked before one is set; if the camera itself then refuses one, those before it stay set, and the error names them.
func (q *Questions) Set(ctx context.Context, device string, want map[string]string) (Settings, error) {
	return q.set(ctx, device, want)
}

// Settings are a camera's controls, and which were changed just now.
type Settings struct {
	About
	Controls []Control
	Changes  []Change
	Own      bool // they are kept for the next opening
}

func (q *Questions) set(ctx context.Context, device string, want map[string]string) (Settings, error) {
	return ask(ctx, q, true, func() (a Settings, err error) {
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
func (q *Questions) keep(changes []Change) {
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
