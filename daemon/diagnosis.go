package daemon

import (
	"context"
	"errors"
	"os"

	"golang.org/x/sys/unix"

	"vchat/daemon/api"
	"vchat/daemon/link"
)

// Diagnosis returns what only this process knows of itself and the machine. The
// control server adds what it knows of the client.
func (d *Daemon) Diagnosis() api.Diagnosis {
	v := api.Diagnosis{UID: os.Geteuid(), GIDs: []int{os.Getegid()}, StateDir: d.stateDirView()}
	if more, err := os.Getgroups(); err == nil {
		v.GIDs = append(v.GIDs, more...)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	c := d.cfg.Camera
	v.Camera = api.CameraConfig{Device: c.Device, Size: c.Size.String(), FPS: c.FPS, Format: c.Format}
	v.ConfigFile = d.cfg.File
	return v
}

func (d *Daemon) stateDirView() api.StateDir {
	v := api.StateDir{Path: d.startConfig.StateDir, Writable: true}
	if err := d.checkState(); err != nil {
		v.Writable, v.Reason = false, err.Error()
	}
	var fs unix.Statfs_t
	if unix.Statfs(v.Path, &fs) == nil {
		v.FreeBytes, v.SizeBytes = fs.Bavail*uint64(fs.Frsize), fs.Blocks*uint64(fs.Frsize)
	}
	return v
}

// probeSteps maps the steps of package link to those of the API.
var probeSteps = map[link.Step]api.ProbeStep{
	link.StepAddress: api.ProbeAddress, link.StepResolve: api.ProbeResolve, link.StepConnect: api.ProbeConnect,
	link.StepTLS: api.ProbeTLS, link.StepIdentity: api.ProbeIdentity, link.StepVersion: api.ProbeVersion,
	link.StepHello: api.ProbeHello,
}

// Probe tries once to reach a known peer. It is called without mu, because it
// waits for the network.
func (d *Daemon) Probe(ctx context.Context, peer string) (api.Probe, error) {
	d.mu.Lock()
	_, known := d.cfg.Peers[peer]
	unknown := d.unknownPeer(peer)
	d.mu.Unlock()
	if !known {
		return api.Probe{}, unknown
	}
	p := d.links.Probe(ctx, peer)
	v := api.Probe{
		Peer: peer, Link: api.LinkDown, Addresses: p.Addresses, Remote: p.Remote, Incoming: p.Incoming,
		Software: p.Software,
		Protocol: p.Version,
	}
	if p.Up {
		v.Link = api.LinkUp
	}
	if p.Err != nil {
		v.Failed, v.Reason, v.Hint = probeSteps[p.Failed], p.Err.Error(), linkHint(peer, p.Err)
		v.KeyMismatch = d.keyMismatch(p.Err)
		switch {
		case len(d.links.Relays()) == 0, p.Failed > link.StepConnect, v.Hint != "" && p.Failed == link.StepConnect:
		case errors.Is(p.Err, link.ErrNotAtRelay):
			v.Hint = absentHint
		default:
			v.Hint = hintOfRelay(p.Err)
		}
	}
	return v, nil
}
