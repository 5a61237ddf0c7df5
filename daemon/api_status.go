package daemon

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"vchat/daemon/api"
	"vchat/daemon/call"
	"vchat/daemon/frame"
	"vchat/daemon/link"
	"vchat/daemon/socks"
	"vchat/daemon/wire"
)

// Status returns the state of the device.
func (d *Daemon) Status() api.Status {
	_ = d.checkState() // here and not by a timer, which would wake an idle device
	own := d.camera.Status()
	cam := d.cameraView(own) // without mu: it reads files
	pairing, found := d.pairings.view(), d.discoveryView()
	d.mu.Lock()
	defer d.mu.Unlock()
	s := api.Status{
		Name: d.cfg.Name, ID: d.ID().String(), Version: api.Version,
		UptimeMS: time.Since(d.started).Milliseconds(), Listen: d.listenAddress(),
		DoNotDisturb: d.cfg.Calls.DoNotDisturb, Camera: cam, Privacy: own.Privacy,
		Calls: []api.Call{}, Peers: d.peersView(), Viewers: []api.Viewer{}, Pairing: pairing,
		Discovery: found,
	}
	for _, c := range d.calls.List() {
		s.Calls = append(s.Calls, d.callView(c))
	}
	for v := range d.viewers {
		s.Viewers = append(s.Viewers, v.view())
	}
	slices.SortFunc(s.Viewers, func(a, b api.Viewer) int {
		return cmp.Or(cmp.Compare(a.Feed, b.Feed), cmp.Compare(a.ID, b.ID))
	})
	s.Feeds = d.feedsView()
	v := d.links.Visitors()
	s.Strangers = api.Strangers{Now: v.Now, Accepted: v.Accepted, Evicted: v.Evicted, Refused: v.Refused}
	for _, r := range d.links.Relays() {
		v := api.Relay{Address: r.Address}
		if r.Err != nil {
			v.Reason = r.Err.Error()
		}
		s.Relays = append(s.Relays, v)
	}
	s.Refused = d.refusedView()
	s.Problems = d.problems(s)
	return s
}

// Peers returns the known peers, sorted by name.
func (d *Daemon) Peers() []api.Peer {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.peersView()
}

func (d *Daemon) peersView() []api.Peer {
	peers := []api.Peer{}
	for _, name := range slices.Sorted(maps.Keys(d.cfg.Peers)) {
		peers = append(peers, d.peerView(name))
	}
	return peers
}

// peerView returns a known peer. The caller holds mu.
func (d *Daemon) peerView(name string) api.Peer {
	p := d.cfg.Peers[name]
	v := api.Peer{
		Name: name, Address: p.Address, ID: p.ID, AutoAnswer: p.AutoAnswer, Source: api.SourceConfig,
		Link: d.linkView(name),
	}
	v.MaxBitrate = p.MaxBitrate
	if proxy, err := proxyOf(p.Proxy); err == nil && proxy != nil {
		v.Proxy = proxy.Address()
	}
	if stored, ok := d.paired[name]; ok {
		v.Source, v.Added = api.SourcePaired, stored.Added
	} else {
		v.File, v.Line = d.cfg.File, d.cfg.Line("peers", name)
	}
	return v
}

func (d *Daemon) linkView(peer string) api.Link {
	s := d.links.Status(peer)
	v := api.Link{
		State: api.LinkDown, Since: s.Since, SinceMS: sinceMS(s.Since), RTTMS: ms(s.RTT), RTTMinMS: ms(s.RTTMin),
		ClockOffsetMS: ms(s.Offset), Reconnects: uint64(s.Reconnects), SentBytes: s.Sent, ReceivedBytes: s.Received,
	}
	if s.Up {
		v.State, v.Path, v.Remote = api.LinkUp, api.Path(s.Path.String()), s.Remote
		if s.Path == link.PathRelay {
			v.Relay = s.Remote
			if s.DirectErr != nil {
				v.DirectReason = s.DirectErr.Error()
			}
		}
	} else if s.Err != nil {
		v.Reason, v.KeyMismatch = linkReason(peer, s.Err), d.keyMismatch(s.Err)
	}
	return v
}

// linkReason returns the error of a link for people, with the name of the peer
// in it unless it names an address.
func linkReason(peer string, err error) string {
	bye, ok := errors.AsType[*link.ByeError](err)
	switch {
	case errors.Is(err, link.ErrDead):
		return peer + " does not answer"
	case errors.Is(err, link.ErrSlow):
		return peer + " does not read what is sent to it"
	case !ok && err.Error() == link.ErrClosed.Error():
		return "the connection to " + peer + " was closed"
	case !ok:
		return err.Error()
	case bye.Text == link.ShutdownText:
		return peer + " is shutting down"
	case bye.Text == "":
		return fmt.Sprintf("%s closed the connection: %v", peer, bye.Code)
	}
	return peer + " closed the connection: " + bye.Text
}

// inWords returns an error with the words of linkReason; nil for nil.
func inWords(peer string, err error) error {
	if err == nil {
		return nil
	}
	return errors.New(linkReason(peer, err))
}

// keyMismatch returns the ids of two devices that do not accept each other, or
// nil if err has another cause.
func (d *Daemon) keyMismatch(err error) *api.KeyMismatch {
	if m, ok := errors.AsType[*link.MismatchError](err); ok {
		return &api.KeyMismatch{
			RefusedBy: api.SideLocal, Expected: m.Expected.String(), Got: m.Got.String(), Address: m.Address,
		}
	}
	if errors.Is(err, link.ErrRefused) {
		return &api.KeyMismatch{RefusedBy: api.SideRemote, Got: d.ID().String()}
	}
	return nil
}

func (d *Daemon) refusedView() (all []api.Refused) {
	for _, r := range d.links.Refusals() {
		v := api.Refused{
			ID: r.ID.String(), Name: r.Name, Address: r.Address, Count: r.Count, Last: r.Last, LastMS: sinceMS(r.Last),
			Reason: "unknown key",
		}
		if r.Peer != "" {
			v.Reason = "not the key of " + r.Peer
		}
		all = append(all, v)
	}
	return all
}

// answeredAt returns when a call was answered, by the clock of Since: the
// wall clock may have been set between them, and viewers subtract one from
// the other.
func answeredAt(c call.Call) time.Time {
	if c.Answered.IsZero() {
		return time.Time{}
	}
	return c.Since.Add(-c.Since.Sub(c.Answered)) // monotonic
}

func (d *Daemon) callView(c call.Call) api.Call {
	v := api.Call{
		ID: c.ID.String(), Peer: c.Peer, State: api.CallState(c.State), Since: c.Since, SinceMS: sinceMS(c.Since),
		Started: c.Started, Answered: answeredAt(c), Direction: api.Direction(c.Direction),
	}
	if c.State == call.Ended {
		v.Reason, v.ReasonText, v.EndedBy = api.Reason(c.Reason.Key()), c.EndText(), api.Side(c.EndedBy)
		if c.Reason == call.WrongIdentity {
			v.KeyMismatch = d.keyMismatch(d.links.Status(c.Peer).Err)
		}
		return v
	}
	l := d.linkView(c.Peer)
	l.Reconnects = 0 // in this call
	v.Link = &l
	s := d.links.Status(c.Peer)
	if session := d.sessions[c.Peer]; session != nil {
		v.HasFrames = session.hasFrames
		if session.reported {
			l.Reconnects = max(uint64(s.Reconnects), session.comebacks) - session.comebacks
		}
		v.PeerCamera = session.peerCameraView()
	}
	if !s.Up || c.State != call.Active {
		return v
	}
	var n link.Counts
	if session := d.sessions[c.Peer]; session != nil {
		n = session.counts()
	}
	v.Sending = sendingView(s.Sending, n)
	r := s.Receiving
	v.Receiving = &api.Receiving{
		FPS: round1(r.FPS), MbitS: round3(r.MbitS), Frames: n.Received, Lost: n.Lost, Broken: n.Broken,
		AgeMS: ms(r.Age), LatencyMS: quantiles(r.Rate), TransferMS: quantiles(r.Transfer),
	}
	if r.Width > 0 {
		v.Receiving.Size = size(r.Width, r.Height)
	}
	return v
}

// peerCameraView returns nil until the peer has reported its camera.
func (s *callSession) peerCameraView() *api.PeerCamera {
	pc := s.peerCamera
	if pc == nil {
		return nil
	}
	return &api.PeerCamera{
		State: pc.Camera.String(), Reason: pc.Reason, Since: s.peerCameraSince, SinceMS: sinceMS(s.peerCameraSince),
		Rotate: rotation(pc),
	}
}

// The causes of dropped frames, as keys of api.Sending.DroppedBy.
const (
	dropLink   = "link"
	dropLimit  = "max_bitrate"
	dropTooBig = "too_big"
	dropBroken = "broken"
)

func sendingView(s link.Sending, n link.Counts) *api.Sending {
	v := &api.Sending{
		FPS: round1(s.FPS), MbitS: round3(s.MbitS), Frames: n.Sent, Dropped: n.Drops.Total(),
		Quality: api.QualityCamera, Reason: s.Why,
	}
	if s.Reduced {
		v.Quality = api.QualityReduced
	}
	if s.Width > 0 {
		v.Size = size(s.Width, s.Height)
	}
	for reason, count := range map[string]uint64{
		dropLink: n.Drops.Link, dropLimit: n.Drops.MaxBitrate, dropTooBig: n.Drops.TooBig,
		dropBroken: n.Drops.Broken,
	} {
		if count > 0 {
			if v.DroppedBy == nil {
				v.DroppedBy = map[string]uint64{}
			}
			v.DroppedBy[reason] = count
		}
	}
	if f := s.Feedback; f.Arrived > 0 {
		v.Received = &api.Received{Frames: n.PeerReceived, Lost: n.PeerLost, LatencyMS: ms(f.Delay),
			DelayMS: quantiles(s.Remote)}
	}
	return v
}

const (
	subjectListen  = "listen"
	relayHint      = "is the relay running there, and is the port open? vchatd tries again by itself"
	relayProxyHint = "start the proxy, or correct relay_proxy in the configuration"
	proxyHint      = "start the proxy, or correct it: vchatctl peer PEER --proxy"
	absentHint     = "is it on, with the same relay, and with this device's id (vchatctl id) under peers?"
	listenHint     = "vchatd tries again when the network changes; check listen in the configuration"
)

// problems lists what does not work. A resuming call reports the loss of its
// link, so that link is not listed again.
func (d *Daemon) problems(s api.Status) []api.Problem {
	all := slices.Concat(d.refused.problems(), d.stateProblem(), d.storeProblems(), d.hooks.Problems(),
		d.feedsProblems(s.Feeds))
	if err := d.links.ListenError(); err != nil {
		all = append(all, api.Problem{Subject: subjectListen, Message: err.Error(), Hint: listenHint})
	}
	for _, r := range d.links.Relays() {
		if r.Err != nil {
			all = append(all, api.Problem{
				Subject: "relay", Message: r.Address + ": " + r.Err.Error(), Hint: hintOfRelay(r.Err),
			})
		}
	}
	if c := s.Camera; c.State == api.CameraLost || c.State == api.CameraFailed {
		all = append(all, api.Problem{Subject: "camera", Message: c.Reason})
	}
	for _, w := range s.Camera.Warnings {
		all = append(all, api.Problem{Subject: "camera", Message: w})
	}
	if where := d.links.Twin(); where != "" {
		all = append(all, api.Problem{
			Subject: "identity", Message: "another device has this device's id; seen " + where, Hint: twinHint,
		})
	}
	resuming := map[string]bool{}
	for _, c := range s.Calls {
		if c.State == api.CallResuming {
			resuming[c.Peer] = true
			m := "the call is waiting for the link"
			if c.Link.Reason != "" {
				m += ": " + c.Link.Reason
			}
			hint := linkHint(c.Peer, d.links.Status(c.Peer).Err)
			all = append(all, api.Problem{Subject: "call", Peer: c.Peer, Message: m, Hint: hint})
		}
		if pc := c.PeerCamera; pc != nil && (pc.State == "lost" || pc.State == "failed") {
			m := fmt.Sprintf("%s's camera: %s", c.Peer, cmp.Or(pc.Reason, pc.State))
			all = append(all, api.Problem{Subject: "call", Peer: c.Peer, Message: m})
		}
	}
	for _, p := range s.Peers {
		if twin := d.links.Status(p.Name).Twin; twin != "" {
			all = append(all, api.Problem{
				Subject: "link", Peer: p.Name, Hint: twinHint,
				Message: "two devices have the id of " + p.Name + "; the one at " + twin + " is refused",
			})
		}
		dialled := p.Address != "" || p.Link.KeyMismatch != nil
		if p.Link.State == api.LinkDown && dialled && p.Link.Reason != "" && !resuming[p.Name] {
			all = append(all, api.Problem{
				Subject: "link", Peer: p.Name, Message: p.Link.Reason,
				Hint: linkHint(p.Name, d.links.Status(p.Name).Err),
			})
		}
	}
	return all
}

const twinHint = "was a card cloned? stop vchatd on one of the two devices, run vchatd new-id there, start it"

// linkHint returns what a user can do about a link to a peer that no retry can
// repair.
func linkHint(peer string, err error) string {
	switch {
	case errors.Is(err, link.ErrWrongIdentity):
		return "if " + peer + " was installed anew, pair again (vchatctl pair), " +
			"or put its new id (vchatctl id there) under peers"
	case errors.Is(err, link.ErrTwin):
		return twinHint
	case errors.Is(err, link.ErrRefused):
		return "pair again (vchatctl pair), " +
			"or put this device's id (vchatctl id) under peers there and reload vchatd there"
	case errors.Is(err, wire.ErrVersion):
		return "install the same version of vchat on both devices"
	case errors.Is(err, socks.ErrProxy):
		return proxyHint
	}
	return ""
}

func hintOfRelay(err error) string {
	if errors.Is(err, socks.ErrProxy) {
		return relayProxyHint
	}
	return relayHint
}

// sinceMS returns the milliseconds since t. Every t here has a reading of the
// monotonic clock: a device without a battery starts in 1970, until NTP sets
// its clock.
func sinceMS(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return max(0, time.Since(t).Milliseconds())
}

func size(w, h int) string { return fmt.Sprintf("%dx%d", w, h) }

// ms returns t in milliseconds with three decimals.
func ms(t time.Duration) float64 { return roundTo(t.Seconds()*1e3, 1e3) }

func quantiles(r frame.Rate) api.Quantiles { return api.Quantiles{P50: ms(r.P50), P99: ms(r.P99)} }

// round3 rounds a bit rate: three decimals still show that of a very slow link.
func round3(x float64) float64 { return roundTo(x, 1000) }

func round1(x float64) float64 { return roundTo(x, 10) }

// roundTo rounds x to a multiple of 1/unit. It returns no negative zero, which
// JSON would show as -0.
func roundTo(x, unit float64) float64 {
	x = math.Round(x*unit) / unit
	if x == 0 {
		return 0
	}
	return x
}
