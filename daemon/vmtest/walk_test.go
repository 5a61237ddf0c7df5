//go:build vm

package vmtest

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// cards returns the cards of a cable between the machine of all tests and the
// one of TestPowerCuts. Its sockets are in dir.
func cards(dir string) (shared, own card) {
	a, b := filepath.Join(dir, "cable-a"), filepath.Join(dir, "cable-b")
	return card{"52:54:00:00:00:02", a, b}, card{"52:54:00:00:00:01", b, a}
}

// Addresses of the two devices of TestPowerCuts.
const (
	kitchenAddress  = "10.8.0.1"
	workshopAddress = "10.8.0.2"
)

// user returns a script that runs a command as the user of both devices of
// TestPackage.
func user(command string) string {
	return "runuser -u tester -- env TERM=xterm VCHAT_SOCKET=$VCHAT_SOCKET " + command
}

// A place is one of the two devices of TestPowerCuts.
type place struct {
	name, socket string
	shell        func(t *testing.T, script string) string // in its machine, as root
}

// kitchen returns the device of the package, in the package's own machine.
func (p *packageTest) kitchen() place {
	return place{"kitchen", "/run/vchat/control.sock", p.sh}
}

// workshop is the other device. It runs in the machine of all tests, whose
// power stays on.
var workshop = place{"workshop", "/run/workshop/control.sock", sh}

const workshopConfig = `name: workshop
camera: {device: CAMERA, size: 320x240, fps: 5}
state_dir: /var/lib/workshop
control: {socket: /run/workshop/control.sock, group: tester, admin_group: tester}
`

// startWorkshop connects the workshop to the cable and starts it, until the end
// of the test.
func startWorkshop(t *testing.T) {
	t.Helper()
	sh(t, "ip addr add "+workshopAddress+"/24 dev eth0; ip link set eth0 up")
	t.Cleanup(func() {
		cleanUp(t, "systemctl stop workshop; rm -rf /var/lib/workshop; ip addr flush dev eth0; ip link set eth0 down")
	})
	plugIn(t, bob.camera)
	writeFile(t, "/etc/workshop.yaml", strings.ReplaceAll(workshopConfig, "CAMERA", bob.camera.node()))
	workshop.start(t)
}

// start starts the workshop's vchatd.
func (d place) start(t *testing.T) {
	t.Helper()
	d.sh(t, "systemctl reset-failed workshop 2>/dev/null || true; systemd-run -q --unit=workshop -p User=tester "+
		"-p RuntimeDirectory=workshop -p StateDirectory=workshop -p StateDirectoryMode=0700 "+
		"vchatd --config /etc/workshop.yaml")
	d.eventually(t, user("vchatctl id"))
}

func (d place) sh(t *testing.T, script string) string {
	t.Helper()
	return d.shell(t, "VCHAT_SOCKET="+d.socket+"; "+script)
}

// run runs a command of vchatctl as the user.
func (d place) run(t *testing.T, command string) string {
	t.Helper()
	return strings.TrimSpace(d.sh(t, user(command)))
}

func (d place) eventually(t *testing.T, script string) {
	t.Helper()
	d.sh(t, "for i in $(seq 300); do if ("+script+") >/tmp/eventually 2>&1; then exit 0; fi; sleep 0.2; done; "+
		"cat /tmp/eventually >&2; "+user("vchatctl status")+" >&2; false")
}

// A terminal is one in which a command runs. Its input and output are files.
type terminal struct {
	place
	in, out string
}

// open runs a command on a terminal of the user.
func (d place) open(t *testing.T, command string) terminal {
	t.Helper()
	name := "/tmp/" + regexp.MustCompile(`\W+`).ReplaceAllString(command, "-")
	term := terminal{d, name + ".in", name + ".out"}
	d.sh(t, fmt.Sprintf("rm -f %s %s; mkfifo -m 666 %[1]s; setsid %[3]s <>%[1]s >/dev/null 2>&1 &", term.in, term.out,
		user(`script -qefc "stty cols 80 rows 24; `+command+`" `+term.out)))
	return term
}

// write types a text.
func (term terminal) write(t *testing.T, text string) {
	t.Helper()
	term.sh(t, fmt.Sprintf("printf '%s' >%s", text, term.in))
}

// await waits for a line with a regular expression of sed, and returns what
// its group matches.
func (term terminal) await(t *testing.T, pattern string) string {
	t.Helper()
	script := fmt.Sprintf(`sed -n 's/.*%s.*/\1/p' %s | head -n 1 | tr -d '\r'`, pattern, term.out)
	term.eventually(t, `test -n "$(`+script+`)" || { cat `+term.out+"; false; }")
	return strings.TrimSpace(term.sh(t, script))
}

// A readme is the commands of the README's start that have not run yet.
type readme []string

// readReadme returns the commands of the README's start.
func readReadme(t *testing.T) *readme {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, start, _ := strings.Cut(string(b), "\n## Start in five minutes\n")
	start, _, _ = strings.Cut(start, "\n## ")
	var commands readme
	for line := range strings.Lines(start) {
		if command, ok := strings.CutPrefix(line, "    "); ok {
			command, _, _ = strings.Cut(command, "  #")
			commands = append(commands, strings.TrimSpace(command))
		}
	}
	return &commands
}

// next returns the next command of the README, which must begin like this. So
// the walk and the README cannot differ.
func (r *readme) next(t *testing.T, prefix string) string {
	t.Helper()
	if len(*r) == 0 || !strings.HasPrefix((*r)[0], prefix) {
		t.Fatalf("next command of the README: got %q, want %q", *r, prefix)
	}
	command := (*r)[0]
	*r = (*r)[1:]
	return command
}

// walk does what the README's start says, word for word: the kitchen is a clean
// Debian. It leaves a call between both devices.
func (p *packageTest) walk(t *testing.T) {
	kitchen, r := p.kitchen(), readReadme(t)
	began := time.Now()
	step := func(what string) { t.Logf("%4.0f s: %s", time.Since(began).Seconds(), what) }

	// As the user types it, in the folder of the download.
	asRoot := "cd /home/tester; USER=tester; sudo() { \"$@\"; }; "
	install := strings.ReplaceAll(r.next(t, "sudo apt install ./vchat_"), "arm64", "amd64")
	t.Logf("apt: %s", kitchen.sh(t, asRoot+install+" 2>&1"))
	kitchen.sh(t, asRoot+r.next(t, "sudo usermod -aG vchat"))
	step("installed")

	if list := kitchen.run(t, r.next(t, "vchatctl camera")); !strings.Contains(list, "/dev/video0") {
		t.Errorf("cameras: got %s, want /dev/video0", list)
	}
	kitchen.run(t, strings.ReplaceAll(r.next(t, "vchatctl camera use /dev/video2"), "/dev/video2", "/dev/video0"))
	self := kitchen.open(t, r.next(t, "vchatctl view self"))
	self.eventually(t, `grep -aq 'fps' `+self.out)
	self.write(t, "q")
	self.eventually(t, "not pgrep -x vchatctl")
	step("own camera seen")

	wait := workshop.open(t, r.next(t, "vchatctl pair --wait"))
	kitchen.eventually(t, user("vchatctl peers")+" | grep -q workshop")
	pair := kitchen.open(t, r.next(t, "vchatctl pair workshop"))
	const digits = `Do both devices show \([0-9]* [0-9]*\)?`
	if there, here := wait.await(t, digits), pair.await(t, digits); there != here {
		t.Errorf("digits: got %s here and %s there, want the same", here, there)
	}
	wait.write(t, `y\n`)
	pair.write(t, `y\n`)
	wait.await(t, `paired with \([a-z]*\)`)
	pair.await(t, `paired with \([a-z]*\)`)
	step("paired")

	p.call(t, r.next(t, "vchatctl call workshop"), r.next(t, "vchatctl answer"))
	// Without a terminal, this command writes frames.
	view := r.next(t, "vchatctl view")
	workshop.checkFrames(t, view, "-camera 1 -size 1280x720")
	step("the kitchen is seen in the workshop")
	kitchen.checkFrames(t, view, "-camera 2 -size 320x240")
	step("the workshop is seen in the kitchen")
	if took := time.Since(began); took > 5*time.Minute {
		t.Errorf("got %v from the package to a picture on both sides, want at most 5 minutes", took)
	}
	workshop.run(t, r.next(t, "vchatctl hangup"))
	if len(*r) > 0 {
		t.Errorf("commands of the README that the walk lacks: %q", *r)
	}
}

// call calls the workshop, which answers.
func (p *packageTest) call(t *testing.T, call, answer string) {
	t.Helper()
	calling := p.kitchen().open(t, call)
	workshop.eventually(t, user("vchatctl status --json")+` | tr -d ' \n' | grep -q '"state":"incoming"'`)
	workshop.run(t, answer)
	calling.eventually(t, "not pgrep -x vchatctl && grep -aq active "+calling.out)
}

// checkFrames views the peer and compares some frames with what its camera has
// sent. A card may come before the first frame.
func (d place) checkFrames(t *testing.T, view, camera string) {
	t.Helper()
	var r frameReport
	decode(t, d.sh(t, user(view)+" | framecheck -skip 3 -count 15 "+camera), &r)
	r.Frames -= r.Cards
	if err := r.check(); err != nil {
		t.Errorf("%s: %v", d.name, err)
	}
}
