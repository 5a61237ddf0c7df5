package main

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"vchat/daemon/api"
)

// progressLine shows the states of a call. On a terminal with escape sequences
// it redraws one line on each step and each second; elsewhere it prints a line
// for each step. With --json it shows nothing: an error is all that is printed
// there.
type progressLine struct {
	out     *os.File
	silent  bool
	redraws bool // out is a terminal with escape sequences

	mu    sync.Mutex
	peer  string
	steps []string
	since time.Time // of the last step

	stop chan struct{}
	done chan struct{}
}

// maxProgressSteps bounds the line; a link that comes and goes adds many steps.
const maxProgressSteps = 4

func newProgressLine(out *os.File, peer string, silent bool) *progressLine {
	l := &progressLine{
		out:     out,
		silent:  silent,
		redraws: !silent && term.IsTerminal(int(out.Fd())) && plainReason() == "",
		peer:    peer,
		stop:    make(chan struct{}),
		done:    make(chan struct{}),
	}
	go l.run()
	return l
}

func (l *progressLine) run() {
	defer close(l.done)
	if !l.redraws {
		return
	}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			l.mu.Lock()
			l.draw(true)
			l.mu.Unlock()
		case <-l.stop:
			return
		}
	}
}

// step shows a call's state, unless it is the one already shown.
func (l *progressLine) step(c api.Call) {
	step := progressStep(c)
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := len(l.steps); n > 0 && l.steps[n-1] == step {
		return
	}
	if len(l.steps) == maxProgressSteps {
		l.steps = append(l.steps[:0], l.steps[1:]...)
	}
	l.steps, l.since = append(l.steps, step), time.Now()
	if l.redraws {
		l.draw(false)
	} else if !l.silent {
		fmt.Fprintf(l.out, "vchatctl: %s: %s\n", l.peer, step)
	}
}

// draw overwrites the line. While waiting, it adds the time since the last
// step.
func (l *progressLine) draw(waiting bool) {
	if len(l.steps) == 0 {
		return
	}
	line := l.peer + ": " + strings.Join(l.steps, " → ")
	if elapsed := time.Since(l.since); waiting && elapsed >= time.Second {
		line += "  " + durationText(elapsed)
	}
	width, _, err := term.GetSize(int(l.out.Fd()))
	if runes := []rune(line); err == nil && width > 1 && len(runes) >= width {
		line = string(runes[:width-1]) // \r does not return past a wrap
	}
	fmt.Fprint(l.out, "\r"+line+"\x1b[K")
}

// close leaves the line on the terminal and moves to the next one.
func (l *progressLine) close() {
	close(l.stop)
	<-l.done
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.redraws && len(l.steps) > 0 {
		l.draw(false)
		fmt.Fprintln(l.out)
	}
}

// progressStep returns a call's state in the words of its caller.
func progressStep(c api.Call) string {
	switch {
	case c.State == api.CallActive && c.HasFrames:
		return "connected"
	case c.State == api.CallActive:
		return "answered"
	case c.State == api.CallResuming:
		return "connection lost, reconnecting"
	}
	return string(c.State)
}
