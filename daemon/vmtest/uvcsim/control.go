package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"time"
)

// serveCamera plugs the camera in and runs commands from socket until ctx ends.
func serveCamera(ctx context.Context, c *camera, socket string) error {
	if err := os.Remove(socket); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	l, err := net.Listen("unix", socket)
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { l.Close() })()
	if err := c.plug(); err != nil {
		return err
	}
	defer c.unplug()
	for {
		conn, err := l.Accept()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		// Commands are short. One at a time keeps them in the order of the
		// test.
		handleCommand(conn, c)
	}
}

func handleCommand(conn net.Conn, c *camera) {
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return
	}
	line, err := bufio.NewReader(io.LimitReader(conn, 1024)).ReadString('\n')
	if err != nil {
		return
	}
	answer, err := c.command(strings.Fields(line))
	if err != nil {
		answer = "error: " + err.Error()
	}
	fmt.Fprintln(conn, answer) // an error: the client has gone
}

// sendCommand sends a command to a running camera and prints the answer. An
// error answer becomes the error.
func sendCommand(socket string, words []string, stdout io.Writer) error {
	conn, err := net.Dial("unix", socket)
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := fmt.Fprintln(conn, strings.Join(words, " ")); err != nil {
		return err
	}
	answer, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	if text, bad := strings.CutPrefix(answer, "error: "); bad {
		return errors.New(strings.TrimSpace(text))
	}
	_, err = io.WriteString(stdout, answer)
	return err
}

// status is the answer to the command status.
type status struct {
	Plugged   bool     `json:"plugged"`
	Streaming bool     `json:"streaming"`
	Sent      uint32   `json:"sent"`    // frames since the start of the program
	Skipped   int64    `json:"skipped"` // frames not sent because this program was not scheduled in time
	Faults    []string `json:"faults"`  // those that are on
}

func (c *camera) command(words []string) (string, error) {
	switch {
	case len(words) == 1:
		switch words[0] {
		case "plug":
			return "ok", c.plug()
		case "unplug":
			return "ok", c.unplug()
		case "reset":
			c.faults.reset()
			return "ok", nil
		case "status":
			b, err := json.Marshal(c.status())
			return string(b), err
		}
	case len(words) == 2 && words[0] == "fps":
		n, err := strconv.ParseUint(words[1], 10, 8)
		if err != nil {
			return "", err
		}
		c.faults.fps.Store(int64(n))
		return "ok", nil
	case len(words) == 2:
		if f := c.faults.byName()[words[0]]; f != nil {
			return "ok", f.set(words[1])
		}
	}
	return "", fmt.Errorf("unknown command %q", strings.Join(words, " "))
}
