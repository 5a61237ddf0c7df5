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
	"golang.org/x/term"

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
			if watch {
				return a.watchStatus(ctx)
			}
			s, err := a.client().Status(ctx)
			if err != nil {
				return err
			}
			return a.print(s, func(w io.Writer) { writeStatus(w, s, time.Now(), a.colours()) })
		},
	}
	cmd.Flags().BoolVar(&watch, "watch", false, "print it again every second")
	return cmd
}

// watchStatus prints the status again and again. On a terminal it stays in place, and outlives the daemon, which may come back.
func (a *app) watchStatus(ctx context.Context) error {
	live, last := a.onTerminal() && !a.json, ""
	for {
		s, away := a.client().Status(ctx)
		if away != nil && (!live || last == "" || ctx.Err() != nil) {
			return away
		}
		err := a.print(s, func(w io.Writer) {
			var b strings.Builder
			if away == nil {
				writeStatus(&b, s, time.Now(), a.colours())
				last = b.String()
			}
			if live {
				a.inPlace(w, last, away)
			} else {
				io.WriteString(w, last)
			}
		})
		if err != nil {
			return err
		}
		select {
		case <-time.After(watchEvery):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// inPlace writes text over what it wrote before, without a moment of emptiness between them. Under an error what was known
// last is said to be that.
func (a *app) inPlace(w io.Writer, text string, away error) {
	if away != nil {
		text = a.colours().bad(fmt.Sprintf("vchatctl: %v; it was last:", away)) + "\n\n" + text
	}
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	if _, height, err := term.GetSize(int(a.stdout.Fd())); err == nil && height > 1 && len(lines) >= height {
		lines = lines[:height-1]
	}
	// Home; lines are not wrapped meanwhile, so that each is one; and what is below is cleared.
	fmt.Fprint(w, "\x1b[H\x1b[?7l"+strings.Join(lines, "\x1b[K\n")+"\x1b[K\x1b[?7h\n\x1b[J")
}

// writeStatus is a status for people: a line for each thing, below it what is special about it, and at the end what is not
// as it should be. A reason that stands there is told there alone: it may be longer than a line.
func writeStatus(w io.Writer, s api.Status, now time.Time, in colours) {
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
		writeCamera(w, s, in)
		if s.Privacy {
			fmt.Fprintf(w, "privacy\t%s: the camera stays closed, and peers see a card; vchatctl privacy off\n", in.doubtful("on"))
		}
		if s.DoNotDisturb {
			fmt.Fprintf(w, "calls\tdo not disturb: none is let in\n")
		}
		for _, c := range s.Calls {
			writeCall(w, c, reason, now, in)
		}
		if len(s.Calls) == 0 {
			fmt.Fprintf(w, "call\tnone\n")
		}
		for _, p := range s.Peers {
			fmt.Fprintf(w, "peer\t%s\n", join("  ", p.Name, in.link(&p.Link), reason(p.Link.Reason)))
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
		fmt.Fprintf(w, "\n%s %s\n", in.bad("!"), join(": ", join(" ", p.Subject, p.Peer), p.Message))
		if p.Hint != "" {
			fmt.Fprintf(w, "  %s\n", p.Hint)
		}
	}
}

// writeCamera is all of a camera in one line, for whoever has just plugged it in, and below it what it does not do as wished.
func writeCamera(w io.Writer, s api.Status, in colours) {
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
	fmt.Fprintf(w, "camera\t%s\n", join("  ", device, join(": ", in.camera(s, state), why), join(" ", c.Format, c.Size), rate))
	for _, r := range c.Warnings {
		fmt.Fprintf(w, "\t%s %s\n", in.doubtful("!"), strings.TrimPrefix(r, c.Device+" "))
	}
	if counts := join(", ", some(c.Dropped, "dropped"), some(c.Broken, "broken")+brokenBy(c.BrokenBy), some(c.Restarted, "× restarted"),
		some(c.Reopened, "× reopened"), some(c.USBResets, "× reset by USB")); counts != "" {
		fmt.Fprintf(w, "\t%d frames, %s\n", c.Frames, counts)
	}
}

// brokenBy is what was wrong with broken frames, in brackets.
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

func writeCall(w io.Writer, c api.Call, reason func(string) string, now time.Time, in colours) {
	way := "we called"
	if c.Direction == api.DirectionIn {
		way = "they called"
	}
	fmt.Fprintf(w, "call\t%s\n", join("  ", c.Peer, fmt.Sprintf("%s for %s", in.call(c.State), span(now.Sub(c.Since))), way))
	if c.Link != nil {
		fmt.Fprintf(w, "\tlink       %s\n", join("  ", in.link(c.Link), reason(c.Link.Reason)))
	}
	if pc := c.PeerCamera; pc != nil && pc.State != string(api.CameraStreaming) {
		fmt.Fprintf(w, "\tcamera     %s\n", join("  ", "there", in.doubtful(pc.State), reason(pc.Reason)))
	}
	if s := c.Sending; s != nil {
		quality := s.Reason
		if s.Quality != api.QualityCamera { // as the camera gives them, which goes without saying
			quality = join(": ", in.doubtful(string(s.Quality)), s.Reason)
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
