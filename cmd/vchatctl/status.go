package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"vchat/daemon/api"
)

const watchEvery = time.Second

func (a *app) statusCmd() *cobra.Command {
	var watch bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "This device, its camera, calls, peers and viewers, and what is not as it should be",
		Args:  takes(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := a.whileRead(cmd.Context())
			defer stop()
			for {
				if err := a.status(ctx, watch); err != nil || !watch {
					return err
				}
				select {
				case <-time.After(watchEvery):
				case <-ctx.Done():
					return context.Cause(ctx)
				}
			}
		},
	}
	cmd.Flags().BoolVar(&watch, "watch", false, "print it again every second")
	return cmd
}

func (a *app) status(ctx context.Context, watch bool) error {
	s, err := a.client().Status(ctx)
	if err != nil {
		return err
	}
	return a.print(s, func(w io.Writer) {
		if watch && a.onTerminal() {
			fmt.Fprint(w, "\x1b[H\x1b[2J") // home, and clear
		}
		writeStatus(w, s, time.Now())
	})
}

// writeStatus is a status for people: a line for each thing, below it what is special about it, and at the end what is not
// as it should be. A reason that stands there is told there alone: it may be longer than a line.
func writeStatus(w io.Writer, s api.Status, now time.Time) {
	reason := func(r string) string {
		if slices.ContainsFunc(s.Problems, func(p api.Problem) bool { return strings.Contains(p.Message, r) }) {
			return ""
		}
		return r
	}
	table(w, func(w io.Writer) {
		listens := "does not listen"
		if s.Listen != "" {
			listens = "listens on " + s.Listen
		}
		fmt.Fprintf(w, "%s\tvchat %s, up %s, %s\n", s.Name, s.Version, span(time.Duration(s.UptimeMS)*time.Millisecond), listens)
		fmt.Fprintf(w, "id\t%s\n", s.ID)
		writeCamera(w, s)
		if s.Privacy {
			fmt.Fprintf(w, "privacy\ton: the camera stays closed, and peers see a card; vchatctl privacy off\n")
		}
		if s.DoNotDisturb {
			fmt.Fprintf(w, "calls\tdo not disturb: none is let in\n")
		}
		for _, c := range s.Calls {
			writeCall(w, c, reason, now)
		}
		if len(s.Calls) == 0 {
			fmt.Fprintf(w, "call\tnone\n")
		}
		for _, p := range s.Peers {
			fmt.Fprintf(w, "peer\t%s\n", join("  ", p.Name, linkText(&p.Link), reason(p.Link.Reason)))
		}
		if len(s.Peers) == 0 {
			fmt.Fprintf(w, "peer\tnone is known\n")
		}
		for _, v := range s.Viewers {
			fmt.Fprintf(w, "viewer\t%s\n", join("  ", v.Feed, fps(v.FPS), some(v.Dropped, "dropped")))
		}
	})
	for _, p := range s.Problems {
		if p.Subject == "camera" {
			continue // it stands with the camera
		}
		fmt.Fprintf(w, "\n! %s\n", join(": ", join(" ", p.Subject, p.Peer), p.Message))
		if p.Hint != "" {
			fmt.Fprintf(w, "  %s\n", p.Hint)
		}
	}
}

// writeCamera is all of a camera in one line, for whoever has just plugged it in, and below it what it does not do as wished.
func writeCamera(w io.Writer, s api.Status) {
	c, device, state, rate := s.Camera, s.Camera.Device, string(s.Camera.State), ""
	if c.Name != "" {
		device = fmt.Sprintf("%s (%s)", device, c.Name)
	}
	if c.State == api.CameraStreaming {
		rate = fps(c.FPS)
	}
	why := strings.TrimPrefix(c.Reason, c.Device+": ")
	switch {
	case s.Privacy:
		state, why, rate = "off", "", ""
	case c.State == api.CameraIdle && why != "":
		why = "when somebody looked last, " + why
	}
	fmt.Fprintf(w, "camera\t%s\n", join("  ", device, join(": ", state, why), join(" ", c.Format, c.Size), rate))
	for _, r := range c.Warnings {
		fmt.Fprintf(w, "\t! %s\n", strings.TrimPrefix(r, c.Device+" "))
	}
	if counts := join(", ", some(c.Dropped, "dropped"), some(c.Broken, "broken")+brokenBy(c.BrokenBy), some(c.Restarted, "× restarted"),
		some(c.Reopened, "× reopened"), some(c.USBResets, "× reset by USB")); counts != "" {
		fmt.Fprintf(w, "\t%d pictures, %s\n", c.Frames, counts)
	}
}

// brokenBy is what was wrong with broken pictures, in brackets.
func brokenBy(by map[string]uint64) string {
	var all []string
	for _, what := range slices.Sorted(maps.Keys(by)) {
		all = append(all, some(by[what], what))
	}
	if text := join(", ", all...); text != "" {
		return " (" + text + ")"
	}
	return ""
}

func writeCall(w io.Writer, c api.Call, reason func(string) string, now time.Time) {
	way := "we called"
	if c.Direction == api.In {
		way = "they called"
	}
	fmt.Fprintf(w, "call\t%s\n", join("  ", c.Peer, fmt.Sprintf("%s for %s", c.State, span(now.Sub(c.Since))), way))
	if c.Link != nil {
		fmt.Fprintf(w, "\tlink       %s\n", join("  ", linkText(c.Link), reason(c.Link.Reason)))
	}
	if pc := c.PeerCamera; pc != nil && pc.State != string(api.CameraStreaming) {
		fmt.Fprintf(w, "\tcamera     %s\n", join("  ", "there", pc.State, reason(pc.Reason)))
	}
	if s := c.Sending; s != nil {
		quality := ""
		if s.Quality != api.QualityCamera { // as the camera gives them, which goes without saying
			quality = join(": ", string(s.Quality), s.Why)
		}
		fmt.Fprintf(w, "\tsending    %s\n", join("  ", s.Size, fps(s.FPS), rate(s.MbitS), quality, some(s.Dropped, "dropped")))
	}
	if r := c.Receiving; r != nil {
		delay := ""
		if r.LatencyMS.P99 > 0 {
			delay = fmt.Sprintf("delay %s (p99 %s)", ms(r.LatencyMS.P50), ms(r.LatencyMS.P99))
		}
		fmt.Fprintf(w, "\treceiving  %s\n", join("  ", r.Size, fps(r.FPS), rate(r.MbitS), delay, some(r.Lost, "lost")))
	}
}

func linkText(l *api.Link) string {
	rtt := ""
	if l.State == api.LinkUp && l.RTTMS > 0 {
		rtt = ms(l.RTTMS)
	}
	return join("  ", string(l.State), rtt, some(l.Reconnects, "× reconnected"))
}

func fps(v float64) string  { return fmt.Sprintf("%.1f fps", v) }
func rate(v float64) string { return fmt.Sprintf("%.1f Mbit/s", v) }
