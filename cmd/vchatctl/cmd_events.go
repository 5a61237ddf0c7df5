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
		Short: "One line for each event, beginning with the present state",
		Args:  takes(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := a.whileRead(cmd.Context())
			defer stop()
			events, err := a.client().Events(ctx)
			if err != nil {
				return err
			}
			defer events.Close()
			told := map[string]string{} // what was last written of a thing
			for {
				e, err := events.Next()
				if err != nil {
					return err
				}
				if e.Event == api.EventStats && !a.json {
					continue // that is what status --watch is for
				}
				// An event tells more than its line: that, too, is new only if it says something new.
				about, text := string(e.Event)+" "+e.Peer, eventText(e)
				if !a.json && told[about] == text && isState(e.Event) {
					continue
				}
				told[about] = text
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

// isState says whether an event tells of a state: to tell it again tells nothing.
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
	case e.Event == api.EventText && e.From == api.SideLocal:
		return "to " + e.Peer + ": " + e.Text
	case e.Event == api.EventText:
		return e.Peer + ": " + e.Text
	case e.Event == api.EventViewer && e.Viewer != nil && e.Gone:
		return join("  ", e.Viewer.Feed, "gone", some(e.Viewer.Dropped, "dropped"))
	case e.Event == api.EventViewer && e.Viewer != nil:
		return e.Viewer.Feed
	}
	return join("  ", e.Peer, e.Text)
}

func callText(c *api.Call) string {
	if c.State == api.CallEnded {
		by := ""
		if c.Reason == api.ReasonHungUp {
			by = map[api.Side]string{api.SideLocal: "by us", api.SideRemote: "by them"}[c.EndedBy]
		}
		return join("  ", c.Peer, string(c.State), cmp.Or(c.ReasonText, string(c.Reason)), by)
	}
	frames, camera := "", ""
	if c.HasFrames {
		frames = "with frames"
	}
	if pc := c.PeerCamera; pc != nil && pc.State != string(api.CameraStreaming) {
		camera = join("  ", "camera there "+pc.State, pc.Reason)
	}
	return join("  ", c.Peer, string(c.State), frames, camera)
}
