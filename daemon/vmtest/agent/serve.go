package agent

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"sync"
	"syscall"
)

// Serve runs the host's commands until the stream ends. Then it kills what still runs and waits for it. It returns nil
// at the end of the stream.
func Serve(stream io.ReadWriter) error {
	g := &guest{out: &sender{w: stream}, running: make(map[uint32]*exec.Cmd)}
	defer g.end()
	if err := g.out.send(0, kindReady, nil); err != nil {
		return err
	}
	r := bufio.NewReaderSize(stream, maxData)
	for {
		m, err := receive(r)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := g.obey(m); err != nil {
			return err
		}
	}
}

type guest struct {
	out *sender
	all sync.WaitGroup

	mu      sync.Mutex
	running map[uint32]*exec.Cmd
}

// kill ends the command and what it started, which is its process group. It may have ended already.
func kill(cmd *exec.Cmd) { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }

func (g *guest) end() {
	g.mu.Lock()
	for _, cmd := range g.running {
		kill(cmd)
	}
	g.mu.Unlock()
	g.all.Wait()
}

func (g *guest) obey(m message) error {
	switch m.kind {
	case kindStart:
		var c Command
		if err := json.Unmarshal(m.data, &c); err != nil || len(c.Args) == 0 {
			return fmt.Errorf("%w: start: %v", ErrProtocol, err)
		}
		if err := g.start(m.number, c); err != nil {
			return g.out.sendJSON(m.number, kindExit, exit{Code: -1, Error: err.Error()})
		}
		return nil
	case kindKill:
		g.mu.Lock()
		defer g.mu.Unlock()
		if cmd := g.running[m.number]; cmd != nil {
			kill(cmd)
		}
		return nil
	}
	return fmt.Errorf("%w: kind %d from the host", ErrProtocol, m.kind)
}

func (g *guest) start(number uint32, c Command) error {
	cmd := exec.Command(c.Args[0], c.Args[1:]...)
	cmd.Env = append(cmd.Environ(), c.Env...)
	cmd.Stdout = writer{g.out, number, kindOutput}
	cmd.Stderr = writer{g.out, number, kindErrors}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Stdin = bytes.NewReader(c.Stdin)
	if err := cmd.Start(); err != nil {
		return err
	}
	g.mu.Lock()
	g.running[number] = cmd
	g.mu.Unlock()
	g.all.Go(func() {
		err := cmd.Wait()
		e := exit{Code: cmd.ProcessState.ExitCode()}
		if err != nil && e.Code == 0 { // it ended well, but its output could not be read or passed on
			e.Error = err.Error()
		}
		g.mu.Lock()
		delete(g.running, number)
		g.mu.Unlock()
		_ = g.out.sendJSON(number, kindExit, e) // the host is gone: Serve sees that too
	})
	return nil
}
