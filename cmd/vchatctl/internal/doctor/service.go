package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"vchat/daemon/api"
	"vchat/daemon/client"
)

const (
	serviceUnit = "vchatd.service"
	socketUnit  = "vchatd.socket"

	defaultConfig   = "/etc/vchat.yaml"
	defaultStateDir = "/var/lib/vchat"
	defaultProgram  = "/usr/bin/vchatd"

	journalHint = "sudo journalctl -u vchatd -n 20 says why"
	maxFaults   = 10
)

// The exit codes of vchatd.
const (
	exitUnavailable = 69
	exitConfig      = 78
)

var errNoSystemd = errors.New("systemd does not run here")

// systemdUnits returns the service and the socket of vchatd.
func systemdUnits(ctx context.Context, s *System) ([]unit, error) {
	if !s.exists("/run/systemd/system") { // sd_booted(3)
		return nil, errNoSystemd
	}
	out, code, err := s.Run(ctx, "systemctl", "show", "--property="+strings.Join([]string{
		"Id", "LoadState", "ActiveState", "SubState", "Result", "UnitFileState", "ExecMainStatus", "ExecStart",
	}, ","), serviceUnit, socketUnit)
	if err == nil && code != 0 {
		err = fmt.Errorf("systemctl show: exit code %d", code)
	}
	return parseUnits(out), err
}

// unit returns a unit by its name; an empty one if systemd does not answer.
func (f *facts) unit(name string) unit {
	for _, u := range f.units {
		if u["Id"] == name {
			return u
		}
	}
	return unit{}
}

// checkService reports whether vchatd runs, and why not.
func (f *facts) checkService(context.Context) []Finding {
	if f.running() {
		return f.runningService()
	}
	problem := func(message, hint string) []Finding {
		return []Finding{{Level: Problem, Subject: "vchatd", Message: message, Hint: hint}}
	}
	u := f.unit(serviceUnit)
	switch {
	case f.answered():
		return problem("it answers, but refuses: "+f.err.Error(), "restart it: sudo systemctl restart vchatd")
	case errors.Is(f.err, client.ErrPermission) && (f.unitErr != nil || u["ActiveState"] == "active"):
		return []Finding{{Level: Skipped, Subject: "vchatd",
			Message: "cannot be asked, because you may not connect: see user and socket below"}}
	case errors.Is(f.unitErr, errNoSystemd):
		return problem("not running, and systemd does not run here to start it", "start it yourself: vchatd")
	case f.unitErr != nil:
		return problem("does not answer, and systemd does not tell why: "+f.unitErr.Error(),
			"sudo systemctl status vchatd")
	case u["LoadState"] == "not-found":
		return problem("not installed: there is no "+serviceUnit, "install the package vchat on this device")
	case u["LoadState"] != "loaded":
		return problem(serviceUnit+" cannot be used: "+u["LoadState"], "sudo systemctl status vchatd")
	case u["ActiveState"] == "active":
		return problem("running, but does not answer on "+f.socket,
			"check control.socket in the configuration, --socket and $VCHAT_SOCKET; or restart it: "+
				"sudo systemctl restart vchatd")
	}
	return problem(stopped(u))
}

// answered reports whether the daemon has answered, if only with an error.
func (f *facts) answered() bool {
	var refused *api.Error
	return errors.As(f.err, &refused) || errors.Is(f.err, client.ErrProtocol)
}

// stopped returns why a unit is not active, and what to do.
func stopped(u unit) (message, hint string) {
	const start = "sudo systemctl enable --now vchatd"
	status := u["ExecMainStatus"]
	switch {
	case u["ActiveState"] == "inactive" && u["Result"] == "success" && u["UnitFileState"] == "masked":
		return "stopped and masked", "sudo systemctl unmask vchatd, then " + start
	case u["ActiveState"] == "inactive" && u["Result"] == "success":
		return "stopped", start
	case status == fmt.Sprint(exitConfig):
		return "stopped: its configuration, its key or its state directory cannot be used (exit code 78)",
			"correct the configuration if a line below shows a fault, else " + journalHint +
				"; then sudo systemctl start vchatd"
	case status == fmt.Sprint(exitUnavailable):
		return "starts again and again: the port or the socket is in use (exit code 69)", journalHint
	case status == "203": // systemd.exec(5): EXIT_EXEC
		return "the program cannot be run (" + path.Base(defaultProgram) + ")", "install the package vchat again"
	case u["Result"] == "watchdog":
		return "systemd has stopped it, because it hung", journalHint
	case u["Result"] == "oom-kill":
		return "the kernel has stopped it, because memory was short", journalHint
	}
	return fmt.Sprintf("not running: %s (%s), result %s, exit code %s", u["ActiveState"], u["SubState"], u["Result"],
		status), journalHint
}

// runningService reports on a daemon that answers.
func (f *facts) runningService() []Finding {
	uptime := (time.Duration(f.status.UptimeMS) * time.Millisecond).Round(time.Second)
	found := []Finding{{Level: OK, Subject: "vchatd", Message: fmt.Sprintf("%s, up %v", f.status.Version, uptime)}}
	if f.status.Version != api.Version {
		found = []Finding{{Level: Problem, Subject: "vchatd",
			Message: fmt.Sprintf("it has version %s, this program has %s", f.status.Version, api.Version),
			Hint:    "sudo systemctl restart vchatd"}}
	}
	if f.unit(serviceUnit)["ActiveState"] == "active" && f.unit(serviceUnit)["UnitFileState"] == "disabled" &&
		f.unit(socketUnit)["UnitFileState"] != "enabled" {
		found = append(found, Finding{Level: Note, Subject: "vchatd", Message: "it will not start after a reboot",
			Hint: "sudo systemctl enable vchatd"})
	}
	return append(found, f.otherProblems()...)
}

// otherProblems returns the problems of the daemon that no other check reports.
func (f *facts) otherProblems() (found []Finding) {
	own := []string{"config", "camera", "link", "state"}
	for _, p := range f.status.Problems {
		reason := p.Subject == "link" && slices.ContainsFunc(f.status.Peers, func(x api.Peer) bool {
			return x.Name == p.Peer && x.Link.Reason == p.Message
		})
		if p.Subject == "link" && !reason || !slices.Contains(own, p.Subject) {
			found = append(found, Finding{Level: Problem, Subject: p.Subject, Name: p.Peer, Message: p.Message,
				Hint: p.Hint})
		}
	}
	return found
}

// problemsOf returns the daemon's problems with a subject.
func (f *facts) problemsOf(subject string) (found []Finding) {
	for _, p := range f.status.Problems {
		if p.Subject == subject {
			found = append(found, Finding{Level: Problem, Subject: subject, Message: p.Message, Hint: p.Hint})
		}
	}
	return found
}

// checkConfig reports the faults of the configuration file.
func (f *facts) checkConfig(ctx context.Context) []Finding {
	if f.running() {
		return f.runningConfig()
	}
	u := f.unit(serviceUnit)
	file, program := defaultConfig, defaultProgram
	if named := u.configFile(); named != "" {
		file = named
	}
	if argv := u.argv(); len(argv) > 0 {
		program = argv[0]
	} else if !f.exists(program) {
		program = path.Base(program) // from $PATH
	}
	if _, err := f.read(file); errors.Is(err, fs.ErrPermission) {
		return []Finding{{Level: Skipped, Subject: "config", Message: "you may not read " + file,
			Hint: "sudo vchatctl doctor"}}
	}
	args := []string{"check-config"}
	if f.exists(file) {
		args = append(args, file)
	}
	out, code, err := f.Run(ctx, program, args...)
	switch {
	case err != nil && errors.Is(f.err, client.ErrPermission):
		return []Finding{{Level: Skipped, Subject: "config", Message: "not checked: " + err.Error()}}
	case err != nil:
		return []Finding{{Level: Problem, Subject: "vchatd", Message: "the program cannot be run: " + err.Error(),
			Hint: "install the package vchat on this device"}}
	case code == 0 && len(args) == 1:
		return []Finding{{Level: OK, Subject: "config", Message: "there is no " + file + ": the defaults apply"}}
	case code == 0:
		return []Finding{{Level: OK, Subject: "config", Message: file + " has no fault"}}
	}
	return faults(out)
}

// faults returns a finding for each line of vchatd check-config.
func faults(out string) (found []Finding) {
	lines := strings.Split(strings.TrimSpace(out), "\n")
	for i, line := range lines {
		if i == maxFaults {
			return append(found, Finding{Level: Problem, Subject: "config",
				Message: fmt.Sprintf("and %d more", len(lines)-i), Hint: "vchatd check-config lists them"})
		}
		found = append(found, Finding{Level: Problem, Subject: "config", Message: line, quotes: true})
	}
	found[len(found)-1].Hint = "correct the file, then sudo systemctl restart vchatd"
	return found
}

func (f *facts) runningConfig() (found []Finding) {
	for _, p := range f.status.Problems {
		if p.Subject != "config" {
			continue
		}
		at := p.File
		if p.Line > 0 {
			at = fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
		}
		found = append(found, Finding{Level: Problem, Subject: "config", Name: at, Message: p.Message, Hint: p.Hint,
			quotes: true})
	}
	if found == nil && f.diagnosis != nil && f.diagnosis.ConfigFile != "" {
		found = append(found, Finding{Level: OK, Subject: "config", Message: f.diagnosis.ConfigFile + " is in effect"})
	}
	return found
}
