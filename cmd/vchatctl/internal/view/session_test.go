package view

import (
	"context"
	"errors"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"vchat/cmd/vchatctl/internal/view/look"
	"vchat/cmd/vchatctl/internal/view/render"
	"vchat/daemon/api"
	"vchat/daemon/client"
	"vchat/daemon/control/controltest"
)

// rig is a fake device that can be stopped and restarted, and a session.
type rig struct {
	t      *testing.T
	device *controltest.Device
	socket string
	stop   func()
	*Session
}

func newRig(t *testing.T) *rig {
	t.Helper()
	dir, err := os.MkdirTemp("", "view") // the path of t.TempDir may be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, device: controltest.New(), socket: dir + "/s"}
	r.serve()
	t.Cleanup(func() {
		if r.Session != nil {
			r.Close()
		}
		r.stop()
		os.RemoveAll(dir)
	})
	return r
}

func (r *rig) serve() {
	r.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	wait, err := controltest.Serve(ctx, r.device, r.socket)
	if err != nil {
		r.t.Fatal(err)
	}
	r.stop = sync.OnceFunc(func() {
		cancel()
		if err := wait(); err != nil {
			r.t.Errorf("control server: %v", err)
		}
	})
}

func (r *rig) start(opt Options) {
	r.t.Helper()
	c := client.New(r.socket)
	r.t.Cleanup(c.Close)
	var err error
	if r.Session, err = Start(r.t.Context(), c, opt); err != nil {
		r.t.Fatal(err)
	}
}

// inCall puts the device into a call with workshop.
func (r *rig) inCall(state api.CallState) api.Call {
	c := api.Call{
		ID: "1", Peer: "workshop", State: state, Direction: api.DirectionIn, Since: time.Now(), HasFrames: true,
	}
	r.device.SetCall(c)
	return c
}

// viewCall shows a call with workshop, of whose feed there is one frame.
func (r *rig) viewCall(frame string) {
	r.t.Helper()
	r.inCall(api.CallActive)
	r.start(Options{Feed: "workshop"})
	r.awaitFrame("workshop", frame)
	r.awaitText("no picture", notice)
}

// awaitFrame publishes frames of a feed until the session has one.
func (r *rig) awaitFrame(feed, data string) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), 30*time.Second)
	defer cancel()
	for seq := uint64(1); ; seq++ {
		r.device.Publish(feed, seq, false, []byte(data))
		soon, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
		p, err := r.Newest().Next(soon)
		cancel()
		if err == nil && string(p.Data) == data {
			return
		}
		if ctx.Err() != nil || err != nil && soon.Err() == nil {
			r.t.Fatalf("no frame %q from %s: %v", data, feed, err)
		}
	}
}

// awaitText waits until a text of the overlay contains want.
func (r *rig) awaitText(want string, get func(render.Overlay) string) {
	r.t.Helper()
	text := ""
	for range 1000 {
		if text = get(r.overlay()); strings.Contains(text, want) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	r.t.Fatalf("got text %q, want %q", text, want)
}

func notice(o render.Overlay) string { return o.Headline + "|" + o.Notice }
func lines(o render.Overlay) string  { return strings.Join(o.Lines, "|") }

func (r *rig) overlay() render.Overlay {
	return r.Overlay(time.Now(), DisplayedFrame{}, DisplayedFrame{})
}

// awaitCommand waits until the device has received a command.
func (r *rig) awaitCommand(want string) {
	r.t.Helper()
	for range 1000 {
		if slices.Contains(r.device.Commands(), want) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	r.t.Fatalf("got commands %q, want %q; lines %q, error %v", r.device.Commands(), want, lines(r.overlay()), r.Err())
}

// awaitEnd waits for the session to end and returns its error.
func (r *rig) awaitEnd() error {
	r.t.Helper()
	select {
	case <-r.Context().Done():
		return r.Err()
	case <-time.After(30 * time.Second):
		r.t.Fatal("the session does not end")
		return nil
	}
}

// press types a text: \n is Enter, \b Backspace, \x1b Escape.
func (r *rig) press(text string) {
	for _, c := range text {
		in := Input{Key: KeyRune, Rune: c}
		switch c {
		case '\n':
			in = Input{Key: KeyEnter}
		case '\b':
			in = Input{Key: KeyBackspace}
		case 0x1b:
			in = Input{Key: KeyEscape}
		}
		r.Press(in)
	}
}

func TestSession_survivesRestartOfDaemon(t *testing.T) {
	r := newRig(t)
	r.viewCall("before")
	r.stop()
	r.awaitText("vchatd stopped", notice)
	r.serve()
	r.awaitFrame("workshop", "after")
	r.awaitText("no picture from workshop", notice)
}

func TestSession_restartTimeout(t *testing.T) {
	r := newRig(t)
	r.inCall(api.CallActive)
	r.start(Options{Feed: "workshop", RestartTimeout: 300 * time.Millisecond})
	r.awaitFrame("workshop", "before")
	r.stop()
	if err := r.awaitEnd(); !errors.Is(err, client.ErrUnreachable) {
		t.Errorf("got %v, want %v", err, client.ErrUnreachable)
	}
	r.serve()
}

func TestStart_errors(t *testing.T) {
	r := newRig(t)
	c := client.New(r.socket)
	defer c.Close()
	var refused *api.Error
	_, err := Start(t.Context(), c, Options{Feed: "attic"})
	if !errors.As(err, &refused) || refused.Kind != api.NoSuchFeed {
		t.Errorf("no such feed: got %v, want kind %v", err, api.NoSuchFeed)
	}
	unreachable := client.New(r.socket + "x")
	defer unreachable.Close()
	if _, err := Start(t.Context(), unreachable, Options{Feed: "workshop"}); !errors.Is(err, client.ErrUnreachable) {
		t.Errorf("no daemon: got %v, want %v", err, client.ErrUnreachable)
	}
}

func TestSession_endsWithItsCall(t *testing.T) {
	for _, tt := range []struct {
		name string
		end  func(*rig)
		want api.Reason
	}{
		{"event first", func(r *rig) {
			r.device.SetCall(api.Call{ID: "1", Peer: "workshop", State: api.CallEnded, Reason: api.ReasonLostTooLong})
		}, api.ReasonLostTooLong},
		{"feed first", func(r *rig) {
			r.device.EndFeed("workshop")
			time.Sleep(100 * time.Millisecond)
			r.device.SetCall(api.Call{ID: "1", Peer: "workshop", State: api.CallEnded, Reason: api.ReasonHungUp})
		}, api.ReasonHungUp},
		{"reason unknown", func(r *rig) { r.device.EndFeed("workshop") }, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			r.viewCall("frame")
			tt.end(r)
			var ended *EndedError
			err := r.awaitEnd()
			if !errors.As(err, &ended) || ended.Feed != "workshop" || ended.Call.Reason != tt.want {
				t.Errorf("got %+v, want reason %q", err, tt.want)
			}
		})
	}
}

func TestSession_ignoresEndOfOtherCalls(t *testing.T) {
	r := newRig(t)
	r.inCall(api.CallActive)
	r.start(Options{Feed: "workshop"})
	r.awaitText("no picture", notice)
	older := &api.Call{ID: "0", Peer: "workshop", State: api.CallEnded}
	r.device.Events.Publish(api.Event{Event: api.EventCall, Peer: "workshop", Call: older})
	r.device.SetCall(api.Call{ID: "7", Peer: "attic", State: api.CallEnded})
	r.awaitFrame("workshop", "after")
	if err := r.Err(); err != nil {
		t.Errorf("session ended: %v", err)
	}
}

func TestSession_followsCalls(t *testing.T) {
	r := newRig(t)
	r.stop() // Follow waits for the daemon, too
	r.start(Options{Follow: true})
	r.awaitText("waiting for vchatd", notice)
	r.serve()
	r.awaitText("waiting for calls", notice)
	for range 2 {
		r.inCall(api.CallIncoming)
		r.awaitText("workshop is calling|", notice)
		r.awaitText("Incoming call", func(o render.Overlay) string { return o.State.Word() })
		r.press("a")
		r.awaitCommand("answer workshop")
		r.awaitFrame("workshop", "frame")
		c := r.inCall(api.CallActive)
		c.State, c.Reason, c.ReasonText, c.EndedBy = api.CallEnded, api.ReasonHungUp, "workshop hung up", api.SideRemote
		r.device.SetCall(c)
		r.awaitText("Call ended|workshop hung up", notice)
	}
	r.press("q")
	if err := r.awaitEnd(); err != nil {
		t.Errorf("quit: got %v, want nil", err)
	}
}

func TestSession_switchesToCaller(t *testing.T) {
	r := newRig(t)
	r.start(Options{Feed: api.Self, SwitchToCaller: true})
	r.awaitFrame(api.Self, "own")
	r.inCall(api.CallIncoming)
	r.awaitText("workshop is calling", func(o render.Overlay) string { return o.Banner })
	r.press("a")
	r.awaitFrame("workshop", "theirs")
}

func TestSession_Press(t *testing.T) {
	t.Chdir(t.TempDir())
	r := newRig(t)
	r.viewCall("a frame")

	// Keys belong to the message until it is sent or discarded.
	r.press("\nhq\x1b")
	r.press("\nGrüße an ällle\b\be\n")
	r.awaitText("you: Grüße an älle", lines)
	r.awaitCommand("say workshop Grüße an älle")
	r.press("\n  \n")

	for _, tt := range []struct {
		keys string
		want bool
	}{{"x", false}, {"f", true}, {"f", false}, {"f", true}, {"\x1b", false}, {"\x1b", false}} {
		if r.press(tt.keys); r.Fullscreen() != tt.want {
			t.Errorf("key %q: got full screen %v, want %v", tt.keys, r.Fullscreen(), tt.want)
		}
	}
	r.press("i")
	r.awaitText("fps · ", func(o render.Overlay) string { return o.Info })
	if o := r.overlay(); strings.Contains(o.Info, "old") {
		t.Errorf("without a frame: got statistics %q, want no age", o.Info)
	}

	r.device.Publish("workshop", 100, false, []byte("the newest"))
	r.press("s")
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	r.awaitText("saved "+dir+"/workshop-", lines)
	files, err := os.ReadDir(".")
	if err != nil || len(files) != 1 {
		t.Fatalf("got files %v, %v; want one", files, err)
	}
	if !regexp.MustCompile(`^workshop-\d{8}-\d{6}\.\d{3}\.jpg$`).MatchString(files[0].Name()) {
		t.Errorf("got file name %q, want the peer and the time", files[0].Name())
	}
	if b, err := os.ReadFile(files[0].Name()); err != nil || string(b) != "the newest" {
		t.Errorf("snapshot: got %q, %v; want the newest frame", b, err)
	}

	r.press("p")
	if r.PIP() == nil {
		t.Error("no picture-in-picture after p")
	}
	r.device.Publish(api.Self, 1, false, []byte("own"))
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if p, err := r.PIP().Next(ctx); err != nil || string(p.Data) != "own" {
		t.Errorf("picture-in-picture: got %+v, %v", p, err)
	}
	r.press("p")
	if r.PIP() != nil {
		t.Error("picture-in-picture still there after the second p")
	}

	r.press("ad") // no incoming call
	r.press("h")
	r.awaitCommand("hangup workshop")
	var ended *EndedError
	if err := r.awaitEnd(); !errors.As(err, &ended) {
		t.Errorf("hung up: got %v, want an EndedError", err)
	}
	if got := r.device.Commands(); slices.ContainsFunc(got, func(s string) bool {
		return strings.Contains(s, "say workshop h") || strings.HasPrefix(s, "answer") || strings.HasPrefix(s, "reject")
	}) {
		t.Errorf("got commands %q, want only the message and hangup", got)
	}
}

// A pasted text becomes part of a message, up to its limit, and nothing else.
func TestSession_paste(t *testing.T) {
	r := newRig(t)
	r.viewCall("a frame")
	r.press("\nsee ")
	r.Press(Input{Key: KeyPaste, Text: "日本 " + strings.Repeat("h", 2000)})
	r.press("\n")
	r.awaitCommand("say workshop see 日本 " + strings.Repeat("h", maxTyped-len("see 12 ")))
}

// Ready messages are chosen with a digit, by the focus or by a touch; a longer
// text replaces the choice.
func TestSession_readyMessages(t *testing.T) {
	r := newRig(t)
	r.viewCall("a frame")
	typing := func() string { return r.overlay().Typing }
	for _, tt := range []struct {
		keys, typing string
		offered      bool
	}{
		{"\n", "message: _", true}, {"2", "message: No_", true}, {"\b", "message: _", true},
		{"5", "message: One moment_", true}, {" ", "message: 5 _", false}, {"3", "message: 5 3_", false},
		{"\b\b\b", "message: _", true}, {"7", "message: 7_", false}, {"\b4", "message: On my way_", true},
	} {
		if r.press(tt.keys); typing() != tt.typing || len(r.overlay().Ready) > 0 != tt.offered {
			t.Errorf("keys %q: got %q, %d offered; want %q, offered %v",
				tt.keys, typing(), len(r.overlay().Ready), tt.typing, tt.offered)
		}
	}
	r.press("\n")
	r.awaitCommand("say workshop On my way")

	r.press("\n")
	for range 3 {
		r.Press(Input{Key: KeyTab})
	}
	r.press("\n") // the third one has the focus
	r.awaitCommand("say workshop Thank you")

	r.press("\n")
	r.Do(look.ActionYes)
	r.awaitCommand("say workshop Yes")
	if typing() != "" {
		t.Errorf("after a ready message: got %q, want nothing typed", typing())
	}
	r.Do(look.ActionNo) // no message is being written
	r.Press(Input{Key: KeyPaste, Text: "q"})
	if r.Err() != nil || typing() != "" {
		t.Errorf("pasted without a message being written: got %q, %v; want nothing", typing(), r.Err())
	}
	r.press("\n")
	r.Press(Input{Key: KeyBackTab})
	r.Press(Input{Key: KeyBackTab})
	r.press("\n") // Discard has the focus
	if typing() != "" {
		t.Errorf("discarded: got %q, want nothing typed", typing())
	}
	r.press("\n")
	r.Press(Input{Key: KeyTab})
	r.press("x\n") // typing takes the focus away
	r.awaitCommand("say workshop x")
	if got := r.device.Commands(); slices.Contains(got, "say workshop No") {
		t.Errorf("got commands %q, want nothing sent while no message is being written", got)
	}
}

// There is no peer to write to before a call is answered.
func TestSession_Press_nobodyToWriteTo(t *testing.T) {
	r := newRig(t)
	r.start(Options{Follow: true})
	r.awaitText("waiting for calls", notice)
	expectNone := func(state string) {
		t.Helper()
		r.Press(Input{Key: KeyEscape})
		r.Press(Input{Key: KeyEnter})
		r.Do(ActionMessage)
		if got := r.overlay().Typing; got != "" {
			t.Errorf("%s: got %q, want no message", state, got)
		}
	}
	expectNone("idle")
	r.ring()
	r.awaitText("workshop is calling", notice)
	expectNone("ringing")
	r.inCall(api.CallRinging)
	r.awaitText("workshop", func(o render.Overlay) string { return o.Name })
	expectNone("calling")
	r.inCall(api.CallActive)
	r.awaitText("no picture", notice)
	if r.Do(ActionMessage); r.overlay().Typing == "" {
		t.Error("in a call: got no message, want one")
	}
}

func TestSession_Press_interrupt(t *testing.T) {
	r := newRig(t)
	r.start(Options{Feed: api.Self})
	r.Press(Input{Key: KeyInterrupt})
	if err := r.awaitEnd(); err != ErrInterrupted {
		t.Errorf("got %v, want %v", err, ErrInterrupted)
	}
}

func TestSession_panicEndsIt(t *testing.T) {
	r := newRig(t)
	r.start(Options{Feed: api.Self})
	r.goGuarded(func() { panic("oh") })
	err := r.awaitEnd()
	if !errors.Is(err, ErrInternal) {
		t.Errorf("got %v, want %v", err, ErrInternal)
	}
	if text := err.Error(); !strings.Contains(text, "oh") || !strings.Contains(text, "session_test.go") {
		t.Errorf("got %v, want the panic and its stack", err)
	}
}

// The camera must not stay on when the call is over, or when the daemon has
// restarted without it. What the user wants holds for the next call.
func TestSession_ownPictureEndsWithCall(t *testing.T) {
	r := newRig(t)
	r.start(Options{Follow: true})
	r.awaitText("waiting for calls", notice)
	r.press("p")
	r.awaitText("no call: your own picture is shown in a call", lines)
	if r.PIP() != nil {
		t.Fatal("own picture without a call")
	}
	awaitPIP := func(want bool) {
		t.Helper()
		for range 3000 {
			if (r.PIP() != nil) == want && r.overlay().PIP == want {
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
		t.Fatalf("own picture: got %v, want %v", !want, want)
	}
	c := r.inCall(api.CallActive)
	r.awaitFrame("workshop", "frame")
	r.press("p")
	awaitPIP(true)
	end := func() {
		c.State, c.Reason = api.CallEnded, api.ReasonHungUp
		r.device.SetCall(c)
	}
	end()
	awaitPIP(false)
	c = r.inCall(api.CallActive)
	awaitPIP(true)
	r.stop()
	awaitPIP(false)
	end()
	r.serve()
	r.awaitText("waiting for calls", notice)
	awaitPIP(false)
	c = r.inCall(api.CallActive)
	awaitPIP(true)
	r.press("p")
	awaitPIP(false)
	end()
	r.awaitText("waiting for calls", notice)
	c = r.inCall(api.CallActive)
	r.awaitFrame("workshop", "another frame")
	awaitPIP(false)
}

// A second call that was not answered does not end the call that is shown.
func TestSession_secondCallerEnds(t *testing.T) {
	r := newRig(t)
	r.inCall(api.CallActive)
	r.start(Options{Follow: true})
	r.awaitText("no picture", notice)
	r.device.SetCall(api.Call{ID: "9", Peer: "garden", State: api.CallEnded, Direction: api.DirectionIn,
		Reason: api.ReasonBusy, ReasonText: "garden called during another call"})
	r.awaitText("garden called", lines)
	if got := lines(r.overlay()); got != "garden called during another call" {
		t.Errorf("got %q, want no word of a call that has ended", got)
	}
}
