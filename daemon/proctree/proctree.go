// Package proctree waits for a command with all processes that it starts, and
// ends them.
//
// Guarantees:
//   - Processes that leave their parent, process group or session still belong
//     to the tree: Adopt makes their orphans children of this process.
//   - Run returns when the tree has no process left, or Grace and a moment
//     after it was asked to end it.
//
// It is for a runner, a process that does nothing else: Run takes the exit
// status of all children of the process. SocketPair connects the daemon to it.
package proctree

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Tree is a command with its processes. Run calls Ended and Tick.
type Tree struct {
	Main  int                   // process id of the command
	Grace time.Duration         // between SIGTERM and SIGKILL
	Ended func(unix.WaitStatus) // called when the command has ended; others may still run

	Alive <-chan time.Time // nil, or when to call Tick
	Tick  func()
}

// Adopt makes orphans of later descendants children of this process. It must be
// called before the command is started. The channel is the argument of Run.
func Adopt() (<-chan os.Signal, error) {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return nil, fmt.Errorf("become a subreaper: %w", err)
	}
	changes := make(chan os.Signal, 1)
	signal.Notify(changes, unix.SIGCHLD)
	return changes, nil
}

// killRounds is how often SIGKILL is repeated, for processes that forked
// between the search and the signal.
const killRounds = 10

// Run waits until all processes of the tree have ended. A value of asked ends
// them: SIGTERM to all, and SIGKILL after Grace.
func (t *Tree) Run(changes, asked <-chan os.Signal) {
	var kill <-chan time.Time
	rounds := 0
	for t.reap() && rounds < killRounds {
		select {
		case <-changes:
		case <-t.Alive:
			t.Tick()
		case <-asked:
			asked = nil
			signalAll(os.Getpid(), unix.SIGTERM)
			kill = time.After(t.Grace)
		case <-kill:
			signalAll(os.Getpid(), unix.SIGKILL)
			rounds++
			kill = time.After(10 * time.Millisecond)
		}
	}
}

// reap takes the exit status of the children that have ended. It reports
// whether there are others.
func (t *Tree) reap() bool {
	for {
		var status unix.WaitStatus
		pid, err := unix.Wait4(-1, &status, unix.WNOHANG, nil)
		switch {
		case err == unix.EINTR:
		case err != nil: // ECHILD
			return false
		case pid == 0:
			return true
		case pid == t.Main:
			t.Ended(status)
		}
	}
}

// Kill kills a runner that does not end its tree by itself, after all others of
// the tree. It does not wait for their ends.
func Kill(root int) {
	for range killRounds {
		if signalAll(root, unix.SIGKILL) == 0 {
			break
		}
	}
	_ = unix.Kill(root, unix.SIGKILL)
}

// signalAll signals all descendants of a process and returns their number.
// Those that have ended are ignored.
func signalAll(root int, s syscall.Signal) int {
	all := descendants(root)
	for _, pid := range all {
		_ = unix.Kill(pid, s)
	}
	return len(all)
}
