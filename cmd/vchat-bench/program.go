package main

import (
	"context"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// program serves a camera's frames to clients on the network.
type program struct {
	name, version string
	serve         func(ctx context.Context, at place, clients int) (*service, error)
	only          int // the only number of clients to measure; 0: any
}

// place is where a program is measured.
type place struct {
	server, client *namespace // nil: this process's own
	host           string     // the server's address for clients
}

var loopback = place{host: "127.0.0.1"}

func across(l *link) place { return place{l.server, l.client, serverAddr} }

// service is a running program.
type service struct {
	sender  *process // holds the camera
	others  []*process
	sources []source // one per client
}

func (s *service) close() {
	for _, p := range slices.Backward(s.others) {
		p.stop()
	}
	if s.sender != nil {
		s.sender.stop()
	}
}

func (s *service) ended() error {
	for _, p := range append([]*process{s.sender}, s.others...) {
		if err := p.ended(); err != nil {
			return err
		}
	}
	return nil
}

// findPrograms fills b.found and returns the programs that are missing.
func (b *bench) findPrograms(ctx context.Context) (missing []string, err error) {
	for _, name := range b.programs {
		var p program
		switch name {
		case "vchat":
			v, err := b.newVchat(ctx)
			if err != nil {
				return nil, err
			}
			b.found = append(b.found, program{name, v.version, v.serve, 0})
			p = program{"vchat, viewers of one call",
				"the same; all clients are viewers of one far daemon", v.serveOne, 8}
		case "ustreamer":
			p = program{name: name, serve: b.ustreamer}
			p.version, err = version(ctx, "ustreamer", "--version")
		case "ffmpeg":
			p = program{name: name, serve: b.ffmpeg}
			p.version, err = version(ctx, "ffmpeg", "-version")
		default:
			return nil, fmt.Errorf("-programs: unknown program %q", name)
		}
		if err != nil {
			missing = append(missing, fmt.Sprintf("%s (%v)", name, err))
			continue
		}
		b.found = append(b.found, p)
	}
	if len(b.found) == 0 {
		return nil, fmt.Errorf("no program to measure: %s", strings.Join(missing, "; "))
	}
	return missing, nil
}

func version(ctx context.Context, argv ...string) (string, error) {
	if _, err := exec.LookPath(argv[0]); err != nil {
		return "", err
	}
	s, err := output(ctx, argv...)
	line, _, _ := strings.Cut(s, "\n")
	line, _, _ = strings.Cut(line, " Copyright")
	return line, err
}

// ustreamer passes the camera's frames through (--encoder HW), with Nagle's
// algorithm off for the lowest delay.
func (b *bench) ustreamer(_ context.Context, at place, clients int) (*service, error) {
	port, err := at.freePort()
	if err != nil {
		return nil, err
	}
	p, err := start(b.dir, at.server, b.wrap, "ustreamer", "--device", b.camera, "--format", "MJPEG", "--encoder", "HW",
		"--resolution", b.size, "--desired-fps", fmt.Sprint(b.fps), "--host", at.host, "--port", port, "--tcp-nodelay")
	if err != nil {
		return nil, err
	}
	s := source{at.client, "tcp", net.JoinHostPort(at.host, port), "/stream?extra_headers=1"}
	return &service{sender: p, sources: slices.Repeat([]source{s}, clients)}, nil
}

// ffmpeg serves one client per output and starts when the last one has
// connected.
func (b *bench) ffmpeg(_ context.Context, at place, clients int) (*service, error) {
	argv := []string{"ffmpeg", "-hide_banner", "-loglevel", "error", "-nostdin", "-fflags", "nobuffer",
		"-f", "v4l2", "-input_format", "mjpeg", "-video_size", b.size, "-framerate", fmt.Sprint(b.fps), "-i", b.camera}
	s := &service{}
	for range clients {
		port, err := at.freePort()
		if err != nil {
			return nil, err
		}
		addr := net.JoinHostPort(at.host, port)
		argv = append(argv, "-map", "0:v", "-c:v", "copy", "-flush_packets", "1",
			"-f", "mpjpeg", "-listen", "1", "http://"+addr+"/")
		s.sources = append(s.sources, source{at.client, "tcp", addr, "/"})
	}
	var err error
	s.sender, err = start(b.dir, at.server, b.wrap, argv...)
	return s, err
}

// freePort returns a port that is free now.
func (at place) freePort() (port string, err error) {
	err = at.server.do(func() error {
		l, err := net.Listen("tcp", net.JoinHostPort(at.host, "0"))
		if err != nil {
			return err
		}
		_, port, err = net.SplitHostPort(l.Addr().String())
		l.Close()
		return err
	})
	return port, err
}

// build builds vchatd from the source tree as it is shipped.
func (b *bench) build(ctx context.Context) (string, error) {
	if b.vchatd != "" {
		return filepath.Abs(b.vchatd)
	}
	logf("building vchatd")
	to := filepath.Join(b.dir, "vchatd")
	ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	_, err := output(ctx, "env", "CGO_ENABLED=0", "go", "build", "-trimpath", "-o", to, "vchat/cmd/vchatd")
	if err != nil {
		return "", fmt.Errorf("%w (use -vchatd for one that is built already)", err)
	}
	return to, nil
}
