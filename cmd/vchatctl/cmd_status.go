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

const watchInterval = time.Second

func (a *app) statusCmd() *cobra.Command {
	var watch, noWait bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show this device's camera, calls, peers, viewers and problems",
		Long: `Show this device's camera, calls, peers, viewers and problems. With --watch the command runs until
stopped, and waits for vchatd if that does not run or is restarted, as vchatctl events does.`,
		Args: argCount(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := a.readerContext(cmd.Context())
			defer stop()
			if watch {
				return a.watchStatus(ctx, noWait)
			}
			if noWait {
				return usagef("--no-wait requires --watch")
			}
			s, err := a.client().Status(ctx)
			if err != nil {
				return err
			}
			return a.print(s, func(w io.Writer) { writeStatus(w, s, a.colors()) })
		},
	}
	cmd.Flags().BoolVar(&watch, "watch", false, "repeat every second")
	cmd.Flags().BoolVar(&noWait, "no-wait", false, "with --watch: exit if vchatd does not run, and when it stops")
	return cmd
}

// watchStatus prints the status each second, across restarts of the daemon. On
// a terminal with escape sequences it redraws in place, and keeps the last
// status while the daemon is down.
func (a *app) watchStatus(ctx context.Context, noWait bool) error {
	inPlace, last := a.onTerminal() && !a.json, ""
	if reason := plainReason(); inPlace && reason != "" {
		inPlace = false
		a.logf("%s: each status is printed below the one before", reason)
	}
	wait := &daemonWait{app: a, never: noWait, quiet: inPlace}
	for {
		s, err := a.client().Status(ctx)
		if err != nil {
			if err = wait.again(ctx, err); err != nil {
				return err
			}
			if inPlace {
				if err := a.print(nil, func(w io.Writer) { a.redraw(w, last, wait.text()) }); err != nil {
					return err
				}
			}
			continue
		}
		wait.ok()
		err = a.print(s, func(w io.Writer) {
			var b strings.Builder
			writeStatus(&b, s, a.colors())
			if last = b.String(); inPlace {
				a.redraw(w, last, "")
			} else {
				io.WriteString(w, last)
			}
		})
		if err != nil {
			return err
		}
		select {
		case <-time.After(watchInterval):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// redraw overwrites its last output without clearing the screen first, which
// would flicker. It shows a problem above the last status.
func (a *app) redraw(w io.Writer, text, problem string) {
	if problem != "" {
		text = a.colors().red(problem) + "\n\n" + text
	}
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	if _, height, err := term.GetSize(int(a.stdout.Fd())); err == nil && height > 1 && len(lines) >= height {
		lines = lines[:height-1]
	}
	// Cursor home, autowrap off, each line cleared to its end, autowrap on, and
	// the rest of the screen cleared.
	fmt.Fprint(w, "\x1b[H\x1b[?7l"+strings.Join(lines, "\x1b[K\n")+"\x1b[K\x1b[?7h\n\x1b[J")
}

// writeDiscovery writes what is on the network; vchatctl peers has the rest.
func writeDiscovery(w io.Writer, d *api.Discovery) {
	switch {
	case d == nil:
	case d.By == "":
		fmt.Fprintf(w, "network\tdevices are not seen: neither Avahi nor mDNS works here\n")
	case len(d.Devices) == 0:
		fmt.Fprintf(w, "network\tno other device seen (%s)\n", d.By)
	default:
		var names []string
		for _, x := range d.Devices {
			if x.Peer != "" {
				names = append(names, x.Peer)
			} else {
				names = append(names, fmt.Sprintf("%q (no peer)", x.Name))
			}
		}
		const most = 8
		if more := len(names) - most; more > 0 {
			names = append(names[:most], fmt.Sprintf("%d more", more))
		}
		fmt.Fprintf(w, "network\t%s\n", join("  ", "seen: "+join(", ", names...), "("+d.By+")"))
	}
}

// writeStatus writes a status as text: a line for each item with its details
// below, then the problems. A reason that is part of a problem is left out of
// the item's line: it may be long.
func writeStatus(w io.Writer, s api.Status, color colors) {
	reason := func(r string) string {
		if slices.ContainsFunc(s.Problems, func(p api.Problem) bool { return strings.Contains(p.Message, r) }) {
			return ""
		}
		return r
	}
	table(w, func(w io.Writer) {
		listens := "not listening"
		if s.Listen != "" {
			listens = "listening on " + s.Listen
		}
		uptime := durationText(time.Duration(s.UptimeMS) * time.Millisecond)
		fmt.Fprintf(w, "%s\tvchat %s, up %s, %s\n", s.Name, s.Version, uptime, listens)
		fmt.Fprintf(w, "id\t%s\n", s.ID)
		writeCamera(w, s, color)
		if s.Privacy {
			fmt.Fprintf(w, "privacy\t%s: the camera is off and peers see a card; end it with vchatctl privacy off\n",
				color.yellow("on"))
		}
		if s.DoNotDisturb {
			fmt.Fprintf(w, "calls\tdo not disturb: incoming calls are refused\n")
		}
		for _, c := range s.Calls {
			writeCall(w, c, reason, color)
		}
		if len(s.Calls) == 0 {
			fmt.Fprintf(w, "call\tnone\n")
		}
		for _, p := range s.Peers {
			fmt.Fprintf(w, "peer\t%s\n", join("  ", p.Name, color.link(&p.Link), reason(p.Link.Reason), paired(p)))
		}
		if len(s.Peers) == 0 {
			fmt.Fprintf(w, "peer\tnone known\n")
		}
		writeDiscovery(w, s.Discovery)
		writeRefused(w, s.Refused)
		writePairing(w, s.Pairing)
		writeViewers(w, s.Viewers)
		writeFeeds(w, s.Feeds)
	})
	writeProblems(w, s, color)
}

func writePairing(w io.Writer, p *api.Pairing) {
	if p == nil {
		return
	}
	fmt.Fprintf(w, "pairing\t%s\n", pairingText(p))
	if h := pairingHint(p.State); h != "" {
		fmt.Fprintf(w, "\t%s\n", h)
	}
}

func writeViewers(w io.Writer, viewers []api.Viewer) {
	for _, v := range viewers {
		reader := ""
		if v.Reader != "" {
			reader = "by " + v.Reader
		}
		fmt.Fprintf(w, "viewer\t%s\n", join("  ", v.Feed, fpsText(v.FPS), countText(v.Dropped, "dropped"), reader))
	}
}

// writeProblems writes what is wrong, with a hint once for neighbors that share
// it.
func writeProblems(w io.Writer, s api.Status, color colors) {
	for i, p := range s.Problems {
		if p.Subject == "camera" {
			continue // writeCamera shows it
		}
		fmt.Fprintf(w, "\n%s %s\n", color.red("!"),
			join(": ", join(" ", p.Subject, p.Peer, position(p)), problemText(s, p)))
		sameNext := i+1 < len(s.Problems) && s.Problems[i+1].Subject == p.Subject && s.Problems[i+1].Hint == p.Hint
		if p.Hint != "" && !sameNext {
			fmt.Fprintf(w, "  %s\n", p.Hint)
		}
	}
}

// writeFeeds writes a line for the server of the feeds, if there is one.
func writeFeeds(w io.Writer, f *api.Feeds) {
	if f == nil {
		return
	}
	readers := "no program has a token"
	if len(f.Readers) > 0 {
		var names []string
		for _, r := range f.Readers {
			names = append(names, r.Name)
		}
		readers = "for " + strings.Join(names, ", ")
	}
	fmt.Fprintf(w, "feeds\t%s\n", join("  ", f.Address, readers))
}

// position returns the place of a fault in a file, as compilers write it.
func position(p api.Problem) string {
	if p.Line == 0 {
		return p.File
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
}

// paired returns where a peer comes from, unless from the configuration.
func paired(p api.Peer) string {
	if p.Source == api.SourceConfig {
		return ""
	}
	return string(p.Source)
}

// problemText returns the message of a problem. The ids of a key mismatch get
// lines of their own.
func problemText(s api.Status, p api.Problem) string {
	for _, peer := range s.Peers {
		if m := peer.Link.KeyMismatch; m != nil && peer.Name == p.Peer {
			if before, _, found := strings.Cut(p.Message, peer.Link.Reason); found {
				return before + mismatchText(peer.Name, m, peer.Link.Reason)
			}
		}
	}
	return p.Message
}

const maxShownRefused = 3

// writeRefused writes a line for each of the newest refused devices.
func writeRefused(w io.Writer, all []api.Refused) {
	for _, r := range all[:min(len(all), maxShownRefused)] {
		ago := durationText(time.Duration(r.LastMS) * time.Millisecond)
		text := fmt.Sprintf("%s  from %s  %d ×, last %s ago: %s", r.ID, r.Address, r.Count, ago, r.Reason)
		if r.Name != "" {
			text += fmt.Sprintf(", calls itself %q", r.Name)
		}
		fmt.Fprintf(w, "refused\t%s\n", text)
	}
}

// writeCamera writes a line for the camera. Lines that start with `!` list
// configured settings the camera does not support.
func writeCamera(w io.Writer, s api.Status, color colors) {
	c, device, state, rate := s.Camera, s.Camera.Device, string(s.Camera.State), ""
	if c.Name != "" {
		device = fmt.Sprintf("%s (%s)", device, c.Name)
	}
	if c.State == api.CameraStreaming {
		rate = fpsText(c.FPS)
	}
	why := strings.TrimPrefix(c.Reason, c.Device+": ")
	switch {
	case s.Privacy:
		state, why, rate = "off", "", ""
	case c.State == api.CameraIdle && why != "":
		why = "when last used, " + why
	}
	state = join(": ", color.camera(s, state), why)
	fmt.Fprintf(w, "camera\t%s\n", join("  ", device, state, join(" ", c.Format, c.Size), rate))
	if c.Choice.By == api.ChosenByUser {
		fmt.Fprintf(w, "\t%s\n", choiceText(c.Choice))
	}
	for _, r := range c.Warnings {
		fmt.Fprintf(w, "\t%s %s\n", color.yellow("!"), strings.TrimPrefix(r, c.Device+" "))
	}
	counts := join(", ", countText(c.Dropped, "dropped"), countText(c.Broken, "broken")+brokenBy(c.BrokenBy),
		countText(c.Restarted, "× restarted"), countText(c.Reopened, "× reopened"),
		countText(c.USBResets, "× reset over USB"))
	if counts != "" {
		fmt.Fprintf(w, "\t%d frames, %s\n", c.Frames, counts)
	}
}

// brokenBy returns the defects of broken frames, in parentheses.
func brokenBy(by map[string]uint64) string {
	var all []string
	for _, what := range slices.Sorted(maps.Keys(by)) {
		all = append(all, countText(by[what], what))
	}
	if text := join(", ", all...); text != "" {
		return " (" + text + ")"
	}
	return ""
}

func writeCall(w io.Writer, c api.Call, reason func(string) string, color colors) {
	direction := ""
	if c.State == api.CallActive || c.State == api.CallResuming { // the other states say it
		direction = "outgoing"
		if c.Direction == api.DirectionIn {
			direction = "incoming"
		}
	}
	state := fmt.Sprintf("%s for %s", color.call(c.State), durationText(time.Duration(c.SinceMS)*time.Millisecond))
	fmt.Fprintf(w, "call\t%s\n", join("  ", c.Peer, state, direction))
	if c.Link != nil {
		fmt.Fprintf(w, "\tlink       %s\n", join("  ", color.link(c.Link), reason(c.Link.Reason)))
	}
	if pc := c.PeerCamera; pc != nil && pc.State != string(api.CameraStreaming) {
		fmt.Fprintf(w, "\tcamera     %s\n", join("  ", "theirs", color.yellow(pc.State), reason(pc.Reason)))
	}
	if s := c.Sending; s != nil {
		quality := s.Reason
		if s.Quality != api.QualityCamera { // unchanged from the camera is the normal case
			quality = join(": ", color.yellow(string(s.Quality)), s.Reason)
		}
		dropped := countText(s.Dropped, "dropped")
		fmt.Fprintf(w, "\tsending    %s\n", join("  ", s.Size, fpsText(s.FPS), bitrateText(s.MbitS), quality, dropped))
	}
	if r := c.Receiving; r != nil {
		delay := ""
		if r.LatencyMS.P99 > 0 {
			delay = fmt.Sprintf("delay %s (p99 %s)", millisText(r.LatencyMS.P50), millisText(r.LatencyMS.P99))
		}
		lost := countText(r.Lost, "lost")
		fmt.Fprintf(w, "\treceiving  %s\n", join("  ", r.Size, fpsText(r.FPS), bitrateText(r.MbitS), delay, lost))
	}
}
