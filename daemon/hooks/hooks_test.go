package hooks

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vchat/daemon/api"
	"vchat/daemon/daemontest/leaktest"
	"vchat/daemon/daemontest/syncbuffer"
)

func TestMain(m *testing.M) { leaktest.Main(m, Main) }

// waitTimeout is long enough for a loaded machine.
const waitTimeout = 30 * time.Second

// rig is running hooks in a directory of their own.
type rig struct {
	*Hooks
	t   *testing.T
	dir string
	log syncbuffer.Buffer
	end func()
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{t: t, dir: t.TempDir()}
	r.Hooks = New(slog.New(slog.NewTextHandler(&r.log, nil)))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	r.end = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: got %v, want nil", err)
		}
	})
	t.Cleanup(func() {
		r.end()
		if t.Failed() {
			t.Logf("log:\n%s", r.log.String())
		}
	})
	return r
}

// script writes a script and returns its path. It runs in the directory.
func (r *rig) script(name, text string) string {
	r.t.Helper()
	path := filepath.Join(r.dir, name)
	// A concurrent fork must not inherit the file while it is open for writing:
	// exec would fail with ETXTBSY.
	syscall.ForkLock.RLock()
	err := os.WriteFile(path, []byte("#!/bin/sh\ncd "+r.dir+"\n"+text), 0o700)
	syscall.ForkLock.RUnlock()
	if err != nil {
		r.t.Fatal(err)
	}
	return path
}

// hook configures a script as the only hook.
func (r *rig) hook(kind Kind, text string) {
	r.t.Helper()
	r.Configure(Config{Commands: map[Kind][]string{kind: {r.script(string(kind), text)}}, Name: "kitchen",
		Socket: "/run/vchat/control.sock"})
}

func (r *rig) wait(what string, ok func() bool) {
	r.t.Helper()
	for end := time.Now().Add(waitTimeout); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			r.t.Fatalf("not within %v: %s", waitTimeout, what)
		}
	}
}

// file waits for a file with content and returns that.
func (r *rig) file(name string) (content string) {
	r.t.Helper()
	r.wait(name, func() bool {
		b, _ := os.ReadFile(filepath.Join(r.dir, name))
		content = string(b)
		return strings.HasSuffix(content, "\n")
	})
	return content
}

func (r *rig) logged(text string) func() bool {
	return func() bool { return strings.Contains(r.log.String(), text) }
}

var started = time.Date(2026, 11, 28, 20, 0, 0, 0, time.UTC)

// callEvent returns an event of an incoming call.
func callEvent(state api.CallState) api.Event {
	return api.Event{Event: api.EventCall, Peer: "workshop", Time: started, Call: &api.Call{
		ID: "c0ffee", Peer: "workshop", State: state, Direction: api.DirectionIn, Started: started,
	}}
}

func textEvent(text string) api.Event {
	return api.Event{Event: api.EventText, Peer: "workshop", From: api.SideRemote, Text: text, Time: started}
}

func TestHook_event(t *testing.T) {
	r := newRig(t)
	r.hook(Ring,
		`cat >json; env | grep ^VCHAT_ | grep -v ^VCHAT_TEST_ | sort >env.tmp; echo $# >>env.tmp; mv env.tmp env`)
	r.Publish(callEvent(api.CallIncoming))
	want := "VCHAT_CALL_ID=c0ffee\nVCHAT_DIRECTION=in\nVCHAT_EVENT=ring\nVCHAT_NAME=kitchen\nVCHAT_PEER=workshop\n" +
		"VCHAT_SOCKET=/run/vchat/control.sock\n0\n"
	if diff := cmp.Diff(want, r.file("env")); diff != "" {
		t.Errorf("environment (-want +got):\n%s", diff)
	}
	var got api.Event
	if err := json.Unmarshal([]byte(r.file("json")), &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(callEvent(api.CallIncoming), got); diff != "" {
		t.Errorf("standard input (-want +got):\n%s", diff)
	}
}

// What a peer writes is one value of one variable, and no program runs it.
func TestHook_hostileText(t *testing.T) {
	r := newRig(t)
	r.hook(Text, `printf '%s\n' "$VCHAT_TEXT" >text; cat >json; tr '\0' '\n' </proc/$$/cmdline | tail -n 1 >args`)
	hostile := "$(touch pwned) `touch pwned`; touch pwned \x00\nVCHAT_PEER=root\x1b[2J\u2028\xff '\" -- "
	r.Publish(textEvent(hostile))
	want := "$(touch pwned) `touch pwned`; touch pwned   VCHAT_PEER=root [2J \uFFFD '\" -- \n"
	if got := r.file("text"); got != want {
		t.Errorf("VCHAT_TEXT: got %q, want %q", got, want)
	}
	var e api.Event
	if err := json.Unmarshal([]byte(r.file("json")), &e); err != nil || e.Event != api.EventText ||
		!strings.Contains(e.Text, "\x00\nVCHAT_PEER=root") {
		t.Errorf("standard input: got %+v, %v; want the text", e, err)
	}
	if got, want := r.file("args"), filepath.Join(r.dir, "text")+"\n"; got != want {
		t.Errorf("last argument: got %q, want the script itself, %q", got, want)
	}
	if _, err := os.Stat(filepath.Join(r.dir, "pwned")); err == nil {
		t.Error("the text was run")
	}
}

func TestHook_environmentOfTheDaemon(t *testing.T) {
	for name, value := range map[string]string{
		"NOTIFY_SOCKET": "/n", "LISTEN_FDS": "1", "WATCHDOG_USEC": "1", "GOMEMLIMIT": "1GiB", "VCHAT_TEXT": "old",
		"NTFY_TOKEN": "tk_1",
	} {
		t.Setenv(name, value)
	}
	r := newRig(t)
	r.hook(Ring, `env | grep -E '^(NOTIFY|LISTEN|WATCHDOG|GOMEM|VCHAT_TEXT|NTFY|PATH=.)' | cut -d= -f1 | sort >env`)
	r.Publish(callEvent(api.CallIncoming))
	if got := r.file("env"); got != "NTFY_TOKEN\nPATH\n" {
		t.Errorf("got %q, want only NTFY_TOKEN and PATH", got)
	}
}

func TestHook_descriptors(t *testing.T) {
	// A descriptor that the daemon has inherited, as from a shell.
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	inherited, err := syscall.Dup(int(null.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(inherited)
	r := newRig(t)
	r.hook(Ring, `ls /proc/self/fd | tr '\n' ' ' >fds; echo >>fds`)
	r.Publish(callEvent(api.CallIncoming))
	if got := r.file("fds"); got != "0 1 2 3 \n" { // 3 is the directory that ls reads
		t.Errorf("got %q, want only the standard ones", got)
	}
}

func TestHook_output(t *testing.T) {
	r := newRig(t)
	r.hook(Ring, `echo hello; echo problem >&2; printf 'a\033[2Jb\n'
		head -c 100000 /dev/zero | tr '\0' x; echo
		i=0; while [ $i -lt 100 ]; do echo line $i; i=$((i+1)); done; echo done >done`)
	r.Publish(callEvent(api.CallIncoming))
	r.file("done")
	r.wait("the report of omitted lines", r.logged("hook output omitted"))
	log := r.log.String()
	for _, want := range []string{
		`msg="hook output" hook=ring text=hello`, `text=problem`, `text="a\x1b[2Jb"`, `lines=84`,
	} {
		if !strings.Contains(log, want) {
			t.Errorf("the log lacks %s", want)
		}
	}
	if n := strings.Count(log, `msg="hook output"`); n != linesAtOnce {
		t.Errorf("got %d lines, want %d", n, linesAtOnce)
	}
	if len(log) > 8000 {
		t.Errorf("got %d bytes of log, want few", len(log))
	}
}

// alive reports whether the process that has written its id to a file still
// runs. A command that was ended early may have written none.
func (r *rig) alive(name string) bool {
	r.t.Helper()
	id, _ := os.ReadFile(filepath.Join(r.dir, name))
	pid, err := strconv.Atoi(strings.TrimSpace(string(id)))
	if err != nil && len(id) > 0 {
		r.t.Fatal(err)
	}
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && !bytes.Contains(b, []byte(") Z "))
}

// gone waits until the processes that have written these files have ended: a
// killed process takes a moment.
func (r *rig) gone(names ...string) {
	r.t.Helper()
	for _, name := range names {
		r.wait("the end of "+name, func() bool { return !r.alive(name) })
	}
}

// escapes starts a grandchild in a session of its own that ignores SIGTERM.
// Both end by themselves, if the test is killed, but after waitTimeout.
const escapes = `trap '' TERM
setsid sh -c 'trap "" TERM; echo $$ >escaped; for i in $(seq 99); do sleep 1; done' </dev/null >/dev/null 2>&1 &
echo $$ >main; for i in $(seq 99); do sleep 1; done`

func TestHook_timeout(t *testing.T) {
	r := newRig(t)
	r.timeout = 300 * time.Millisecond
	r.hook(Ring, escapes)
	r.Publish(callEvent(api.CallIncoming))
	r.wait("the end", r.logged(`msg="hook failed" hook=ring err="ended after 30s"`))
	if len(r.Problems()) != 0 {
		t.Errorf("got problems %v, want none: it was started", r.Problems())
	}
	r.gone("main", "escaped")
}

func TestHook_endsWithTheDaemon(t *testing.T) {
	r := newRig(t)
	r.hook(Ring, escapes)
	r.Publish(callEvent(api.CallIncoming))
	r.file("main")
	r.file("escaped")
	if !r.alive("main") || !r.alive("escaped") {
		t.Fatal("the hook does not run")
	}
	r.end()
	r.gone("main", "escaped")
}

// The command may stop the runner; the daemon ends all the same.
func TestHook_stopsItsRunner(t *testing.T) {
	r := newRig(t)
	r.hook(Ring, "echo $PPID >runner; kill -STOP $PPID\n"+escapes+"\nkill -CONT $PPID")
	r.Publish(callEvent(api.CallIncoming))
	r.file("main")
	r.file("escaped")
	r.end()
	r.gone("runner", "main", "escaped")
}

// A ring tone ends when the call rings no more. That is no failure.
func TestRing_silence(t *testing.T) {
	for _, end := range []api.CallState{api.CallActive, api.CallEnded} {
		t.Run(string(end), func(t *testing.T) {
			r := newRig(t)
			r.hook(Ring, `trap 'echo yes >stopped; exit 1' TERM; echo $$ >main; while :; do sleep 0.05; done`)
			r.Publish(callEvent(api.CallIncoming))
			r.file("main")
			other := callEvent(end)
			other.Call.Peer = "attic"
			r.Publish(other) // another call changes nothing
			r.Publish(callEvent(end))
			r.file("stopped")
			r.end()
			if strings.Contains(r.log.String(), "hook failed") {
				t.Error("it is logged as a failure")
			}
		})
	}
}

func TestProblems(t *testing.T) {
	r := newRig(t)
	dir := t.TempDir()
	noExec := filepath.Join(dir, "noexec")
	if err := os.WriteFile(noExec, []byte("#!/bin/sh\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	badFormat := r.script("bad", "")
	if err := os.WriteFile(badFormat, []byte("no program\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	noInterpreter := r.script("noint", "")
	if err := os.WriteFile(noInterpreter, []byte("#!/nonexistent/python\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	missing := filepath.Join(dir, "missing")
	r.Configure(Config{Commands: map[Kind][]string{
		Ring: {missing}, Answered: {noExec}, Ended: {dir}, Text: {badFormat}, CameraLost: {noInterpreter},
	}})
	texts := func() (all []string) {
		for _, p := range r.Problems() {
			all = append(all, p.Subject+": "+p.Message)
		}
		return all
	}
	atOnce := []string{
		"hook: ring not started: " + missing + ": no such file or directory",
		"hook: answered not started: " + noExec + ": permission denied",
		"hook: ended not started: " + dir + ": is a directory",
	}
	if diff := cmp.Diff(atOnce, texts()); diff != "" {
		t.Errorf("before the events (-want +got):\n%s", diff)
	}
	r.Publish(textEvent("hello"))
	r.Publish(api.Event{Event: api.EventCamera, Camera: &api.Camera{State: api.CameraLost}})
	r.wait("the other problems", func() bool { return len(r.Problems()) == 5 })
	want := append(slices.Clone(atOnce), "hook: text not started: "+badFormat+": exec format error",
		"hook: camera_lost not started: "+noInterpreter+": no such file or directory")
	if diff := cmp.Diff(want, texts()); diff != "" {
		t.Errorf("after the events (-want +got):\n%s", diff)
	}
	for range 3 { // the same cause is logged once
		r.Publish(callEvent(api.CallIncoming))
		r.Publish(callEvent(api.CallEnded))
	}
	r.wait("the queue to be empty", func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		return len(r.queue)+len(r.running) == 0
	})
	if n := strings.Count(r.log.String(), "hook=ring"); n != 1 {
		t.Errorf("got %d lines about ring, want 1", n)
	}
	// A program that is installed later is no problem any more.
	if err := os.Rename(r.script("installed", "exit 0\n"), missing); err != nil {
		t.Fatal(err)
	}
	if slices.ContainsFunc(texts(), func(s string) bool { return strings.Contains(s, missing) }) {
		t.Errorf("got %q, want none about ring", texts())
	}
	r.Configure(Config{})
	if got := texts(); len(got) > 0 {
		t.Errorf("without hooks: got %q, want no problems", got)
	}
}

func TestHook_failsOnce(t *testing.T) {
	r := newRig(t)
	r.hook(Text, `echo x >>runs; [ "$VCHAT_TEXT" = good ] || exit 3`)
	for i, text := range []string{"a", "b", "good", "c"} {
		r.Publish(textEvent(text))
		r.wait("the runs", func() bool {
			b, _ := os.ReadFile(filepath.Join(r.dir, "runs"))
			r.mu.Lock()
			defer r.mu.Unlock()
			return len(b) == 2*(i+1) && len(r.running) == 0
		})
	}
	if n := strings.Count(r.log.String(), `msg="hook failed" hook=text err="exit status 3"`); n != 2 {
		t.Errorf("got %d lines, want 2: once for each cause", n)
	}
}

// A peer that floods this device neither starts many commands nor holds up
// those of another kind.
func TestLimits(t *testing.T) {
	r := newRig(t)
	busy := r.script("busy", `echo >>busy.runs; while [ ! -e go ]; do sleep 0.05; done`)
	quick := r.script("quick", `echo >>quick.runs`)
	r.Configure(Config{Commands: map[Kind][]string{Text: {busy}, Ring: {quick}}})
	for range 1000 {
		r.Publish(textEvent("hello"))
	}
	runs := func(name string) int {
		b, _ := os.ReadFile(filepath.Join(r.dir, name))
		return len(b)
	}
	r.wait("the first runs", func() bool { return runs("busy.runs") == maxSame })
	r.Publish(callEvent(api.CallIncoming))
	r.wait("the doorbell", func() bool { return runs("quick.runs") == 1 })
	if n := runs("busy.runs"); n != maxSame {
		t.Errorf("got %d at once, want %d", n, maxSame)
	}
	if n := strings.Count(r.log.String(), "hook dropped"); n != 1 {
		t.Errorf("got %d lines about dropped hooks, want 1", n)
	}
	if err := os.WriteFile(filepath.Join(r.dir, "go"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	r.wait("the end", func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		return len(r.queue)+len(r.running) == 0
	})
	// Run may have taken up to maxSame before the queue was full.
	if n := runs("busy.runs"); n < maxQueued || n > maxQueued+maxSame {
		t.Errorf("got %d runs, want %d to %d", n, maxQueued, maxQueued+maxSame)
	}
}

func TestReload(t *testing.T) {
	r := newRig(t)
	r.hook(Text, `echo old >old`)
	r.Publish(textEvent("a"))
	r.file("old")
	r.Configure(Config{Commands: map[Kind][]string{Text: {r.script("other", `echo new >new`)}}})
	r.Publish(textEvent("b"))
	r.file("new")
	if err := os.Remove(filepath.Join(r.dir, "new")); err != nil {
		t.Fatal(err)
	}
	r.Configure(Config{})
	r.Publish(textEvent("c"))
	r.end()
	if _, err := os.Stat(filepath.Join(r.dir, "new")); err == nil {
		t.Error("a hook that was removed has run")
	}
}
