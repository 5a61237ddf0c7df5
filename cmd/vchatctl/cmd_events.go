package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"vchat/cmd/vchatctl/internal/view"
	"vchat/daemon/api"
)

func (a *app) eventsCmd() *cobra.Command {
	var noWait bool
	cmd := &cobra.Command{
		Use:   "events",
		Short: "Print events as they happen, after the current state",
		Long: `Print events as they happen, after the current state, until stopped. If vchatd does not run or is
restarted, the command waits for it, says so on standard error, and begins again with the state
then. It exits at once if it may not use the control socket, or if the path given by --socket or
$VCHAT_SOCKET does not exist.`,
		Args: argCount(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := a.readerContext(cmd.Context())
			defer stop()
			wait := &daemonWait{app: a, never: noWait}
			for {
				err := a.printEvents(ctx, wait)
				if errors.Is(err, errOutput) {
					return err
				}
				if err = wait.again(ctx, err); err != nil {
					return err
				}
			}
		},
	}
	cmd.Flags().BoolVar(&noWait, "no-wait", false, "exit if vchatd does not run, and when it stops")
	return cmd
}

// printEvents prints a stream of events until it ends. The error matches
// errOutput if standard output is why.
func (a *app) printEvents(ctx context.Context, wait *daemonWait) error {
	events, err := a.client().Events(ctx)
	if err != nil {
		return err
	}
	defer events.Close()
	printed := map[string]string{} // the last text of each subject
	for {
		e, err := events.Next()
		if err != nil {
			return err
		}
		wait.ok()
		if e.Event == api.EventStats && !a.json {
			continue // status --watch shows them
		}
		// A change may not show in the text, which leaves out most fields.
		subject, text := string(e.Event)+" "+e.Peer, eventText(e)
		if !a.json && printed[subject] == text && isState(e.Event) {
			continue
		}
		printed[subject] = text
		if e.Event == api.EventResumed { // it ends the state of the last call event
			delete(printed, string(api.EventCall)+" "+e.Peer)
		}
		line := func(w io.Writer) {
			fmt.Fprintf(w, "%s  %-11s  %s\n", e.Time.Local().Format("15:04:05.000"), e.Event, text)
		}
		if err := a.print(e, line); err != nil {
			return fmt.Errorf("%w: %w", errOutput, err)
		}
	}
}

// errOutput is a failure to write standard output.
var errOutput = errors.New("output")

// isState reports whether an event carries a state, which may repeat.
func isState(e api.EventKind) bool {
	return e == api.EventCall || e == api.EventLink || e == api.EventCamera || e == api.EventPrivacy ||
		e == api.EventPeerCamera
}

func eventText(e api.Event) string {
	switch {
	case e.Event == api.EventState && e.Status != nil:
		text := fmt.Sprintf("%s: camera %s", e.Status.Name, e.Status.Camera.State)
		if e.Status.Privacy {
			text += ", privacy on"
		}
		for _, c := range e.Status.Calls {
			text += fmt.Sprintf(", %s %s", c.Peer, c.State)
		}
		return text
	case e.Event == api.EventCall && e.Call != nil:
		return callText(e.Call)
	case e.Event == api.EventResumed && e.Call != nil:
		return join("  ", e.Peer, "the call goes on")
	case e.Event == api.EventFirstFrame && e.Call != nil:
		return join("  ", e.Peer, "the first frame has arrived")
	case e.Event == api.EventPeerCamera && e.PeerCamera != nil:
		return peerCameraText(e.Peer, e.PeerCamera)
	case e.Event == api.EventLink && e.Link != nil:
		return join("  ", e.Peer, linkText(e.Link), e.Link.Reason)
	case e.Event == api.EventCamera && e.Camera != nil:
		return join("  ", string(e.Camera.State), e.Camera.Reason)
	case e.Event == api.EventPrivacy && e.Privacy != nil:
		return onOff(*e.Privacy)
	case e.Event == api.EventPairing && e.Pairing != nil:
		return join("  ", pairingText(e.Pairing), pairingHint(e.Pairing.State))
	case e.Event == api.EventDevice && e.Device != nil:
		return deviceText(e)
	case e.Event == api.EventText && e.From == api.SideLocal:
		return "to " + e.Peer + ": " + e.Text
	case e.Event == api.EventText:
		return e.Peer + ": " + e.Text
	case e.Event == api.EventViewer && e.Viewer != nil && e.Gone:
		return join("  ", e.Viewer.Feed, "gone", countText(e.Viewer.Dropped, "dropped"))
	case e.Event == api.EventViewer && e.Viewer != nil:
		return e.Viewer.Feed
	}
	return join("  ", e.Peer, e.Text)
}

func deviceText(e api.Event) string {
	who := e.Peer
	if who == "" {
		who = fmt.Sprintf("%q", e.Device.Name)
	}
	if e.Gone {
		return join("  ", who, "gone from the network")
	}
	return join("  ", who, "seen at "+join(", ", e.Device.Addresses...))
}

func callText(c *api.Call) string {
	if c.State == api.CallEnded {
		return join("  ", c.Peer, string(c.State), view.EndText(c))
	}
	return join("  ", c.Peer, string(c.State))
}

// peerCameraText returns the state of a peer's camera as a sentence.
func peerCameraText(peer string, pc *api.PeerCamera) string {
	if pc.State == peerPrivacy {
		return peer + " has turned the camera off"
	}
	if text := view.CameraReason(peer, pc.State, pc.Reason); text != "" {
		return text
	}
	return peer + "'s camera: " + pc.State
}
