package main

import (
	"cmp"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"vchat/daemon/api"
)

func (a *app) eventsCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "events",
		Short: "Print events as they happen, after the current state",
		Args:  argCount(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := a.readerContext(cmd.Context())
			defer stop()
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
				if e.Event == api.EventStats && !a.json {
					continue // status --watch shows them
				}
				// A change may not show in the text, which leaves out most
				// fields.
				subject, text := string(e.Event)+" "+e.Peer, eventText(e)
				if !a.json && printed[subject] == text && isState(e.Event) {
					continue
				}
				printed[subject] = text
				line := func(w io.Writer) {
					fmt.Fprintf(w, "%s  %-7s  %s\n", e.Time.Local().Format("15:04:05.000"), e.Event, text)
				}
				if err := a.print(e, line); err != nil {
					return err
				}
			}
		},
	}
}

// isState reports whether an event carries a state, which may repeat.
func isState(e api.EventKind) bool {
	return e == api.EventCall || e == api.EventLink || e == api.EventCamera || e == api.EventPrivacy
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
		by := ""
		if c.Reason == api.ReasonHungUp {
			by = map[api.Side]string{api.SideLocal: "by you", api.SideRemote: "by " + c.Peer}[c.EndedBy]
		}
		return join("  ", c.Peer, string(c.State), cmp.Or(c.ReasonText, string(c.Reason)), by)
	}
	frames, camera := "", ""
	if c.HasFrames {
		frames = "with frames"
	}
	if pc := c.PeerCamera; pc != nil && pc.State != string(api.CameraStreaming) {
		camera = join("  ", "their camera "+pc.State, pc.Reason)
	}
	return join("  ", c.Peer, string(c.State), frames, camera)
}
