package daemon

import (
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"

	"vchat/config"
	"vchat/daemon/api"
	"vchat/daemon/call"
	"vchat/daemon/identity"
	"vchat/daemon/peerstore"
)

// ErrKnownPeer reports that the configuration file has a peer already.
var ErrKnownPeer = errors.New("already a peer of the configuration file")

// withPaired returns the configuration with the paired peers, and those of them
// that it contains, by name. A peer of the file wins: a paired one with the
// same id is left out, and one with the same name gets a number behind it.
func withPaired(cfg *config.Config, stored []peerstore.Peer, own identity.ID) (
	merged *config.Config, paired map[string]peerstore.Peer) {
	both := *cfg
	both.Peers = maps.Clone(cfg.Peers)
	if both.Peers == nil {
		both.Peers = map[string]config.Peer{}
	}
	known, names := map[string]bool{own.String(): true}, map[string]bool{}
	for name, p := range cfg.Peers {
		known[p.ID], names[strings.ToLower(name)] = true, true
	}
	paired = map[string]peerstore.Peer{}
	add := func(name string, p peerstore.Peer) {
		names[strings.ToLower(name)] = true
		paired[name] = p
		both.Peers[name] = config.Peer{
			Name: name, Address: p.Address, ID: p.ID.String(), AutoAnswer: p.AutoAnswer, MaxBitrate: p.MaxBitrate,
			Proxy: p.Proxy,
		}
	}
	var clashing []peerstore.Peer // last, so that no other peer is renamed
	for _, p := range stored {
		switch {
		case known[p.ID.String()]:
		case names[strings.ToLower(p.Name)]:
			clashing = append(clashing, p)
		default:
			add(p.Name, p)
		}
	}
	for _, p := range clashing {
		add(freeName(p.Name, names), p)
	}
	return &both, paired
}

// freeName returns a peer name, with a number behind it if it is taken. The
// taken names are in lower case.
func freeName(name string, taken map[string]bool) string {
	free := name
	for i := 2; taken[strings.ToLower(free)]; i++ {
		number := "-" + strconv.Itoa(i)
		free = name[:min(len(name), 32-len(number))] + number
	}
	return free
}

// withStores returns the configuration with the paired peers, which it also
// returns, and the chosen camera.
func (d *Daemon) withStores(cfg *config.Config) (*config.Config, map[string]peerstore.Peer) {
	merged, paired := withPaired(cfg, d.store.List(), d.ID())
	chooseCamera(merged, d.cameraStore.Choice())
	return merged, paired
}

// AddPeer keeps a peer made by pairing and begins to connect to it. What runs
// continues. Errors: ErrKnownPeer; peerstore.ErrNameTaken, also for a name in
// the configuration; or those of peerstore.Store.Put. After an error nothing is
// kept.
func (d *Daemon) AddPeer(name string, id identity.ID, address string) (api.Peer, error) {
	d.configMu.Lock()
	defer d.configMu.Unlock()
	if err := d.keepPeer(peerstore.Peer{Name: name, ID: id, Address: address}); err != nil {
		return api.Peer{}, err
	}
	d.log.Info("peer paired", "peer", name, "id", id, "address", address)
	d.applyStores(fmt.Sprintf("peer %s paired", name))
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.peerView(name), nil
}

// keepPeer is AddPeer without its effect. The caller holds configMu.
func (d *Daemon) keepPeer(p peerstore.Peer) error {
	if p.ID == d.ID() {
		return fmt.Errorf("%w: it has %s", peerstore.ErrInvalid, config.OwnIDText)
	}
	for other, inFile := range d.fileConfig.Peers {
		if inFile.ID == p.ID.String() {
			return fmt.Errorf("%w: %s", ErrKnownPeer, other)
		}
		if strings.EqualFold(other, p.Name) {
			return fmt.Errorf("%w: the configuration file has a peer %s", peerstore.ErrNameTaken, other)
		}
	}
	_, err := d.store.Put(p)
	return err
}

// ChangePeer changes the settings of a peer made by pairing, given by its name
// or id. Its call and link continue, but a new name waits for the end of the
// call. Errors are *api.Error.
func (d *Daemon) ChangePeer(peer string, r api.PeerChange) (api.Peer, error) {
	d.configMu.Lock()
	defer d.configMu.Unlock()
	name, stored, err := d.pairedPeer(peer)
	if err != nil {
		return api.Peer{}, err
	}
	changed, err := d.changed(name, stored, r)
	if err != nil {
		return api.Peer{}, err
	}
	if changed != stored {
		if err := d.keepPeer(changed); err != nil {
			return api.Peer{}, changeError(name, err)
		}
		d.log.Info("peer changed", "peer", changed.Name, "before", name, "id", changed.ID, "address", changed.Address,
			"auto_answer", changed.AutoAnswer, "max_bitrate", changed.MaxBitrate, "proxy", changed.Proxy != "")
		d.applyStores(fmt.Sprintf("peer %s changed", changed.Name))
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.peerView(d.nameOf(changed.ID.String())), nil
}

// changed returns a paired peer, which has the name here, with the changes. The
// caller holds configMu.
func (d *Daemon) changed(name string, p peerstore.Peer, r api.PeerChange) (peerstore.Peer, error) {
	p.Name = name // another one than stored if a peer of the file has that
	if r.AutoAnswer != nil {
		p.AutoAnswer = *r.AutoAnswer
	}
	if r.MaxBitrate != nil {
		p.MaxBitrate = *r.MaxBitrate
	}
	if r.Proxy != nil {
		p.Proxy = *r.Proxy
	}
	if r.Address != nil {
		p.Address = withPort(*r.Address)
	}
	if r.Name == nil || *r.Name == name {
		return p, nil
	}
	p.Name = *r.Name
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, inCall := d.calls.Get(name); inCall { // the call, its feed and its viewers have the name
		return p, &api.Error{Kind: api.Conflict, Message: fmt.Sprintf("peer %s is in a call and cannot be renamed",
			name),
			Hint: "rename it after the call; its other settings can be changed now"}
	}
	for other := range d.cfg.Peers {
		if other != name && strings.EqualFold(other, p.Name) {
			return p, &api.Error{Kind: api.BadValue, Message: fmt.Sprintf("another peer is named %s", other)}
		}
	}
	return p, nil
}

// changeError returns the *api.Error for a change that was not kept.
func changeError(name string, err error) error {
	kind := api.Internal
	if errors.Is(err, peerstore.ErrInvalid) || errors.Is(err, peerstore.ErrNameTaken) {
		kind = api.BadValue
	}
	return &api.Error{Kind: kind, Message: fmt.Sprintf("peer %s not changed: %v", name, err)}
}

// pairedPeer returns the name here and the settings of a peer made by pairing.
// The error is for another peer. The caller holds configMu.
func (d *Daemon) pairedPeer(peer string) (name string, p peerstore.Peer, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	name = d.nameOf(peer)
	p, paired := d.paired[name]
	switch _, known := d.cfg.Peers[name]; {
	case !known:
		return name, p, d.unknownPeer(peer)
	case !paired:
		at := d.fileConfig.Place("peers", name)
		return name, p, &api.Error{Kind: api.Conflict,
			Message: fmt.Sprintf("peer %s was not paired: it is in the configuration file: %s", name, at),
			Hint:    fmt.Sprintf("change or remove it in %s, then run vchatctl reload", d.fileConfig.File)}
	}
	return name, p, nil
}

// Unpair ends call and link with a peer made by pairing, and forgets it. The
// peer is given by its name or id. Errors are *api.Error.
func (d *Daemon) Unpair(peer string) (api.Peer, error) {
	d.configMu.Lock()
	defer d.configMu.Unlock()
	name, stored, err := d.pairedPeer(peer)
	if err != nil {
		return api.Peer{}, err
	}
	d.mu.Lock()
	view := d.peerView(name)
	d.mu.Unlock()
	_, err = d.store.Remove(stored.ID.String())
	if err != nil && !errors.Is(err, peerstore.ErrNotSynced) {
		return api.Peer{}, &api.Error{Kind: api.Internal, Message: fmt.Sprintf("peer %s not forgotten: %v", name, err)}
	}
	d.log.Info("peer unpaired", "peer", name, "id", stored.ID)
	d.applyStores(fmt.Sprintf("peer %s unpaired", name))
	if err != nil {
		return api.Peer{}, &api.Error{Kind: api.Internal, Message: fmt.Sprintf("peer %s: %v", name, err)}
	}
	return view, nil
}

// nameOf returns the name of the peer with a name or an id; the text itself if
// there is none. The caller holds mu.
func (d *Daemon) nameOf(peer string) string {
	if _, known := d.cfg.Peers[peer]; known {
		return peer
	}
	if id, err := identity.ParseID(peer); err == nil {
		for name, p := range d.cfg.Peers {
			if p.ID == id.String() {
				return name
			}
		}
	}
	return peer
}

// applyStores makes the present paired peers and the chosen camera effective,
// and publishes a text about the change. The caller holds configMu.
func (d *Daemon) applyStores(text string) {
	merged, paired := d.withStores(d.fileConfig)
	peers, err := linkPeers(merged, d.ID())
	if err != nil { // impossible: the file was accepted, and withPaired adds valid ids
		d.log.Error("paired peers not applied", "err", err)
		return
	}
	d.mu.Lock()
	d.cfg, d.paired = merged, paired
	_, _ = d.step(call.Configure{Config: callConfig(merged)})
	d.mu.Unlock()
	d.links.Configure(merged.Name, peers) // without mu: it calls back
	d.configureDiscovery()
	d.camera.Reconfigure(cameraConfig(merged, d.startConfig, d.cameraStore))
	d.events.Publish(api.Event{Event: api.EventConfig, Text: text})
	notify(d.statusDirty)
}

// storeProblems returns what is wrong with the files of paired peers and of the
// camera.
func (d *Daemon) storeProblems() []api.Problem {
	var all []api.Problem
	for _, p := range d.store.Problems() {
		all = append(all, api.Problem{Subject: "state", Message: p, Hint: "pair with that device again"})
	}
	if p := d.cameraStore.Problem(); p != "" {
		all = append(all, api.Problem{Subject: "state", Message: p, Hint: "choose again: vchatctl camera use DEVICE"})
	}
	return all
}
