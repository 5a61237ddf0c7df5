// Package doctest runs the command lines of the documents.
//
// Guarantees:
//   - Each line is run by a step here, as it is written, or has a reason why
//     not.
//   - A device of TestDevices is what its owner sees: programs in PATH, a host
//     name, the control socket at its place, a network with the other device.
package doctest

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

var names = []string{"kitchen", "workshop"}

// exampleID is an id for examples that have a part of one.
const exampleID = "5ZIQ2-GQHVR-7GJKY-EPKDE-ONDEM-OUV3V-J62KR-VRSFA-UBGBJ-BXEF5-RERCY-MKAQI"

// devices are the lines that an owner types, by document.
var devices = slices.Concat([]step{
	// README.md
	{on: "kitchen", line: "vchatctl camera"},
	{on: "kitchen", line: "vchatctl view self", want: frame, keys: "q"},
	{on: "workshop", line: "vchatctl pair --wait", want: "waiting", goes: true},
	{on: "kitchen", line: "vchatctl peers", as: "until vchatctl peers | grep 'workshop.* seen '; do sleep 0.1; done"},
}, paired("vchatctl pair workshop"), []step{
	{on: "kitchen", line: "vchatctl call workshop", want: "ringing", goes: true},
	{on: "workshop", line: "vchatctl status", want: "kitchen .*incoming"},
	{on: "workshop", line: "vchatctl answer"},
	{on: "kitchen", line: "vchatctl call workshop", want: "connected"},
	{on: "kitchen", line: "vchatctl view", want: frame, keys: "q"},
	{on: "workshop", line: "vchatctl view", want: frame, keys: "q"},
	{on: "workshop", line: "vchatctl events", want: "kitchen", goes: true},
	{on: "kitchen", line: "vchatctl say tea is ready"},
	{on: "workshop", line: "vchatctl events", want: "tea is ready", keys: ctrlC, exit: 130},
	{on: "kitchen", line: "vchatctl snapshot workshop a.jpg"},
	{on: "kitchen", as: "cmp -n 2 a.jpg jpeg"},
	{on: "kitchen", line: "vchatctl record workshop a.mkv", goes: true},
	{on: "kitchen", as: "until [ -s a.mkv ]; do sleep 0.1; done; sleep 1"},
	{on: "kitchen", line: "vchatctl record workshop a.mkv", keys: ctrlC},
	{on: "kitchen", as: "ffmpeg -v error -xerror -i a.mkv -f null -", tool: "ffmpeg"},
	{on: "workshop", line: "vchatctl privacy on"},
	{on: "kitchen", line: "vchatctl view workshop", want: "turned the camera off", keys: "q"},
	{on: "kitchen", as: "vchatctl status", want: "theirs .*privacy"},
	{on: "workshop", line: "vchatctl privacy off"},
	{on: "kitchen", line: "vchatctl hangup"},
	{on: "workshop", line: "vchatctl --help", want: "vchatctl"},
	{on: "workshop", line: "vchatctl id", want: "^([A-Z0-9]{5}-){11}[A-Z0-9]{5}\r?$"},

	// pairing.md. Who is paired already may pair again.
	{on: "workshop", line: "vchatctl pair --wait", want: "waiting", goes: true},
}, paired("vchatctl pair 192.168.1.20"), []step{
	{on: "kitchen", line: "vchatctl pair", as: "vchatctl pair 100.64.0.7 </dev/null", goes: true},
	{on: "workshop", line: "vchatctl status", as: requested},
	{on: "workshop", line: "vchatctl pair --accept", as: "vchatctl pair --accept </dev/null",
		want: "code ", goes: true},
	{on: "kitchen", line: "vchatctl pair", as: "vchatctl pair 100.64.0.7 </dev/null", want: "code ", goes: true},
	{on: "workshop", line: "vchatctl pair --confirm 482913", as: "vchatctl pair --confirm CODE"},
	{on: "kitchen", line: "vchatctl pair --confirm 482913", as: "vchatctl pair --confirm CODE"},
	{on: "kitchen", line: "vchatctl pair", as: "vchatctl pair 100.64.0.7 </dev/null", want: "paired with workshop"},
	{on: "workshop", line: "vchatctl pair --accept", as: "vchatctl pair --accept </dev/null",
		want: "paired with kitchen"},
	{on: "kitchen", line: "vchatctl unpair PEER", as: "vchatctl unpair workshop"},
	{on: "kitchen", line: "vchatctl pair", as: "vchatctl pair 192.168.1.20", want: "waiting", goes: true},
	{on: "workshop", line: "vchatctl status", as: requested},
	{on: "workshop", line: "vchatctl pair --refuse"},
	{on: "kitchen", line: "vchatctl pair", as: "vchatctl pair 192.168.1.20", want: "refused", exit: 7},

	// beyond-the-lan.md
	{on: "workshop", line: "vchatctl pair --wait", want: "waiting", goes: true},
}, paired("vchatctl pair my-home.example.net"), []step{
	{on: "kitchen", as: "vchatctl peer workshop --address 192.168.1.99"},
	{on: "kitchen", line: "vchatctl peer workshop --address my-home.example.net"},
	{on: "workshop", line: "vchatctl pair --wait", want: "waiting", goes: true},
}, paired("vchatctl pair 2001:db8::7"), []step{
	{on: "workshop", line: "vchatctl pair --wait", want: "waiting", goes: true},
}, paired("vchatctl pair '[2001:db8::7]:7450'"), []step{
	{on: "workshop", line: "vchatctl pair --wait", want: "waiting", goes: true},
}, paired("vchatctl pair 100.64.0.7"), []step{
	{on: "workshop", line: "vchatctl pair --wait", want: "waiting", goes: true},
}, paired("vchatctl pair 10.77.0.7"), []step{
	{on: "kitchen", line: "vchatctl peers", want: "workshop .*up"},

	// kiosk.md and slow-links.md
	{on: "workshop", line: "vchatctl pair --wait --auto-answer", want: "waiting", goes: true},
	{on: "kitchen", line: "vchatctl pair workshop", want: question, goes: true},
	{on: "workshop", line: "vchatctl pair --wait --auto-answer", want: question, keys: "y\r", goes: true},
	{on: "kitchen", line: "vchatctl pair workshop", keys: "y\r"},
	{on: "workshop", line: "vchatctl pair --wait --auto-answer", want: "paired with kitchen"},
	{on: "kitchen", line: "vchatctl call workshop", want: "connected"},
	{on: "workshop", line: "vchatctl hangup"},
	{on: "workshop", as: "vchatctl peer kitchen --auto-answer off"},
	{on: "workshop", line: "vchatctl peer kitchen --auto-answer on"},
	{on: "kitchen", line: "vchatctl call workshop", want: "connected"},
	{on: "kitchen", line: "vchatctl hangup"},
	{on: "workshop", as: "vchatctl peer kitchen --auto-answer off"},
	{on: "workshop", line: "vchatctl peer kitchen", want: "kitchen"},
	{on: "workshop", line: "vchatctl peer", as: "vchatctl peer kitchen", want: "kitchen"},
	{on: "kitchen", line: "vchatctl peer workshop", want: "workshop"},
	{on: "kitchen", line: "vchatctl peer PEER --max-bitrate 5", as: "vchatctl peer workshop --max-bitrate 5"},
	{on: "kitchen", as: "vchatctl peer workshop --max-bitrate 0"},

	// viewing.md
	{on: "workshop", line: "vchatctl view --follow", want: "waiting", goes: true},
	{on: "kitchen", line: "vchatctl call workshop", want: "ringing", goes: true},
	{on: "workshop", line: "vchatctl answer PEER", as: "vchatctl answer kitchen"},
	{on: "kitchen", line: "vchatctl call workshop", want: "connected"},
	{on: "workshop", line: "vchatctl view --follow", want: frame, keys: "q"},
	{on: "workshop", line: "vchatctl view --to web", want: "http://127.0.0.1:", keys: ctrlC, exit: 130},
	{on: "kitchen", line: "ssh -L 7460:127.0.0.1:7460 kitchen vchatctl view --to web --port 7460",
		as: "vchatctl view --to web --port 7460", want: "http://127.0.0.1:7460/", keys: ctrlC, exit: 130},
	{on: "kitchen", line: "vchatctl view --to pipe --format mkv | mpv --profile=low-latency --untimed --cache=no -",
		as: "vchatctl view --to pipe --format mkv | " +
			"mpv --no-config --vo=null --frames=20 --profile=low-latency --untimed --cache=no -",
		want: "VO: .null. 1280x720", tool: "mpv"},
	{on: "kitchen", line: "vchatctl view --to pipe --format mkv | " +
		"ffplay -fflags nobuffer -flags low_delay -vf setpts=N/120/TB -",
		as: "timeout 10 vchatctl view --to pipe --format mkv | " +
			"ffplay -autoexit -fflags nobuffer -flags low_delay -vf setpts=N/120/TB -",
		want: "mjpeg.* 1280x720", tool: "ffplay"},
	{on: "kitchen", line: "vchatctl snapshot workshop frame.jpg"},
	{on: "kitchen", line: "vchatctl record workshop call.mkv", as: "vchatctl record workshop call.mkv --for 1s"},
	{on: "kitchen", line: "vchatctl hangup"},

	// integration.md
	{on: "workshop", line: "vchatctl events --json", want: `"event":"state"`, keys: ctrlC, exit: 130},
	{on: "kitchen", line: "vchatctl status --json", want: `"camera":`},
	{on: "kitchen", line: "curl --unix-socket /run/vchat/control.sock http://vchat/v1/metrics", want: "vchat_link_up",
		tool: "curl"},
	{on: "kitchen", line: "curl --unix-socket /run/vchat/control.sock http://vchat/v1/status", want: `"camera":`,
		tool: "curl"},
	{on: "kitchen", as: "curl -fsS http://127.0.0.1:7451/metrics", want: "vchat_link_up", tool: "curl"},
	{on: "kitchen", line: "vchatctl api GET /v1/status", want: `"camera":`},
	{on: "kitchen", line: `vchatctl api POST /v1/calls '{"peer":"workshop"}'`, want: `"state":"calling"`},
	{on: "kitchen", line: "vchatctl hangup"},
	{on: "kitchen", line: "sudo vchatctl feeds add obs", want: "^http://127.0.0.1:7452/self.mjpeg"},
	{on: "kitchen", line: "vchatctl feeds", want: "^obs "},
	{on: "kitchen", as: "curl -fsS 'URL' -m 2 -o obs.mjpeg", exit: 28, tool: "curl"},
	{on: "kitchen", line: "ffmpeg -f mpjpeg -i URL …",
		as: "ffmpeg -v error -xerror -f mpjpeg -i 'URL' -frames:v 20 -f null -", tool: "ffmpeg"},
	{on: "kitchen", line: "mpv URL", as: "mpv --no-config --vo=null --frames=20 'URL'",
		want: "VO: .null. 1280x720", tool: "mpv"},
	// vlc refuses root, and does not end.
	{on: "kitchen", line: "vlc URL", as: "timeout 6 env -u http_proxy unshare --user --map-user=1 --map-group=1 " +
		"cvlc --sout '#std{access=file,mux=ts,dst=vlc.ts}' 'URL'; [ $(stat -c %s vlc.ts) -gt 1000000 ]", tool: "cvlc"},
	{on: "kitchen", line: "vchatctl feeds remove NAME", as: "vchatctl feeds remove obs"},
	{on: "kitchen", line: "vchatctl feeds add NAME", as: "vchatctl feeds add obs"},
	{on: "kitchen", line: "vchatctl feeds remove", as: "vchatctl feeds remove obs"},

	// faq.md and troubleshooting.md
	{on: "kitchen", line: "vchatctl record", as: "vchatctl record self.mjpeg --for 1s"},
	// Whether it finds a problem depends on the machine.
	{on: "kitchen", line: "vchatctl doctor", as: "vchatctl doctor; [ $? -le 1 ]", want: "peer workshop: reachable"},
	{on: "kitchen", line: "sudo vchatctl doctor", as: "sudo vchatctl doctor; [ $? -le 1 ]",
		want: "camera test: delivers"},
	{on: "kitchen", line: "vchatctl doctor --json", as: "vchatctl doctor --json; [ $? -le 1 ]", want: `^\{`},
	{on: "kitchen", line: "vchatctl doctor --report", as: "vchatctl doctor --report; [ $? -le 1 ]", want: "camera"},
	{on: "kitchen", line: "vchatd check-config", as: "vchatd check-config --config vchat.yaml"},
	{on: "workshop", line: "vchatctl peer kitchen --address 192.168.1.30"},
})

const (
	ctrlC = "\x03"
	// question is that of a pairing.
	question = `Do both devices show \d{3} \d{3}\? \[y/N\]`
	// requested waits until the device shows the request of another one.
	requested = "until vchatctl status | grep 'pairing .*requested by'; do sleep 0.1; done"
	frame     = `\x1b\[[0-9;]*m.*[▀▄█]` // a line of a picture in a terminal
)

// paired are the steps of a pairing after the workshop has begun to wait.
func paired(line string) []step {
	return []step{
		{on: "kitchen", line: line, want: question, goes: true},
		{on: "workshop", line: "vchatctl pair --wait", want: question, keys: "y\r", goes: true},
		{on: "kitchen", line: line, keys: "y\r", goes: true},
		{on: "kitchen", line: line, want: "paired with workshop"},
		{on: "workshop", line: "vchatctl pair --wait", want: "paired with kitchen"},
	}
}

// source are the lines for developers. TMP is a folder in place of /tmp.
var source = []step{
	// README.md and CONTRIBUTING.md
	// go ends with 1 after Ctrl-C.
	{line: "go run ./cmd/vchatd demo", want: `sees [1-9]\d*\.\d fps`, keys: ctrlC, exit: 1},
	{line: "go build -o /tmp/ ./cmd/vchatd ./cmd/vchatctl", as: "go build -o TMP/ ./cmd/vchatd ./cmd/vchatctl"},
	{line: "vchatd demo", as: "TMP/vchatd demo", want: `sees [1-9]\d*\.\d fps.* sees [1-9]`, keys: ctrlC},
	{line: "go run ./cmd/vchatd demo --dir /tmp/demo &", as: "go run ./cmd/vchatd demo --dir TMP/demo",
		want: `sees [1-9]\d*\.\d fps`, goes: true},
	{line: "curl --unix-socket /tmp/demo/alice.sock http://vchat/v1/status",
		as: "curl --unix-socket TMP/demo/alice.sock http://vchat/v1/status", want: `"peer":"bob"`, tool: "curl"},
	{line: "curl --unix-socket /tmp/demo/alice.sock http://vchat/v1/events",
		as:   "curl --unix-socket TMP/demo/alice.sock http://vchat/v1/events",
		want: `"event":"stats"`, keys: ctrlC, exit: 130, tool: "curl"},
	{line: "curl --unix-socket /tmp/demo/alice.sock http://vchat/v1/feeds/bob.jpg >frame.jpg",
		as: "curl --unix-socket TMP/demo/alice.sock http://vchat/v1/feeds/bob.jpg >TMP/frame.jpg", tool: "curl"},
	{line: "go run ./cmd/vchatd demo --dir /tmp/demo &", as: "go run ./cmd/vchatd demo --dir TMP/demo",
		keys: ctrlC, exit: 1},
	{line: "go doc ./daemon", want: "package daemon"},

	// integration.md, benchmarks.md, size.md, soak.md
	{line: "go doc vchat/daemon/api", want: "GET /v1/status"},
	{line: "go doc ./cmd/vchat-bench", want: "bench"},
	{line: `go build -o /tmp/ ./cmd/vchat-bench && sudo env PATH="$PATH" /tmp/vchat-bench -camera /dev/video0`,
		as: "go build -o TMP/ ./cmd/vchat-bench && TMP/vchat-bench -camera /dev/video0 -h"},
	{line: "GODEBUG=inittrace=1 vchatd --version", as: "GODEBUG=inittrace=1 TMP/vchatd --version", want: "init vchat/"},
	{line: "vchat-bench -only strangers -programs vchat -camera test -kinds hello,silent,mix",
		as: "TMP/vchat-bench -only strangers -programs vchat -camera test -kinds hello,silent,mix -h"},
	{line: "CGO_ENABLED=0 go build -tags onefile -ldflags '-s -w' -o /tmp/vchatd ./cmd/vchatctl",
		as: "CGO_ENABLED=0 go build -tags onefile -ldflags '-s -w' -o TMP/vchatd ./cmd/vchatctl"},
	{line: "go build -o /tmp/vchatd ./cmd/vchatd && go tool nm -size -sort size /tmp/vchatd | head -40",
		as:   "go build -o TMP/vchatd ./cmd/vchatd && go tool nm -size -sort size TMP/vchatd | head -40",
		want: "runtime"},
	{line: "go build -ldflags=-dumpdep -o /dev/null ./cmd/vchatctl 2>&1 | grep '<ReflectMethod>'", exit: 1}, // none
	{line: "go test ./daemon/soak -run TestSoak -v -timeout 3h -frames 1000000 -out /tmp", // without a test: its flags
		as: "go test ./daemon/soak -run NoTest -v -timeout 3h -frames 1000000 -out TMP"},
}

// world makes two devices in network namespaces, joined by a cable. $1 is the
// folder of the devices. It ends with its standard input.
const world = `
set -e
dir=$1
mount -t tmpfs none /run
cat >/run/hosts <<END
127.0.0.1 localhost
192.168.1.20 my-home.example.net
END
device() { # NAME N
	unshare --net --mount --uts sh -c '
		set -e
		hostname '$1'
		cd "'$dir/$1'"
		touch apart
		mount --bind /run/hosts /etc/hosts
		mount -t tmpfs none /run
		mkdir /run/vchat
		ip link set lo up
		until ip link show eth0 >/dev/null 2>&1; do sleep 0.05; done
		ip address add 192.168.1.'$2'/24 dev eth0
		ip address add 100.64.0.'$3'/10 dev eth0
		ip address add 10.77.0.'$3'/24 dev eth0
		ip address add 2001:db8::'$3'/64 dev eth0 nodad
		ip link set eth0 up
		exec vchatd --config vchat.yaml >log 2>&1' &
	echo $! >"$dir/$1/pid"
}
device kitchen 10 1
kitchen=$!
device workshop 20 7
workshop=$!
until [ -e "$dir/kitchen/apart" ] && [ -e "$dir/workshop/apart" ]; do sleep 0.05; done
ip link add eth0 netns $kitchen type veth peer name eth0 netns $workshop
cat # until the test ends
kill $kitchen $workshop
wait
`

// newWorld starts the devices of world. It returns the command that runs a
// shell on one of them, without the shell's command line.
func newWorld(t *testing.T, s *session) func(device string) []string {
	t.Helper()
	for _, tool := range []string{"unshare", "nsenter", "script", "ip"} {
		if _, err := exec.LookPath(tool); err != nil && os.Getenv("VCHAT_TEST_TOOLS") != "" {
			t.Fatal(err)
		} else if err != nil {
			t.Skip(err)
		}
	}
	if out, err := exec.Command("unshare", "--user", "--map-root-user", "--net", "--mount", "--uts",
		"mount", "-t", "tmpfs", "none", "/run").CombinedOutput(); err != nil {
		t.Skipf("no namespaces here: %v: %s", err, out)
	}
	cmd := exec.Command("unshare", "--user", "--map-root-user", "--net", "--mount", "sh", "-c", world, "world", s.dir)
	var stderr strings.Builder
	cmd.Env, cmd.Stderr = append(os.Environ(), s.env...), &stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = stdin.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("world: %v: %s", err, &stderr)
		}
		for _, name := range names {
			if text, _ := os.ReadFile(filepath.Join(s.dir, name, "log")); t.Failed() {
				t.Logf("vchatd of the %s:\n%s", name, text)
			}
		}
	})
	enter := func(device string) []string {
		pid, err := os.ReadFile(filepath.Join(s.dir, device, "pid"))
		if err != nil {
			pid = []byte("0")
		}
		return []string{"nsenter", "--target", strings.TrimSpace(string(pid)), "--user", "--mount", "--net", "--uts",
			"--preserve-credentials", "--wd=" + filepath.Join(s.dir, device), "bash", "-c"}
	}
	for _, name := range names {
		for deadline := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
			argv := append(enter(name), "[ $(hostname) = "+name+" ] && test -S /run/vchat/control.sock")
			if exec.Command(argv[0], argv[1:]...).Run() == nil {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("no control socket in the %s: %s", name, &stderr)
			}
		}
	}
	return enter
}

// build builds the programs as the package has them, beside a sudo that needs
// no password: on a device of the session everything is run by its root.
func build(t *testing.T, dir string) {
	t.Helper()
	cmd := exec.Command("go", "build", "-tags", "onefile", "-o", filepath.Join(dir, "vchatd"), "vchat/cmd/vchatctl")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	if err := os.Symlink("vchatd", filepath.Join(dir, "vchatctl")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "sudo"), []byte("#!/bin/sh\nexec \"$@\"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
}

// settings are those of both devices beyond the package's file: a camera, and
// what needs a group of the package or its state directory.
const settings = `camera: {device: test}
control: {group: "", pair_group: "", admin_group: ""}
feeds: "127.0.0.1:7452"
metrics: "127.0.0.1:7451"
`

// Two devices, as in the documents, and all that an owner types.
func TestDevices(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds the programs")
	}
	dir := t.TempDir()
	build(t, dir)
	for _, name := range names {
		home := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Join(home, "state"), 0o700); err != nil {
			t.Fatal(err)
		}
		text := settings + "state_dir: " + filepath.Join(home, "state") + "\n"
		for file, text := range map[string]string{"vchat.yaml": text, "jpeg": "\xff\xd8"} {
			if err := os.WriteFile(filepath.Join(home, file), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	s := &session{t: t, dir: dir, values: map[string]string{},
		env: []string{"PATH=" + dir + ":" + os.Getenv("PATH"), "SHELL=/bin/sh", "TERM=xterm-256color", "LANG=C.UTF-8",
			"VCHAT_SOCKET=", "DISPLAY=", "SDL_VIDEODRIVER=dummy", "http_proxy="}}
	s.enter = newWorld(t, s)
	s.run(devices)
}

// The lines for developers.
func TestSource(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds the programs")
	}
	if _, err := exec.LookPath("script"); err != nil {
		t.Skip(err)
	}
	dir := t.TempDir()
	s := &session{t: t, enter: func(string) []string { return []string{"bash", "-c"} }, dir: "../..",
		values: map[string]string{"TMP": dir}, env: []string{"SHELL=/bin/sh", "TERM=xterm-256color", "PAGER="}}
	s.run(source)
}
