package hooks

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"unicode"

	"vchat/daemon/api"
)

// maxValue bounds a variable, in bytes. A message has at most api.MaxText.
const maxValue = 4096

// defaultPath is PATH if the daemon has none.
const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// environment returns the environment of a command: that of the daemon, so that
// a drop-in of the unit can add to it, and the event.
func environment(kind Kind, e api.Event, cfg Config) []string {
	env := slices.DeleteFunc(os.Environ(), isOwn)
	if _, ok := os.LookupEnv("PATH"); !ok {
		env = append(env, "PATH="+defaultPath)
	}
	add := func(name, value string) {
		if value != "" {
			env = append(env, name+"="+clean(value))
		}
	}
	add("VCHAT_EVENT", string(kind))
	add("VCHAT_NAME", cfg.Name)
	add("VCHAT_SOCKET", cfg.Socket)
	add("VCHAT_PEER", e.Peer)
	if c := e.Call; c != nil {
		add("VCHAT_CALL_ID", c.ID)
		add("VCHAT_DIRECTION", string(c.Direction))
		add("VCHAT_REASON", string(c.Reason))
		add("VCHAT_REASON_TEXT", c.ReasonText)
		add("VCHAT_ENDED_BY", string(c.EndedBy))
	}
	if c := e.Camera; c != nil {
		add("VCHAT_CAMERA", c.Device)
		add("VCHAT_REASON_TEXT", c.Reason)
	}
	if kind == Text {
		add("VCHAT_TEXT", e.Text)
	}
	return env
}

// isOwn reports whether a variable is for the daemon alone: those by which
// systemd speaks to it, those of the Go runtime, and the names used here.
func isOwn(variable string) bool {
	name, _, _ := strings.Cut(variable, "=")
	switch name {
	case "NOTIFY_SOCKET", "MAINPID", "GOMEMLIMIT", "GOGC", "GOMAXPROCS", "GODEBUG", "GOTRACEBACK", "JOURNAL_STREAM",
		"VCHAT_EVENT", "VCHAT_NAME", "VCHAT_SOCKET", "VCHAT_PEER", "VCHAT_CALL_ID", "VCHAT_DIRECTION", "VCHAT_REASON",
		"VCHAT_REASON_TEXT", "VCHAT_ENDED_BY", "VCHAT_CAMERA", "VCHAT_TEXT":
		return true
	}
	return strings.HasPrefix(name, "LISTEN_") || strings.HasPrefix(name, "WATCHDOG_")
}

// clean returns a value without what could end a line, control a terminal or
// end a variable (NUL).
func clean(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Zl, r) || unicode.Is(unicode.Zp, r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
	if len(s) > maxValue {
		s = strings.ToValidUTF8(s[:maxValue], "")
	}
	return s
}

// document returns an event as the line that vchatctl events --json prints.
func document(e api.Event) []byte {
	b, err := json.Marshal(e)
	if err != nil { // a number that JSON does not have
		return []byte("{}\n")
	}
	return append(b, '\n')
}
