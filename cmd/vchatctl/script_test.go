package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"vchat/daemon/api"
	"vchat/daemon/control/controltest"
	"vchat/daemon/daemontest/leaktest"
)

// The scripts run the real main in a process of its own, against a pretend device in this one.
func TestMain(m *testing.M) {
	testscript.Main(leaktest.Checked{M: m}, map[string]func(){"vchatctl": main})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		Setup:               setup,
		RequireExplicitExec: true,
		Condition: func(cond string) (bool, error) {
			if cond != "xvfb" {
				return false, fmt.Errorf("no condition is called %q", cond)
			}
			_, err := exec.LookPath("Xvfb")
			return err == nil || os.Getenv("VCHAT_TEST_TOOLS") != "", nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":   exits,
			"device":  device,
			"display": display,
			"signal":  signalled,
			"rising":  rising,
			"plays":   plays,
		},
	})
}

// world is a device, and what it does by itself while a script runs.
type world struct {
	*controltest.Device
	ctx     context.Context
	wg      sync.WaitGroup
	socket  string
	end     func() error // of the server at the socket
	display *os.Process  // the X server, if there is one
}

// serve begins to serve the device.
func (w *world) serve() error {
	ctx, cancel := context.WithCancel(w.ctx)
	wait, err := controltest.Serve(ctx, w.Device, w.socket)
	w.end = func() error {
		cancel()
		return wait()
	}
	if err != nil {
		cancel()
	}
	return err
}

func setup(env *testscript.Env) error {
	dir, err := os.MkdirTemp("", "vchatctl") // the script's own directory may be too deep for a socket's path
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	w := &world{Device: controltest.New(), ctx: ctx, socket: filepath.Join(dir, "control.sock")}
	if err := w.serve(); err != nil {
		cancel()
		return err
	}
	env.Values["world"] = w
	env.Setenv("VCHAT_SOCKET", w.socket)
	env.Setenv("TZ", "UTC")
	env.Setenv("GORACE", "atexit_sleep_ms=0") // else every program takes a second to end under -race
	env.Defer(func() {
		cancel()
		w.wg.Wait()
		if err := w.end(); err != nil {
			env.T().Log("the control server:", err)
		}
		os.RemoveAll(dir)
	})
	return nil
}

// exits CODE PROGRAM ARGS… runs a program that is to end with this exit code.
func exits(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	var exit *exec.ExitError
	if err := ts.Exec(args[1], args[2:]...); errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// signal SIGNAL[+SIGNAL] CODE WHEN PROGRAM ARGS… signals a program once the device was told WHEN, and looks at its exit code.
func signalled(ts *testscript.TestScript, _ bool, args []string) {
	w := ts.Value("world").(*world)
	numbers := map[string]syscall.Signal{"INT": syscall.SIGINT, "TERM": syscall.SIGTERM}
	want, err := strconv.Atoi(args[1])
	ts.Check(err)
	self, err := os.Executable()
	ts.Check(err)
	cmd := exec.Command(self, args[4:]...)
	cmd.Args[0] = args[3] // testscript.Main knows a command by this name
	cmd.Dir = ts.MkAbs(".")
	cmd.Env = append(os.Environ(), "VCHAT_SOCKET="+ts.Getenv("VCHAT_SOCKET"), "GORACE="+ts.Getenv("GORACE"))
	stuck, blocked, err := os.Pipe() // nobody reads what it writes
	ts.Check(err)
	defer stuck.Close()
	cmd.Stdout = blocked
	err = cmd.Start()
	blocked.Close()
	ts.Check(err)
	for range 1000 {
		if when := args[2]; when == "watched" && w.Feed("workshop").Readers() > 0 || strings.Contains(strings.Join(w.Did(), "\n"), when) {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	time.Sleep(100 * time.Millisecond) // so that it has come to waiting; if it has not, the code is the same
	for name := range strings.SplitSeq(args[0], "+") {
		ts.Check(cmd.Process.Signal(numbers[name]))
	}
	_ = cmd.Wait()
	if got := cmd.ProcessState.ExitCode(); got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// device does something to the device.
func device(ts *testscript.TestScript, _ bool, args []string) {
	w := ts.Value("world").(*world)
	call := api.Call{ID: "1", Peer: "workshop", Direction: api.DirectionOut, Since: time.Now()}
	if len(args) > 1 {
		call.State = api.CallState(args[1])
	}
	switch args[0] {
	case "call": // STATE: it has a call with workshop
		w.Change(call)
	case "ends": // REASON [TEXT]: its calls end
		w.OnCall(w.becomes(api.Call{State: api.CallEnded, Reason: api.Reason(args[1]), ReasonText: strings.Join(args[2:], " ")}))
	case "answers": // a call becomes active and frames come
		w.OnCall(w.becomes(api.Call{State: api.CallActive}, api.Call{State: api.CallActive, HasFrames: true}))
	case "rings": // a call rings for ever
		w.OnCall(w.becomes(api.Call{State: api.CallRinging}))
	case "crosses": // the peer has called at the same moment: the call gets the other's id
		w.OnCall(w.becomes(api.Call{ID: "0", State: api.CallActive, HasFrames: true}))
	case "answers-without-camera": // no picture comes, and the peer ends the call
		w.OnCall(w.becomes(api.Call{State: api.CallActive}, api.Call{State: api.CallEnded, Reason: api.ReasonHungUp, EndedBy: api.SideRemote}))
	case "answers-privately": // the peer's camera is off
		w.OnCall(w.becomes(api.Call{State: api.CallActive}, api.Call{State: api.CallActive, PeerCamera: &api.PeerCamera{State: "privacy"}}))
	case "answers-and-ends": // REASON: frames come, and then the peer ends the call
		w.OnCall(w.becomes(api.Call{State: api.CallActive, HasFrames: true}, api.Call{State: api.CallEnded, Reason: api.Reason(args[1]), EndedBy: api.SideRemote}))
	case "refuses": // KIND MESSAGE: calls are refused
		w.OnCall(func(api.CallRequest) (api.Call, error) {
			return api.Call{}, &api.Error{Kind: api.Kind(args[1]), Message: args[2], Hint: "a hint"}
		})
	case "camera": // STATE REASON
		w.Set(func(s *api.Status) {
			s.Camera = api.Camera{Device: "/dev/video0", State: api.CameraState(args[1]), Reason: args[2]}
		})
	case "refuses-camera": // KIND MESSAGE [HINT]: so do its cameras and its privacy
		w.Refuse(&api.Error{Kind: api.Kind(args[1]), Message: args[2], Hint: strings.Join(args[3:], " ")})
	case "private": // its camera is off
		w.Set(func(s *api.Status) { s.Privacy, s.Camera.State = true, api.CameraIdle })
	case "busy": // everything that a status can show
		w.Set(full)
	case "frame", "card": // FEED: its newest is a real frame, or a card
		w.Publish(args[1], 1, args[0] == "card", frame())
	case "films": // FEED: frames come, as their number and a comma each
		w.wg.Go(func() { w.film(args[1], func(seq uint64) []byte { return fmt.Appendf(nil, "%d,", seq) }) })
	case "shows": // FEED: real frames come
		w.wg.Go(func() { w.film(args[1], func(uint64) []byte { return frame() }) })
	case "forgets": // FEED: it ends
		w.End(args[1])
	case "restarts": // its socket is away for a moment
		ts.Check(w.end())
		time.Sleep(100 * time.Millisecond)
		ts.Check(w.serve())
	case "retells": // it has a call that changes again and again, and tells of each state twice
		w.wg.Go(func() { w.retell(call) })
	case "chats": // there is much talk in its call, from both sides
		w.wg.Go(w.chat)
	case "did": // it was told to do exactly this
		if got, want := strings.Join(w.Did(), ", "), strings.Join(args[1:], " "); got != want {
			ts.Fatalf("the device was told %q, want %q", got, want)
		}
	default:
		ts.Fatalf("device does not know %s", args[0])
	}
}

// becomes lets a call go through states after it has begun.
func (w *world) becomes(states ...api.Call) func(api.CallRequest) (api.Call, error) {
	return func(r api.CallRequest) (api.Call, error) {
		c := api.Call{ID: "1", Peer: r.Peer, Direction: api.DirectionOut, State: api.CallCalling, Since: time.Now()}
		w.Change(c)
		for _, s := range states {
			s.Peer, s.Direction, s.Since = c.Peer, c.Direction, c.Since
			if s.ID == "" {
				s.ID = c.ID
			}
			w.Change(s)
		}
		return c, nil
	}
}

func (w *world) retell(c api.Call) {
	clock := time.NewTicker(5 * time.Millisecond)
	defer clock.Stop()
	for n := 0; ; n++ {
		c.State = []api.CallState{api.CallActive, api.CallActive, api.CallResuming, api.CallResuming}[n%4]
		select {
		case <-clock.C:
			w.Change(c)
		case <-w.ctx.Done():
			return
		}
	}
}

func (w *world) chat() {
	clock := time.NewTicker(5 * time.Millisecond)
	defer clock.Stop()
	for {
		w.Events.Publish(api.Event{Event: api.EventText, Peer: "workshop", From: api.SideRemote, Text: "tea?"})
		w.Events.Publish(api.Event{Event: api.EventText, Peer: "workshop", From: api.SideLocal, Text: "yes"})
		select {
		case <-clock.C:
		case <-w.ctx.Done():
			return
		}
	}
}

func (w *world) film(feed string, data func(seq uint64) []byte) {
	clock := time.NewTicker(5 * time.Millisecond)
	defer clock.Stop()
	for seq := uint64(1); ; seq++ {
		select {
		case <-clock.C:
			w.Publish(feed, seq, false, data(seq))
		case <-w.ctx.Done():
			return
		}
	}
}

// rising FILE: it is numbers that rise, each followed by a comma, and more than ten.
func rising(ts *testscript.TestScript, _ bool, args []string) {
	fields := strings.Split(ts.ReadFile(args[0]), ",")
	last := 0
	for _, f := range fields[:len(fields)-1] { // the last one may be cut
		n, err := strconv.Atoi(f)
		if err != nil || n <= last {
			ts.Fatalf("%q after %d", f, last)
		}
		last = n
	}
	if len(fields) < 10 {
		ts.Fatalf("only %d frames", len(fields))
	}
}

// plays FILE PICTURES: others can play a file that holds at least so many.
func plays(ts *testscript.TestScript, _ bool, args []string) {
	least, err := strconv.Atoi(args[1])
	ts.Check(err)
	if _, err := exec.LookPath("ffmpeg"); err != nil {
		if os.Getenv("VCHAT_TEST_TOOLS") != "" {
			ts.Fatalf("ffmpeg is not installed")
		}
		ts.Logf("ffmpeg is not installed: whether it plays is not tested")
		return
	}
	file := ts.MkAbs(args[0])
	ts.Check(ts.Exec("ffmpeg", "-v", "error", "-i", file, "-fps_mode", "passthrough", "-enc_time_base", "-1", "-f", "null", "-"))
	if complaint := ts.ReadFile("stderr"); complaint != "" {
		ts.Fatalf("ffmpeg: %s", complaint)
	}
	ts.Check(ts.Exec("ffprobe", "-v", "error", "-count_packets", "-show_entries", "stream=nb_read_packets", "-of", "csv=p=0", file))
	n, err := strconv.Atoi(strings.TrimSpace(ts.ReadFile("stdout")))
	ts.Check(err)
	if n < least {
		ts.Fatalf("%d frames, want %d", n, least)
	}
}

func full(s *api.Status) {
	since := time.Now().Add(-130 * time.Second)
	s.DoNotDisturb = true
	s.Camera.Name, s.Camera.Dropped, s.Camera.Reopened, s.Camera.Restarted, s.Camera.USBResets = "HD Webcam C270", 3, 2, 4, 1
	s.Camera.Broken, s.Camera.BrokenBy = 6, map[string]uint64{"truncated": 5, "flagged": 1}
	s.Camera.Warnings = []string{"/dev/video0 gives 15 frames a second, not 30", "a warning that is no problem"}
	s.Calls = []api.Call{{ID: "1", Peer: "workshop", State: api.CallActive, Since: since, Direction: api.DirectionIn, HasFrames: true,
		Link:      &api.Link{State: api.LinkUp, RTTMS: 0.4, Reconnects: 1},
		Sending:   &api.Sending{FPS: 29.9, MbitS: 21, Dropped: 7, Quality: "reduced", Size: "1280x720"},
		Receiving: &api.Receiving{FPS: 30, MbitS: 20.5, Lost: 2, AgeMS: 12, LatencyMS: api.Quantiles{P50: 1.25, P99: 31}, Size: "640x480"},
	}}
	s.Viewers = []api.Viewer{{Feed: "workshop", FPS: 29.9, Dropped: 5}}
	s.Problems = []api.Problem{{Subject: "camera", Message: s.Camera.Warnings[0]}, {Subject: "link", Peer: "attic", Message: "connection refused", Hint: "is vchatd running there?"}}
}

// frame is a real JPEG frame.
func frame() []byte {
	m := image.NewRGBA(image.Rect(0, 0, 64, 36))
	for i := range m.Pix {
		m.Pix[i] = byte(i)
	}
	m.Set(0, 0, color.White)
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, nil); err != nil {
		panic(err)
	}
	return b.Bytes()
}
