package camera

import (
	"fmt"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"vchat/daemon/sandbox"
	"vchat/v4l2"
)

func TestCause_pause(t *testing.T) {
	for _, c := range []*cause{causeUnplugged, causeInUse, causeNoPermission} {
		for tries := range 100 {
			for watched, limit := range map[bool]time.Duration{false: c.maxPause, true: longPause} {
				d, nominal := c.pause(tries, watched), min(100*time.Millisecond<<min(tries, 10), limit)
				if d < nominal*3/4 || d > nominal*5/4 || d > limit {
					t.Errorf("%s, try %d, watched %v: got %v, want %v with 25%% jitter",
						c.name, tries, watched, d, nominal)
				}
			}
		}
	}
}

func TestClassify(t *testing.T) {
	gone := fmt.Errorf("poll: %w", v4l2.ErrUnplugged)
	for _, c := range []struct {
		err    error
		before *cause
		want   *cause
	}{
		{gone, nil, causeUnplugged},
		{v4l2.ErrNotFound, causeUnplugged, causeUnplugged},
		{v4l2.ErrNotFound, nil, causeNotFound},
		{v4l2.ErrNotFound, causeInUse, causeNotFound},
		{v4l2.ErrNotCamera, nil, causeNotCamera},
		{v4l2.ErrNoFormat, nil, causeNoFormat},
		{v4l2.ErrFailed, nil, causeDriver},
		{errNoFrames, causeUnplugged, causeNoFrames},
		{fmt.Errorf("%w: %w", sandbox.ErrUnavailable, unix.EPERM), nil, causeNoSandbox},
		{fmt.Errorf("%w: %w", errCommand, unix.EPERM), nil, causeCommand},
	} {
		before := "nothing"
		if c.before != nil {
			before = c.before.name
		}
		t.Run(fmt.Sprintf("%v after %s", c.err, before), func(t *testing.T) {
			if got := classify(c.err, c.before); got != c.want {
				t.Errorf("got %q, want %q", got.name, c.want.name)
			}
		})
	}
}
