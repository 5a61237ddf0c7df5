package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
	"vchat/daemon/api"

	"golang.org/x/term"
)

// print writes v as JSON if that is asked for, else as text does.
func (a *app) print(v any, text func(io.Writer)) error {
	var b strings.Builder
	if a.json {
		// An array that is empty is an array, and a line is a document: both are easy to read for programs.
		if err := json.NewEncoder(&b).Encode(v); err != nil {
			return err
		}
	} else {
		text(&b)
	}
	if _, err := io.WriteString(a.stdout, b.String()); err != nil {
		return fmt.Errorf("writing to standard output: %w", err)
	}
	return nil
}

// table aligns what is written to it at tabs.
func table(w io.Writer, write func(w io.Writer)) {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	write(t)
	t.Flush()
}

// span is a duration as one says it.
func span(d time.Duration) string {
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

// ms is a delay in milliseconds.
func ms(v float64) string {
	if v < 10 {
		return fmt.Sprintf("%.1f ms", v)
	}
	return fmt.Sprintf("%.0f ms", v)
}

// join puts together what is not empty.
func join(sep string, parts ...string) string {
	var some []string
	for _, p := range parts {
		if p != "" {
			some = append(some, p)
		}
	}
	return strings.Join(some, sep)
}

// some is "n what" unless n is 0.
func some(n uint64, what string) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("%d %s", n, what)
}

func onOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
}

func linkText(l *api.Link) string {
	rtt := ""
	if l.State == api.LinkUp && l.RTTMS > 0 {
		rtt = ms(l.RTTMS)
	}
	return join("  ", string(l.State), rtt, some(l.Reconnects, "× reconnected"))
}

func fps(v float64) string { return fmt.Sprintf("%.1f fps", v) }

// rate is a number of Mbit/s, in kbit/s where few would be left of it.
func rate(v float64) string {
	if v < 0.9995 {
		return fmt.Sprintf("%.0f kbit/s", v*1000)
	}
	return fmt.Sprintf("%.1f Mbit/s", v)
}

// onTerminal says whether data goes to a terminal.
func (a *app) onTerminal() bool { return term.IsTerminal(int(a.stdout.Fd())) }

// tell writes a message that is only for somebody who reads it at once.
func (a *app) tell(format string, args ...any) {
	if term.IsTerminal(int(a.stderr.Fd())) {
		fmt.Fprintf(a.stderr, "vchatctl: "+format+"\n", args...)
	}
}
