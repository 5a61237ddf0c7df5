package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// process is a program started by this one.
type process struct {
	name string
	pid  int // of the program, which may be a child of its wrapper
	cmd  *exec.Cmd
	log  string // path of its output
	done chan struct{}
}

// start runs a program in a namespace, under a wrapper if there is one. It runs
// until stop, and ends with this process.
func start(dir string, in *namespace, wrap []string, argv ...string) (*process, error) {
	executable, err := exec.LookPath(argv[0])
	if err != nil {
		return nil, err
	}
	if executable, err = filepath.EvalSymlinks(executable); err != nil {
		return nil, err
	}
	log, err := os.CreateTemp(dir, filepath.Base(argv[0])+"-*.log")
	if err != nil {
		return nil, err
	}
	defer log.Close()
	all := append(append([]string{}, wrap...), append([]string{executable}, argv[1:]...)...)
	cmd := exec.Command(all[0], all[1:]...)
	cmd.Stdout, cmd.Stderr, cmd.Dir = log, log, dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := in.do(cmd.Start); err != nil {
		return nil, fmt.Errorf("start %s: %w", argv[0], err)
	}
	p := &process{name: filepath.Base(argv[0]), cmd: cmd, log: log.Name(), done: make(chan struct{})}
	go func() {
		_ = cmd.Wait() // its log says why it ended
		close(p.done)
	}()
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if p.pid = find(cmd.Process.Pid, executable); p.pid != 0 {
			return p, nil
		}
		if err := p.ended(); err != nil {
			return nil, err
		}
		if time.Now().After(end) {
			p.stop()
			return nil, fmt.Errorf("%s: no process runs %s", strings.Join(all, " "), executable)
		}
	}
}

var errEnded = errors.New("program ended")

// ended returns an error with the end of the log if the process has ended.
func (p *process) ended() error {
	select {
	case <-p.done:
	default:
		return nil
	}
	output, _ := os.ReadFile(p.log)
	return fmt.Errorf("%s: %w (%v): %s", p.name, errEnded, p.cmd.ProcessState, tail(string(output), 600))
}

func tail(s string, n int) string { return strings.TrimSpace(s[max(0, len(s)-n):]) }

// stop ends the process and its children and waits for it.
func (p *process) stop() {
	if p.pid != 0 { // kill(0) would signal our own group
		_ = unix.Kill(p.pid, unix.SIGTERM)
	}
	select {
	case <-p.done:
	case <-time.After(3 * time.Second):
	}
	_ = unix.Kill(-p.cmd.Process.Pid, unix.SIGKILL) // the group: a wrapper may outlive the program
	<-p.done
}

// output runs a program and returns its output. An error includes the end of
// the output.
func output(ctx context.Context, argv ...string) (string, error) {
	b, err := exec.CommandContext(ctx, argv[0], argv[1:]...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s: %w: %s", strings.Join(argv, " "), err, tail(string(b), 600))
	}
	return strings.TrimSpace(string(b)), nil
}
