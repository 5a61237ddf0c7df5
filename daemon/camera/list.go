package camera

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"vchat/v4l2"
)

// Found is a camera, or a node that may be one.
type Found struct {
	v4l2.Finding
	Used bool // it is the own one
}

// List finds all cameras, the own one among them even if it is not there, or none of the kernel's. While privacy is on nothing is
// opened: of each node only its name is known then, and Err is ErrPrivacy.
func (q *Questions) List(ctx context.Context) ([]Found, error) {
	all, err := ask(ctx, q, true, func() ([]v4l2.Finding, error) {
		cfg, _ := q.camera.config()
		return v4l2.Survey(cfg.Kernel)
	})
	if errors.Is(err, ErrPrivacy) {
		all, err = ask(ctx, q, false, q.unopened)
	}
	if err != nil {
		return nil, err
	}
	return q.mark(all), nil
}

func (q *Questions) unopened() ([]v4l2.Finding, error) {
	cfg, _ := q.camera.config()
	labels, err := v4l2.Labels(cfg.Kernel)
	var all []v4l2.Finding
	for _, d := range labels {
		all = append(all, v4l2.Finding{Device: d, Err: ErrPrivacy})
	}
	return all, err
}

// mark says which of them is the own one.
func (q *Questions) mark(all []v4l2.Finding) []Found {
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
		return "", fmt.Sprintf("%s: there is no such camera", device)
	}
	for _, d := range all {
		if d.Node == node {
			return d.Card, ""
		}
	}
	return "", ""
}
