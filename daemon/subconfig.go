package daemon

import (
	"fmt"

	"vchat/config"
	"vchat/daemon/call"
	"vchat/daemon/camera"
	"vchat/daemon/camerastore"
	"vchat/daemon/hooks"
	"vchat/daemon/identity"
	"vchat/daemon/link"
	"vchat/daemon/socks"
)

// The functions below return the part of the configuration that a package
// needs, in that package's own type.

// cameraConfig also takes the configuration of the start: the paths in it apply
// until the end.
func cameraConfig(cfg, start *config.Config, store *camerastore.Store) camera.Config {
	c := cfg.Camera
	return camera.Config{
		Device: c.Device, Width: c.Size.Width, Height: c.Size.Height, FPS: c.FPS, Format: c.Format, Raw: c.Raw,
		Controls: c.Controls, Saved: store.Controls(), Rotate: c.Rotate, USBReset: c.USBReset, Name: cfg.Name,
		Hidden: []string{start.StateDir, start.Control.Socket},
	}
}

func callConfig(cfg *config.Config) call.Config {
	c := call.Config{
		Max: cfg.Calls.Max, RingTimeout: cfg.Calls.RingTimeout, ResumeFor: cfg.Calls.ResumeFor,
		DoNotDisturb: cfg.Calls.DoNotDisturb, AutoAnswer: map[string]bool{}, Known: map[string]bool{},
	}
	for name, p := range cfg.Peers {
		c.Known[name] = true
		c.AutoAnswer[name] = p.AutoAnswer
	}
	return c
}

// hooksConfig also takes the configuration of the start: its socket applies
// until the end.
func hooksConfig(cfg, start *config.Config) hooks.Config {
	h := cfg.Hooks
	return hooks.Config{
		Name: cfg.Name, Socket: start.Control.Socket,
		Commands: map[hooks.Kind][]string{
			hooks.Ring: h.Ring, hooks.Answered: h.Answered, hooks.Ended: h.Ended, hooks.Missed: h.Missed,
			hooks.Text: h.Text, hooks.CameraLost: h.CameraLost, hooks.CameraFound: h.CameraFound,
		},
	}
}

// proxyOf parses the URL of a proxy; nil for "".
func proxyOf(url string) (*socks.Proxy, error) {
	if url == "" {
		return nil, nil
	}
	return socks.Parse(url)
}

// configureRelays sets the relays of the links. The URL was checked with the
// file.
func (d *Daemon) configureRelays(cfg *config.Config) {
	proxy, err := proxyOf(cfg.RelayProxy)
	if err != nil {
		d.log.Error("relays not used", "err", fmt.Errorf("parse relay_proxy: %w", err))
		d.links.SetRelays(nil, nil)
		return
	}
	d.links.SetRelays(cfg.Relay, proxy)
}

// linkPeers refuses a peer with the id of this device: each would dial itself.
func linkPeers(cfg *config.Config, own identity.ID) ([]link.Peer, error) {
	var peers []link.Peer
	for name, p := range cfg.Peers {
		id, err := identity.ParseID(p.ID)
		if err != nil {
			return nil, fmt.Errorf("parse id of peer %s: %w", name, err)
		}
		if id == own {
			return nil, fmt.Errorf("peer %s has %s", name, config.OwnIDText)
		}
		proxy, err := proxyOf(p.Proxy)
		if err != nil {
			return nil, fmt.Errorf("parse proxy of peer %s: %w", name, err)
		}
		peers = append(peers, link.Peer{Name: name, Address: p.Address, ID: id, MaxBitrate: p.MaxBitrate, Proxy: proxy})
	}
	return peers, nil
}
