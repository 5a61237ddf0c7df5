package soak

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"vchat/daemon/api"
	"vchat/daemon/client"
	"vchat/daemon/identity"
)

// device is a vchatd process with its camera.
type device struct {
	name, peer string
	camera     uint32 // number
	dir        string
	listen     string
	vchatd     string // path of the program
	self       string // path of this test, which is the camera
	fps, rate  int    // of the configuration, and of the camera
	id         string
	peers      string // lines of the configuration
	client     *client.Client
	starter    *starter

	cmd   *exec.Cmd
	ended chan struct{} // closed when cmd has ended
	lives int
}

func (d *device) path(name string) string { return filepath.Join(d.dir, name) }

// create creates the key of the device.
func (d *device) create() error {
	if err := os.MkdirAll(d.path("state"), 0o700); err != nil {
		return err
	}
	id, err := identity.LoadOrCreate(d.path("state"))
	if err != nil {
		return err
	}
	d.id = id.ID().String()
	d.client = client.New(d.path("control.sock"))
	return d.setCamera(cameraWorks)
}

// know adds a peer to the configuration. One with an address is answered.
func (d *device) know(name, id, address string) {
	d.peers += fmt.Sprintf("  %s: {id: %s, address: %q, auto_answer: %v}\n", name, id, address, address != "")
}

// configure writes the configuration, with further lines.
func (d *device) configure(more string) error {
	text := fmt.Sprintf("name: %s\nlisten: %q\ncamera:\n  device: %q\n  size: %dx%d\n  fps: %d\n"+
		"control: {socket: %q, group: \"\"}\nstate_dir: %q\npeers:\n%s%s",
		d.name, d.listen, fmt.Sprintf("exec:exec env %s='%d %d %s' %s",
			cameraEnv, d.camera, d.rate, d.path("camera"), d.self),
		width, height, d.fps, d.path("control.sock"), d.path("state"), d.peers, more)
	return replace(d.path("vchat.yaml"), text, 0o600)
}

func (d *device) setCamera(mode string) error { return replace(d.path("camera"), mode, 0o644) }

func replace(path, text string, mode os.FileMode) error {
	if err := os.WriteFile(path+".new", []byte(text), mode); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// start starts vchatd and waits until it answers.
func (d *device) start() error {
	log, err := os.OpenFile(d.path("log"), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(d.vchatd, "--config", d.path("vchat.yaml"))
	cmd.Stderr = log
	// An orphan must not outlive a test that was killed.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := d.starter.start(cmd); err != nil {
		return err
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait() // its log says why
		close(ended)
	}()
	d.cmd, d.ended = cmd, ended
	d.lives++
	for limit := time.Now().Add(startLimit); ; time.Sleep(5 * time.Millisecond) {
		if _, err := d.status(); err == nil {
			return nil
		}
		if err := d.alive(); err != nil {
			return err
		}
		if time.Now().After(limit) {
			return fmt.Errorf("%s does not answer within %v after its start", d.name, startLimit)
		}
	}
}

// startLimit is the longest time in which vchatd must answer after its start.
const startLimit = 30 * time.Second

// alive returns an error if vchatd has ended.
func (d *device) alive() error {
	select {
	case <-d.ended:
		return fmt.Errorf("%s has ended: %v", d.name, d.cmd.ProcessState)
	default:
		return nil
	}
}

func (d *device) status() (api.Status, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return d.client.Status(ctx)
}

func (d *device) signal(s syscall.Signal) error { return d.cmd.Process.Signal(s) }

// end ends vchatd with a signal and waits for it.
func (d *device) end(s syscall.Signal) error {
	if d.cmd == nil {
		return nil
	}
	if err := d.signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-d.ended:
		return nil
	case <-time.After(30 * time.Second):
		return fmt.Errorf("%s does not end after %v", d.name, s)
	}
}

// log returns the end of the log.
func (d *device) log() string {
	b, _ := os.ReadFile(d.path("log"))
	return string(b[max(0, len(b)-8000):])
}

// sample is the resource usage of a vchatd at one moment.
type sample struct {
	Minutes     float64 // since the start of the run
	Life        int     // number of the process
	RSS         float64 // MB
	Descriptors float64
	Threads     float64
	Goroutines  float64
}

func (d *device) sample(minutes float64) (s sample, err error) {
	s.Minutes, s.Life = minutes, d.lives
	dir := fmt.Sprintf("/proc/%d/", d.cmd.Process.Pid)
	status, err := os.ReadFile(dir + "status")
	if err != nil {
		return s, err
	}
	s.RSS = field(string(status), "VmRSS:") / 1024
	s.Threads = field(string(status), "Threads:")
	open, err := os.ReadDir(dir + "fd")
	if err != nil {
		return s, err
	}
	s.Descriptors = float64(len(open))
	text, err := d.metrics()
	s.Goroutines = field(text, "go_goroutines")
	return s, err
}

// field returns the number after a name at the beginning of a line.
func field(text, name string) float64 {
	for line := range strings.Lines(text) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == name {
			v, _ := strconv.ParseFloat(f[1], 64)
			return v
		}
	}
	return 0
}

func (d *device) metrics() (string, error) {
	tr := &http.Transport{DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", d.path("control.sock"))
		}}
	res, err := (&http.Client{Transport: tr, Timeout: 10 * time.Second}).Get("http://vchat" + api.PathMetrics)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	return string(b), err
}

// starter starts processes from one thread: Pdeathsig follows the thread that
// forked.
type starter struct{ work chan func() }

func newStarter() *starter {
	s := &starter{make(chan func())}
	go func() {
		runtime.LockOSThread()
		for f := range s.work {
			f()
		}
	}()
	return s
}

func (s *starter) start(cmd *exec.Cmd) (err error) {
	done := make(chan struct{})
	s.work <- func() {
		err = cmd.Start()
		close(done)
	}
	<-done
	return err
}

// smallDisk mounts a file system of 256 KiB at the state directory, if this
// process may.
func (d *device) smallDisk() (unmount func(), err error) {
	key, err := os.ReadFile(d.path("state/" + identity.KeyFile))
	if err != nil {
		return nil, err
	}
	if err := unix.Mount("tmpfs", d.path("state"), "tmpfs", 0, "size=256k,mode=0700"); err != nil {
		return nil, err
	}
	unmount = func() { _ = unix.Unmount(d.path("state"), unix.MNT_DETACH) }
	if err := os.WriteFile(d.path("state/"+identity.KeyFile), key, 0o600); err != nil {
		unmount()
		return nil, err
	}
	return unmount, nil
}

// fillDisk fills the small file system, or empties it.
func (d *device) fillDisk(on bool) error {
	path := d.path("state/filler")
	if !on {
		return os.Remove(path)
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	for {
		if _, err := f.Write(make([]byte, 4096)); errors.Is(err, syscall.ENOSPC) {
			return nil
		} else if err != nil {
			return err
		}
	}
}
