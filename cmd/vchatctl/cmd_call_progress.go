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

// callLine tells how far a call has come: on a terminal in one line, which is written anew at each step and each second,
// elsewhere by a line for each step. Close ends it.
type callLine struct {
	out  *os.File
	live bool // out is a terminal

	mu    sync.Mutex
	peer  string
	steps []string
	since time.Time // of the last step

	stop chan struct{}
	done chan struct{}
}

// callSteps bounds the line: a link that comes and goes makes many.
const callSteps = 4

func newCallLine(out *os.File, peer string) *callLine {
	l := &callLine{out: out, live: term.IsTerminal(int(out.Fd())), peer: peer, stop: make(chan struct{}), done: make(chan struct{})}
	go l.run()
	return l
}

func (l *callLine) run() {
	defer close(l.done)
	if !l.live {
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

// step tells of a call's state, once.
func (l *callLine) step(c api.Call) {
	step := callStep(c)
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := len(l.steps); n > 0 && l.steps[n-1] == step {
		return
	}
	if len(l.steps) == callSteps {
		l.steps = append(l.steps[:0], l.steps[1:]...)
	}
	l.steps, l.since = append(l.steps, step), time.Now()
	if l.live {
		l.draw(false)
	} else {
		fmt.Fprintf(l.out, "vchatctl: %s: %s\n", l.peer, step)
	}
}

// draw writes the line over the last one. The seconds are left out where nothing more is to come.
func (l *callLine) draw(waiting bool) {
	if len(l.steps) == 0 {
		return
	}
	line := l.peer + ": " + strings.Join(l.steps, " → ")
	if took := time.Since(l.since); waiting && took >= time.Second {
		line += "  " + span(took)
	}
	width, _, err := term.GetSize(int(l.out.Fd()))
	if runes := []rune(line); err == nil && width > 1 && len(runes) >= width {
		line = string(runes[:width-1]) // one that is wrapped cannot be written over
	}
	fmt.Fprint(l.out, "\r"+line+"\x1b[K")
}

// close leaves the line as it is. Whoever writes next begins one of his own.
func (l *callLine) close() {
	close(l.stop)
	<-l.done
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.live && len(l.steps) > 0 {
		l.draw(false)
		fmt.Fprintln(l.out)
	}
}

// callStep is a state of a call as its caller says it.
func callStep(c api.Call) string {
	switch {
	case c.State == api.CallActive && c.HasFrames:
		return "connected"
	case c.State == api.CallActive:
		return "answered"
	case c.State == api.CallResuming:
		return "link lost, reconnecting"
	}
	return string(c.State)
}
