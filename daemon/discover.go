package daemon

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"golang.org/x/time/rate"

	"vchat/config"
	"vchat/daemon/api"
	"vchat/daemon/discovery"
	"vchat/daemon/identity"
)

// finder finds devices on the local network: a *discovery.Discovery, or one of
// a test.
type finder interface {
	Configure(discovery.Settings)
	Run(context.Context) error
	Devices() []discovery.Device
	By() discovery.By
	On() bool
}

// publishPause bounds how often the devices on the network are read: others can
// change them as often as they like.
const publishPause = 250 * time.Millisecond

// configureDiscovery applies the configuration and the peers to discovery. The
// caller does not hold mu.
func (d *Daemon) configureDiscovery() {
	d.mu.Lock()
	s := discovery.Settings{On: d.cfg.Discovery, Name: d.cfg.Name}
	for _, p := range d.cfg.Peers {
		if id, err := identity.ParseID(p.ID); err == nil {
			s.Known = append(s.Known, id)
		}
	}
	d.mu.Unlock()
	s.Listen, _ = netip.ParseAddrPort(d.listenAddress()) // port 0: it only looks for others
	d.discovery.Configure(s)
	notify(d.devicesDirty) // a new peer may have been seen before
}

// publishDevices gives the links the addresses of peers, and publishes devices
// that come and go. It returns when ctx is done.
func (d *Daemon) publishDevices(ctx context.Context) error {
	published := map[identity.ID]api.Device{}
	strangers := rate.NewLimiter(1, 20) // events of devices that are no peers
	pause := time.NewTimer(0)
	defer pause.Stop()
	for {
		select {
		case <-pause.C:
		case <-ctx.Done():
			return nil
		}
		select {
		case <-d.devicesDirty:
		case <-ctx.Done():
			return nil
		}
		now := map[identity.ID]api.Device{}
		for _, x := range d.discovery.Devices() {
			now[x.ID] = d.deviceView(x)
			d.links.SetFound(x.ID, addressesOf(x))
		}
		for id, v := range published {
			if _, ok := now[id]; !ok {
				d.publishDevice(v, true, strangers)
			}
		}
		for id, v := range now {
			if _, ok := published[id]; !ok {
				d.publishDevice(v, false, strangers)
			}
		}
		published = now
		pause.Reset(publishPause)
	}
}

func (d *Daemon) publishDevice(v api.Device, gone bool, strangers *rate.Limiter) {
	if v.Peer != "" || strangers.Allow() {
		d.events.Publish(api.Event{Event: api.EventDevice, Peer: v.Peer, Device: &v, Gone: gone})
	}
}

func addressesOf(x discovery.Device) (all []string) {
	for _, a := range x.Addresses {
		all = append(all, a.String())
	}
	return all
}

// Devices implements control.Backend.
func (d *Daemon) Devices() []api.Device {
	all := []api.Device{}
	for _, x := range d.discovery.Devices() {
		all = append(all, d.deviceView(x))
	}
	return all
}

// deviceView returns a device on the network. The caller does not hold mu.
func (d *Daemon) deviceView(x discovery.Device) api.Device {
	d.mu.Lock()
	defer d.mu.Unlock()
	v := api.Device{
		ID: x.ID.String(), Name: x.Name, Addresses: addressesOf(x), Since: x.Since, SinceMS: sinceMS(x.Since),
	}
	for name, p := range d.cfg.Peers {
		if p.ID == v.ID {
			v.Peer = name
		}
	}
	return v
}

// discoveryView returns nil if discovery is off. The caller does not hold mu.
func (d *Daemon) discoveryView() *api.Discovery {
	if !d.discovery.On() {
		return nil
	}
	return &api.Discovery{By: string(d.discovery.By()), Devices: d.Devices()}
}

// seenAs returns the device on the network that a user means by its name or
// id; nil if there is none. Two devices may claim one name. With a dot or a
// colon it is an address: no device can take the name of a host.
func (d *Daemon) seenAs(name string) (*api.Device, error) {
	if name == "" || strings.ContainsAny(name, ".:") {
		return nil, nil
	}
	id, err := identity.ParseID(name)
	isID := err == nil
	found := slices.DeleteFunc(d.Devices(), func(v api.Device) bool {
		if isID {
			return v.ID != id.String()
		}
		return !strings.EqualFold(v.Name, name) && !strings.EqualFold(config.PeerNameOf(v.Name), name)
	})
	switch {
	case len(found) == 1:
		return &found[0], nil
	case len(found) == 0:
		return nil, nil
	}
	addresses := map[string]bool{}
	for _, v := range found {
		addresses[v.Addresses[0]] = true
	}
	return nil, &api.Error{Kind: api.BadValue,
		Message: fmt.Sprintf("%d devices on the network are named %s", len(found), name),
		Hint:    "give the address of one: " + strings.Join(slices.Sorted(maps.Keys(addresses)), ", ")}
}
