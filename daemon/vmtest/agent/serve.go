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

// Serve runs the host's commands until the stream ends. It returns nil at the
// end of the stream. Before it returns, it kills the commands that still run.
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
		if err := g.handle(m); err != nil {
			return err
		}
	}
}

type guest struct {
	out   *sender
	waits sync.WaitGroup // a goroutine for each command

	mu      sync.Mutex
	running map[uint32]*exec.Cmd
}

// kill kills the process group of the command: itself and its children. An
// error means that it has already ended.
func kill(cmd *exec.Cmd) { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }

func (g *guest) end() {
	g.mu.Lock()
	for _, cmd := range g.running {
		kill(cmd)
	}
	g.mu.Unlock()
	g.waits.Wait()
}

func (g *guest) handle(m message) error {
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
	g.waits.Go(func() {
		err := cmd.Wait()
		e := exit{Code: cmd.ProcessState.ExitCode()}
		if err != nil && e.Code == 0 { // exit status 0, but copying its output failed
			e.Error = err.Error()
		}
		g.mu.Lock()
		delete(g.running, number)
		g.mu.Unlock()
		_ = g.out.sendJSON(number, kindExit, e) // on an error Serve ends as well
	})
	return nil
}
