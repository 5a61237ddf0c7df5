package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"vchat/cmd/vchatctl/internal/view"
	"vchat/daemon/api"
	"vchat/daemon/client"
)

const (
	framesWithin = 10 * time.Second // after the answer; a camera opens in one to three
	cancelWithin = 2 * time.Second
)

func (a *app) callCmd() *cobra.Command {
	var (
		req    api.CallRequest
		ring   time.Duration
		look   bool
		noWait bool
	)
	cmd := &cobra.Command{
		Use:   "call PEER",
		Short: "Call a peer; done once frames flow, or with --view after the call",
		Long: `Call a peer. It is done once the peer's frames flow, and the call goes on; hangup ends it. With --view it shows
them and is done after the call, which ends with the viewer. Ctrl-C before the answer gives the call up.`,
		Args:              takes(1, 1),
		ValidArgsFunction: a.completePeers(),
		RunE: func(cmd *cobra.Command, args []string) error {
			if ring < 0 || cmd.Flags().Changed("ring-timeout") && ring < time.Second {
				return usagef("--ring-timeout %v: a second at least", ring)
			}
			if look && noWait {
				return usagef("--view waits for the call, and --no-wait does not: one of them")
			}
			req.Peer, req.RingTimeoutMS = args[0], ring.Milliseconds()
			if noWait {
				c, err := a.begin(cmd.Context(), req)
				if err != nil {
					return err
				}
				return a.print(c, func(io.Writer) {})
			}
			to := ""
			if look {
				var err error
				if to, err = a.target(""); err != nil {
					return err
				}
			}
			return a.call(cmd.Context(), req, look, to)
		},
	}
	cmd.Flags().BoolVar(&look, "view", false, "show the peer's frames until the call ends")
	cmd.Flags().DurationVar(&ring, "ring-timeout", 0, "how long to let it ring (default as the daemon is configured)")
	cmd.Flags().BoolVar(&noWait, "no-wait", false, "return as soon as the daemon has begun to call")
	return cmd
}

func (a *app) call(ctx context.Context, req api.CallRequest, look bool, to string) error {
	// First the events, then the call: nothing of what becomes of it is missed.
	events, err := a.client().Events(ctx)
	if err != nil {
		return err
	}
	defer events.Close()
	if _, err := events.Next(); err != nil {
		return err
	}
	begun, err := a.begin(ctx, req)
	if err != nil {
		return err
	}
	p := &progress{events: events, call: begun}
	line := newCallLine(a.stderr, req.Peer)
	enough := p.frames
	if look { // the viewer shows the card of a peer whose camera gives none
		enough = p.answered
	}
	err = until(enough, p, line)
	line.close()
	if err != nil {
		if ctx.Err() != nil && (look || !p.answered()) {
			a.giveUp(req.Peer)
		}
		return err
	}
	if !look {
		a.tellWhatNext()
		return a.print(p.call, func(io.Writer) {})
	}
	return a.viewCall(ctx, view.Options{Feed: p.call.Peer, Events: events}, to)
}

// begin asks for the call. One with this peer that there is already, such as one that outlived a restart, is as good.
func (a *app) begin(ctx context.Context, req api.CallRequest) (api.Call, error) {
	begun, err := a.client().Call(ctx, req)
	var refused *api.Error
	if !errors.As(err, &refused) || refused.Kind != api.Conflict {
		return begun, err
	}
	s, statusErr := a.client().Status(ctx)
	if statusErr != nil {
		return begun, err
	}
	for _, c := range s.Calls {
		if c.Peer == req.Peer {
			return c, nil
		}
	}
	return begun, err
}

// until waits until the call has come as far as is enough; line tells a user who waits what happens meanwhile.
func until(enough func() bool, p *progress, line *callLine) error {
	var late *time.Timer
	defer func() {
		if late != nil {
			late.Stop()
		}
	}()
	for {
		if p.call.State == api.CallEnded {
			return ended(p.call)
		}
		line.step(p.call)
		if enough() {
			return nil
		}
		if pc := p.call.PeerCamera; p.answered() && pc != nil && pc.State == "privacy" {
			return peerPrivate(p.call) // a frame will not come by itself
		}
		if p.answered() && late == nil {
			late = time.AfterFunc(framesWithin, p.events.Close)
		}
		if err := p.next(); err != nil {
			if late != nil && errors.Is(err, context.Canceled) {
				return noFrames(p.call)
			}
			return err
		}
	}
}

// noFrames is the error of a call that is answered and shows nothing, with what the peer says of its camera.
func noFrames(c api.Call) error {
	e := &api.Error{Kind: api.CameraUnavailable,
		Message: fmt.Sprintf("%s has answered, but no picture of it has come for %v", c.Peer, framesWithin),
		Hint:    "the call goes on; vchatctl status says more, vchatctl hangup ends it"}
	if c.PeerCamera != nil {
		e.Message = join(": ", e.Message, c.PeerCamera.Reason)
	}
	return e
}

// peerPrivate is the error of a call to somebody who has switched the camera off.
func peerPrivate(c api.Call) error {
	return &api.Error{Kind: api.CameraUnavailable, Message: fmt.Sprintf("%s has answered, but has switched its camera off (privacy)", c.Peer),
		Hint: "the call goes on; vchatctl view shows when there are frames, vchatctl hangup ends it"}
}

// viewCall shows the peer until the call, the viewer or ctx ends. The call does not outlive its viewer.
func (a *app) viewCall(ctx context.Context, opt view.Options, to string) error {
	err := a.view(ctx, opt, to)
	if over := (*view.Over)(nil); errors.As(err, &over) {
		return a.tellOver(over)
	}
	a.giveUp(opt.Feed)
	return err
}

// tellWhatNext is for whoever has a call for the first time.
func (a *app) tellWhatNext() {
	a.tell("hint: vchatctl view shows the frames, vchatctl hangup ends the call")
}

// giveUp ends a call although this program was told to end itself.
func (a *app) giveUp(peer string) {
	ctx, cancel := context.WithTimeout(context.Background(), cancelWithin)
	defer cancel()
	_, _ = a.client().Hangup(ctx, peer) // if it has ended meanwhile, so much the better
}

// progress follows one call through the events.
type progress struct {
	events *client.Events
	call   api.Call
}

// next waits until something is told of the call.
func (p *progress) next() error {
	for {
		e, err := p.events.Next()
		if err != nil {
			return err
		}
		switch {
		case e.Event == api.EventCall && e.Call != nil && p.meant(*e.Call):
			p.call = *e.Call
			return nil
		case e.Event == api.EventState && e.Status != nil:
			// Events were lost: the call is as it stands there, or has ended for a reason that was lost too.
			for _, c := range e.Status.Calls {
				if p.meant(c) {
					p.call = c
					return nil
				}
			}
			p.call.State, p.call.Reason = api.CallEnded, api.ReasonFailed
			return nil
		}
	}
}

// meant tells this call from others. Its id changes if both sides have called each other: then it is that of the peer's
// call, and there is at most one to a peer. An earlier one of which only the end is told is not meant.
func (p *progress) meant(c api.Call) bool {
	return c.ID == p.call.ID || c.Peer == p.call.Peer && c.State != api.CallEnded
}

func (p *progress) frames() bool { return p.call.HasFrames }

func (p *progress) answered() bool {
	return p.call.State == api.CallActive || p.call.State == api.CallResuming
}

// ended says why a call ended, as an error.
func ended(c api.Call) error {
	e := &api.Error{Kind: api.Internal, Message: "the call with " + c.Peer + " has ended"}
	// The text begins with the reason in words, which is said better below, and goes on with what is known beyond it.
	_, detail, _ := strings.Cut(c.ReasonText, ": ")
	switch c.Reason {
	case api.ReasonUnreachable:
		e.Kind, e.Message, e.Hint = api.PeerUnreachable, c.Peer+" cannot be reached", "is it switched on? vchatctl peers says more"
		e.Message = join(": ", e.Message, detail)
	case api.ReasonLostTooLong:
		e.Kind, e.Message = api.PeerUnreachable, "the link to "+c.Peer+" was lost for too long"
	case api.ReasonBusy:
		e.Kind, e.Message = api.PeerBusy, c.Peer+" is in another call"
	case api.ReasonDeclined:
		e.Kind, e.Message = api.PeerDeclined, c.Peer+" has declined"
	case api.ReasonNoAnswer:
		e.Kind, e.Message = api.PeerNoAnswer, c.Peer+" did not answer"
	case api.ReasonDoNotDisturb:
		e.Kind, e.Message = api.PeerNoAnswer, c.Peer+" does not want to be disturbed"
	case api.ReasonWrongIdentity:
		e.Kind, e.Message = api.PeerIdentity, c.Peer+" and this device do not know each other by their present ids"
		e.Message = join(": ", e.Message, detail)
		e.Hint = "what vchatctl id prints on each device belongs under peers in the configuration of the other"
	default:
		if c.ReasonText != "" {
			e.Message += ": " + c.ReasonText
		}
	}
	return e
}
