package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"vchat/cmd/vchatctl/internal/view"
	"vchat/cmd/vchatctl/internal/view/pipe"
	"vchat/daemon/api"
	"vchat/daemon/client"
)

const (
	answeredFrameTimeout = 10 * time.Second // from the answer; a camera takes 1 to 3 s to open
	hangupTimeout        = 2 * time.Second
)

func (a *app) callCmd() *cobra.Command {
	var (
		req      api.CallRequest
		ring     time.Duration
		showView bool
		noWait   bool
	)
	cmd := &cobra.Command{
		Use:   "call PEER",
		Short: "Call a peer",
		Long: `Call a peer. The command returns when the peer's frames arrive, and the call continues; hangup
ends it. With --view it shows the peer, and the call ends with the viewer. Ctrl-C before the
answer cancels the call.`,
		Args:              argCount(1, 1),
		ValidArgsFunction: a.completePeers(),
		RunE: func(cmd *cobra.Command, args []string) error {
			if ring < 0 || cmd.Flags().Changed("ring-timeout") && ring < time.Second {
				return usagef("--ring-timeout must be at least 1s, got %v", ring)
			}
			if showView && noWait {
				return usagef("--view and --no-wait exclude each other")
			}
			req.Peer, req.RingTimeoutMS = args[0], ring.Milliseconds()
			if noWait {
				c, err := a.placeCall(cmd.Context(), req)
				if err != nil {
					return err
				}
				return a.printJSON(c)
			}
			to := ""
			if showView {
				var err error
				if to, err = a.viewTarget(""); err != nil {
					return err
				}
			}
			return a.call(cmd.Context(), req, showView, to)
		},
	}
	cmd.Flags().BoolVar(&showView, "view", false, "show the peer until the call ends")
	cmd.Flags().DurationVar(&ring, "ring-timeout", 0, "how long to wait for an answer (default: set by vchatd)")
	cmd.Flags().BoolVar(&noWait, "no-wait", false, "return as soon as vchatd has started the call")
	return cmd
}

func (a *app) call(ctx context.Context, req api.CallRequest, showView bool, to string) error {
	// Subscribe before the call is placed, so that no event of it is missed.
	events, err := a.client().Events(ctx)
	if err != nil {
		return err
	}
	defer events.Close()
	if _, err := events.Next(); err != nil {
		return err
	}
	placed, err := a.placeCall(ctx, req)
	if err != nil {
		return err
	}
	t := &callTracker{events: events, call: placed}
	line := newProgressLine(a.stderr, req.Peer, a.json)
	ready := t.hasFrames
	if showView { // a viewer shows the card of a peer that sends no frames
		ready = t.isAnswered
	}
	err = t.waitFor(ready, line)
	line.close()
	if err != nil {
		if ctx.Err() != nil && (showView || !t.isAnswered()) {
			a.hangUp(req.Peer)
		}
		return err
	}
	if !showView {
		a.notifyNext()
		return a.printJSON(t.call)
	}
	return a.viewCall(ctx, view.Options{Feed: t.call.Peer, Events: events}, to)
}

// placeCall asks the daemon to call a peer. If there is a call with this peer
// already, for example after a restart of vchatd, it returns that call.
func (a *app) placeCall(ctx context.Context, req api.CallRequest) (api.Call, error) {
	placed, err := a.client().Call(ctx, req)
	if refused := refusal(err); refused == nil || refused.Kind != api.Conflict {
		return placed, err
	}
	s, statusErr := a.client().Status(ctx)
	if statusErr != nil {
		return placed, err
	}
	for _, c := range s.Calls {
		if c.Peer == req.Peer {
			return c, nil
		}
	}
	return placed, err
}

// viewCall shows the peer until the call, the viewer or ctx ends. It hangs up
// if the call has not ended.
func (a *app) viewCall(ctx context.Context, opt view.Options, to string) error {
	ended, err := a.view(ctx, opt, to, pipe.MJPEG)
	if !ended {
		a.hangUp(opt.Feed)
	}
	return err
}

// notifyNext hints at the commands for a call that has just begun.
func (a *app) notifyNext() {
	a.noticef("hint: vchatctl view shows the peer, vchatctl hangup ends the call")
}

// hangUp ends a call, even after the program's context was canceled.
func (a *app) hangUp(peer string) {
	ctx, cancel := context.WithTimeout(context.Background(), hangupTimeout)
	defer cancel()
	_, _ = a.client().Hangup(ctx, peer) // fails if the call has already ended
}

// callTracker follows one call through the daemon's events.
type callTracker struct {
	events *client.Events
	call   api.Call // its latest state
}

// waitFor waits until ready, and shows each state on line. It fails if the
// call ends, or if the answer brings no frames.
func (t *callTracker) waitFor(ready func() bool, line *progressLine) error {
	var timeout *time.Timer
	defer func() {
		if timeout != nil {
			timeout.Stop()
		}
	}()
	for {
		if t.call.State == api.CallEnded {
			return callEndedError(t.call)
		}
		line.step(t.call)
		if ready() {
			return nil
		}
		if l := t.call.Link; t.call.State == api.CallResuming && l != nil && l.KeyMismatch != nil {
			e := mismatchError(t.call.Peer, l.KeyMismatch, l.Reason)
			e.Hint += "; the call still waits, vchatctl hangup ends it"
			return e
		}
		if pc := t.call.PeerCamera; t.isAnswered() && pc != nil && pc.State == peerPrivacy {
			return peerPrivacyError(t.call) // frames come only after the peer acts
		}
		if t.isAnswered() && timeout == nil {
			timeout = time.AfterFunc(answeredFrameTimeout, t.events.Close)
		}
		if err := t.next(); err != nil {
			if timeout != nil && errors.Is(err, context.Canceled) {
				return noFramesError(t.call)
			}
			return err
		}
	}
}

// next waits for the next event of the call.
func (t *callTracker) next() error {
	for {
		e, err := t.events.Next()
		if err != nil {
			return err
		}
		switch {
		case e.Call != nil && e.Event != api.EventStats && t.isThisCall(*e.Call):
			t.call = *e.Call
			return nil
		case e.Event == api.EventPeerCamera && e.PeerCamera != nil && e.Peer == t.call.Peer:
			t.call.PeerCamera = e.PeerCamera
			return nil
		case e.Event == api.EventState && e.Status != nil:
			// Events were lost. The call is in the state, or has ended for a
			// reason that was lost too.
			for _, c := range e.Status.Calls {
				if t.isThisCall(c) {
					t.call = c
					return nil
				}
			}
			t.call.State, t.call.Reason = api.CallEnded, api.ReasonFailed
			return nil
		}
	}
}

// isThisCall reports whether c is the tracked call. If both sides call each
// other, the call continues under the id of the peer's call; there is at most
// one call with a peer. An ended call with another id is an earlier one.
func (t *callTracker) isThisCall(c api.Call) bool {
	return c.ID == t.call.ID || c.Peer == t.call.Peer && c.State != api.CallEnded
}

func (t *callTracker) hasFrames() bool { return t.call.HasFrames }

func (t *callTracker) isAnswered() bool {
	return t.call.State == api.CallActive || t.call.State == api.CallResuming
}

// noFramesError returns the error of an answered call without frames. It
// contains the reason that the peer gives for its camera.
func noFramesError(c api.Call) error {
	e := &api.Error{
		Kind:    api.CameraUnavailable,
		Message: fmt.Sprintf("%s answered, but sent no frames within %v", c.Peer, answeredFrameTimeout),
		Hint:    "the call continues; see vchatctl status, or end it with vchatctl hangup",
	}
	if c.PeerCamera != nil {
		e.Message = join(": ", e.Message, c.PeerCamera.Reason)
	}
	return e
}

// peerPrivacyError returns the error of an answered call whose peer has turned
// its camera off.
func peerPrivacyError(c api.Call) error {
	return &api.Error{
		Kind:    api.CameraUnavailable,
		Message: c.Peer + " answered, but has turned the camera off",
		Hint:    "the call continues; wait for the camera with vchatctl view, or end it with vchatctl hangup",
	}
}

// callEndedError returns the error of a call that has ended.
func callEndedError(c api.Call) error {
	e := &api.Error{Kind: api.Internal, Message: view.EndText(&c)}
	switch c.Reason {
	case api.ReasonUnreachable:
		e.Kind, e.Hint = api.PeerUnreachable, "check that the device is on; see vchatctl peers"
	case api.ReasonLostTooLong:
		e.Kind = api.PeerUnreachable
	case api.ReasonBusy:
		e.Kind = api.PeerBusy
	case api.ReasonDeclined:
		e.Kind = api.PeerDeclined
	case api.ReasonNoAnswer, api.ReasonDoNotDisturb:
		e.Kind = api.PeerNoAnswer
	case api.ReasonWrongIdentity:
		return mismatchError(c.Peer, c.KeyMismatch, e.Message)
	}
	return e
}

// mismatchError returns the error of a call that a key prevents. m may be nil;
// reason is then all that is known.
func mismatchError(peer string, m *api.KeyMismatch, reason string) *api.Error {
	e := &api.Error{Kind: api.PeerIdentity, Message: reason,
		Hint: "pair again (vchatctl pair), or put each device's id (vchatctl id) under peers on the other"}
	if m != nil {
		e.Message = mismatchText(peer, m, reason)
		if m.RefusedBy == api.SideLocal {
			e.Message = peer + ": " + e.Message
		}
	}
	if m != nil && m.RefusedBy == api.SideLocal {
		e.Hint = "if " + peer + " was installed anew, pair again (vchatctl pair), or compare the new id with " +
			"vchatctl id there and put it under peers here; if not, " +
			"another device answers in its place: do not accept it"
	}
	return e
}

// mismatchText explains a mismatch of keys, with each id on a line of its own.
func mismatchText(peer string, m *api.KeyMismatch, reason string) string {
	if m.RefusedBy == api.SideRemote {
		return peer + " refuses this device's key\n  this device  " + m.Got + "\n  " + reason
	}
	return join(" at ", "peer key mismatch", m.Address) + "\n  expected  " + m.Expected + "\n  got       " + m.Got
}
