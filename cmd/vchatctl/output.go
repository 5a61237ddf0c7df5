package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"golang.org/x/term"

	"vchat/daemon/api"
)

// print writes v to standard output: as one line of JSON with --json, else as
// text writes it.
func (a *app) print(v any, text func(io.Writer)) error {
	var b strings.Builder
	if a.json {
		if err := json.NewEncoder(&b).Encode(v); err != nil {
			return err
		}
	} else {
		text(&b)
	}
	if _, err := io.WriteString(a.stdout, textFor(a.stdout, b.String())); err != nil {
		return fmt.Errorf("write standard output: %w", err)
	}
	return nil
}

// printJSON writes v with --json, and nothing otherwise.
func (a *app) printJSON(v any) error { return a.print(v, func(io.Writer) {}) }

// noticef prints a message to a user at a terminal. It is left out of logs.
func (a *app) noticef(format string, args ...any) {
	if term.IsTerminal(int(a.stderr.Fd())) {
		a.logf(format, args...)
	}
}

// remark is a message beside the result, with --json.
type remark struct {
	Remark string `json:"remark"`
}

// logf prints a message to standard error, with --json as a line of JSON.
func (a *app) logf(format string, args ...any) {
	if a.json {
		b, _ := json.Marshal(remark{fmt.Sprintf(format, args...)})
		fmt.Fprintf(a.stderr, "%s\n", b)
		return
	}
	io.WriteString(a.stderr, textFor(a.stderr, printable(fmt.Sprintf("vchatctl: "+format+"\n", args...))))
}

// printable replaces what would control a terminal or reorder the text: a
// message may have the name of a file that another user chose.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r != '\n' && r != '\t' && (unicode.IsControl(r) || unicode.Is(unicode.Cf, r)) {
			return '?'
		}
		return r
	}, text)
}

// onTerminal reports whether standard output is a terminal.
func (a *app) onTerminal() bool { return term.IsTerminal(int(a.stdout.Fd())) }

// table aligns the columns of write, which separates them by tabs.
func table(w io.Writer, write func(w io.Writer)) {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	write(t)
	t.Flush()
}

// join joins the parts that are not empty.
func join(sep string, parts ...string) string {
	var nonEmpty []string
	for _, p := range parts {
		if p != "" {
			nonEmpty = append(nonEmpty, p)
		}
	}
	return strings.Join(nonEmpty, sep)
}

// countText returns "n what", or "" if n is 0.
func countText(n uint64, what string) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("%d %s", n, what)
}

// durationText rounds down to the unit that a reader would use: "59 s",
// "2 h 3 min", "5 days".
func durationText(d time.Duration) string {
	switch d = max(d, 0); {
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%d days", int(d.Hours())/24)
}

// decimals formats a number with n decimals, and without the sign of a zero.
func decimals(v float64, n int) string {
	text := strconv.FormatFloat(v, 'f', n, 64)
	if strings.Trim(text, "-0.") == "" {
		return strings.TrimPrefix(text, "-")
	}
	return text
}

// millisText formats milliseconds.
func millisText(v float64) string {
	if v < 10 {
		return decimals(v, 1) + " ms"
	}
	return decimals(v, 0) + " ms"
}

func fpsText(v float64) string { return decimals(v, 1) + " fps" }

// bitrateText formats Mbit/s, in kbit/s below 1 Mbit/s.
func bitrateText(v float64) string {
	if v < 0.9995 {
		return decimals(v*1000, 0) + " kbit/s"
	}
	return decimals(v, 1) + " Mbit/s"
}

func linkText(l *api.Link) string {
	rtt := ""
	if l.State == api.LinkUp && l.RTTMS > 0 {
		rtt = millisText(l.RTTMS)
	}
	up, gap := string(l.State), "  "
	switch l.Path {
	case api.PathRelay:
		host, _, err := net.SplitHostPort(l.Relay)
		if err != nil {
			host = l.Relay
		}
		up, gap = join(", ", up, "via relay "+host), ", "
	case api.PathProxy:
		up, gap = join(", ", up, "via proxy"), ", "
	}
	return join("  ", join(gap, up, rtt), countText(l.Reconnects, "× reconnected"))
}

func onOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
}
