package main

import (
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
			for {
				e, err := events.Next()
				if err != nil {
					return err
				}
				line := func(w io.Writer) {
					fmt.Fprintf(w, "%s  %-6s  %s\n", e.Time.Local().Format("15:04:05.000"), e.Event, eventText(e))
				}
				if err := a.print(e, line); err != nil {
					return err
				}
			}
		},
	}
}

func eventText(e api.Event) string {
	switch {
	case e.Event == api.EventState && e.Status != nil:
		text := fmt.Sprintf("%s: camera %s", e.Status.Name, e.Status.Camera.State)
		for _, c := range e.Status.Calls {
			text += fmt.Sprintf(", %s %s", c.Peer, c.State)
		}
		return text
	case e.Event == api.EventCall && e.Call != nil:
		pictures := ""
		if e.Call.Pictures && e.Call.State != api.CallEnded {
			pictures = "with pictures"
		}
		return join("  ", e.Call.Peer, string(e.Call.State), pictures, string(e.Call.Reason), e.Call.ReasonText)
	case e.Event == api.EventLink && e.Link != nil:
		return join("  ", e.Peer, linkText(e.Link))
	case e.Event == api.EventCamera && e.Camera != nil:
		return join("  ", string(e.Camera.State), e.Camera.Reason)
	case e.Event == api.EventViewer && e.Viewer != nil && e.Gone:
		return join("  ", e.Viewer.Feed, "gone", some(e.Viewer.Dropped, "dropped"))
	case e.Event == api.EventViewer && e.Viewer != nil:
		return e.Viewer.Feed
	}
	return join("  ", e.Peer, e.Text)
}
