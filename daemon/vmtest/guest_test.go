//go:build vm

package vmtest

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// waitTimeout is the limit for an expected event. It allows for slow emulation
// and is not a requirement of vchat.
const waitTimeout = 60 * time.Second

// nodeTimeout is the limit for the appearance of a device node.
const nodeTimeout = 30 * time.Second

// sh runs a script in the guest as root and returns its output. If the script
// fails, sh ends the test.
func sh(t *testing.T, script string) string {
	t.Helper()
	out, err := machine.shell(t.Context(), script, "")
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// cleanUp is sh for t.Cleanup, which runs after the end of the test's context.
func cleanUp(t *testing.T, script string) string {
	t.Helper()
	out, err := machine.shell(context.Background(), script, "")
	if err != nil {
		t.Error(err)
	}
	return out
}

// writeFile writes a file in the guest.
func writeFile(t *testing.T, path, content string) {
	t.Helper()
	if _, err := machine.shell(t.Context(), "cat >"+path, content); err != nil {
		t.Fatal(err)
	}
}

// eventually repeats the script until it succeeds. After the timeout it ends
// the test.
func eventually(t *testing.T, timeout time.Duration, script string) {
	t.Helper()
	deadline := time.Now().Add(timeout)
	for {
		_, err := machine.shell(t.Context(), script, "")
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("after %v: got %v, want success", timeout, err)
		}
		time.Sleep(200 * time.Millisecond)
	}
}

// A simCamera is a uvcsim in the guest.
type simCamera struct {
	name string
	id   int // in the stamps of its frames
}

// Cameras of the guest.
var (
	alicesCamera = simCamera{"alice", 1}
	bobsCamera   = simCamera{"bob", 2}
)

// node returns a path of the camera that stays the same after a replug.
func (c simCamera) node() string {
	return fmt.Sprintf("/dev/v4l/by-id/usb-VMTest_%s_camera_%[1]s-video-index0", c.name)
}

// plugIn starts cameras until the end of the test and waits for their nodes.
func plugIn(t *testing.T, cameras ...simCamera) {
	t.Helper()
	for _, c := range cameras {
		writeFile(t, "/run/uvcsim-"+c.name+".env", fmt.Sprintf("ID=%d\n", c.id))
		sh(t, "systemctl start uvcsim@"+c.name)
		t.Cleanup(func() { cleanUp(t, "systemctl stop uvcsim@"+c.name) })
	}
	for _, c := range cameras {
		eventually(t, nodeTimeout, "test -c "+c.node())
	}
}

// script returns a script that sends a command to the camera.
func (c simCamera) script(command string) string {
	return fmt.Sprintf("uvcsim ctl -socket /run/uvcsim-%s.sock %s", c.name, command)
}

// send sends a command to the camera and returns the answer.
func (c simCamera) send(t *testing.T, command string) string {
	t.Helper()
	return sh(t, c.script(command))
}

type cameraStatus struct {
	Plugged, Streaming bool
	Sent, Skipped      int
}

func (c simCamera) status(t *testing.T) (st cameraStatus) {
	t.Helper()
	decode(t, c.send(t, "status"), &st)
	return st
}

// A frameReport is the output of framecheck, which documents the fields.
type frameReport struct {
	Frames, Exact, Reduced, Completed, Bare, Cards, Foreign, Altered, Repeated, Missing, Returns int

	First, Last  int
	Repeats      []struct{ Sequence, After, Frames, At int }
	ReturnedAt   int64 `json:"returned_at"`
	Seconds, FPS float64
	DelayMS      struct{ P50, P99, Max float64 } `json:"delay_ms"`
	Error        string
}

// intact returns the number of frames that show what the camera sent. A link
// with little capacity reduces their quality.
func (r frameReport) intact() int { return r.Exact + r.Reduced }

// check returns an error unless all frames are intact and in order.
func (r frameReport) check() error {
	if r.Frames == 0 || r.intact() != r.Frames || r.Repeated > 0 || r.Error != "" {
		return fmt.Errorf("got frames %+v, want only frames of the camera, in order and without repeats", r)
	}
	return nil
}

// containsAll reports whether text contains all of parts.
func containsAll(text string, parts ...string) bool {
	return !slices.ContainsFunc(parts, func(p string) bool { return !strings.Contains(text, p) })
}

// decode decodes the last line of text, which is JSON.
func decode(t *testing.T, text string, v any) {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(text), "\n")
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), v); err != nil {
		t.Fatalf("decode %q: %v", text, err)
	}
}
