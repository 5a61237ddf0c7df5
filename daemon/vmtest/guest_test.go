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

// sh runs a script in the guest as root and returns its output; an exit status other than 0 ends the test.
func sh(t *testing.T, script string) string {
	t.Helper()
	out, err := machine.shell(t.Context(), script, "")
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// cleanUp is sh for t.Cleanup, when the test's context has ended.
func cleanUp(t *testing.T, script string) string {
	t.Helper()
	out, err := machine.shell(context.Background(), script, "")
	if err != nil {
		t.Error(err)
	}
	return out
}

// put writes a file in the guest.
func put(t *testing.T, path, content string) {
	t.Helper()
	if _, err := machine.shell(t.Context(), "cat >"+path, content); err != nil {
		t.Fatal(err)
	}
}

// eventually runs the script until it succeeds, and ends the test if it does not in time.
func eventually(t *testing.T, within time.Duration, script string) {
	t.Helper()
	deadline := time.Now().Add(within)
	for {
		_, err := machine.shell(t.Context(), script, "")
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %v", within, err)
		}
		time.Sleep(200 * time.Millisecond)
	}
}

// A simCamera is a uvcsim in the guest.
type simCamera struct {
	name string
	id   int // in the stamps of its frames
}

// The guest's two cameras.
var (
	alicesCamera = simCamera{"alice", 1}
	bobsCamera   = simCamera{"bob", 2}
)

// node is a name of the camera that stays the same when it is plugged in again.
func (c simCamera) node() string {
	return fmt.Sprintf("/dev/v4l/by-id/usb-VMTest_%s_camera_%[1]s-video-index0", c.name)
}

// plugIn starts cameras for the time of the test and waits until the guest has their nodes.
func plugIn(t *testing.T, cameras ...simCamera) {
	t.Helper()
	for _, c := range cameras {
		put(t, "/run/uvcsim-"+c.name+".env", fmt.Sprintf("ID=%d\n", c.id))
		sh(t, "systemctl start uvcsim@"+c.name)
		t.Cleanup(func() { cleanUp(t, "systemctl stop uvcsim@"+c.name) })
	}
	for _, c := range cameras {
		eventually(t, 30*time.Second, "test -c "+c.node())
	}
}

// tell commands the camera and returns its answer.
func (c simCamera) tell(t *testing.T, command string) string {
	t.Helper()
	return sh(t, fmt.Sprintf("uvcsim ctl -socket /run/uvcsim-%s.sock %s", c.name, command))
}

type cameraStatus struct {
	Plugged, Streaming bool
	Sent, Skipped      int
}

func (c simCamera) status(t *testing.T) (st cameraStatus) {
	t.Helper()
	decode(t, c.tell(t, "status"), &st)
	return st
}

// frameReport is what framecheck prints.
type frameReport struct {
	Frames, Exact, Reduced, Completed, Bare, Cards, Foreign, Altered, Repeated, Missing, Returns int
	First, Last                                                                                  int
	Repeats                                                                                      []struct{ Sequence, After, Frames, At int }
	ReturnedAt                                                                                   int64 `json:"returned_at"`
	Seconds, FPS                                                                                 float64
	DelayMS                                                                                      struct{ P50, P99, Max float64 } `json:"delay_ms"`
	Error                                                                                        string
}

// own is how many frames of the camera there were; those that the link had no room for are the same in fewer bytes.
func (r frameReport) own() int { return r.Exact + r.Reduced }

// faultless says what is wrong with frames of which each had to be a newer one and what was sent.
func (r frameReport) faultless() error {
	if r.Frames == 0 || r.own() != r.Frames || r.Repeated > 0 || r.Error != "" {
		return fmt.Errorf("not all frames are the camera's, in order and once: %+v", r)
	}
	return nil
}

func contains(text string, parts ...string) bool {
	return !slices.ContainsFunc(parts, func(p string) bool { return !strings.Contains(text, p) })
}

func decode(t *testing.T, text string, v any) {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(text), "\n")
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), v); err != nil {
		t.Fatalf("%v: %q", err, text)
	}
}
