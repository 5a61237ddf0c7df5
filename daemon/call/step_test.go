package call

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var t0 = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func id(b byte) ID { return ID{b} }

func config() Config {
	return Config{
		Max: 1, RingTimeout: 30 * time.Second, ResumeFor: 10 * time.Minute, ReachTimeout: 10 * time.Second,
		Known: map[string]bool{"bob": true, "carol": true},
	}
}

// device is a Calls with a fake clock.
type device struct {
	*Calls
	t   *testing.T
	now time.Time
}

func newDevice(t *testing.T, cfg Config) *device { return &device{New(cfg), t, t0} }

// do processes events and returns the result of the last one, as formatted by
// format.
func (d *device) do(events ...Event) string {
	d.t.Helper()
	var result string
	for _, ev := range events {
		actions, err := d.Step(ev, d.now)
		result = format(actions, err)
	}
	return result
}

// after advances the clock, then processes an event.
func (d *device) after(wait time.Duration, ev Event) string {
	d.t.Helper()
	d.now = d.now.Add(wait)
	return d.do(ev)
}

func (d *device) expect(got, want string) {
	d.t.Helper()
	if got != want {
		d.t.Errorf("got  %s\nwant %s", got, want)
	}
}

// format formats actions for a table: ids as their first byte, calls with bob
// without his name.
func format(actions []Action, err error) string {
	var w []string
	of := func(peer string) string {
		if peer == "bob" {
			return ""
		}
		return " " + peer
	}
	for _, a := range actions {
		switch a := a.(type) {
		case Send:
			s := fmt.Sprintf("send%s %s %02x", of(a.Peer), a.Kind, a.ID[0])
			if a.Kind == SendEnd {
				s += " " + a.Reason.Key()
			}
			w = append(w, s)
		case Changed:
			s := fmt.Sprintf("%s%s %02x", a.Call.State, of(a.Call.Peer), a.Call.ID[0])
			if a.Call.State == Ended {
				s += fmt.Sprintf(" %s %s", a.Call.Reason.Key(), a.Call.EndedBy)
			}
			w = append(w, s)
		case Paused:
			w = append(w, fmt.Sprintf("paused%s %v", of(a.Peer), a.For))
		case Save:
			w = append(w, "save")
		}
	}
	for _, known := range []error{ErrNoCall, ErrUnknownPeer, ErrAlready, ErrBusy, ErrAmbiguous} {
		if errors.Is(err, known) {
			w = append(w, "error: "+known.Error())
		}
	}
	if len(w) == 0 {
		return "-"
	}
	return strings.Join(w, ", ")
}

const (
	ourID     = 0x50 // the id of the call in the states of the table
	lowerID   = 0x10
	higherID  = 0x90
	foreignID = 0x70
)

// states lists the states of the table with the events that lead there.
var states = []struct {
	name string
	via  []Event
	want State
}{
	{"none", []Event{LinkUp{"bob"}}, ""},
	{"over", []Event{LinkUp{"bob"}, GotInvite{"bob", id(ourID)}, Reject{"bob"}}, ""},
	{"calling, no link", []Event{Dial{Peer: "bob", ID: id(ourID)}}, Calling},
	{"calling", []Event{LinkUp{"bob"}, Dial{Peer: "bob", ID: id(ourID)}}, Calling},
	{"ringing", []Event{LinkUp{"bob"}, Dial{Peer: "bob", ID: id(ourID)}, GotRinging{"bob", id(ourID)}}, Ringing},
	{"incoming", []Event{LinkUp{"bob"}, GotInvite{"bob", id(ourID)}}, Incoming},
	{"incoming, no link", []Event{LinkUp{"bob"}, GotInvite{"bob", id(ourID)}, LinkDown{"bob", nil}}, Incoming},
	{"incoming, new link", []Event{LinkUp{"bob"}, GotInvite{"bob", id(ourID)}, LinkDown{"bob", nil}, LinkUp{"bob"}},
		Incoming},
	{"active", []Event{LinkUp{"bob"}, GotInvite{"bob", id(ourID)}, Answer{}}, Active},
	{"resuming, no link", []Event{LinkUp{"bob"}, GotInvite{"bob", id(ourID)}, Answer{}, LinkDown{"bob", nil}},
		Resuming},
	{"resuming, new link", []Event{LinkUp{"bob"}, GotInvite{"bob", id(ourID)}, Answer{}, LinkDown{"bob", nil},
		LinkUp{"bob"}}, Resuming},
}

func configWithoutBob() Config {
	cfg := config()
	delete(cfg.Known, "bob")
	return cfg
}

var events = []struct {
	name string
	ev   Event
}{
	{"dial", Dial{Peer: "bob", ID: id(foreignID)}},
	{"dial carol", Dial{Peer: "carol", ID: id(foreignID)}},
	{"answer", Answer{}},
	{"answer bob", Answer{"bob"}},
	{"reject", Reject{"bob"}},
	{"hangup", Hangup{}},
	{"link up", LinkUp{"bob"}},
	{"link down", LinkDown{"bob", errors.New("reset")}},
	{"refused", Refused{Peer: "bob", Text: "unknown device"}},
	{"wrong identity", Refused{Peer: "bob", WrongIdentity: true}},
	{"invite", GotInvite{"bob", id(ourID)}},
	{"invite lower", GotInvite{"bob", id(lowerID)}},
	{"invite higher", GotInvite{"bob", id(higherID)}},
	{"ringing", GotRinging{"bob", id(ourID)}},
	{"ringing foreign", GotRinging{"bob", id(foreignID)}},
	{"accept", GotAccept{"bob", id(ourID)}},
	{"accept foreign", GotAccept{"bob", id(foreignID)}},
	{"resume", GotResume{"bob", id(ourID)}},
	{"resume lower", GotResume{"bob", id(lowerID)}},
	{"end", GotEnd{Peer: "bob", ID: id(ourID), Reason: HungUp}},
	{"end foreign", GotEnd{Peer: "bob", ID: id(foreignID), Reason: HungUp}},
	{"end by carol", GotEnd{Peer: "carol", ID: id(ourID), Reason: HungUp}},
	{"tick", Tick{}},
	{"removed", Configure{configWithoutBob()}},
}

// TestSteps compares every (state, event) with testdata/steps.txt.
func TestSteps(t *testing.T) {
	text, err := os.ReadFile("testdata/steps.txt")
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimRight(line, "\n"); line != "" && !strings.HasPrefix(line, "#") {
			want = append(want, line)
		}
	}
	var got []string
	for _, s := range states {
		got = append(got, s.name+":")
		for _, e := range events {
			d := newDevice(t, config())
			d.do(s.via...)
			if c, _ := d.Get("bob"); c.State != s.want {
				t.Fatalf("%s: got state %q, want %q", s.name, c.State, s.want)
			}
			got = append(got, fmt.Sprintf("    %-16s%s", e.name, d.after(time.Second, e.ev)))
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("steps (- table, + code):\n%s", diff)
	}
}
