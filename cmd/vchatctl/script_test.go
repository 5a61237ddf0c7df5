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
	"slices"
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

// The scripts in testdata run main in a process of its own, against a fake
// device in the test process.
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
				return false, fmt.Errorf("unknown condition %q", cond)
			}
			_, err := exec.LookPath("Xvfb")
			return err == nil || os.Getenv("VCHAT_TEST_TOOLS") != "", nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"code":      codeCmd,
			"devices":   devicesCmd(t),
			"exits":     exitsCmd,
			"growing":   growingCmd,
			"device":    deviceCmd,
			"display":   displayCmd,
			"signal":    signalCmd,
			"ascending": ascendingCmd,
			"playable":  playableCmd,
			"shows":     showsCmd,
			"terminal":  terminalCmd(t),
		},
	})
}

// scriptDevice is the fake device of one script, with its control socket and
// the goroutines that publish on it.
type scriptDevice struct {
	*controltest.Device
	ctx     context.Context
	wg      sync.WaitGroup
	socket  string
	stop    func() error // stops the control server
	display *os.Process  // the X server, if started
}

// serve starts the control server.
func (d *scriptDevice) serve() error {
	ctx, cancel := context.WithCancel(d.ctx)
	wait, err := controltest.Serve(ctx, d.Device, d.socket)
	d.stop = func() error {
		cancel()
		return wait()
	}
	if err != nil {
		cancel()
	}
	return err
}

func setup(env *testscript.Env) error {
	// A socket path has at most 107 bytes; the script's directory may be
	// longer.
	dir, err := os.MkdirTemp("", "vchatctl")
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	d := &scriptDevice{Device: controltest.New(), ctx: ctx, socket: filepath.Join(dir, "control.sock")}
	if err := d.serve(); err != nil {
		cancel()
		return err
	}
	env.Values["device"] = d
	env.Setenv("VCHAT_SOCKET", d.socket)
	env.Setenv("TZ", "UTC")
	env.Setenv("TERM", "xterm")
	env.Setenv("LANG", "C.UTF-8")
	env.Setenv("GORACE", "atexit_sleep_ms=0") // under -race, each process sleeps 1 s at exit by default
	env.Defer(func() {
		cancel()
		d.wg.Wait()
		if err := d.stop(); err != nil {
			env.T().Log("control server:", err)
		}
		os.RemoveAll(dir)
	})
	return nil
}

func deviceOf(ts *testscript.TestScript) *scriptDevice { return ts.Value("device").(*scriptDevice) }

// exitsCmd is the script command exits CODE PROGRAM ARGS…: it runs a program
// and expects the exit code.
func exitsCmd(ts *testscript.TestScript, _ bool, args []string) {
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
		ts.Fatalf("got exit code %d, want %d", got, want)
	}
}

// signalCmd is the script command signal SIGNAL[+SIGNAL] CODE WHEN PROGRAM
// ARGS…: it runs a program, sends the signals and expects the exit code. WHEN
// is the request to the device to wait for, "watched" for a reader of the feed
// workshop, or growing:FILE for a file with frames.
func signalCmd(ts *testscript.TestScript, _ bool, args []string) {
	d := deviceOf(ts)
	signals := map[string]syscall.Signal{"INT": syscall.SIGINT, "TERM": syscall.SIGTERM}
	want, err := strconv.Atoi(args[1])
	ts.Check(err)
	self, err := os.Executable()
	ts.Check(err)
	cmd := exec.Command(self, args[4:]...)
	cmd.Args[0] = args[3] // testscript.Main dispatches on this name
	cmd.Dir = ts.MkAbs(".")
	cmd.Env = append(os.Environ(), "VCHAT_SOCKET="+ts.Getenv("VCHAT_SOCKET"), "GORACE="+ts.Getenv("GORACE"))
	unread, stdout, err := os.Pipe() // writes block once it is full
	ts.Check(err)
	defer unread.Close()
	cmd.Stdout = stdout
	err = cmd.Start()
	stdout.Close()
	ts.Check(err)
	defer func() { _ = cmd.Process.Kill() }()
	when := args[2]
	file, isFile := strings.CutPrefix(when, "growing:")
	await(ts, when, func() bool {
		switch {
		case isFile:
			return fileSize(ts, file) > int64(2*len(jpegFrame()))
		case when == "watched":
			return d.Feed("workshop").Readers() > 0
		}
		return strings.Contains(strings.Join(d.Commands(), "\n"), when)
	})
	time.Sleep(100 * time.Millisecond) // until it waits; the code is the same before
	for name := range strings.SplitSeq(args[0], "+") {
		ts.Check(cmd.Process.Signal(signals[name]))
	}
	_ = cmd.Wait()
	if got := cmd.ProcessState.ExitCode(); got != want {
		ts.Fatalf("got exit code %d, want %d", got, want)
	}
}

// await waits for a condition.
func await(ts *testscript.TestScript, what string, ok func() bool) {
	for range 3000 {
		if ok() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	ts.Fatalf("not within 30 s: %s", what)
}

// fileSize returns the size of a file, 0 if there is none.
func fileSize(ts *testscript.TestScript, file string) int64 {
	info, err := os.Stat(ts.MkAbs(file))
	if err != nil {
		return 0
	}
	return info.Size()
}

// growingCmd is the script command growing FILE FRAMES: it waits until a file
// has become larger by this many frames of jpeg-frames.
func growingCmd(ts *testscript.TestScript, _ bool, args []string) {
	frames, err := strconv.Atoi(args[1])
	ts.Check(err)
	before := fileSize(ts, args[0])
	await(ts, strings.Join(args, " "), func() bool {
		return fileSize(ts, args[0]) > before+int64(frames*len(jpegFrame()))
	})
}

// deviceCmd is the script command device ACTION ARGS…: it changes what the fake
// device does, or checks what it was asked to do.
func deviceCmd(ts *testscript.TestScript, _ bool, args []string) {
	d := deviceOf(ts)
	call := api.Call{ID: "1", Peer: "workshop", Direction: api.DirectionOut, Since: time.Now()}
	if len(args) > 1 {
		call.State = api.CallState(args[1])
	}
	switch args[0] {
	case "call": // STATE: the device has a call with workshop
		d.SetCall(call)
	case "call-ends": // REASON [TEXT]: calls end without an answer
		text := strings.Join(args[2:], " ")
		d.onCallStates(api.Call{State: api.CallEnded, Reason: api.Reason(args[1]), ReasonText: text})
	case "call-refused": // SIDE: calls end because a key is not the expected one
		d.onCallStates(api.Call{State: api.CallEnded, Reason: api.ReasonWrongIdentity,
			ReasonText: "workshop: peer key mismatch: the reason", KeyMismatch: keyMismatch(args[1])})
	case "call-waits-refused": // SIDE: there is a call that waits to resume, and then its peer has another key
		call.State = api.CallResuming
		d.SetCall(call)
		d.OnCall(func(api.CallRequest) (api.Call, error) {
			call.Link = &api.Link{State: api.LinkDown, Reason: "the reason", KeyMismatch: keyMismatch(args[1])}
			d.SetCall(call)
			return api.Call{}, &api.Error{Kind: api.Conflict, Message: "you are already in a call with workshop"}
		})
	case "call-answered": // calls are answered, and frames arrive
		d.onCallStates(api.Call{State: api.CallActive}, api.Call{State: api.CallActive, HasFrames: true})
	case "call-rings": // calls ring without end
		d.onCallStates(api.Call{State: api.CallRinging})
	case "call-crosses": // the peer calls at the same moment, so the call gets the id of the peer's
		d.onCallStates(api.Call{ID: "0", State: api.CallActive, HasFrames: true})
	case "call-without-frames": // calls are answered, and the peer hangs up before a frame arrives
		d.onCallStates(api.Call{State: api.CallActive},
			api.Call{State: api.CallEnded, Reason: api.ReasonHungUp, EndedBy: api.SideRemote})
	case "call-privacy": // calls are answered by a peer whose camera is off
		d.onCallStates(api.Call{State: api.CallActive},
			api.Call{State: api.CallActive, PeerCamera: &api.PeerCamera{State: "privacy"}})
	case "call-answered-ends": // REASON: calls are answered, frames arrive, and the peer ends the call
		d.onCallStates(api.Call{State: api.CallActive, HasFrames: true},
			api.Call{State: api.CallEnded, Reason: api.Reason(args[1]), EndedBy: api.SideRemote,
				ReasonText: "workshop hung up"})
	case "refuse-call": // KIND MESSAGE: the daemon refuses calls
		d.OnCall(func(api.CallRequest) (api.Call, error) {
			return api.Call{}, &api.Error{Kind: api.Kind(args[1]), Message: args[2], Hint: "a hint"}
		})
	case "refuse-camera": // KIND MESSAGE [HINT]: the daemon refuses camera and privacy requests
		d.FailCameras(&api.Error{Kind: api.Kind(args[1]), Message: args[2], Hint: strings.Join(args[3:], " ")})
	case "accept-camera": // the daemon accepts them again
		d.FailCameras(nil)
	case "seen": // NAME ADDRESS [PEER]: a device announces itself on the network
		d.Update(func(s *api.Status) {
			if s.Discovery == nil {
				s.Discovery = &api.Discovery{By: "avahi"}
			}
			x := api.Device{ID: strings.ToUpper(args[1]) + "-…", Name: args[1], Addresses: args[2:3], SinceMS: 130_000,
				Peer: strings.Join(args[3:], "")}
			s.Discovery.Devices = append(slices.Clone(s.Discovery.Devices), x)
		})
	case "refuse-reload": // MESSAGE HINT: the daemon refuses to reload
		d.RefuseReload(&api.Error{Kind: api.BadConfig, Message: args[1], Hint: args[2]})
	case "camera": // STATE REASON
		d.Update(func(s *api.Status) {
			s.Camera = api.Camera{Device: "/dev/video0", State: api.CameraState(args[1]), Reason: args[2]}
		})
	case "privacy": // privacy is on
		d.Update(func(s *api.Status) { s.Privacy, s.Camera.State = true, api.CameraIdle })
	case "full-status": // the status has every field that vchatctl can show
		d.Update(fillStatus)
	case "peer-refused": // SIDE: the link to attic is down because of a key
		d.Update(func(s *api.Status) {
			s.Peers[0].Link = api.Link{State: api.LinkDown, Reason: "the reason", KeyMismatch: keyMismatch(args[1])}
			s.Problems = []api.Problem{{Subject: "link", Peer: s.Peers[0].Name,
				Message: "the reason", Hint: "the hint"}}
		})
	case "frame", "card": // FEED: its newest frame is a JPEG frame, or a card
		d.Publish(args[1], 1, args[0] == "card", jpegFrame())
	case "frame-of": // FEED DATA: its newest frame has these bytes
		d.Publish(args[1], 1, false, []byte(args[2]))
	case "numbered-frames": // FEED: each frame is its number and a comma
		d.wg.Go(func() { d.publishFrames(args[1], func(seq uint64) []byte { return fmt.Appendf(nil, "%d,", seq) }) })
	case "jpeg-frames": // FEED: each frame is a JPEG frame
		d.wg.Go(func() { d.publishFrames(args[1], func(uint64) []byte { return jpegFrame() }) })
	case "end-feed": // FEED
		d.EndFeed(args[1])
	case "restart": // the control socket is gone for 100 ms
		ts.Check(d.stop())
		time.Sleep(100 * time.Millisecond)
		ts.Check(d.serve())
	case "call-flaps": // the call alternates between two states; each event is sent twice
		d.wg.Go(func() { d.publishCall(call) })
	case "call-resumes": // the call resumes again and again, as the daemon says it
		d.wg.Go(func() {
			d.publishEvery(func(n int) {
				c := call
				c.State = []api.CallState{api.CallResuming, api.CallActive}[n%2]
				event := []api.EventKind{api.EventCall, api.EventResumed}[n%2]
				d.Events.Publish(api.Event{Event: event, Peer: c.Peer, Call: &c})
			})
		})
	case "chat": // both sides of the call send messages
		d.wg.Go(d.publishChat)
	case "asked": // REQUEST: wait until the device was asked for this
		await(ts, args[1], func() bool { return strings.Contains(strings.Join(d.Commands(), "\n"), args[1]) })
	case "requests": // REQUEST…: the device was asked for exactly these
		if got, want := strings.Join(d.Commands(), ", "), strings.Join(args[1:], " "); got != want {
			ts.Fatalf("got requests %q, want %q", got, want)
		}
	default:
		ts.Fatalf("unknown device command %q", args[0])
	}
}

// onCallStates lets each new call go through these states after calling.
func (d *scriptDevice) onCallStates(states ...api.Call) {
	d.OnCall(func(r api.CallRequest) (api.Call, error) {
		c := api.Call{ID: "1", Peer: r.Peer, Direction: api.DirectionOut, State: api.CallCalling, Since: time.Now()}
		d.SetCall(c)
		for _, s := range states {
			s.Peer, s.Direction, s.Since = c.Peer, c.Direction, c.Since
			if s.ID == "" {
				s.ID = c.ID
			}
			d.SetCall(s)
		}
		return c, nil
	})
}

// publishEvery publishes every 5 ms, with a rising n, until the script ends.
func (d *scriptDevice) publishEvery(publish func(n int)) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for n := 0; ; n++ {
		publish(n)
		select {
		case <-tick.C:
		case <-d.ctx.Done():
			return
		}
	}
}

func (d *scriptDevice) publishCall(c api.Call) {
	d.publishEvery(func(n int) {
		c.State = []api.CallState{api.CallActive, api.CallActive, api.CallResuming, api.CallResuming}[n%4]
		d.SetCall(c)
	})
}

func (d *scriptDevice) publishChat() {
	d.publishEvery(func(int) {
		d.Events.Publish(api.Event{Event: api.EventText, Peer: "workshop", From: api.SideRemote, Text: "tea?"})
		d.Events.Publish(api.Event{Event: api.EventText, Peer: "workshop", From: api.SideLocal, Text: "yes"})
	})
}

func (d *scriptDevice) publishFrames(feed string, data func(seq uint64) []byte) {
	d.publishEvery(func(n int) {
		seq := uint64(n) + 1
		d.Publish(feed, seq, false, data(seq))
	})
}

// ascendingCmd is the script command ascending FILE: it expects at least nine
// ascending numbers, each followed by a comma.
func ascendingCmd(ts *testscript.TestScript, _ bool, args []string) {
	fields := strings.Split(ts.ReadFile(args[0]), ",")
	last := 0
	for _, f := range fields[:len(fields)-1] { // the last one may be incomplete
		n, err := strconv.Atoi(f)
		if err != nil || n <= last {
			ts.Fatalf("got %q after %d", f, last)
		}
		last = n
	}
	if len(fields) < 10 {
		ts.Fatalf("got %d numbers, want at least 9", len(fields)-1)
	}
}

// playableCmd is the script command playable FILE FRAMES: it expects a file
// that ffmpeg decodes without a warning, with at least this many frames.
func playableCmd(ts *testscript.TestScript, _ bool, args []string) {
	least, err := strconv.Atoi(args[1])
	ts.Check(err)
	if _, err := exec.LookPath("ffmpeg"); err != nil {
		if os.Getenv("VCHAT_TEST_TOOLS") != "" {
			ts.Fatalf("ffmpeg is not installed")
		}
		ts.Logf("not tested: ffmpeg is not installed")
		return
	}
	file := ts.MkAbs(args[0])
	ts.Check(ts.Exec("ffmpeg", "-v", "error", "-i", file,
		"-fps_mode", "passthrough", "-enc_time_base", "-1", "-f", "null", "-"))
	if stderr := ts.ReadFile("stderr"); stderr != "" {
		ts.Fatalf("ffmpeg: %s", stderr)
	}
	ts.Check(ts.Exec("ffprobe", "-v", "error", "-count_packets",
		"-show_entries", "stream=nb_read_packets", "-of", "csv=p=0", file))
	n, err := strconv.Atoi(strings.TrimSpace(ts.ReadFile("stdout")))
	ts.Check(err)
	if n < least {
		ts.Fatalf("got %d frames, want at least %d", n, least)
	}
}

func keyMismatch(refusedBy string) *api.KeyMismatch {
	if refusedBy == "remote" {
		return &api.KeyMismatch{RefusedBy: api.SideRemote, Got: "OWNID-…"}
	}
	return &api.KeyMismatch{RefusedBy: api.SideLocal, Expected: "PPPPP-…", Got: "QQQQQ-…", Address: "192.0.2.1:7450"}
}

// fillStatus sets every field that vchatctl can show.
func fillStatus(s *api.Status) {
	since := time.Unix(130, 0) // the clock was not set yet
	s.DoNotDisturb = true
	s.Camera.Name = "HD Webcam C270"
	s.Camera.Dropped, s.Camera.Reopened, s.Camera.Restarted, s.Camera.USBResets = 3, 2, 4, 1
	s.Camera.Broken, s.Camera.BrokenBy = 6, map[string]uint64{"truncated": 5, "flagged": 1}
	s.Camera.Warnings = []string{"/dev/video0 gives 15 frames a second, not 30", "a warning without a problem"}
	s.Calls = []api.Call{{
		ID: "1", Peer: "workshop", State: api.CallActive, Since: since, SinceMS: 130_000, Direction: api.DirectionIn,
		HasFrames: true,
		Link:      &api.Link{State: api.LinkUp, RTTMS: 0.4, Reconnects: 1},
		Sending:   &api.Sending{FPS: 29.9, MbitS: 21, Dropped: 7, Quality: "reduced", Size: "1280x720"},
		Receiving: &api.Receiving{FPS: 30, MbitS: 20.5, Lost: 2, AgeMS: 12,
			LatencyMS: api.Quantiles{P50: 1.25, P99: 31}, Size: "640x480"},
	}}
	s.Viewers = []api.Viewer{{Feed: "workshop", FPS: 29.9, Dropped: 5}}
	s.Refused = []api.Refused{
		{ID: "STRAN-…", Name: "garage", Address: "192.0.2.9:40000", Count: 12, LastMS: 3_000, Reason: "unknown key"},
		{ID: "OTHER-…", Address: "[2001:db8::1]:40000", Count: 1, LastMS: 130_000, Reason: "not the key of attic"},
		{ID: "THIRD-…", Address: "192.0.2.10:40000", Count: 1, LastMS: 140_000, Reason: "unknown key"},
		{ID: "FOURT-…", Address: "192.0.2.11:40000", Count: 1, LastMS: 150_000, Reason: "unknown key"},
	}
	const running = "vchatd runs on the configuration from before"
	s.Problems = []api.Problem{
		{Subject: "config", File: "/etc/vchat.yaml", Line: 3, Column: 1, Message: "first fault", Hint: running},
		{Subject: "config", File: "/etc/vchat.yaml", Line: 7, Column: 5, Message: "second fault", Hint: running},
		{Subject: "camera", Message: s.Camera.Warnings[0]},
		{Subject: "link", Peer: "attic", Message: "connection refused", Hint: "is vchatd running there?"},
	}
}

func jpegFrame() []byte {
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
