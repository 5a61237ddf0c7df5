package camera

import (
	"context"
	"fmt"
	"maps"
)

// SetPrivacy switches privacy on or off. While it is on, the camera stays
// closed and readers get a card. It takes effect at once. On returns when the
// camera is closed, or with the error of ctx: some drivers take seconds to
// close.
func (c *Camera) SetPrivacy(ctx context.Context, on bool) error {
	c.mu.Lock()
	if c.private != on {
		c.private = on
		c.version++
	}
	open := c.open
	c.mu.Unlock()
	c.status.set(func(st *Status) { st.Privacy = on })
	c.wakeSupervisor()
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

// SetControls stores controls that were set by hand. Each open sets them after
// those of the configuration, until Reconfigure drops them. An open camera does
// not change.
func (c *Camera) SetControls(controls map[string]string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.manualControls == nil {
		c.manualControls = make(map[string]string)
	}
	maps.Copy(c.manualControls, controls)
}

func (c *Camera) isPrivate() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.private
}

// beginOpen reports whether the camera may be opened. If so, the caller calls
// closed when the camera is closed again.
func (c *Camera) beginOpen() (closed func(), ok bool) {
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
