//go:build vm

package vmtest

import (
	"context"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// powerCuts reports whether TestPowerCuts runs. It takes minutes.
func powerCuts() bool { return os.Getenv("VCHAT_VM_POWERCUTS") != "" }

// TestPowerCuts makes a call from a clean Debian and the package, as the README
// says. Then it cuts the power again and again.
func TestPowerCuts(t *testing.T) {
	if !powerCuts() {
		t.Skip("takes minutes: VCHAT_VM_POWERCUTS=1 runs it")
	}
	if err := install(); err != nil {
		t.Fatal(err)
	}
	p := newPackageTest(t)
	_, p.card = cards(shareDir)
	runHost(t, `set -e; PATH=$PATH:/usr/sbin:/sbin; mkdir -p `+shareDir+`/modules
		modprobe -d `+imageDir+`/kernel -S "$(<`+imageDir+`/kernel/version)" --show-depends virtio_net |
			awk '$1 == "insmod" { print $2 }' | xargs cp -t `+shareDir+`/modules
		tune2fs -O has_journal `+p.disk) // as Debian's installer and Raspberry Pi OS make it
	p.boot(t)
	t.Cleanup(func() { p.close() })
	sh(t, "bash /mnt/host/guest/card.sh")
	p.sh(t, "bash /mnt/host/guest/card.sh; bash /mnt/host/guest/kitchen.sh "+kitchenAddress+
		" /mnt/host/packages/vchat_*_amd64.deb")
	startWorkshop(t)
	if t.Run("README", p.walk) {
		p.cutPowerOften(t)
	}
}

// A cut is a power cut of the kitchen.
type cut struct {
	name string
	// What runs in turn when the power goes, in the kitchen and in the
	// workshop. It stops at the first failure in the kitchen.
	here, there []string
	// privacy returns whether privacy is on after so many of the scripts in
	// here, and whether that is certain. nil: it is off.
	privacy func(done int) (on, certain bool)
	// mayEnd reports that the call may have ended.
	mayEnd bool
	// repair is what the owner does afterwards, after all checks.
	repair string
	// both cuts the power of the workshop, too.
	both bool
	// again cuts the power once more as soon as the machine runs.
	again bool
	// clock is the date after the cut.
	clock string
}

const aptInstall = "DEBIAN_FRONTEND=noninteractive apt-get -q -y -o Dpkg::Options::=--force-confold " +
	"--allow-downgrades --reinstall install /mnt/host/packages/"

// pairing pairs two devices without a terminal and forgets the other one.
func pairing(with, forget string) string {
	return "rm -f /tmp/code; " + user("timeout 20 vchatctl pair "+with) + " >/tmp/code 2>/tmp/pair.err & " +
		"for i in $(seq 100); do ! grep -q code /tmp/code 2>/dev/null || break; sleep 0.1; done; " +
		user(`vchatctl pair --confirm "$(sed -n 's/^code //p' /tmp/code)"`) + " || true; wait; " +
		user("vchatctl unpair "+forget) + " || true"
}

// cuts are all power cuts. A short test makes the first two.
func cuts() []cut {
	return []cut{
		{name: "while privacy is switched", privacy: privacyAfter,
			here: []string{user("vchatctl privacy on"), "sleep 0.3", user("vchatctl privacy off"), "sleep 0.3"}},
		{name: "during an upgrade", here: []string{aptInstall + "next.deb", aptInstall + "vchat.deb"},
			repair: "dpkg --configure -a; " + aptInstall + "vchat.deb"},
		{name: "in a call"},
		{name: "during a reload", here: []string{
			"sed -i 's/fps: .*/fps: 15/' /etc/vchat.yaml; systemctl reload vchatd",
			"sed -i 's/fps: .*/fps: 30/' /etc/vchat.yaml; systemctl reload vchatd"}},
		{name: "while pairing", here: []string{pairing(workshopAddress+":7460", "shed")},
			there:  []string{"VCHAT_SOCKET=/run/shed/control.sock; " + pairing("--wait", "kitchen")},
			repair: user("vchatctl unpair shed") + " || true"},
		{name: "while calls begin and end", mayEnd: true,
			here: []string{user("vchatctl hangup") + " || true; " + user("vchatctl call workshop --no-wait") +
				"; sleep 1"},
			there: []string{"VCHAT_SOCKET=" + workshop.socket + "; " + user("vchatctl answer") + " || sleep 0.1"}},
		{name: "of both devices", both: true},
		{name: "with a clock that starts in the past", clock: "2000-01-01"},
		{name: "twice", again: true},
		{name: "while readers are added", here: []string{user("vchatctl feeds add cam"),
			user("vchatctl feeds remove cam")},
			repair: user("vchatctl feeds remove cam") + " || true"},
	}
}

// A packageStatus is the part of `vchatctl status --json` that
// TestPowerCuts checks.
type packageStatus struct {
	ID      string
	Privacy bool
	Calls   []struct{ ID, Peer, State string }
	Peers   []struct {
		Name, ID string
		Link     struct{ State, Reason string }
	}
	Problems []struct{ Subject, Peer, Message string }
}

func (d place) status(t *testing.T) (st packageStatus) {
	t.Helper()
	decode(t, d.sh(t, user("vchatctl status --json")+` | tr -d '\n'`), &st)
	return st
}

// peer returns the id of a peer and the state of its link.
func (st packageStatus) peer(name string) (id, link string) {
	for _, p := range st.Peers {
		if p.Name == name {
			return p.ID, p.Link.State
		}
	}
	return "", ""
}

// activeCall returns the id of the only call if it is active, else "".
func (st packageStatus) activeCall() string {
	if len(st.Calls) != 1 || st.Calls[0].State != "active" {
		return ""
	}
	return st.Calls[0].ID
}

// cutPowerOften cuts the kitchen's power at bad moments of a call. After each,
// the device is what it was before, without a hand.
func (p *packageTest) cutPowerOften(t *testing.T) {
	random, all := newRand(t), cuts()
	if testing.Short() {
		all = all[:2]
	}
	writeFile(t, "/etc/shed.yaml", `name: shed
listen: ":7460"
camera: {device: test, size: 320x240, fps: 1}
discovery: false
state_dir: /var/lib/shed
control: {socket: /run/shed/control.sock, group: tester, admin_group: tester}
`)
	sh(t, "systemd-run -q --unit=shed -p User=tester -p RuntimeDirectory=shed -p StateDirectory=shed "+
		"-p StateDirectoryMode=0700 vchatd --config /etc/shed.yaml")
	t.Cleanup(func() { cleanUp(t, "systemctl stop shed; rm -rf /var/lib/shed") })
	before := p.doctor(t)
	for _, c := range all {
		if !t.Run(c.name, func(t *testing.T) { p.cutPower(t, c, random) }) {
			t.Fatalf("log of the kitchen:\n%s", p.sh(t,
				"journalctl --no-pager -b -u vchatd -u vchatd.socket | tail -n 60"))
		}
	}
	for _, line := range p.doctor(t) {
		if !slices.Contains(before, line) {
			t.Errorf("doctor: got %q, which was not so before", line)
		}
	}
}

// doctor returns what vchatctl doctor finds to be wrong.
func (p *packageTest) doctor(t *testing.T) []string {
	t.Helper()
	all := strings.Split(p.kitchen().sh(t, user("vchatctl doctor")+" || true"), "\n")
	return slices.DeleteFunc(all, func(line string) bool { return !strings.HasPrefix(line, "!") })
}

func (p *packageTest) cutPower(t *testing.T, c cut, random *rand.Rand) {
	kitchen := p.kitchen()
	was := kitchen.status(t)
	if was.activeCall() == "" {
		p.call(t, "vchatctl call workshop", "vchatctl answer")
		was = kitchen.status(t)
	}
	workshopID, _ := was.peer("workshop")

	done := p.runUntilCut(t, c, time.Duration(random.Int64N(int64(4*time.Second))))
	if c.both {
		workshop.sh(t, "systemctl kill -s KILL workshop")
	}
	p.clock = c.clock
	start := time.Now()
	p.boot(t)
	if c.again {
		time.Sleep(time.Duration(random.Int64N(int64(2 * time.Second))))
		p.close()
		start = time.Now()
		p.boot(t)
	}
	p.clock = ""
	booted := time.Since(start)
	if c.both {
		workshop.start(t)
	}

	kitchen = p.kitchen()
	kitchen.eventually(t, user("vchatctl id")) // the agent starts before vchatd
	reachable := time.Since(start)
	st := p.awaitAgreement(t, c.mayEnd)
	t.Logf("%d rounds; booted after %.1f s, vchatd answers after %.1f s, both devices agree after %.1f s: call %.8s",
		done, booted.Seconds(), reachable.Seconds(), time.Since(start).Seconds(), st.activeCall())
	if id, _ := st.peer("workshop"); st.ID != was.ID || id != workshopID {
		t.Errorf("got id %s and workshop %s, want %s and %s", st.ID, id, was.ID, workshopID)
	}
	if !c.mayEnd && st.activeCall() != was.activeCall() {
		t.Errorf("got call %s, want %s", st.activeCall(), was.activeCall())
	}
	p.checkPrivacy(t, c, st.Privacy, done)
	if st.activeCall() != "" {
		workshop.checkFrames(t, "vchatctl view", "-camera 1 -size 1280x720")
	}
	t.Logf("journal:\n%s", kitchen.sh(t, "journalctl --no-pager -b -o short-monotonic -u vchatd"))
	if c.repair != "" {
		kitchen.sh(t, c.repair)
	}
}

// runUntilCut cuts the power after the delay. It returns how many of the cut's
// scripts have succeeded before.
func (p *packageTest) runUntilCut(t *testing.T, c cut, after time.Duration) (done int) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	here, there := make(chan int), make(chan struct{})
	repeat := func(m *vm, socket string, scripts []string) (n int) {
		for len(scripts) > 0 && ctx.Err() == nil {
			if _, err := m.shell(ctx, "VCHAT_SOCKET="+socket+"; "+scripts[n%len(scripts)], ""); err != nil {
				break
			}
			n++
		}
		return n
	}
	cutVM := p.vm
	go func() { here <- repeat(cutVM, p.kitchen().socket, c.here) }()
	go func() { repeat(machine, workshop.socket, c.there); close(there) }()
	time.Sleep(after)
	p.close()
	done = <-here
	cancel()
	<-there
	t.Logf("power cut after %v", after.Round(time.Millisecond))
	return done
}

// problems returns how many things do not work as configured. A pairing that
// the power cut interrupted may be known to the kitchen alone.
func (st packageStatus) problems() (n int) {
	for _, p := range st.Problems {
		if p.Peer != "shed" {
			n++
		}
	}
	return n
}

// awaitAgreement waits until both devices have a link, no problem, and the same
// active call or, if that may have ended, no call. It returns the kitchen's
// status.
func (p *packageTest) awaitAgreement(t *testing.T, mayEnd bool) packageStatus {
	t.Helper()
	for deadline := time.Now().Add(2 * waitTimeout); ; time.Sleep(200 * time.Millisecond) {
		here, there := p.kitchen().status(t), workshop.status(t)
		_, link := here.peer("workshop")
		call := here.activeCall()
		if link == "up" && here.problems()+there.problems() == 0 && call == there.activeCall() &&
			(call != "" || mayEnd && len(here.Calls) == 0 && len(there.Calls) == 0) {
			return here
		}
		if time.Now().After(deadline) {
			t.Fatalf("got %+v here and %+v there, want a link and the same call", here, there)
		}
	}
}

// checkPrivacy turns privacy off.
func (p *packageTest) checkPrivacy(t *testing.T, c cut, on bool, done int) {
	t.Helper()
	want, certain := false, true
	if c.privacy != nil {
		want, certain = c.privacy(done)
	}
	if certain && on != want {
		t.Errorf("privacy after %d steps: got %t, want %t", done, on, want)
	}
	if on {
		p.kitchen().run(t, "vchatctl privacy off")
	}
}

// privacyAfter is for the steps on, pause, off, pause. A change that the cut
// interrupts counts or not.
func privacyAfter(done int) (on, certain bool) { return done%4 == 1, done%2 == 1 }
