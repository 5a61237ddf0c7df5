//go:build linux && (amd64 || arm64)

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vchat/config"
	"vchat/daemon/api"
	"vchat/daemon/client"
	"vchat/daemon/daemontest"
	"vchat/daemon/daemontest/powercut"
	"vchat/daemon/identity"
	"vchat/daemon/peerstore"
)

// everyCall in the environment makes TestKill kill vchatd at every system call.
// That takes minutes. Without it, TestKill takes every third of the calls that
// change a file of the state directory.
const everyCall = "VCHAT_KILL_EVERY_CALL"

// box is a device whose disk is below root. All else is in run.
type box struct {
	t      *testing.T
	root   string // var/vchat in it is the state directory
	run    string // short enough for a socket
	more   string // lines of the configuration
	name   string // of the device
	camera string // lines of the configuration
	// faulty adds a fault to the configuration of start.
	faulty bool
}

func newBox(t *testing.T) *box {
	t.Helper()
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	run, err := os.MkdirTemp("", "vchat-cut-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(run) })
	b := &box{t: t, root: root, run: run, name: "box", camera: "camera: {device: test, size: 16x16, fps: 1}\n"}
	b.restore(powercut.Tree{".": {Dir: true, Mode: 0o700}, "var": {Dir: true, Mode: 0o755}})
	return b
}

func (b *box) stateDir() string   { return filepath.Join(b.root, "var", "vchat") }
func (b *box) configPath() string { return filepath.Join(b.run, "vchat.yaml") }
func (b *box) socket() string     { return filepath.Join(b.run, "control.sock") }

// restore replaces the disk's content.
func (b *box) restore(t powercut.Tree) {
	b.t.Helper()
	err := os.RemoveAll(b.root)
	if err == nil {
		err = os.Mkdir(b.root, 0o700)
	}
	if err == nil {
		err = t.Write(b.root)
	}
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *box) tree() powercut.Tree {
	b.t.Helper()
	t, err := powercut.ReadTree(b.root)
	if err != nil {
		b.t.Fatal(err)
	}
	return t
}

// command returns vchatd with arguments and the configuration of the box.
func (b *box) command(args ...string) (path string, argv, env []string) {
	b.t.Helper()
	text := fmt.Sprintf("name: %s\nlisten: \"\"\n"+
		"control: {socket: %q, group: \"\"}\nstate_dir: %q\n%s", b.name, b.socket(), b.stateDir(), b.camera+b.more)
	if err := os.WriteFile(b.configPath(), []byte(text), 0o600); err != nil {
		b.t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		b.t.Fatal(err)
	}
	// testscript.Main selects the command by the name.
	argv = append(append([]string{"vchatd"}, args...), "--config", b.configPath())
	return self, argv, append(os.Environ(), "GORACE=atexit_sleep_ms=0")
}

// outcome is what vchatd shows after a start.
type outcome struct {
	ID       string
	Name     string
	Privacy  bool
	Calls    int
	Peers    int
	Settings settings
	Problems []api.Problem // but those of links: no peer answers here
	Log      string
	Err      error // it does not start
}

// start starts vchatd on the disk, reads its status, and kills it.
func (b *box) start() (o outcome) {
	b.t.Helper()
	if b.faulty {
		defer func(more string) { b.more = more }(b.more)
		b.more += "calls: {max: 0}\n"
	}
	path, argv, env := b.command()
	var log strings.Builder
	cmd := &exec.Cmd{Path: path, Args: argv, Env: env, Stderr: &log}
	if err := cmd.Start(); err != nil {
		b.t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	s, err := b.status(ended)
	problems := slices.DeleteFunc(s.Problems, func(p api.Problem) bool { return p.Subject == "link" })
	o = outcome{ID: s.ID, Name: s.Name, Privacy: s.Privacy, Calls: len(s.Calls), Peers: len(s.Peers),
		Settings: settingsOf(s), Problems: problems, Err: err}
	if _, exited := errors.AsType[*exec.ExitError](err); !exited {
		_ = cmd.Process.Kill()
		<-ended
	}
	o.Log = log.String()
	return o
}

// status waits until vchatd answers. The error is that of ended, if it ends.
func (b *box) status(ended <-chan error) (api.Status, error) {
	c := client.New(b.socket())
	defer c.Close()
	ctx, cancel := context.WithTimeout(context.Background(), daemontest.Timeout)
	defer cancel()
	for {
		s, err := c.Status(ctx)
		if err == nil || ctx.Err() != nil {
			return s, err
		}
		select {
		case err := <-ended:
			if err == nil {
				err = errors.New("exit status 0")
			}
			return s, err
		case <-time.After(2 * time.Millisecond):
		}
	}
}

// trace starts a traced vchatd.
func (b *box) trace(killAt int, args ...string) *powercut.Tracer {
	b.t.Helper()
	_, argv, _ := b.command(args...)
	return b.traceProgram(killAt, argv...)
}

// traceProgram starts a traced program of TestMain.
func (b *box) traceProgram(killAt int, argv ...string) *powercut.Tracer {
	b.t.Helper()
	path, _, env := b.command()
	out, err := os.Create(filepath.Join(b.run, "output"))
	if err != nil {
		b.t.Fatal(err)
	}
	defer out.Close()
	tr, err := powercut.Start(powercut.Command{
		Path: path, Args: argv, Env: env, Root: b.root, Output: out,
		KillAt: killAt, EveryCall: os.Getenv(everyCall) != "",
	})
	if errors.Is(err, powercut.ErrNoPtrace) {
		b.t.Skip(err)
	}
	if err != nil {
		b.t.Fatal(err)
	}
	return tr
}

// ended returns a channel that reports the end of a traced program.
func ended(tr *powercut.Tracer) <-chan error {
	c := make(chan error, 1)
	go func() {
		code, err := tr.Wait()
		c <- errors.Join(err, fmt.Errorf("vchatd ended with exit code %d", code))
	}()
	return c
}

// promise is what holds after a cut, from a moment of the recording until the
// next promise.
type promise struct {
	from int // number of calls at that moment
	what string
	want func(o outcome, before powercut.Tree) bool
}

// story is something that vchatd writes to its disk.
type story struct {
	name string
	// prepare makes the disk before it.
	prepare func(b *box)
	// record runs the traced vchatd, until it ends. With killAt, it is killed
	// before that call, and the promises do not count.
	record func(b *box, killAt int) (*powercut.Tracer, []promise)
	// always holds after any cut, besides a start without error.
	always func(o outcome, before powercut.Tree) string
}

const keyPath = "var/vchat/" + identity.KeyFile

// withKey creates the state directory and a key, and returns its id.
func withKey(b *box) string {
	b.t.Helper()
	id, err := identity.LoadOrCreate(b.stateDir())
	if err != nil {
		b.t.Fatal(err)
	}
	return id.ID().String()
}

// session runs a traced daemon from its start to SIGTERM, with do in between.
func session(b *box, killAt int, do func(c *client.Client, s api.Status, tr *powercut.Tracer)) *powercut.Tracer {
	b.t.Helper()
	tr := b.trace(killAt)
	c := client.New(b.socket())
	defer c.Close()
	s, err := b.status(ended(tr))
	if err != nil && killAt == 0 {
		output, _ := os.ReadFile(filepath.Join(b.run, "output"))
		b.t.Fatalf("%v\n%s", err, output)
	}
	if err == nil {
		do(c, s, tr)
	}
	tr.Signal(syscall.SIGTERM)
	if code, err := tr.Wait(); killAt == 0 && (code != 0 || err != nil) {
		b.t.Fatalf("vchatd: got exit code %d, error %v", code, err)
	}
	return tr
}

func stories() []story {
	firstStart := story{
		name:    "first start",
		prepare: func(*box) {},
		record: func(b *box, killAt int) (*powercut.Tracer, []promise) {
			var p []promise
			tr := session(b, killAt, func(_ *client.Client, s api.Status, tr *powercut.Tracer) {
				p = append(p, promise{len(tr.Ops()), "the id that status has shown",
					func(o outcome, _ powercut.Tree) bool { return o.ID == s.ID }})
			})
			return tr, p
		},
	}

	var oldID, oldKey string
	newID := story{
		name: "new-id",
		prepare: func(b *box) {
			oldID = withKey(b)
			oldKey = b.tree()[keyPath].Data
		},
		record: func(b *box, killAt int) (*powercut.Tracer, []promise) {
			tr := b.trace(killAt, "new-id")
			if code, err := tr.Wait(); killAt == 0 && (code != 0 || err != nil) {
				b.t.Fatalf("vchatd new-id: got exit code %d, error %v", code, err)
			}
			output, err := os.ReadFile(filepath.Join(b.run, "output"))
			if err != nil {
				b.t.Fatal(err)
			}
			_, id, _ := strings.Cut(string(output), "new id: ")
			id, _, _ = strings.Cut(id, "\n")
			old := func(o outcome, _ powercut.Tree) bool { return o.ID == oldID }
			return tr, []promise{
				{0, "the old id or the new one",
					func(o outcome, t powercut.Tree) bool { return old(o, t) || o.ID == id }},
				{len(tr.Ops()), "the new id", func(o outcome, _ powercut.Tree) bool { return o.ID == id }},
			}
		},
		always: func(_ outcome, before powercut.Tree) string {
			for _, f := range before {
				if f.Data == oldKey {
					return ""
				}
			}
			return "the old key is lost"
		},
	}

	is := func(on bool) func(outcome, powercut.Tree) bool {
		return func(o outcome, _ powercut.Tree) bool { return o.Privacy == on }
	}
	either := func(outcome, powercut.Tree) bool { return true }
	privacy := story{
		name:    "privacy",
		prepare: func(b *box) { withKey(b) },
		record: func(b *box, killAt int) (*powercut.Tracer, []promise) {
			p := []promise{{0, "privacy off", is(false)}}
			tr := session(b, killAt, func(c *client.Client, _ api.Status, tr *powercut.Tracer) {
				for _, on := range []bool{true, false} {
					p = append(p, promise{len(tr.Ops()), "any", either})
					if err := c.SetPrivacy(b.t.Context(), on); err != nil && killAt == 0 {
						b.t.Fatal(err)
					}
					p = append(p, promise{len(tr.Ops()), fmt.Sprintf("privacy %v", on), is(on)})
				}
			})
			return tr, p
		},
		always: func(o outcome, before powercut.Tree) string {
			if _, exists := before["var/vchat/privacy"]; exists != o.Privacy {
				return fmt.Sprintf("privacy is %v, its file exists: %v", o.Privacy, exists)
			}
			return ""
		},
	}
	return []story{firstStart, newID, privacy, calls(), paired(), changed(), unpaired(), lastGood()}
}

// calls is the story of a call, whose state vchatd saves soon, not at once.
func calls() story {
	var bob *daemontest.Device
	count := func(n int) func(outcome, powercut.Tree) bool {
		return func(o outcome, _ powercut.Tree) bool { return o.Calls == n }
	}
	return story{
		name: "call",
		prepare: func(b *box) {
			id := withKey(b)
			bob = daemontest.New(b.t, "bob")
			bob.Config.Peers["box"] = config.Peer{Name: "box", ID: id, AutoAnswer: true}
			b.more = fmt.Sprintf("peers: {bob: {address: %q, id: %s}}\n", bob.Config.Listen, bob.ID)
		},
		record: func(b *box, killAt int) (*powercut.Tracer, []promise) {
			bob.Start()
			defer bob.Stop()
			p := []promise{{0, "no call", count(0)}}
			tr := session(b, killAt, func(c *client.Client, _ api.Status, tr *powercut.Tracer) {
				saved := func(has bool) bool {
					data := b.tree()["var/vchat/calls.json"].Data
					return strings.Contains(data, `"bob"`) == has
				}
				begin := len(tr.Ops())
				if _, err := c.Call(b.t.Context(), api.CallRequest{Peer: "bob"}); err != nil {
					if killAt == 0 {
						b.t.Fatal(err)
					}
					return
				}
				p = append(p, promise{begin, "any", func(o outcome, _ powercut.Tree) bool { return o.Calls <= 1 }})
				b.until("saved call", tr, func() bool { return saved(true) })
				b.until("synced call", tr, func() bool { return synced(tr) })
				p = append(p, promise{len(tr.Ops()), "one call", count(1)})
				begin = len(tr.Ops())
				_, _ = c.Hangup(b.t.Context(), "")
				p = append(p, promise{begin, "any", func(o outcome, _ powercut.Tree) bool { return o.Calls <= 1 }})
				b.until("end of the saved call", tr, func() bool { return saved(false) })
			})
			return tr, append(p, promise{len(tr.Ops()), "no call", count(0)})
		},
		always: func(o outcome, _ powercut.Tree) string {
			if strings.Contains(o.Log, "saved calls lost") {
				return "the saved calls are damaged"
			}
			return ""
		},
	}
}

// countPeers returns a promise's condition.
func countPeers(n int) func(outcome, powercut.Tree) bool {
	return func(o outcome, _ powercut.Tree) bool { return o.Peers == n && len(o.Problems) == 0 }
}

func oldOrNewPeers(o outcome, _ powercut.Tree) bool { return o.Peers <= 1 && len(o.Problems) == 0 }

// paired is the story of a peer that is kept after pairing.
func paired() story {
	return story{
		name:    "peer paired",
		prepare: func(b *box) { withKey(b) },
		record: func(b *box, killAt int) (*powercut.Tracer, []promise) {
			tr := b.traceProgram(killAt, "addpeer", b.stateDir())
			if code, err := tr.Wait(); killAt == 0 && (code != 0 || err != nil) {
				b.t.Fatalf("add a peer: got exit code %d, error %v", code, err)
			}
			return tr, []promise{
				{0, "no peer or bob", oldOrNewPeers},
				{len(tr.Ops()), "bob", countPeers(1)},
			}
		},
	}
}

// settings are what users have set without the configuration.
type settings struct {
	AutoAnswer bool // of all peers
	Camera     string
}

func settingsOf(s api.Status) settings {
	v := settings{AutoAnswer: len(s.Peers) > 0, Camera: s.Camera.Choice.Device}
	for _, p := range s.Peers {
		v.AutoAnswer = v.AutoAnswer && p.AutoAnswer
	}
	return v
}

// changed is the story of settings that are changed without the configuration.
func changed() story {
	has := func(all ...settings) func(outcome, powercut.Tree) bool {
		return func(o outcome, _ powercut.Tree) bool {
			return slices.Contains(all, o.Settings) && o.Peers == 1 && len(o.Problems) == 0
		}
	}
	before, answers, both := settings{false, "auto"}, settings{true, "auto"}, settings{true, "test"}
	return story{
		name: "settings changed",
		prepare: func(b *box) {
			withKey(b)
			b.camera = ""
			if _, err := peerstore.Open(b.stateDir()).Put(peerstore.Peer{Name: "bob", ID: identity.ID{1}}); err != nil {
				b.t.Fatal(err)
			}
		},
		record: func(b *box, killAt int) (*powercut.Tracer, []promise) {
			p := []promise{{0, "no setting", has(before)}}
			tr := session(b, killAt, func(c *client.Client, _ api.Status, tr *powercut.Tracer) {
				p = append(p, promise{len(tr.Ops()), "automatic answers or not", has(before, answers)})
				_, err := c.ChangePeer(b.t.Context(), "bob", api.PeerChange{AutoAnswer: new(true)})
				if err != nil && killAt == 0 {
					b.t.Fatal(err)
				}
				p = append(p, promise{len(tr.Ops()), "automatic answers, and either camera", has(answers, both)})
				_, err = c.UseCamera(b.t.Context(), api.CameraRequest{Device: "test"})
				if err != nil && killAt == 0 {
					b.t.Fatal(err)
				}
				p = append(p, promise{len(tr.Ops()), "automatic answers and the test card", has(both)})
			})
			return tr, p
		},
	}
}

// unpaired is the story of a paired peer that is forgotten.
func unpaired() story {
	return story{
		name: "peer unpaired",
		prepare: func(b *box) {
			withKey(b)
			if _, err := peerstore.Open(b.stateDir()).Put(peerstore.Peer{Name: "bob", ID: identity.ID{1}}); err != nil {
				b.t.Fatal(err)
			}
		},
		record: func(b *box, killAt int) (*powercut.Tracer, []promise) {
			p := []promise{{0, "bob", countPeers(1)}}
			tr := session(b, killAt, func(c *client.Client, _ api.Status, tr *powercut.Tracer) {
				p = append(p, promise{len(tr.Ops()), "bob or no peer", oldOrNewPeers})
				if _, err := c.Unpair(b.t.Context(), "bob"); err != nil && killAt == 0 {
					b.t.Fatal(err)
				}
				p = append(p, promise{len(tr.Ops()), "no peer", countPeers(0)})
			})
			return tr, p
		},
	}
}

// lastGood is the story of the copy of the configuration, with which vchatd
// starts if the file is faulty.
func lastGood() story {
	named := func(names ...string) func(outcome, powercut.Tree) bool {
		return func(o outcome, _ powercut.Tree) bool { return slices.Contains(names, o.Name) }
	}
	return story{
		name: "last good configuration",
		prepare: func(b *box) {
			withKey(b)
			// A first start, so that there is an old copy.
			session(b, 0, func(*client.Client, api.Status, *powercut.Tracer) {})
			b.faulty = true
		},
		record: func(b *box, killAt int) (*powercut.Tracer, []promise) {
			b.name = "cellar"
			tr := session(b, killAt, func(*client.Client, api.Status, *powercut.Tracer) {})
			return tr, []promise{
				{0, "the old name or the new one", named("box", "cellar")},
				{len(tr.Ops()), "the new name", named("cellar")},
			}
		},
	}
}

// until waits for a condition, or for the end of a program that is to be
// killed.
func (b *box) until(what string, tr *powercut.Tracer, ok func() bool) {
	b.t.Helper()
	for end := time.Now().Add(daemontest.Timeout); !ok(); {
		select {
		case <-tr.Done():
			return
		case <-time.After(2 * time.Millisecond):
		}
		if time.Now().After(end) {
			b.t.Fatalf("no %s, within %v", what, daemontest.Timeout)
		}
	}
}

// synced reports whether the last change of a traced program is on disk.
func synced(tr *powercut.Tracer) bool {
	ops := tr.Ops()
	return len(ops) > 0 && ops[len(ops)-1].Kind == powercut.Sync
}

// check fails the test unless the outcome of a cut is as promised.
func (s story) check(t *testing.T, o outcome, before powercut.Tree, what string, p *promise) {
	t.Helper()
	problem := ""
	switch {
	case o.Err != nil:
		problem = fmt.Sprintf("vchatd does not start: %v", o.Err)
	case p != nil && !p.want(o, before):
		problem = "want " + p.what
	case s.always != nil:
		problem = s.always(o, before)
	}
	if problem != "" {
		t.Errorf("%s: %s\ndisk:\n%sid %s, privacy %v, %d calls, %d peers, problems %v, name %s\nlog:\n%s",
			what, problem, before, o.ID, o.Privacy, o.Calls, o.Peers, o.Problems, o.Name, o.Log)
	}
}

// TestPowerCut cuts the power at each system call of the writers of the state
// directory, and starts vchatd on everything that this can leave on the disk.
func TestPowerCut(t *testing.T) {
	for _, s := range stories() {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			b := newBox(t)
			s.prepare(b)
			disk, err := powercut.NewDisk(b.root)
			if err != nil {
				t.Fatal(err)
			}
			tr, promises := s.record(b, 0)
			ops, after := tr.Ops(), b.tree()
			outcomes := map[string]outcome{} // by tree
			states := 0
			for state, err := range powercut.Cuts(disk, ops) {
				if err != nil {
					t.Fatal(err)
				}
				key := state.Tree.Key()
				o, known := outcomes[key]
				if !known {
					b.restore(state.Tree)
					o = b.start()
					outcomes[key] = o
				}
				var p *promise
				for i := range promises {
					if promises[i].from <= state.Ops {
						p = &promises[i]
					}
				}
				what := "before the first call"
				if state.Ops > 0 {
					what = fmt.Sprintf("after call %d, %v, without: %s", state.Ops, ops[state.Ops-1], state.Lost)
				}
				s.check(t, o, state.Tree, what, p)
				states++
			}
			if diff := cmp.Diff(after, disk.Current()); diff != "" {
				t.Errorf("real tree and replayed calls differ:\n%s", diff)
			}
			t.Logf("%d calls, %d states, %d of them different", len(ops), states, len(outcomes))
			if t.Failed() {
				t.Logf("calls: %v", ops)
			}
		})
	}
}

// TestKill kills vchatd before some of these calls, or before each system call,
// and starts it again.
func TestKill(t *testing.T) {
	for _, s := range stories() {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			b := newBox(t)
			s.prepare(b)
			begin := b.tree()
			tr, _ := s.record(b, 0)
			n, step := tr.Calls(), 3
			if os.Getenv(everyCall) != "" {
				step = 1
			}
			for i := 0; i < n; i += step {
				b.restore(begin)
				tr, _ := s.record(b, i+1)
				before := b.tree()
				if code, _ := tr.Wait(); code == -1 {
					s.check(t, b.start(), before, fmt.Sprintf("killed before call %d", i+1), nil)
				}
			}
			t.Logf("killed at %d calls of %d", (n+step-1)/step, n)
		})
	}
}
