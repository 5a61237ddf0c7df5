// Package controltest provides a fake device behind a control socket, for tests
// of its clients.
//
// The test sets its calls and feeds. The device does nothing by itself.
package controltest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
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

	mu        sync.Mutex
	status    api.Status
	feeds     map[string]*frame.Hub
	pool      *frame.Pool
	commands  []string
	onCall    func(api.CallRequest) (api.Call, error)
	confirmed chan struct{} // of a pairing
	refused   chan struct{}
	cameraErr error        // the answer to privacy and camera commands
	reloadErr error        // the answer to reloads
	readers   []api.Reader // of the feeds
}

// New returns a device named kitchen with the peers workshop (reachable) and
// attic (unreachable), and the feeds self and workshop.
func New() *Device {
	now := time.Date(2026, 11, 22, 20, 0, 0, 0, time.UTC)
	d := &Device{
		pool: frame.NewPool(8), confirmed: make(chan struct{}, 1), refused: make(chan struct{}, 1),
		feeds: map[string]*frame.Hub{api.Self: frame.NewHub(), "workshop": frame.NewHub()},
		status: api.Status{
			Name: "kitchen", ID: "AAAAA-BBBBB-CCCCC-DDDDD-EEEEE-FFFFF-GGGGG-HHHHH-IIIII-JJJJJ-KKKKK-LLLLL",
			Version: api.Version, UptimeMS: 7_384_000, Listen: "[::]:7450",
			Camera: api.Camera{Device: "/dev/video0", State: api.CameraStreaming, Since: now, Format: "mjpeg",
				Size: "1280x720", FPS: 29.9, Frames: 1234,
				Choice: api.CameraChoice{By: api.ChosenByNobody, Device: "auto", Size: "1280x720", FPS: 30}},
			Peers: []api.Peer{
				{Name: "attic", Address: "attic.local:7450", ID: "ATTIC", Source: api.SourcePaired,
					Link: api.Link{State: api.LinkDown, Reason: "connection refused"}},
				{Name: "workshop", Address: "workshop.local:7450", ID: "WORKS", AutoAnswer: true,
					Source: api.SourceConfig, File: "/etc/vchat.yaml", Line: 62, Link: api.Link{State: api.LinkUp,
						RTTMS: 0.4}},
			},
			Calls: []api.Call{}, Viewers: []api.Viewer{},
		},
	}
	d.Events = control.NewEvents(d.Status)
	return d
}

// Status implements control.Backend.
func (d *Device) Status() api.Status {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.status
	s.Calls = append([]api.Call{}, s.Calls...)
	return s
}

// Update calls change with the status. change must not call methods of d.
func (d *Device) Update(change func(*api.Status)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	change(&d.status)
}

// SetCall adds a call to the status, or removes it if it has ended, and
// publishes the event.
func (d *Device) SetCall(c api.Call) {
	d.Update(func(s *api.Status) {
		calls := s.Calls[:0:0]
		for _, x := range s.Calls {
			if x.ID != c.ID && (x.Peer != c.Peer || c.State == api.CallEnded) { // at most one call per peer
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

// OnCall sets the handler of later calls. It may use SetCall.
func (d *Device) OnCall(do func(api.CallRequest) (api.Call, error)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.onCall = do
}

// Publish publishes a frame, or a card, with these bytes, captured now. It does
// nothing if the feed has ended.
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

// Feed returns the hub of a feed, or nil.
func (d *Device) Feed(name string) *frame.Hub {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.feeds[name]
}

// EndFeed ends a feed and removes it, as the end of its call does.
func (d *Device) EndFeed(name string) {
	d.mu.Lock()
	h := d.feeds[name]
	delete(d.feeds, name)
	d.mu.Unlock()
	h.End(errCallEnded)
}

var errCallEnded = errors.New("call ended")

// Commands returns the commands so far, one string each.
func (d *Device) Commands() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]string(nil), d.commands...)
}

// TakeCommands returns the commands since the last call.
func (d *Device) TakeCommands() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	taken := d.commands
	d.commands = nil
	return taken
}

// Metrics implements control.Backend. The page has one metric.
func (d *Device) Metrics() string { return "# HELP up Whether.\n# TYPE up gauge\nup 1\n" }

// Peers implements control.Backend.
func (d *Device) Peers() []api.Peer { return d.Status().Peers }

// Devices implements control.Backend.
func (d *Device) Devices() []api.Device {
	if s := d.Status(); s.Discovery != nil {
		return s.Discovery.Devices
	}
	return nil
}

// Unpair implements control.Backend. The peer attic is a paired one.
func (d *Device) Unpair(peer string) (api.Peer, error) {
	d.record("unpair %s", peer)
	p, err := d.pairedPeer(peer)
	if err == nil {
		d.Update(func(s *api.Status) {
			s.Peers = slices.DeleteFunc(slices.Clone(s.Peers), func(p api.Peer) bool { return p.Name == peer })
		})
	}
	return p, err
}

// ChangePeer implements control.Backend.
func (d *Device) ChangePeer(peer string, r api.PeerChange) (api.Peer, error) {
	b, _ := json.Marshal(r) // never fails
	d.record("change %s %s", peer, b)
	p, err := d.pairedPeer(peer)
	if err != nil {
		return p, err
	}
	set(&p.Name, r.Name)
	set(&p.Address, r.Address)
	set(&p.AutoAnswer, r.AutoAnswer)
	set(&p.MaxBitrate, r.MaxBitrate)
	if r.Proxy != nil {
		p.Proxy = strings.TrimPrefix(*r.Proxy, "socks5://")
	}
	d.Update(func(s *api.Status) {
		s.Peers = slices.Clone(s.Peers)
		s.Peers[slices.IndexFunc(s.Peers, func(p api.Peer) bool { return p.Name == peer })] = p
	})
	return p, nil
}

func set[T any](dst, src *T) {
	if src != nil {
		*dst = *src
	}
}

func (d *Device) pairedPeer(peer string) (api.Peer, error) {
	for _, p := range d.Peers() {
		switch {
		case p.Name != peer:
		case p.Source != api.SourcePaired:
			return api.Peer{}, &api.Error{Kind: api.Conflict,
				Message: fmt.Sprintf("peer %s is in the configuration file: /etc/vchat.yaml:62", peer),
				Hint:    "change or remove it there, then reload vchatd"}
		default:
			return p, nil
		}
	}
	return api.Peer{}, &api.Error{Kind: api.NoSuchPeer, Message: fmt.Sprintf("no peer named %q", peer)}
}

// Identity implements control.Backend.
func (d *Device) Identity() api.Identity {
	s := d.Status()
	return api.Identity{Name: s.Name, ID: s.ID}
}

// Subscribe implements control.Backend.
func (d *Device) Subscribe() *control.Subscription { return d.Events.Subscribe() }

// Call implements control.Backend.
func (d *Device) Call(r api.CallRequest) (api.Call, error) {
	d.record("call %s %d", r.Peer, r.RingTimeoutMS)
	if !d.hasPeer(r.Peer) {
		return api.Call{}, &api.Error{Kind: api.NoSuchPeer, Message: fmt.Sprintf("no peer named %q", r.Peer),
			Hint: "vchatctl peers lists them"}
	}
	d.mu.Lock()
	do := d.onCall
	d.mu.Unlock()
	if do != nil {
		return do(r)
	}
	c := api.Call{ID: "1", Peer: r.Peer, State: api.CallCalling, Direction: api.DirectionOut, Since: time.Now()}
	d.SetCall(c)
	return c, nil
}

// Answer implements control.Backend.
func (d *Device) Answer(peer string) (api.Call, error) {
	return d.toCall("answer", peer, api.CallActive, "")
}

// Reject implements control.Backend.
func (d *Device) Reject(peer string) (api.Call, error) {
	return d.toCall("reject", peer, api.CallEnded, api.ReasonDeclined)
}

// Hangup implements control.Backend.
func (d *Device) Hangup(peer string) (api.Call, error) {
	return d.toCall("hangup", peer, api.CallEnded, api.ReasonHungUp)
}

// ReloadFile implements control.Backend.
func (d *Device) ReloadFile() (api.Reloaded, error) {
	d.record("reload")
	d.mu.Lock()
	defer d.mu.Unlock()
	return api.Reloaded{File: "/etc/vchat.yaml"}, d.reloadErr
}

// RefuseReload sets the answer to later reloads; nil: they succeed.
func (d *Device) RefuseReload(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.reloadErr = err
}

// Say implements control.Backend. It publishes the message as an event of its
// call, or of the first call if the peer is empty.
func (d *Device) Say(r api.MessageRequest) (api.Message, error) {
	d.record("say %s %s", r.Peer, r.Text)
	for _, c := range d.Status().Calls {
		if r.Peer == "" || r.Peer == c.Peer {
			d.Events.Publish(api.Event{Event: api.EventText, Peer: c.Peer, From: api.SideLocal, Text: r.Text})
			return api.Message{Peer: c.Peer, Text: r.Text}, nil
		}
	}
	return api.Message{}, &api.Error{Kind: api.NoSuchCall, Message: "you are not in a call"}
}

func (d *Device) toCall(what, peer string, to api.CallState, why api.Reason) (api.Call, error) {
	d.record("%s %s", what, peer)
	for _, c := range d.Status().Calls {
		if peer == "" || peer == c.Peer {
			c.State, c.Reason = to, why
			d.SetCall(c)
			return c, nil
		}
	}
	return api.Call{}, &api.Error{Kind: api.NoSuchCall, Message: "no call to " + what}
}

func (d *Device) record(format string, args ...any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.commands = append(d.commands, fmt.Sprintf(format, args...))
}

func (d *Device) hasPeer(peer string) bool {
	for _, p := range d.Peers() {
		if p.Name == peer {
			return true
		}
	}
	return false
}

// Watch implements control.Backend.
func (d *Device) Watch(feed string) (control.Viewer, error) {
	h := d.Feed(feed)
	if h == nil {
		return nil, &api.Error{Kind: api.NoSuchFeed, Message: fmt.Sprintf("no such feed: %q", feed)}
	}
	return h.Subscribe(), nil
}

// Serve serves the device on a socket until ctx ends. The function wait then
// returns the error of control.Server.Serve.
func Serve(ctx context.Context, d *Device, socket string) (wait func() error, err error) {
	s := control.New(control.Config{Socket: socket, Version: api.Version}, d, slog.New(slog.DiscardHandler))
	if err := s.Listen(); err != nil {
		return nil, err
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx) }()
	return func() error { return <-done }, nil
}

// Start serves the device for the duration of a test, in a temporary directory.
// It returns the path of the socket.
func Start(t testing.TB, d *Device) (socket string) {
	socket = t.TempDir() + "/control.sock"
	StartAt(t, d, socket)
	return socket
}

// StartAt is Start at the path of a socket.
func StartAt(t testing.TB, d *Device, socket string) {
	ctx, cancel := context.WithCancel(context.Background())
	wait, err := Serve(ctx, d, socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		if err := wait(); err != nil {
			t.Errorf("Serve: got %v, want nil", err)
		}
	})
}
