package camera

import (
	"context"
	"fmt"
	"maps"
)

// SetPrivacy closes the camera and keeps it closed, whoever looks, or lets it be opened again. It takes effect at once, and
// returns when the camera is closed, or with the error of ctx: some drivers take their time to let go.
func (c *Camera) SetPrivacy(ctx context.Context, on bool) error {
	c.mu.Lock()
	if c.private != on {
		c.private = on
		c.version++
	}
	open := c.open
	c.mu.Unlock()
	c.status.set(func(s *Status) { s.Privacy = on })
	c.poke()
	if !on || open == nil {
		return nil
	}
	select {
	case <-open:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("close the camera: %w", ctx.Err())
	}
}

// SetControls notes controls that were set by hand. They are set again at each open, after those of the configuration,
// until this program ends or Reconfigure changes them. The camera that is open is left alone.
func (c *Camera) SetControls(controls map[string]string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.set == nil {
		c.set = make(map[string]string)
	}
	maps.Copy(c.set, controls)
}

func (c *Camera) isPrivate() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.private
}

// admit asks whether the camera may be opened. If so, closed is to be called when it is closed again.
func (c *Camera) admit() (closed func(), ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.private {
		return nil, false
	}
	c.open = make(chan struct{})
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		close(c.open)
		c.open = nil
	}, true
}
