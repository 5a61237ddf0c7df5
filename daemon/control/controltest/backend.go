// Package controltest is a pretend device behind a control socket, for the tests of all that talks to one.
//
// It keeps calls and feeds as it is told to, and decides nothing by itself.
package controltest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"vchat/daemon/api"
	"vchat/daemon/control"
	"vchat/daemon/frame"
)

// Device is a control.Backend. It is safe for concurrent use.
type Device struct {
	Events *control.Events

	mu     sync.Mutex
	status api.Status
	feeds  map[string]*frame.Hub
	pool   *frame.Pool
	did    []string
	onCall func(api.CallRequest) (api.Call, error)
	refuse error // what is done to privacy and cameras
}

// New makes a device called kitchen, with the peers workshop (reachable) and attic (not), and the feeds self and workshop.
func New() *Device {
	now := time.Date(2026, 11, 22, 20, 0, 0, 0, time.UTC)
	d := &Device{
		pool:  frame.NewPool(8),
		feeds: map[string]*frame.Hub{api.Self: frame.NewHub(), "workshop": frame.NewHub()},
		status: api.Status{
			Name: "kitchen", ID: "AAAAA-BBBBB-CCCCC-DDDDD-EEEEE-FFFFF-GGGGG-HHHHH-IIIII-JJJJJ-KKKKK-LLLLL",
			Version: api.Version, UptimeMS: 7_384_000, Listen: "[::]:7450",
			Camera: api.Camera{Device: "/dev/video0", State: api.CameraStreaming, Since: now, Format: "mjpeg", Size: "1280x720", FPS: 29.9, Frames: 1234},
			Peers: []api.Peer{
				{Name: "attic", Address: "attic.local:7450", ID: "ATTIC", Link: api.Link{State: api.LinkDown, Reason: "connection refused"}},
				{Name: "workshop", Address: "workshop.local:7450", ID: "WORKS", AutoAnswer: true, Link: api.Link{State: api.LinkUp, RTTMS: 0.4}},
			},
			Calls: []api.Call{}, Viewers: []api.Viewer{},
		},
	}
	d.Events = control.NewEvents(d.Status)
	return d
}

func (d *Device) Status() api.Status {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.status
	s.Calls = append([]api.Call{}, s.Calls...)
	return s
}

// Set changes the status.
func (d *Device) Set(change func(*api.Status)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	change(&d.status)
}

// Change puts a call into the status, or takes it out if it has ended, and tells of it.
func (d *Device) Change(c api.Call) {
	d.Set(func(s *api.Status) {
		calls := s.Calls[:0:0]
		for _, x := range s.Calls {
			if x.ID != c.ID && (x.Peer != c.Peer || c.State == api.CallEnded) { // with a peer there is one at most
				calls = append(calls, x)
			}
		}
		if c.State != api.CallEnded {
			calls = append(calls, c)
		}
		s.Calls = calls
	})
	d.Events.Publish(api.Event{Event: api.EventCall, Peer: c.Peer, Call: &c})
}

// OnCall lets do decide what becomes of the calls that are begun from now on. It may tell of them by Change.
func (d *Device) OnCall(do func(api.CallRequest) (api.Call, error)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.onCall = do
}

// Publish gives the feed, if it has not ended, a frame, or a card, with these bytes, taken just now.
func (d *Device) Publish(feed string, seq uint64, card bool, data []byte) {
	f := d.pool.Get(len(data))
	copy(f.Data, data)
	f.Seq, f.Card, f.Format = seq, card, frame.JPEG
	f.Captured = frame.Now()
	f.Arrived = f.Captured
	if h := d.Feed(feed); h != nil {
		h.Publish(f)
	} else {
		f.Release()
	}
}

// Feed is the hub of a feed, which is there.
func (d *Device) Feed(name string) *frame.Hub {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.feeds[name]
}

// End ends a feed and takes it away, as the end of its call does.
func (d *Device) End(name string) {
	d.mu.Lock()
	h := d.feeds[name]
	delete(d.feeds, name)
	d.mu.Unlock()
	h.End(errOver)
}

var errOver = errors.New("the call is over")

// Did lists the commands so far, in words.
func (d *Device) Did() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]string(nil), d.did...)
}

// Metrics is a page with one metric.
func (d *Device) Metrics() string { return "# HELP up Whether.\n# TYPE up gauge\nup 1\n" }

func (d *Device) Peers() []api.Peer { return d.Status().Peers }
func (d *Device) Identity() api.Identity {
	s := d.Status()
	return api.Identity{Name: s.Name, ID: s.ID}
}

func (d *Device) Subscribe() *control.Subscription { return d.Events.Subscribe() }

func (d *Device) Call(r api.CallRequest) (api.Call, error) {
	d.note("call %s %d", r.Peer, r.RingTimeoutMS)
	if !d.knows(r.Peer) {
		return api.Call{}, &api.Error{Kind: api.NoSuchPeer, Message: fmt.Sprintf("there is no peer %q", r.Peer), Hint: "vchatctl peers lists them"}
	}
	d.mu.Lock()
	do := d.onCall
	d.mu.Unlock()
	if do != nil {
		return do(r)
	}
	c := api.Call{ID: "1", Peer: r.Peer, State: api.CallCalling, Direction: api.DirectionOut, Since: time.Now()}
	d.Change(c)
	return c, nil
}

func (d *Device) Answer(peer string) (api.Call, error) {
	return d.toCall("answer", peer, api.CallActive, "")
}

func (d *Device) Reject(peer string) (api.Call, error) {
	return d.toCall("reject", peer, api.CallEnded, api.ReasonDeclined)
}

func (d *Device) Hangup(peer string) (api.Call, error) {
	return d.toCall("hangup", peer, api.CallEnded, api.ReasonHungUp)
}

// Say tells of what is said, to the peer of its first call if none is named.
func (d *Device) Say(r api.MessageRequest) (api.Message, error) {
	d.note("say %s %s", r.Peer, r.Text)
	for _, c := range d.Status().Calls {
		if r.Peer == "" || r.Peer == c.Peer {
			d.Events.Publish(api.Event{Event: api.EventText, Peer: c.Peer, From: api.SideLocal, Text: r.Text})
			return api.Message{Peer: c.Peer, Text: r.Text}, nil
		}
	}
	return api.Message{}, &api.Error{Kind: api.NoSuchCall, Message: "there is no call"}
}

func (d *Device) toCall(what, peer string, to api.CallState, why api.Reason) (api.Call, error) {
	d.note("%s %s", what, peer)
	for _, c := range d.Status().Calls {
		if peer == "" || peer == c.Peer {
			c.State, c.Reason = to, why
			d.Change(c)
			return c, nil
		}
	}
	return api.Call{}, &api.Error{Kind: api.NoSuchCall, Message: "there is no call to " + what}
}

func (d *Device) note(format string, args ...any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.did = append(d.did, fmt.Sprintf(format, args...))
}

func (d *Device) knows(peer string) bool {
	for _, p := range d.Peers() {
		if p.Name == peer {
			return true
		}
	}
	return false
}

func (d *Device) Watch(feed string) (control.Viewer, error) {
	h := d.Feed(feed)
	if h == nil {
		return nil, &api.Error{Kind: api.NoSuchFeed, Message: fmt.Sprintf("there is no feed %q", feed)}
	}
	return h.Subscribe(), nil
}

// Serve serves the device on a socket until ctx ends; then wait gives what control.Server.Serve gave.
func Serve(ctx context.Context, d *Device, socket string) (wait func() error, err error) {
	s := control.New(control.Config{Socket: socket, Version: api.Version}, d, slog.New(slog.DiscardHandler))
	if err := s.Listen(); err != nil {
		return nil, err
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx) }()
	return func() error { return <-done }, nil
}

// Start serves the device for the time of a test, in a directory of its own, and gives the path of the socket.
func Start(t testing.TB, d *Device) (socket string) {
	socket = t.TempDir() + "/control.sock"
	ctx, cancel := context.WithCancel(context.Background())
	wait, err := Serve(ctx, d, socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		if err := wait(); err != nil {
			t.Errorf("the control server ended with %v", err)
		}
	})
	return socket
}
