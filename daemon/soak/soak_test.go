package soak

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"vchat/daemon/api"
	"vchat/daemon/daemontest"
	"vchat/daemon/identity"
)

var (
	frames = flag.Int("frames", 0, "end after so many frames; 0: a short run with each fault once")
	seed   = flag.Uint64("seed", 0, "of the faults; 0: a random one")
	rate   = flag.Int("rate", 240, "frames a second of each camera, up to 480")
	slack  = flag.Float64("slack", 10, "factor of the longest outages, for a loaded machine")
	out    = flag.String("out", "", "directory for soak.md and soak.svg")
	vchatd = flag.String("vchatd", "", "path of vchatd; default: build it")
)

// TestMain runs a camera if this process was started as one.
func TestMain(m *testing.M) {
	if env := os.Getenv(cameraEnv); env != "" {
		if err := runCamera(env); err != nil {
			os.Stderr.WriteString(err.Error() + "\n")
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// world is all of a run.
type world struct {
	t        *testing.T
	devices  [2]*device // alice and bob
	proxies  [2]*proxy  // to alice and to bob
	checkers [2]*checker
	mallory  *identity.Identity // a known device that misbehaves
	began    time.Time
	noDisk   error // why device.smallDisk failed

	calls   [2]string // id of the call on each side
	samples [2][]sample
	outages []outage
}

// outage is the effect of a fault.
type outage struct {
	Fault   fault
	Minutes float64 // since the start of the run
	Took    time.Duration
}

func (w *world) eachProxy(do func(*proxy)) {
	for _, p := range w.proxies {
		do(p)
	}
}

func (w *world) minutes() float64 { return time.Since(w.began).Minutes() }

// newWorld starts two devices that do not call each other yet.
func newWorld(t *testing.T) *world {
	w := &world{t: t, began: time.Now()}
	dir, err := os.MkdirTemp("", "vchat-soak-") // short: it has sockets
	w.must(err)
	w.must(os.Chmod(dir, 0o711)) // root's camera command has another user
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	program := *vchatd
	if program == "" {
		program = filepath.Join(dir, "vchatd")
		output, err := exec.Command("go", "build", "-o", program, "vchat/cmd/vchatd").CombinedOutput()
		if err != nil {
			t.Fatalf("go build: %v\n%s", err, output)
		}
	}
	executable, err := os.Executable() // of go test, in a private directory
	w.must(err)
	self := filepath.Join(dir, "camera")
	output, err := exec.Command("cp", executable, self).CombinedOutput()
	if err == nil {
		err = os.Chmod(self, 0o755)
	}
	if err != nil {
		t.Fatalf("cp: %v\n%s", err, output)
	}
	w.mallory, err = identity.New()
	w.must(err)
	s := newStarter()
	t.Cleanup(func() { close(s.work) })
	for i, name := range []string{"alice", "bob"} {
		d := &device{
			name: name, peer: []string{"bob", "alice"}[i], camera: uint32(i + 1), dir: filepath.Join(dir, name),
			vchatd: program, self: self, rate: *rate, fps: min(max(*rate, 1), 240), starter: s,
		}
		d.listen, err = daemontest.FreeAddress()
		w.must(err)
		w.must(os.Mkdir(d.dir, 0o711))
		w.must(d.create())
		t.Cleanup(d.client.Close)
		if i == 1 {
			unmount, err := d.smallDisk()
			if w.noDisk = err; err == nil {
				t.Cleanup(unmount)
			}
		}
		w.devices[i] = d
		w.proxies[i], err = newProxy(d.listen)
		w.must(err)
		t.Cleanup(w.proxies[i].close)
		w.checkers[i] = newChecker(uint32(2 - i))
	}
	for i, d := range w.devices {
		d.know(d.peer, w.devices[1-i].id, w.proxies[1-i].address())
		d.know(mallory, w.mallory.ID().String(), "")
		w.must(d.configure(""))
		t.Cleanup(func() { w.stop(d) })
		w.must(d.start())
	}
	return w
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.fatal(err)
	}
}

// fatal ends the run with all that is known.
func (w *world) fatal(err error) {
	w.t.Helper()
	for _, d := range w.devices {
		if d == nil || d.cmd == nil {
			continue
		}
		s, statusErr := d.status()
		w.t.Logf("%s: status %+v (%v)\nlog:\n%s", d.name, s, statusErr, d.log())
	}
	w.t.Fatal(err)
}

// stop ends a device as systemd would.
func (w *world) stop(d *device) {
	if d.cmd == nil {
		return
	}
	_ = d.signal(syscall.SIGCONT)
	if err := d.end(syscall.SIGTERM); err != nil {
		w.t.Error(err)
		_ = d.signal(syscall.SIGKILL)
	}
	if s := d.cmd.ProcessState; s.ExitCode() != 0 {
		w.t.Errorf("%s: got %v, want exit status 0", d.name, s)
	}
}

// call lets alice call bob, and the checkers watch.
func (w *world) call(ctx context.Context, readers *sync.WaitGroup) {
	if _, err := w.devices[0].client.Call(ctx, api.CallRequest{Peer: "bob"}); err != nil {
		w.fatal(err)
	}
	start := monotonic()
	for i, d := range w.devices {
		readers.Go(func() { w.checkers[i].run(ctx, d.client, d.peer) })
	}
	if err := w.fresh(start, 30*time.Second); err != nil {
		w.fatal(err)
	}
	for i := range w.devices {
		w.calls[i] = w.callOf(i)
	}
}

// callOf returns the id of the call of a device.
func (w *world) callOf(i int) string {
	s, err := w.devices[i].status()
	w.must(err)
	if len(s.Calls) != 1 || s.Calls[0].State != api.CallActive {
		w.fatal(fmt.Errorf("%s: got calls %+v, want an active one", s.Name, s.Calls))
	}
	return s.Calls[0].ID
}

// fresh waits for frames that were taken at t or later, on both sides.
func (w *world) fresh(t int64, limit time.Duration) error {
	for i, c := range w.checkers {
		if _, ok := c.freshAfter(t, limit); !ok {
			return fmt.Errorf("%s: no fresh frame of %s within %v", w.devices[i].name, w.devices[i].peer, limit)
		}
	}
	return nil
}

// hangLimit is when a run gives up.
const hangLimit = 2 * time.Minute

// inject lets a fault happen and measures its effect.
func (w *world) inject(f fault, k faultKind) error {
	d := w.devices[f.side]
	for _, c := range w.checkers {
		c.clearGap()
	}
	begin := monotonic()
	if k.begin != nil {
		if err := k.begin(w, d, f); err != nil {
			return err
		}
	}
	time.Sleep(f.lasts - time.Duration(min(monotonic()-begin, int64(f.lasts))))
	end := monotonic()
	if k.end != nil {
		if err := k.end(w, d, f); err != nil {
			return err
		}
	}
	if err := w.fresh(end, hangLimit); err != nil {
		return err
	}
	took := time.Duration(monotonic() - end)
	if k.harmless {
		took = max(w.checkers[0].longestGap(), w.checkers[1].longestGap())
	}
	w.outages = append(w.outages, outage{f, w.minutes(), took})
	if limit := time.Duration(float64(k.limit) * *slack); took > limit {
		w.t.Errorf("%v: got an outage of %v, want at most %v", f, took, limit)
	}
	for i, d := range w.devices {
		if err := d.alive(); err != nil {
			return err
		}
		if id := w.callOf(i); id != w.calls[i] {
			return fmt.Errorf("%s: call %s has become call %s", d.name, w.calls[i], id)
		}
	}
	return nil
}

func (w *world) sample() {
	for i, d := range w.devices {
		s, err := d.sample(w.minutes())
		w.must(err)
		w.samples[i] = append(w.samples[i], s)
	}
}

func (w *world) count() (n int) {
	for _, c := range w.checkers {
		counts, _ := c.result()
		n += counts.Frames
	}
	return n
}

func TestSoak(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the faults need Linux")
	}
	if *seed == 0 {
		*seed = rand.Uint64()
	}
	t.Logf("seed %d; to repeat: go test ./daemon/soak -run TestSoak -v -frames %d -rate %d -seed %d",
		*seed, *frames, *rate, *seed)
	w := newWorld(t)
	ctx, cancel := context.WithCancel(t.Context())
	var readers sync.WaitGroup
	defer readers.Wait()
	defer cancel()
	w.call(ctx, &readers)
	w.sample()
	interrupted, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	progress := time.Now()
	for f := range schedule(*seed, faultKinds, *frames == 0) {
		if n := w.count(); f.number > len(faultKinds) && n >= *frames || interrupted.Err() != nil {
			break
		} else if time.Since(progress) > time.Minute {
			progress = time.Now()
			t.Logf("%s: %.1f minutes, %d frames, %d faults",
				progress.Format("15:04:05"), w.minutes(), n, len(w.outages))
		}
		k := faultKinds[slices.IndexFunc(faultKinds, func(k faultKind) bool { return k.name == f.kind })]
		if k.smallDisk && w.noDisk != nil {
			continue
		}
		time.Sleep(f.after)
		w.sample()
		if err := w.inject(f, k); err != nil {
			w.report()
			w.fatal(fmt.Errorf("%v: %w", f, err))
		}
		for _, c := range w.checkers {
			if _, defects := c.result(); len(defects) > 0 {
				w.fatal(fmt.Errorf("by the end of %v: %s", f, strings.Join(defects, "; ")))
			}
		}
	}
	w.settle()
	w.checkGrowth()
	w.report()
}

// settle waits until alice holds no more than before the first fault, but for
// what a runtime or a library may keep.
func (w *world) settle() {
	const more = 12
	first, limit := w.samples[0][0], time.Now().Add(30*time.Second)
	for {
		s, err := w.devices[0].sample(w.minutes())
		w.must(err)
		if s.Descriptors <= first.Descriptors+more && s.Goroutines <= first.Goroutines+more {
			w.samples[0] = append(w.samples[0], s)
			return
		}
		if time.Now().After(limit) {
			w.t.Errorf("alice after the last fault: got %v descriptors and %v goroutines, want about %v and %v",
				s.Descriptors, s.Goroutines, first.Descriptors, first.Goroutines)
			return
		}
		time.Sleep(time.Second)
	}
}

// resource is one of the values of a sample.
type resource struct {
	name   string
	of     func(sample) float64
	growth float64 // allowed in the second half of the run
}

var resources = []resource{
	{"resident memory, MB", func(s sample) float64 { return s.RSS }, 4},
	{"descriptors", func(s sample) float64 { return s.Descriptors }, 2},
	{"threads", func(s sample) float64 { return s.Threads }, 2},
	{"goroutines", func(s sample) float64 { return s.Goroutines }, 4},
}

// minSamples is how many samples of one process the check of the growth needs.
const minSamples = 60

// checkGrowth fails the test if alice's last process grew in the second half of
// its samples.
func (w *world) checkGrowth() {
	half := secondHalf(w.samples[0])
	if len(half) < minSamples/2 {
		return
	}
	for _, r := range resources {
		if g := growth(half, r.of); g > r.growth {
			w.t.Errorf("alice: %s grew by %.2f in the second half, want at most %v", r.name, g, r.growth)
		}
	}
}

// secondHalf returns the second half of the samples of the last process.
func secondHalf(all []sample) []sample {
	last := slices.DeleteFunc(slices.Clone(all), func(s sample) bool { return s.Life != all[len(all)-1].Life })
	return last[len(last)/2:]
}

// growth returns how much a value grows from the first sample to the last, by
// the line of least squares.
func growth(all []sample, of func(sample) float64) float64 {
	var x, y, xx, xy, n float64
	for _, s := range all {
		v := of(s)
		x, y, xx, xy, n = x+s.Minutes, y+v, xx+s.Minutes*s.Minutes, xy+s.Minutes*v, n+1
	}
	if d := n*xx - x*x; n > 1 && d > 0 {
		return (n*xy - x*y) / d * (all[len(all)-1].Minutes - all[0].Minutes)
	}
	return 0
}

func TestGrowth(t *testing.T) {
	var all []sample
	for i := range 100 {
		rss := 20 + 0.1*float64(i) + float64(i%2)
		all = append(all, sample{Minutes: float64(i), Life: 1 + i/50, RSS: rss, Threads: 7})
	}
	half := secondHalf(all)
	if len(half) != 25 || half[0].Minutes != 75 {
		t.Fatalf("got %d samples from minute %v, want 25 from 75", len(half), half[0].Minutes)
	}
	if g := growth(half, resources[0].of); g < 2.3 || g > 2.5 {
		t.Errorf("got a growth of %v, want 2.4", g)
	}
	if g := growth(half, resources[2].of); g != 0 {
		t.Errorf("constant value: got a growth of %v, want 0", g)
	}
}

// report prints the figures, and writes them and the plot to -out.
func (w *world) report() {
	text := w.figures()
	w.t.Log("\n" + text)
	if *out == "" {
		return
	}
	err := errors.Join(os.WriteFile(filepath.Join(*out, "soak.md"), []byte(text), 0o666),
		os.WriteFile(filepath.Join(*out, "soak.svg"), []byte(w.plot()), 0o666))
	if err != nil {
		w.t.Error(err)
	}
}

// figures returns the result as markdown.
func (w *world) figures() string {
	var b strings.Builder
	var c counts
	defects := 0
	for _, checker := range w.checkers {
		n, found := checker.result()
		defects += len(found)
		c.Frames, c.Reduced, c.Cards = c.Frames+n.Frames, c.Reduced+n.Reduced, c.Cards+n.Cards
		c.Broken, c.Streams = c.Broken+n.Broken, c.Streams+n.Streams
	}
	fmt.Fprintf(&b, "Seed %d: %d frames in %.0f minutes, %d altered or out of order; %d reduced for a slow link. "+
		"%d status cards, %d incomplete frames of the camera passed on. %d faults.\n\n",
		*seed, c.Frames, w.minutes(), defects, c.Reduced, c.Cards, c.Broken, len(w.outages))
	b.WriteString("| fault | times | outage p50, s | longest, s | limit, s | longer |\n" +
		"| --- | --- | --- | --- | --- | --- |\n")
	for _, k := range faultKinds {
		var took []time.Duration
		longer := 0
		for _, o := range w.outages {
			if o.Fault.kind == k.name {
				took = append(took, o.Took)
				if o.Took > k.limit {
					longer++
				}
			}
		}
		if len(took) == 0 {
			continue
		}
		slices.Sort(took)
		fmt.Fprintf(&b, "| %s | %d | %.2f | %.2f | %.0f | %d |\n", k.name, len(took), took[len(took)/2].Seconds(),
			took[len(took)-1].Seconds(), k.limit.Seconds(), longer)
	}
	b.WriteString("\n| alice, second half of the run | mean | growth |\n| --- | --- | --- |\n")
	half := secondHalf(w.samples[0])
	for _, r := range resources {
		sum := 0.0
		for _, s := range half {
			sum += r.of(s)
		}
		fmt.Fprintf(&b, "| %s | %.1f | %+.2f |\n", r.name, sum/float64(len(half)), growth(half, r.of))
	}
	if w.noDisk != nil {
		fmt.Fprintf(&b, "\nNot done: full disk and cut (%v).\n", w.noDisk)
	}
	return b.String()
}
