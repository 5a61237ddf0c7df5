// Package hooks runs the commands of the owner when something happens: a call
// rings, is answered, ends or is missed, the camera is lost or found, a message
// arrives.
//
// Guarantees:
//   - A command runs without a shell. What peers send reaches it only in its
//     environment and on its standard input, without control characters in the
//     environment.
//   - Publish never blocks. At most maxRunning commands run at once, and at
//     most maxSame of one kind, so that a peer that writes many messages does
//     not hold up the doorbell. Others wait in a queue of maxQueued for each
//     kind; what does not fit there is dropped.
//   - A command ends after Timeout, with all processes that it has started. It
//     also ends with the daemon, even after kill -9.
//   - Its output is logged, a bounded number of lines.
//
// A command is as trusted as the daemon: it runs as the same user.
//
//	Publish ──triggers──▶ queues ──Run──▶ runner process ──▶ command
//	                                       │    its orphans are the runner's
//	                                       ▼
//	                                      Problems, log
//
// Run has one goroutine that starts commands, and three for each of them: one
// waits for it, one writes its standard input, one reads its output. The
// runner process is this program again: see Main.
package hooks

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"vchat/daemon/api"
)

// Kind is what a hook waits for.
type Kind string

// The kinds of hooks, as their keys in the configuration.
const (
	Ring        Kind = "ring"         // a call rings here
	Answered    Kind = "answered"     // a call was answered by either side
	Ended       Kind = "ended"        // a call has ended, answered or not
	Missed      Kind = "missed"       // a call of a peer was neither answered nor declined here
	Text        Kind = "text"         // a message of a peer has arrived
	CameraLost  Kind = "camera_lost"  // the camera has no frames
	CameraFound Kind = "camera_found" // the camera has frames again
)

// Kinds lists all kinds.
var Kinds = []Kind{Ring, Answered, Ended, Missed, Text, CameraLost, CameraFound}

const (
	// Timeout is how long a command may run.
	Timeout = 30 * time.Second
	// Grace is the time between SIGTERM and SIGKILL.
	Grace = 500 * time.Millisecond

	maxRunning = 4 // commands at once
	maxSame    = 2 // of one kind
	maxQueued  = 8 // of one kind
)

// Config is what commands run, and what they learn about the device.
type Config struct {
	Commands map[Kind][]string // program and arguments; a kind without an entry has no hook
	Name     string            // of this device
	Socket   string            // of the control API, for vchatctl in a hook
}

// Hooks runs commands. Its methods are safe for concurrent use.
type Hooks struct {
	log     *slog.Logger
	timeout time.Duration
	changed chan struct{} // wakes Run

	mu         sync.Mutex
	cfg        Config
	calls      tracker
	queue      []*job // in order of arrival
	running    map[*job]context.CancelFunc
	outputs    map[Kind]*output
	dropLogged map[Kind]time.Time // when a full queue was logged
	faults     map[Kind]fault     // of the last run
	faultLines map[Kind]*rate.Limiter
}

// A hook that fails now and then, all the time, has the first faults in the
// log, then one an hour.
const (
	faultLineBurst = 10
	faultLinePause = time.Hour
)

// job is one run of a hook.
type job struct {
	kind  Kind
	argv  []string
	env   []string
	input []byte
	call  callKey // of Ring: the run ends when the call rings no more
}

// faultKind is what went wrong with a hook.
type faultKind int

const (
	faultFile  faultKind = iota // its program cannot be run, as Check finds
	faultStart                  // its program could not be started
	faultRun                    // its command failed
)

// fault is what went wrong with the last run of a hook.
type fault struct {
	kind faultKind
	text string
}

// New returns hooks without commands.
func New(log *slog.Logger) *Hooks {
	return &Hooks{
		log: log, timeout: Timeout, changed: make(chan struct{}, 1), calls: newTracker(),
		running: map[*job]context.CancelFunc{}, outputs: map[Kind]*output{},
		dropLogged: map[Kind]time.Time{}, faults: map[Kind]fault{}, faultLines: map[Kind]*rate.Limiter{},
	}
}

// Configure replaces the commands. Those that run already go on; those that
// wait are dropped if their hook has changed.
func (h *Hooks) Configure(cfg Config) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, kind := range Kinds {
		if !slices.Equal(cfg.Commands[kind], h.cfg.Commands[kind]) {
			delete(h.faults, kind)
			h.queue = slices.DeleteFunc(h.queue, func(j *job) bool { return j.kind == kind })
		}
	}
	h.cfg = cfg
	h.cfg.Commands = maps.Clone(cfg.Commands)
	for _, kind := range Kinds {
		if err := Check(cfg.Commands[kind]); err != nil {
			h.setFault(kind, fault{faultFile, err.Error()})
		}
	}
}

// Publish queues the hooks for an event. It never waits.
func (h *Hooks) Publish(e api.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, t := range h.calls.triggers(e) {
		if t.silence {
			h.silence(t.call)
		}
		if argv := h.cfg.Commands[t.kind]; argv != nil {
			h.put(&job{
				kind: t.kind, argv: argv, env: environment(t.kind, e, h.cfg), input: document(e), call: t.call,
			})
		}
	}
}

// put queues a job, or drops it. The caller holds mu.
func (h *Hooks) put(j *job) {
	queued := 0
	for _, other := range h.queue {
		if other.kind == j.kind {
			queued++
		}
	}
	if queued >= maxQueued {
		if last, ok := h.dropLogged[j.kind]; !ok || time.Since(last) >= omittedReport {
			h.dropLogged[j.kind] = time.Now()
			h.log.Warn("hook dropped: too many at once", "hook", j.kind, "queued", queued)
		}
		return
	}
	h.queue = append(h.queue, j)
	h.wake()
}

// silence ends the Ring hooks of a call. The caller holds mu.
func (h *Hooks) silence(call callKey) {
	h.queue = slices.DeleteFunc(h.queue, func(j *job) bool { return j.kind == Ring && j.call == call })
	for j, cancel := range h.running {
		if j.kind == Ring && j.call == call {
			cancel()
		}
	}
}

func (h *Hooks) wake() {
	select {
	case h.changed <- struct{}{}:
	default:
	}
}

// Run runs commands until ctx is done. Then it ends those that run, and returns
// nil once they are gone.
func (h *Hooks) Run(ctx context.Context) error {
	var jobs sync.WaitGroup
	defer jobs.Wait()
	for {
		for j, jobCtx := h.next(ctx); j != nil; j, jobCtx = h.next(ctx) {
			jobs.Go(func() { h.execute(jobCtx, j) })
		}
		select {
		case <-h.changed:
		case <-ctx.Done():
			return nil
		}
	}
}

// next takes the first job that may start now; nil if there is none.
func (h *Hooks) next(ctx context.Context) (*job, context.Context) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.running) >= maxRunning || ctx.Err() != nil {
		return nil, nil
	}
	same := map[Kind]int{}
	for j := range h.running {
		same[j.kind]++
	}
	i := slices.IndexFunc(h.queue, func(j *job) bool { return same[j.kind] < maxSame })
	if i < 0 {
		return nil, nil
	}
	j := h.queue[i]
	h.queue = slices.Delete(h.queue, i, i+1)
	ctx, h.running[j] = context.WithCancel(ctx)
	return j, ctx
}

// execute runs a command and reports how it ended.
func (h *Hooks) execute(ctx context.Context, j *job) {
	out := h.output(j.kind)
	ended, found := ending{}, Check(j.argv)
	if found == nil {
		ended = run(ctx, j, h.timeout, out)
	}
	out.end()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.running[j]() // releases its context
	delete(h.running, j)
	h.wake()
	if !slices.Equal(j.argv, h.cfg.Commands[j.kind]) {
		return // of the configuration before
	}
	switch {
	case found != nil:
		h.setFault(j.kind, fault{faultFile, found.Error()})
	case ended.cancelled: // the call rings no more, or the daemon ends
	case ended.err == nil:
		delete(h.faults, j.kind)
	case !ended.started:
		h.setFault(j.kind, fault{faultStart, ended.err.Error()})
	default:
		h.setFault(j.kind, fault{faultRun, ended.err.Error()})
	}
}

// output returns the log of a kind's output.
func (h *Hooks) output(kind Kind) *output {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.outputs[kind] == nil {
		h.outputs[kind] = newOutput(h.log.With("hook", string(kind)))
	}
	return h.outputs[kind]
}

// setFault keeps what is wrong with a hook, and logs it if that is new. The
// caller holds mu.
func (h *Hooks) setFault(kind Kind, f fault) {
	old, had := h.faults[kind]
	h.faults[kind] = f
	if h.faultLines[kind] == nil {
		h.faultLines[kind] = rate.NewLimiter(rate.Every(faultLinePause), faultLineBurst)
	}
	switch {
	case had && old == f, !h.faultLines[kind].Allow():
	case f.kind == faultRun:
		h.log.Warn("hook failed", "hook", kind, "err", f.text)
	default:
		h.log.Warn("hook not started", "hook", kind, "err", f.text)
	}
}

// Problems returns one problem for each hook whose command cannot be started.
// It looks at the files, so that a program that was installed since is none.
func (h *Hooks) Problems() (all []api.Problem) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, kind := range Kinds {
		text := ""
		if err := Check(h.cfg.Commands[kind]); err != nil {
			text = err.Error()
		} else if f, ok := h.faults[kind]; ok && f.kind == faultStart {
			text = f.text
		}
		if text != "" {
			all = append(all, api.Problem{
				Subject: "hook", Message: fmt.Sprintf("%s not started: %s", kind, text),
				Hint: fmt.Sprintf("install the program, or correct hooks.%s and reload vchatd", kind),
			})
		}
	}
	return all
}
