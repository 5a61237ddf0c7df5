package view

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"vchat/cmd/vchatctl/internal/view/render"
	"vchat/daemon/api"
	"vchat/daemon/client"
	"vchat/daemon/control/controltest"
)

// rig is a pretend device that can be stopped and started again, and a session of its user.
type rig struct {
	t      *testing.T
	device *controltest.Device
	socket string
	stop   func()
	*Session
}

func newRig(t *testing.T) *rig {
	t.Helper()
	dir, err := os.MkdirTemp("", "view") // the test's own directory may be too deep for a socket's path
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
			r.t.Errorf("the control server: %v", err)
		}
	})
}

func (r *rig) look(opt Options) {
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
	c := api.Call{ID: "1", Peer: "workshop", State: state, Direction: api.DirectionIn, Since: time.Now(), HasFrames: true}
	r.device.Change(c)
	return c
}

// frame publishes frames of a feed until the viewer has one, and gives it.
func (r *rig) frame(feed, data string) *Frame {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), 10*time.Second)
	defer cancel()
	for seq := uint64(1); ; seq++ {
		r.device.Publish(feed, seq, false, []byte(data))
		soon, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
		p, err := r.Newest().Next(soon)
		cancel()
		if err == nil && string(p.Data) == data {
			return p
		}
		if ctx.Err() != nil || err != nil && soon.Err() == nil {
			r.t.Fatalf("no picture %q of %s: %v", data, feed, err)
		}
	}
}

// says waits until the session says something.
func (r *rig) says(what string, get func(render.Overlay) string) {
	r.t.Helper()
	text := ""
	for range 1000 {
		if text = get(r.Overlay(time.Now(), Shown{}, Shown{})); strings.Contains(text, what) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	r.t.Fatalf("it says %q, want %q", text, what)
}

func notice(w render.Overlay) string { return w.Headline + "|" + w.Notice }
func lines(w render.Overlay) string  { return strings.Join(w.Lines, "|") }

func (r *rig) done(what string) {
	r.t.Helper()
	for range 1000 {
		if slices.Contains(r.device.Did(), what) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	r.t.Fatalf("the device was told %q, want %q; the session says %q, %v", r.device.Did(), what, lines(r.Overlay(time.Now(), Shown{}, Shown{})), r.Err())
}

func (r *rig) ended() error {
	r.t.Helper()
	select {
	case <-r.Context().Done():
		return r.Err()
	case <-time.After(10 * time.Second):
		r.t.Fatal("the session goes on")
		return nil
	}
}

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

func TestASessionOutlivesTheDaemon(t *testing.T) {
	r := newRig(t)
	r.inCall(api.CallActive)
	r.look(Options{Feed: "workshop"})
	r.frame("workshop", "before")
	r.says("nothing comes", notice)
	r.stop()
	r.says("vchatd ended", notice)
	r.serve()
	r.frame("workshop", "after")
	r.says("nothing comes from workshop", notice) // of the words that are for no picture
}

func TestASessionDoesNotWaitForEver(t *testing.T) {
	r := newRig(t)
	r.inCall(api.CallActive)
	r.look(Options{Feed: "workshop", Patience: 300 * time.Millisecond})
	r.frame("workshop", "before")
	r.stop()
	if err := r.ended(); !errors.Is(err, client.ErrUnreachable) {
		t.Errorf("got %v", err)
	}
	r.serve()
}

func TestWhatIsNotThereAtTheBeginningIsAnError(t *testing.T) {
	r := newRig(t)
	c := client.New(r.socket)
	defer c.Close()
	var refused *api.Error
	if _, err := Start(t.Context(), c, Options{Feed: "attic"}); !errors.As(err, &refused) || refused.Kind != api.NoSuchFeed {
		t.Errorf("got %v", err)
	}
	nobody := client.New(r.socket + "x")
	defer nobody.Close()
	if _, err := Start(t.Context(), nobody, Options{Feed: "workshop"}); !errors.Is(err, client.ErrUnreachable) {
		t.Errorf("got %v", err)
	}
}

func TestTheEndOfTheCallEndsIt(t *testing.T) {
	for _, tt := range []struct {
		name string
		end  func(*rig)
		want api.Reason
	}{
		{"told by an event", func(r *rig) {
			r.device.Change(api.Call{ID: "1", Peer: "workshop", State: api.CallEnded, Reason: api.ReasonLostTooLong})
		}, api.ReasonLostTooLong},
		{"the feed first", func(r *rig) {
			r.device.End("workshop")
			time.Sleep(100 * time.Millisecond)
			r.device.Change(api.Call{ID: "1", Peer: "workshop", State: api.CallEnded, Reason: api.ReasonHungUp})
		}, api.ReasonHungUp},
		{"for a reason that is lost", func(r *rig) { r.device.End("workshop") }, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			r.inCall(api.CallActive)
			r.look(Options{Feed: "workshop"})
			r.frame("workshop", "frame")
			r.says("nothing comes", notice)
			tt.end(r)
			var over *Over
			if err := r.ended(); !errors.As(err, &over) || over.Feed != "workshop" || over.Call.Reason != tt.want {
				t.Errorf("got %+v", err)
			}
		})
	}
}

func TestTheEndOfAnotherCallDoesNot(t *testing.T) {
	r := newRig(t)
	r.inCall(api.CallActive)
	r.look(Options{Feed: "workshop"})
	r.says("nothing comes", notice)
	r.device.Events.Publish(api.Event{Event: api.EventCall, Peer: "workshop", Call: &api.Call{ID: "0", Peer: "workshop", State: api.CallEnded}})
	r.device.Change(api.Call{ID: "7", Peer: "attic", State: api.CallEnded})
	r.frame("workshop", "after")
	if err := r.Err(); err != nil {
		t.Errorf("it ended: %v", err)
	}
}

func TestFollowGoesFromCallToCall(t *testing.T) {
	r := newRig(t)
	r.stop() // it need not be there
	r.look(Options{Follow: true})
	r.says("waiting for vchatd", notice)
	r.serve()
	r.says("waiting for calls", notice)
	for range 2 {
		r.inCall(api.CallIncoming)
		r.says("workshop is calling|a answers, d declines", notice)
		r.press("a")
		r.done("answer workshop")
		r.frame("workshop", "frame")
		c := r.inCall(api.CallActive)
		c.State, c.Reason, c.ReasonText, c.EndedBy = api.CallEnded, api.ReasonHungUp, "hung up", api.SideRemote
		r.device.Change(c)
		r.says("waiting for calls", notice)
		r.says("workshop: hung up", lines)
	}
	r.press("q")
	if err := r.ended(); err != nil {
		t.Errorf("got %v", err)
	}
}

func TestWhoeverAnswersSeesTheCaller(t *testing.T) {
	r := newRig(t)
	r.look(Options{Feed: api.Self, Turn: true})
	r.frame(api.Self, "own")
	r.inCall(api.CallIncoming)
	r.says("workshop is calling: a answers", func(w render.Overlay) string { return w.Banner })
	r.press("a")
	r.frame("workshop", "theirs")
}

func TestKeys(t *testing.T) {
	t.Chdir(t.TempDir())
	r := newRig(t)
	r.inCall(api.CallActive)
	r.look(Options{Feed: "workshop"})
	r.frame("workshop", "a frame")
	r.says("nothing comes", notice)

	// What is typed is for the line, until it is said or left.
	r.press("\nhq\x1b")
	r.press("\nGrüße an ällle\b\be\n")
	r.says("you: Grüße an älle", lines)
	r.done("say workshop Grüße an älle")
	r.press("\n  \n")

	if r.Press(Input{Key: KeyRune, Rune: 'x'}) || !r.Press(Input{Key: KeyRune, Rune: 'f'}) {
		t.Error("not f alone is for the display")
	}
	r.press("i")
	r.says("fps · ", func(w render.Overlay) string { return w.Info })
	if w := r.Overlay(time.Now(), Shown{}, Shown{}); strings.Contains(w.Info, "old") {
		t.Errorf("there is no picture, and it is %q", w.Info)
	}

	r.device.Publish("workshop", 100, false, []byte("the newest"))
	r.press("s")
	r.says("saved workshop-", lines)
	files, err := os.ReadDir(".")
	if err != nil || len(files) != 1 {
		t.Fatalf("%v, %v", files, err)
	}
	if b, err := os.ReadFile(files[0].Name()); err != nil || string(b) != "the newest" {
		t.Errorf("the file has %q, %v", b, err)
	}

	r.press("p")
	if r.PIP() == nil {
		t.Error("there is no own picture")
	}
	r.device.Publish(api.Self, 1, false, []byte("own"))
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if p, err := r.PIP().Next(ctx); err != nil || string(p.Data) != "own" {
		t.Errorf("the own picture: %+v, %v", p, err)
	}
	r.press("p")
	if r.PIP() != nil {
		t.Error("the own picture stays")
	}

	r.press("ad") // nobody calls
	r.press("h")
	r.done("hangup workshop")
	var over *Over
	if err := r.ended(); !errors.As(err, &over) {
		t.Errorf("got %v", err)
	}
	if got := r.device.Did(); slices.ContainsFunc(got, func(s string) bool {
		return strings.Contains(s, "say workshop h") || strings.HasPrefix(s, "answer") || strings.HasPrefix(s, "reject")
	}) {
		t.Errorf("the device was told %q", got)
	}
}

func TestInterrupted(t *testing.T) {
	r := newRig(t)
	r.look(Options{Feed: api.Self})
	r.Press(Input{Key: KeyInterrupt})
	if err := r.ended(); err != ErrInterrupted {
		t.Errorf("got %v", err)
	}
}

func TestAFaultEndsTheSessionAndNotTheProgram(t *testing.T) {
	r := newRig(t)
	r.look(Options{Feed: api.Self})
	r.goes(func() { panic("oh") })
	if err := r.ended(); !errors.Is(err, ErrFault) || !strings.Contains(err.Error(), "oh") || !strings.Contains(err.Error(), "session_test.go") {
		t.Errorf("got %v", err)
	}
}
