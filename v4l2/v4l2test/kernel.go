// Package v4l2test pretends to be a Linux kernel with cameras, whose faults are scripted. It stands below all of package v4l2's
// logic, one call of the kernel each, and answers as videobuf2 and uvcvideo do.
//
//	k := v4l2test.New()
//	cam := k.Plug(v4l2test.Device{ID: "usb-Pretend_0001-video-index0"})
//	c, err := v4l2.Open(v4l2.Config{Kernel: k, Device: "auto"})
//	cam.Script(func(f *v4l2test.Faults) { f.Freeze = true })
//	cam.Unplug()
//
// It owns no goroutine and no descriptor. Frames come due by time.Now and are made when somebody polls; waiting is on channels and
// timers alone, so that everything also runs inside a testing/synctest bubble, on the bubble's time, provided New was called in it.
//
// A node's number is free again when the camera is unplugged and its last handle and mapping are gone, as in the kernel: who holds
// on to a dead descriptor meets the camera again under another name. Memory is filled with rubbish when it goes back to the driver
// and when it is unmapped, so that whoever reads on is found out. Leaks says what was opened or mapped and not given back.
//
// Suite is a set of assertions that hold for every camera, this kernel's and a real one's.
package v4l2test

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"vchat/v4l2"
)

// Kernel implements v4l2.Kernel. Its methods may be called from any goroutine.
type Kernel struct {
	mu      sync.Mutex
	born    time.Time
	offset  time.Duration
	nodes   map[int]*node // by number; a dead one stays while it is held
	cameras []*Camera
	notices []*notices
	counts  Counts
}

var _ v4l2.Kernel = (*Kernel)(nil)

// Counts says what was called so far.
type Counts struct {
	Opens, Closes int // of handles, of either kind
	Maps, Unmaps  int
	Frames        int // taken by DQBUF
	StreamOns     int
	Frees         int // REQBUFS 0
	Resets        int // of USB devices
	Controls      int // that were asked for, by description or value
	Watches       int // that are open
}

// New makes a kernel without cameras.
func New() *Kernel {
	var t unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &t) // cannot fail on Linux
	return &Kernel{born: time.Now(), offset: time.Duration(t.Nano()), nodes: make(map[int]*node)}
}

// Now is CLOCK_MONOTONIC; in a bubble it goes on from there on the bubble's time.
func (k *Kernel) Now() time.Duration { return k.offset + time.Since(k.born) }

// Counts is a snapshot.
func (k *Kernel) Counts() Counts {
	k.mu.Lock()
	defer k.mu.Unlock()
	n := k.counts
	n.Watches = len(k.notices)
	return n
}

// Leaks is an error if a handle or a watch is open, or a mapping stands.
func (k *Kernel) Leaks() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	var all error
	for _, n := range k.nodes {
		if n.handles > 0 || n.maps > 0 {
			all = errors.Join(all, fmt.Errorf("%s: %d handles open, %d buffers mapped", n.path(), n.handles, n.maps))
		}
	}
	if n := len(k.notices); n > 0 {
		all = errors.Join(all, fmt.Errorf("%d watches open", n))
	}
	return all
}

// Nodes lists the nodes that are there.
func (k *Kernel) Nodes() ([]string, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	var numbers []int
	for n, x := range k.nodes {
		if !x.gone {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	var paths []string
	for _, n := range numbers {
		paths = append(paths, nodePath(n))
	}
	return paths, nil
}

// ByID maps nodes to the names that Device.ID gave them.
func (k *Kernel) ByID() map[string]string {
	k.mu.Lock()
	defer k.mu.Unlock()
	names := make(map[string]string)
	for _, n := range k.nodes {
		if !n.gone && n.cam.device.ID != "" {
			names[n.path()] = byIDDir + n.cam.device.ID
		}
	}
	return names
}

// Resolve follows a by-id name.
func (k *Kernel) Resolve(path string) (string, error) {
	for node, name := range k.ByID() {
		if name == path {
			return node, nil
		}
	}
	if _, err := k.lookup(path); err != nil {
		return "", err
	}
	return path, nil
}

// Open opens a node.
func (k *Kernel) Open(path string) (v4l2.Handle, error) {
	n, err := k.open(path)
	if err != nil {
		return nil, err
	}
	return &handle{node: n, kick: make(chan struct{}, 1)}, nil
}

// Probe opens a node for questions.
func (k *Kernel) Probe(path string) (v4l2.Prober, error) {
	n, err := k.open(path)
	if err != nil {
		return nil, err
	}
	return &prober{node: n}, nil
}

// Holders names the program of Faults.Busy, if any.
func (k *Kernel) Holders(node string) []string {
	n, err := k.lookup(node)
	if err != nil || n.cam.Faults().Busy == "" {
		return nil
	}
	return []string{n.cam.Faults().Busy}
}

// Label tells the camera's Card. The number 1 is that of a Metadata node.
func (k *Kernel) Label(node string) (name string, index int) {
	n, err := k.lookup(node)
	if err != nil {
		return "", 0
	}
	if n.cam.device.Kind == Metadata {
		index = 1
	}
	return n.cam.device.Card, index
}

// Group is "video".
func (k *Kernel) Group(string) string { return "video" }

func (k *Kernel) lookup(path string) (*node, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, n := range k.nodes {
		if !n.gone && n.path() == path {
			return n, nil
		}
	}
	return nil, unix.ENOENT
}

func (k *Kernel) open(path string) (*node, error) {
	n, err := k.lookup(path)
	if err != nil {
		return nil, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if f := n.cam.faults; f.VanishAtOpen {
		n.leave()
		return nil, unix.ENODEV
	} else if f.Open != nil {
		return nil, f.Open
	}
	n.handles++
	k.counts.Opens++
	return n, nil
}

// node is a camera from plug until the last close after the unplug.
type node struct {
	kernel        *Kernel
	cam           *Camera
	number        int
	gone          bool
	handles, maps int
	stream        *stream
}

const byIDDir = "/dev/v4l/by-id/"

func nodePath(n int) string { return "/dev/video" + strconv.Itoa(n) }

func (n *node) path() string { return nodePath(n.number) }

// leave takes the node away from under its holders. With kernel.mu held.
func (n *node) leave() {
	n.gone = true
	n.cam.node = nil
	n.stream.kick()
	n.kernel.ring()
	n.reap()
}

// reap frees the number when nothing holds it.
func (n *node) reap() {
	if n.gone && n.handles == 0 && n.maps == 0 {
		delete(n.kernel.nodes, n.number)
	}
}

func bytes32(s string) (b [32]byte) {
	copy(b[:31], s)
	return b
}

// controlName is a name as v4l2-ctl prints it, for Camera.Control.
func controlName(s string) string {
	return strings.Join(strings.FieldsFunc(strings.ToLower(s), func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9')
	}), "_")
}
