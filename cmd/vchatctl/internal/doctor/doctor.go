// Package doctor finds what is wrong with this device and says what to do.
//
// Guarantees:
//   - Run ends within ten seconds, whatever a driver, the daemon or the network
//     does. A check that has not ended by then is reported as such.
//   - It needs no daemon: without one it checks what it can see by itself.
//   - It changes nothing. The camera is opened only to measure it, by the
//     daemon, and never while privacy is on.
//   - What it reads is bounded: a file of /sys or /proc by 64 KiB, a directory
//     by 4096 entries, the output of a program by 64 KiB.
//   - [Report] leaves no name, address, id or path of the user in the result.
//
// Run has one goroutine for each check and for each peer. They take what they
// see from [System] and [Daemon], so that tests need no machine:
//
//	System: /sys /proc /etc, ioctls, programs ─┐
//	                                           ├─▶ checks ─▶ findings ─▶ Report
//	Daemon: status, diagnosis, probes, frames ─┘
package doctor

import (
	"context"
	"fmt"
	"time"

	"vchat/daemon/api"
	"vchat/daemon/client"
)

// Level is how good a finding is.
type Level string

// The levels.
const (
	OK      Level = "ok"
	Note    Level = "note"    // works, and could be better
	Skipped Level = "skipped" // not checked
	Problem Level = "problem"
)

// Finding is the result of one check.
type Finding struct {
	Level   Level  `json:"level"`
	Subject string `json:"subject"`        // what was checked: user, vchatd, camera, peer …
	Name    string `json:"name,omitempty"` // of the peer, the device or the interface
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"` // what to do

	quotes bool // the message quotes a file of the user
}

// Result is what Run has found.
type Result struct {
	OK       bool      `json:"ok"` // there is no problem
	Problems int       `json:"problems"`
	Findings []Finding `json:"findings"` // causes before effects

	secrets secrets // for Report
}

// Daemon is the running daemon. *client.Client has all methods but Self.
type Daemon interface {
	Status(context.Context) (api.Status, error)
	Diagnosis(context.Context) (api.Diagnosis, error)
	Cameras(context.Context) (api.Cameras, error)
	Peers(context.Context) ([]api.Peer, error)
	Probe(ctx context.Context, peer string) (api.Probe, error)
	// Self opens the feed of this device's camera.
	Self(context.Context) (Frames, error)
}

// Frames is a feed.
type Frames interface {
	Next() (client.Frame, error)
	Close()
}

// The times are such that all checks together end within ten seconds.
const (
	answerTimeout = 3 * time.Second // for the first answers of the daemon
	totalTimeout  = 9500 * time.Millisecond
	endTimeout    = 200 * time.Millisecond
)

// facts is what several checks need.
type facts struct {
	*System
	daemon Daemon
	socket string

	err       error          // why the daemon cannot be asked; nil: it answers
	status    api.Status     // valid if err is nil
	diagnosis *api.Diagnosis // nil: no answer of the daemon
	units     []unit         // vchatd.service and vchatd.socket, as systemd sees them
	unitErr   error          // nil: systemd has answered
}

// check is one check. Its findings come in the order of checks.
type check struct {
	subject string
	run     func(*facts, context.Context) []Finding
}

// checks has causes before effects: the first problem often explains others.
var checks = []check{
	{"vchatd", (*facts).checkService},
	{"config", (*facts).checkConfig},
	{"user", (*facts).checkUser},
	{"socket", (*facts).checkSocket},
	{"state", (*facts).checkState},
	{"power", (*facts).checkPower},
	{"clock", (*facts).checkClock},
	{"camera", (*facts).checkCamera},
	{"wifi", (*facts).checkWiFi},
	{"peer", (*facts).checkPeers},
}

// Run checks this device, in ten seconds at most. It ends early with ctx: what
// is not checked by then is a finding. The socket is the path of the control
// socket of d.
func Run(ctx context.Context, s *System, d Daemon, socket string) Result {
	ctx, cancel := context.WithTimeout(ctx, totalTimeout)
	defer cancel()
	f := gather(ctx, s, d, socket)
	results := make([]chan []Finding, len(checks))
	for i, c := range checks {
		results[i] = make(chan []Finding, 1) // a check that hangs leaves only its goroutine
		go func() { results[i] <- c.run(f, ctx) }()
	}
	late, end := context.WithCancel(context.Background())
	defer end()
	// Checks that end with ctx need a moment for their result.
	defer context.AfterFunc(ctx, func() { time.AfterFunc(endTimeout, end) })()
	r := Result{secrets: f.secrets()}
	for i, c := range checks {
		select {
		case found := <-results[i]:
			r.Findings = append(r.Findings, found...)
			continue
		case <-late.Done():
		}
		select { // both may be ready
		case found := <-results[i]:
			r.Findings = append(r.Findings, found...)
		default:
			r.Findings = append(r.Findings, Finding{Level: Problem, Subject: c.subject,
				Message: fmt.Sprintf("no result within %v", totalTimeout),
				Hint:    "a device or its driver does not answer: sudo journalctl -k -n 20"})
		}
	}
	for _, x := range r.Findings {
		if x.Level == Problem {
			r.Problems++
		}
	}
	r.OK = r.Problems == 0
	return r
}

// gather asks the daemon, and systemd if the daemon does not answer.
func gather(ctx context.Context, s *System, d Daemon, socket string) *facts {
	f := &facts{System: s, daemon: d, socket: socket}
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		f.units, f.unitErr = systemdUnits(ctx, s)
	}()
	if f.status, f.err = d.Status(ctx); f.err == nil {
		if v, err := d.Diagnosis(ctx); err == nil {
			f.diagnosis = &v
		}
	}
	<-answered // ends with ctx
	return f
}

// running reports whether the daemon answers.
func (f *facts) running() bool { return f.err == nil }
