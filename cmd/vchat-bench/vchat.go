package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"vchat/daemon/api"
	"vchat/daemon/client"
)

// vchat runs a daemon with the camera and a far daemon per client, which calls
// it.
type vchat struct {
	*bench
	program, version string
}

func (b *bench) newVchat(ctx context.Context) (v vchat, err error) {
	v.bench = b
	if v.program, err = b.build(ctx); err != nil {
		return v, err
	}
	if v.version, err = version(ctx, v.program, "version"); err != nil {
		return v, err
	}
	if commit, err := output(ctx, "git", "describe", "--always", "--dirty"); err == nil && b.vchatd == "" {
		v.version += " (" + commit + ")"
	}
	return v, nil
}

const cameraName = "camera" // the name of the daemon that holds the camera

// noCamera is the far daemons' camera. They send one status card a second.
const noCamera = "/dev/vchat-bench-has-no-camera-here"

// device is the files of one daemon.
type device struct {
	name, dir, id string
}

func (d device) socket() string { return filepath.Join(d.dir, "control.sock") }

// configure writes the configuration.
func (d device) configure(camera, listen string, more string) error {
	text := fmt.Sprintf(`name: %s
listen: %q
discovery: false
camera: {device: %q%s
control: {socket: %q, group: ""}
state_dir: %q
`, d.name, listen, camera, more, d.socket(), filepath.Join(d.dir, "state"))
	return os.WriteFile(d.config(), []byte(text), 0o600)
}

func (d device) config() string { return filepath.Join(d.dir, "vchat.yaml") }

// newDevice creates a device with a key. It runs the daemon once to learn its
// id.
func (v vchat) newDevice(ctx context.Context, dir, name string) (d device, err error) {
	d = device{name: name, dir: filepath.Join(dir, name)}
	if err := os.MkdirAll(filepath.Join(d.dir, "state"), 0o700); err != nil {
		return d, err
	}
	if err := d.configure(noCamera, "", "}"); err != nil {
		return d, err
	}
	p, c, err := v.run(ctx, d, nil, nil)
	if err != nil {
		return d, err
	}
	defer p.stop()
	defer c.Close()
	id, err := c.Identity(ctx)
	d.id = id.ID
	return d, err
}

// run starts a device and waits for its control socket.
func (v vchat) run(ctx context.Context, d device, in *namespace, wrap []string) (*process, *client.Client, error) {
	p, err := start(v.dir, in, wrap, v.program, "--config", d.config())
	if err != nil {
		return nil, nil, err
	}
	c := client.New(d.socket())
	for end := time.Now().Add(20 * time.Second); ; {
		_, err := c.Status(ctx)
		if err == nil {
			return p, c, nil
		}
		if gone := p.ended(); gone != nil {
			err = gone
		} else if ctx.Err() == nil && time.Now().Before(end) {
			time.Sleep(10 * time.Millisecond)
			continue
		}
		c.Close()
		p.stop()
		return nil, nil, fmt.Errorf("vchatd of %s: %w", d.name, err)
	}
}

// serve gives each client a daemon and a call of its own.
func (v vchat) serve(ctx context.Context, at place, clients int) (*service, error) {
	return v.calls(ctx, at, clients, 1)
}

// serveOne makes all clients viewers of one far daemon.
func (v vchat) serveOne(ctx context.Context, at place, clients int) (*service, error) {
	return v.calls(ctx, at, 1, clients)
}

func (v vchat) calls(ctx context.Context, at place, devices, viewers int) (s *service, err error) {
	dir, err := os.MkdirTemp(v.dir, "devices-")
	if err != nil {
		return nil, err
	}
	s = &service{}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	port, err := at.freePort()
	if err != nil {
		return s, err
	}
	addr := net.JoinHostPort(at.host, port)
	near, err := v.newDevice(ctx, dir, cameraName)
	if err != nil {
		return s, err
	}
	var far []device
	var peers strings.Builder
	for i := range devices {
		d, err := v.newDevice(ctx, dir, fmt.Sprintf("far%d", i+1))
		if err != nil {
			return s, err
		}
		far = append(far, d)
		fmt.Fprintf(&peers, "  %s: {id: %s, auto_answer: true}\n", d.name, d.id)
	}
	more := fmt.Sprintf(", size: %s, fps: %d, format: mjpeg}\ncalls: {max: %d}\npeers:\n%s",
		v.size, v.fps, devices, peers.String())
	if err := near.configure(v.camera, addr, more); err != nil {
		return s, err
	}
	p, c, err := v.run(ctx, near, at.server, v.wrap)
	if err != nil {
		return s, err
	}
	c.Close()
	s.sender = p
	for _, d := range far {
		more := fmt.Sprintf("}\npeers:\n  %s: {address: %q, id: %s}\n", cameraName, addr, near.id)
		if err := d.configure(noCamera, "", more); err != nil {
			return s, err
		}
		p, err := v.call(ctx, d, at.client)
		if err != nil {
			return s, err
		}
		s.others = append(s.others, p)
		path := api.PathFeeds + cameraName + api.StreamSuffix
		for range viewers {
			s.sources = append(s.sources, source{nil, "unix", d.socket(), path})
		}
	}
	return s, nil
}

// call starts a far device and returns when its call is answered.
func (v vchat) call(ctx context.Context, d device, in *namespace) (*process, error) {
	p, c, err := v.run(ctx, d, in, nil)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	_, err = c.Call(ctx, api.CallRequest{Peer: cameraName})
	for end := time.Now().Add(30 * time.Second); err == nil; time.Sleep(10 * time.Millisecond) {
		status, e := c.Status(ctx)
		if e == nil && len(status.Calls) > 0 && status.Calls[0].State == api.CallActive {
			return p, nil
		}
		err = e
		ended := len(status.Calls) > 0 && status.Calls[0].State == api.CallEnded
		if err == nil && (time.Now().After(end) || ended) {
			err = fmt.Errorf("%s did not answer: %+v", cameraName, status.Calls)
		}
	}
	p.stop()
	return nil, fmt.Errorf("call of %s: %w", d.name, err)
}
