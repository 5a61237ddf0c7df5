package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"vchat/daemon/api"
	"vchat/daemon/client"
)

// fakeDaemon answers with what is set. The zero value does not run.
type fakeDaemon struct {
	err       error
	status    api.Status
	diagnosis api.Diagnosis
	cameras   api.Cameras
	probes    map[string]api.Probe
	probeErr  error
	fps       int           // of the camera; 0: only cards
	hang      chan struct{} // Self and Probe wait for it
}

func (d *fakeDaemon) Status(context.Context) (api.Status, error) { return d.status, d.err }
func (d *fakeDaemon) Diagnosis(context.Context) (api.Diagnosis, error) {
	return d.diagnosis, d.err
}
func (d *fakeDaemon) Cameras(context.Context) (api.Cameras, error) { return d.cameras, d.err }
func (d *fakeDaemon) Peers(context.Context) ([]api.Peer, error)    { return d.status.Peers, d.err }
func (d *fakeDaemon) Probe(_ context.Context, peer string) (api.Probe, error) {
	if d.hang != nil {
		<-d.hang
	}
	return d.probes[peer], d.probeErr
}
func (d *fakeDaemon) Self(ctx context.Context) (Frames, error) {
	if d.hang != nil {
		<-d.hang
	}
	return &fakeFrames{ctx: ctx, fps: d.fps}, nil
}

// fakeFrames gives frames at a rate, or cards. Every second frame is lost, as
// to a slow reader.
type fakeFrames struct {
	ctx context.Context
	fps int
	seq uint64
}

func (f *fakeFrames) Next() (client.Frame, error) {
	interval, card := time.Second, true
	if f.fps > 0 {
		interval, card = 2*time.Second/time.Duration(f.fps), false
		f.seq += 2
	}
	select {
	case <-time.After(interval):
	case <-f.ctx.Done():
		return client.Frame{}, f.ctx.Err()
	}
	at := time.Hour
	if f.fps > 0 {
		at += time.Duration(f.seq) * time.Second / time.Duration(f.fps)
	}
	return client.Frame{Seq: f.seq, Card: card, Monotonic: at}, nil
}

func (f *fakeFrames) Close() {}

// running returns a daemon on which all is well, with one peer.
func running() *fakeDaemon {
	return &fakeDaemon{
		status: api.Status{Name: "kitchen", Version: api.Version, UptimeMS: 5000,
			Camera: api.Camera{Device: "/dev/video0", Name: "C920", Format: "mjpeg", Size: "1280x720"},
			Peers: []api.Peer{{Name: "attic", Address: "attic.local:7450",
				Link: api.Link{State: api.LinkUp, RTTMS: 0.5, RTTMinMS: 0.4, ClockOffsetMS: 12.5}}}},
		diagnosis: api.Diagnosis{Right: api.RightAdmin, Group: "vchat", AdminGroup: "vchat-admin", UID: 999,
			GIDs: []int{990, 44}, ConfigFile: "/etc/vchat.yaml",
			Camera:   api.CameraConfig{Device: "auto", Size: "1280x720", FPS: 30},
			StateDir: api.StateDir{Path: "/var/lib/vchat", Writable: true, FreeBytes: 8 << 30, SizeBytes: 16 << 30}},
		cameras: api.Cameras{Cameras: []api.CameraInfo{
			{Path: "/dev/video0", Node: "/dev/video0", Used: true, Formats: []string{"MJPG", "YUYV"}}}},
		probes: map[string]api.Probe{"attic": {Peer: "attic", Link: api.LinkUp, Remote: "192.0.2.7:7450",
			Software: "vchat 0.1.0", Protocol: 1}},
		fps: 30,
	}
}

func file(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text), Mode: 0o444} }

func symlink(target string) *fstest.MapFile {
	return &fstest.MapFile{Data: []byte(target), Mode: fs.ModeSymlink | 0o777}
}

const usbDevice = "sys/devices/platform/soc/3f980000.usb/usb1/1-1/1-1.3"

// machine returns a board on which all is well, for an ordinary user.
func machine() (*System, fstest.MapFS) {
	files := fstest.MapFS{
		"etc/group":                    file("root:x:0:\nvideo:x:44:vchat\nvchat:x:990:anna\nvchat-admin:x:991:anna\n"),
		"etc/vchat.yaml":               file("name: kitchen\n"),
		"proc/sys/kernel/hostname":     file("kitchen-pi\n"),
		"proc/device-tree/model":       file("Raspberry Pi Zero 2 W Rev 1.0\x00"),
		"run/systemd/system":           {Mode: fs.ModeDir | 0o755},
		"usr/bin/vchatd":               file("ELF"),
		"var/lib/vchat":                {Mode: fs.ModeDir | 0o700},
		"run/vchat/control.sock":       {Mode: fs.ModeSocket | 0o660, Sys: &syscall.Stat_t{Gid: 990}},
		"dev/video0":                   {Mode: fs.ModeDevice | 0o660, Sys: &syscall.Stat_t{Gid: 44}},
		"sys/class/video4linux/video0": symlink("../../../" + usbDevice + "/1-1.3:1.0/video4linux/video0"),
		usbDevice + "/speed":           file("480\n"),
		usbDevice + "/1-1.3:1.0/video4linux/video0/name":      file("C920\n"),
		usbDevice + "/1-1.3:1.0/video4linux/video0/index":     file("0\n"),
		"sys/devices/platform/soc/soc:firmware/get_throttled": file("0\n"),
		"sys/class/net/wlan0/operstate":                       file("up\n"),
		"sys/class/net/wlan0/phy80211/index":                  file("0\n"),
		"sys/class/net/eth0/operstate":                        file("up\n"),
	}
	return &System{
		FS: files, User: "anna", UID: 1000, GIDs: []int{1000, 990, 991}, Release: "6.12.1 arm64",
		Now: func() time.Time { return time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC) },
		Run: func(context.Context, string, ...string) (string, int, error) {
			return "Id=vchatd.service\nLoadState=loaded\nActiveState=active\nUnitFileState=enabled\n", 0, nil
		},
		PowerSave:    func(string) (bool, error) { return false, nil },
		Synchronised: func() (bool, error) { return true, nil },
		Space:        func(string) (uint64, uint64, error) { return 1 << 30, 2 << 30, nil },
	}, files
}

const controlSocket = "/run/vchat/control.sock"

// lines returns the findings of a result, one a line.
func lines(r Result) string {
	var b strings.Builder
	for _, x := range r.Findings {
		fmt.Fprintf(&b, "%s %s %s: %s | %s\n", x.Level, x.Subject, x.Name, x.Message, x.Hint)
	}
	return b.String()
}

func TestRun_allIsWell(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := machine()
		r := Run(t.Context(), s, running(), controlSocket)
		for _, x := range r.Findings {
			if x.Level != OK {
				t.Errorf("got %+v, want only ok", x)
			}
		}
		if !r.OK || r.Problems != 0 {
			t.Errorf("got OK %v, %d problems; want none", r.OK, r.Problems)
		}
		for _, want := range []string{
			"ok vchatd : 0.1.0, up 5s", "ok config : /etc/vchat.yaml is in effect", "administer this device",
			"ok socket /run/vchat/control.sock: answers Srw-rw---- group vchat",
			"ok state /var/lib/vchat: writable, 8.0 GB free", "ok power", "ok clock : synchronised",
			"ok camera /dev/video0 (C920): delivers mjpeg 1280x720 at 30.0 frames a second; it offers MJPG YUYV",
			"ok usb /dev/video0: on a port of 480 Mbit/s", "ok wifi wlan0: does not save power",
			"ok peer attic: reachable at 192.0.2.7:7450, vchat 0.1.0, protocol 1, round trip 0.5 ms, " +
				"clock offset 12.5 ± 0.2 ms",
		} {
			if !strings.Contains(lines(r), want) {
				t.Errorf("got %s, want %q", lines(r), want)
			}
		}
	})
}

// Each row changes one thing about a device on which all is well.
func TestRun_finding(t *testing.T) {
	type change func(s *System, files fstest.MapFS, d *fakeDaemon)
	failed := func(step api.ProbeStep, reason string) change {
		return func(_ *System, _ fstest.MapFS, d *fakeDaemon) {
			d.probes["attic"] = api.Probe{Peer: "attic", Link: api.LinkDown, Failed: step, Reason: reason}
		}
	}
	throttled := func(bits string) change {
		return func(_ *System, files fstest.MapFS, _ *fakeDaemon) {
			files["sys/devices/platform/soc/soc:firmware/get_throttled"] = file(bits)
		}
	}
	for _, tt := range []struct {
		name   string
		change change
		want   string
	}{
		{"privacy", func(_ *System, _ fstest.MapFS, d *fakeDaemon) { d.status.Privacy = true },
			"skipped camera : not measured: privacy is on | vchatctl privacy off"},
		{"slow camera", func(_ *System, _ fstest.MapFS, d *fakeDaemon) { d.fps = 15 },
			"problem camera /dev/video0 (C920): 15.0 frames a second arrive, and 30 are configured"},
		{"warning of the camera", func(_ *System, _ fstest.MapFS, d *fakeDaemon) {
			d.fps, d.status.Camera.Warnings = 15, []string{"/dev/video0 gives 15 frames a second, not 30"}
		}, "problem camera /dev/video0 (C920): gives 15 frames a second, not 30 | in dim light"},
		{"no frames", func(_ *System, _ fstest.MapFS, d *fakeDaemon) {
			d.fps, d.status.Camera.Reason = 0, "camera sends no frames"
		}, "problem camera /dev/video0 (C920): camera sends no frames"},
		{"no camera", func(_ *System, _ fstest.MapFS, d *fakeDaemon) {
			d.fps, d.status.Camera = 0, api.Camera{Device: "auto", Reason: "auto: no camera is connected"}
		}, "problem camera auto: no camera is connected | plug one in"},
		{"held camera", func(_ *System, files fstest.MapFS, d *fakeDaemon) {
			d.fps = 0
			files["proc/812/comm"], files["proc/812/fd/7"] = file("cheese\n"), symlink("/dev/video0")
		}, "problem camera /dev/video0 (C920): in use by cheese (pid 812) | end the other program"},
		{"daemon without video", func(_ *System, _ fstest.MapFS, d *fakeDaemon) { d.diagnosis.GIDs = []int{990} },
			"problem camera /dev/video0: the user of vchatd is not in the group video"},
		{"USB 1", func(_ *System, files fstest.MapFS, _ *fakeDaemon) { files[usbDevice+"/speed"] = file("12") },
			"problem usb /dev/video0: on a port of 12 Mbit/s, which is too slow"},
		{"raw on USB 2", func(_ *System, _ fstest.MapFS, d *fakeDaemon) { d.status.Camera.Format = "yuyv" },
			"problem usb /dev/video0: on a port of 480 Mbit/s, which carries 196; raw 1280x720 frames need 442"},
		{"raw", func(_ *System, _ fstest.MapFS, d *fakeDaemon) {
			d.status.Camera.Format, d.status.Camera.Size = "yuyv", "320x240"
		}, "note usb /dev/video0: on a port of 480 Mbit/s, in use for raw frames | camera.format: mjpeg"},
		{"under-voltage now", throttled("50005\n"), "problem power : the supply voltage is too low"},
		{"under-voltage before", throttled("0x10000"),
			"problem power : the supply voltage was too low since the start"},
		{"warm", throttled("80008"), "problem power : the processor is slowed down"},
		{"was warm", throttled("e0000"), "note power : the processor was slowed down"},
		{"no number", throttled("hello"), "skipped power : this board does not report"},
		{"rpi_volt", func(_ *System, files fstest.MapFS, _ *fakeDaemon) {
			files["sys/class/hwmon/hwmon1/name"] = file("rpi_volt\n")
			files["sys/class/hwmon/hwmon1/in0_lcrit_alarm"] = file("1\n")
		}, "problem power : the supply voltage is too low"},
		{"power save", func(s *System, _ fstest.MapFS, _ *fakeDaemon) {
			s.PowerSave = func(name string) (bool, error) { return name == "wlan0", nil }
		}, "note wifi wlan0: saves power"},
		{"1970", func(s *System, _ fstest.MapFS, _ *fakeDaemon) {
			s.Now = func() time.Time { return time.Unix(100, 0) }
		}, "problem clock : it says 1970-01-01"},
		{"no time service", func(s *System, _ fstest.MapFS, _ *fakeDaemon) {
			s.Synchronised = func() (bool, error) { return false, nil }
		}, "note clock : not synchronised"},
		{"full disk", func(_ *System, _ fstest.MapFS, d *fakeDaemon) { d.diagnosis.StateDir.FreeBytes = 3 << 20 },
			"problem state /var/lib/vchat: writable, 3 MB free"},
		{"read-only disk", func(_ *System, _ fstest.MapFS, d *fakeDaemon) {
			d.status.Problems = []api.Problem{{Subject: "state", Message: "state directory not writable",
				Hint: "remount"}}
		}, "problem state : state directory not writable | remount"},
		{"fault in the file", func(_ *System, _ fstest.MapFS, d *fakeDaemon) {
			d.status.Problems = []api.Problem{{Subject: "config", File: "/etc/vchat.yaml", Line: 3, Column: 1,
				Message: "unknown key", Hint: "last good copy"}}
		}, "problem config /etc/vchat.yaml:3:1: unknown key | last good copy"},
		{"cloned", func(_ *System, _ fstest.MapFS, d *fakeDaemon) {
			d.status.Problems = []api.Problem{{Subject: "identity", Message: "another device has this device's id"}}
		}, "problem identity : another device has this device's id"},
		{"other version", func(_ *System, _ fstest.MapFS, d *fakeDaemon) { d.status.Version = "0.0.9" },
			"problem vchatd : it has version 0.0.9"},
		{"not enabled", func(s *System, _ fstest.MapFS, _ *fakeDaemon) {
			s.Run = func(context.Context, string, ...string) (string, int, error) {
				return "Id=vchatd.service\nActiveState=active\nUnitFileState=disabled\n\nId=vchatd.socket\n", 0, nil
			}
		}, "note vchatd : it will not start after a reboot | sudo systemctl enable vchatd"},
		{"may only call", func(s *System, _ fstest.MapFS, d *fakeDaemon) {
			d.diagnosis.Right, s.GIDs, s.User = api.RightCall, []int{990}, "bert"
		}, "ok user bert: may use calls, but not administer this device (pair, set the camera) | sudo usermod"},
		{"admin at the next login", func(s *System, _ fstest.MapFS, d *fakeDaemon) {
			d.diagnosis.Right, s.GIDs = api.RightCall, []int{990}
		}, "note user anna: joined the group vchat-admin after this login began | log out"},
		{"no peers", func(_ *System, _ fstest.MapFS, d *fakeDaemon) { d.status.Peers = nil },
			"note peer : none is known yet | vchatctl pair"},
		{"unknown name", failed(api.ProbeResolve, "resolve attic.local:7450: no such host"),
			"problem peer attic: its address is not found: resolve attic.local:7450: no such host | " +
				"use its IP address"},
		{"onion", failed(api.ProbeResolve, "resolve abc.onion:7450: names in .onion need a proxy"),
			"problem peer attic: its address is not found: resolve abc.onion:7450: names in .onion need a proxy | " +
				"install Tor, then"},
		{"refused", failed(api.ProbeConnect, "connect: connection refused"),
			"problem peer attic: it cannot be reached: connect: connection refused | start vchatd there"},
		{"timeout", failed(api.ProbeConnect, "i/o timeout"),
			"problem peer attic: it cannot be reached: i/o timeout | is the"},
		{"not vchat", failed(api.ProbeTLS, "first record"), "problem peer attic: something answers there"},
		{"other key", failed(api.ProbeIdentity, "peer key mismatch"), "problem peer attic: the devices do not accept"},
		{"other protocol", failed(api.ProbeVersion, "no common version"),
			"problem peer attic: the versions do not fit"},
		{"no address", failed(api.ProbeAddress, "no address is known"), "note peer attic: no address is known"},
		{"may not probe", func(_ *System, _ fstest.MapFS, d *fakeDaemon) {
			d.probeErr = &api.Error{Kind: api.NotPermitted, Message: "not permitted to use calls"}
			d.status.Peers[0].Link = api.Link{State: api.LinkDown, Reason: "connection refused"}
		}, "problem peer attic: connection refused"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, files := machine()
				d := running()
				tt.change(s, files, d)
				r := Run(t.Context(), s, d, controlSocket)
				if !strings.Contains(lines(r), tt.want) {
					t.Errorf("got %s, want %q", lines(r), tt.want)
				}
				if wantOK := !strings.HasPrefix(tt.want, "problem"); r.OK != wantOK {
					t.Errorf("got OK %v, want %v: %s", r.OK, wantOK, lines(r))
				}
			})
		})
	}
}

var errNoSocket = fmt.Errorf("%w: nothing listens (%w)", client.ErrUnreachable, fs.ErrNotExist)

// Without the daemon, the unit, the file and the socket show the cause.
func TestRun_noDaemon(t *testing.T) {
	const checkConfig = "check-config"
	show := func(lines ...string) func(*System) {
		return func(s *System) {
			s.Run = func(_ context.Context, program string, args ...string) (string, int, error) {
				if args[0] == checkConfig {
					return "/etc/vchat.yaml: ok\n", 0, nil
				}
				return "Id=vchatd.service\nLoadState=loaded\n" + strings.Join(lines, "\n"), 0, nil
			}
		}
	}
	for _, tt := range []struct {
		name   string
		change func(*System)
		err    error
		want   string
	}{
		{"stopped", show("ActiveState=inactive", "Result=success", "UnitFileState=disabled"), errNoSocket,
			"problem vchatd : stopped | sudo systemctl enable --now vchatd"},
		{"failed", show("ActiveState=failed", "Result=exit-code", "ExecMainStatus=78"), errNoSocket,
			"problem vchatd : stopped: its configuration, its key or its state directory cannot be used"},
		{"port taken", show("ActiveState=activating", "SubState=auto-restart", "Result=exit-code", "ExecMainStatus=69"),
			errNoSocket, "problem vchatd : starts again and again: the port or the socket is in use"},
		{"hung", show("ActiveState=activating", "Result=watchdog"), errNoSocket,
			"problem vchatd : systemd has stopped it"},
		{"elsewhere", show("ActiveState=active"), errNoSocket, "problem vchatd : running, but does not answer on " +
			controlSocket},
		{"not installed", func(s *System) {
			s.Run = func(_ context.Context, program string, args ...string) (string, int, error) {
				if args[0] == checkConfig {
					return "", 0, errors.New("executable file not found in $PATH")
				}
				return "Id=vchatd.service\nLoadState=not-found\nActiveState=inactive\n", 0, nil
			}
		}, errNoSocket, "problem vchatd : not installed: there is no vchatd.service | install the package vchat"},
		{"fault", func(s *System) {
			s.Run = func(_ context.Context, program string, args ...string) (string, int, error) {
				if args[0] == checkConfig {
					if program != "/opt/vchatd" || args[1] != "/opt/v.yaml" {
						return "", 0, fmt.Errorf("got %s %s, want those of the unit", program, args)
					}
					return "/opt/v.yaml:3:1: unknown key nam\n/opt/v.yaml:4:1: another\n", 78, nil
				}
				return "Id=vchatd.service\nLoadState=loaded\nActiveState=failed\n" +
					"Result=exit-code\nExecMainStatus=78\n" +
					"ExecStart={ path=/opt/vchatd ; argv[]=/opt/vchatd --config /opt/v.yaml ; " +
					"ignore_errors=no }\n", 0, nil
			}
			s.FS.(fstest.MapFS)["opt/v.yaml"] = file("nam: x\n")
		}, errNoSocket, "problem config : /opt/v.yaml:3:1: unknown key nam | \n"},
		{"no systemd", func(s *System) { delete(s.FS.(fstest.MapFS), "run/systemd/system") }, errNoSocket,
			"problem vchatd : not running, and systemd does not run here"},
		{"no camera", func(s *System) { delete(s.FS.(fstest.MapFS), "sys/class/video4linux/video0") }, errNoSocket,
			"note camera : no camera is connected"},
		{"held camera", func(s *System) {
			files := s.FS.(fstest.MapFS)
			files["proc/812/comm"], files["proc/812/fd/7"] = file("cheese\n"), symlink("/dev/video0")
		}, errNoSocket, "problem camera /dev/video0 (C920): in use by cheese (pid 812)"},
		{"no member", func(s *System) { show("ActiveState=active")(s); s.GIDs, s.User = []int{1001}, "bert" },
			fmt.Errorf("%w: connect", client.ErrPermission),
			"problem user bert: is not in the group vchat | sudo usermod -aG vchat,vchat-admin $USER"},
		{"may not connect, no systemd", func(s *System) { delete(s.FS.(fstest.MapFS), "run/systemd/system") },
			fmt.Errorf("%w: connect", client.ErrPermission), "skipped vchatd : cannot be asked"},
		{"login from before", func(s *System) { s.GIDs = []int{1000} }, fmt.Errorf("%w: connect", client.ErrPermission),
			"problem user anna: joined the group vchat after this login began"},
		{"no group", func(s *System) { s.FS.(fstest.MapFS)["etc/group"] = file("root:x:0:\n") }, errNoSocket,
			"problem user anna: the group vchat does not exist"},
		{"file instead of a socket", func(s *System) { s.FS.(fstest.MapFS)["run/vchat/control.sock"] = file("") },
			fmt.Errorf("%w: (%w)", client.ErrUnreachable, syscall.ECONNREFUSED),
			"problem socket /run/vchat/control.sock: is no socket"},
		{"untrusted", func(*System) {}, client.ErrUntrusted, "problem socket /run/vchat/control.sock: "},
		{"hangs", func(*System) {}, context.DeadlineExceeded, "problem vchatd : running, but does not answer"},
		{"secret file", func(s *System) { s.FS = unreadable{s.FS.(fstest.MapFS)} }, errNoSocket,
			"skipped config : you may not read /etc/vchat.yaml | sudo vchatctl doctor"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, _ := machine()
			tt.change(s)
			r := Run(t.Context(), s, &fakeDaemon{err: tt.err}, controlSocket)
			if !strings.Contains(lines(r), tt.want) {
				t.Errorf("got %s, want %q", lines(r), tt.want)
			}
			if r.OK && strings.HasPrefix(tt.want, "problem") {
				t.Error("got OK, want a problem")
			}
		})
	}
}

// unreadable is a file system with a configuration that only root may read.
type unreadable struct{ fstest.MapFS }

func (u unreadable) Open(name string) (fs.File, error) {
	if name == "etc/vchat.yaml" {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrPermission}
	}
	return u.MapFS.Open(name)
}

// Nothing makes Run longer than ten seconds.
func TestRun_hangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := machine()
		d := running()
		d.hang = make(chan struct{})
		defer close(d.hang)
		start := time.Now()
		r := Run(t.Context(), s, d, controlSocket)
		if took := time.Since(start); took > 10*time.Second {
			t.Errorf("took %v, want at most 10 s", took)
		}
		for _, want := range []string{"problem camera : no result within", "problem peer : no result within",
			"ok clock"} {
			if !strings.Contains(lines(r), want) {
				t.Errorf("got %s, want %q", lines(r), want)
			}
		}
	})
}

// Files of /sys, /proc and /etc may have any content.
func TestRun_hostileFiles(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	content := []func() *fstest.MapFile{
		func() *fstest.MapFile { return file(strings.Repeat("9", 2*maxFile)) },
		func() *fstest.MapFile { return file(strings.Repeat("a:b:4294967296:c\n", 3000)) },
		func() *fstest.MapFile { return file("\x00\xff\x1b[2J\n\n=\n:::") },
		func() *fstest.MapFile { return file("") },
		func() *fstest.MapFile { return file("-1e308") },
		func() *fstest.MapFile { return symlink("../nowhere") },
		func() *fstest.MapFile { return symlink("/etc") },
		func() *fstest.MapFile { return &fstest.MapFile{Mode: fs.ModeNamedPipe} },
		func() *fstest.MapFile { return &fstest.MapFile{Mode: fs.ModeDir | 0o755} },
	}
	for i := range 100 {
		s, files := machine()
		for name := range files {
			if random.IntN(2) == 0 {
				files[name] = content[random.IntN(len(content))]()
			}
		}
		d := &fakeDaemon{err: errNoSocket}
		output := string(content[random.IntN(5)]().Data)
		s.Run = func(context.Context, string, ...string) (string, int, error) { return output, i % 2, nil }
		r := Run(t.Context(), s, d, controlSocket)
		if len(r.Findings) == 0 || len(r.Findings) > 200 {
			t.Errorf("run %d: got %d findings, want some", i, len(r.Findings))
		}
	}
}
