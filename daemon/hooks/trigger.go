package hooks

import (
	"time"

	"vchat/daemon/api"
)

// callKey identifies a call for its whole life: its id may change while it is
// dialled.
type callKey struct {
	peer    string
	started time.Time
}

// trigger is a hook to run.
type trigger struct {
	kind    Kind
	call    callKey // the zero value unless it is about a call
	silence bool    // the call rings no more
}

// callProgress is what has happened with a call.
type callProgress struct{ rang, answered bool }

// tracker derives triggers from events. An event about a call repeats its
// state, so the tracker remembers what it has seen of each call that lasts.
type tracker struct {
	calls      map[callKey]callProgress
	cameraDown bool
}

func newTracker() tracker { return tracker{calls: map[callKey]callProgress{}} }

func (t *tracker) triggers(e api.Event) []trigger {
	switch {
	case e.Event == api.EventCall && e.Call != nil:
		return t.call(e.Call)
	case e.Event == api.EventText && e.From == api.SideRemote:
		return []trigger{{kind: Text}}
	case e.Event == api.EventCamera && e.Camera != nil:
		return t.camera(e.Camera.State)
	}
	return nil
}

func (t *tracker) call(c *api.Call) (all []trigger) {
	key := callKey{c.Peer, c.Started}
	p := t.calls[key]
	switch c.State {
	case api.CallIncoming:
		if !p.rang {
			all = append(all, trigger{kind: Ring, call: key})
		}
		p.rang = true
	case api.CallActive:
		if !p.answered {
			all = append(all, trigger{kind: Answered, call: key, silence: true})
		}
		p.answered = true
	case api.CallResuming: // answered, perhaps before a restart of the daemon
		p.answered = true
	case api.CallEnded:
		delete(t.calls, key)
		all = append(all, trigger{kind: Ended, call: key, silence: true})
		if c.Direction == api.DirectionIn && c.Answered.IsZero() && c.Reason != api.ReasonDeclined {
			all = append(all, trigger{kind: Missed, call: key})
		}
		return all
	}
	t.calls[key] = p
	return all
}

// camera ignores the states between: a lost camera is opened again and again.
func (t *tracker) camera(s api.CameraState) []trigger {
	switch {
	case (s == api.CameraLost || s == api.CameraFailed) && !t.cameraDown:
		t.cameraDown = true
		return []trigger{{kind: CameraLost}}
	case s == api.CameraStreaming && t.cameraDown:
		t.cameraDown = false
		return []trigger{{kind: CameraFound}}
	}
	return nil
}
