// Package v4l2test is a fake Linux kernel with cameras and scripted faults. It
// implements v4l2.Kernel, the interface below all logic of package v4l2, and
// returns the results of videobuf2 and uvcvideo.
//
//	k := v4l2test.New()
//	cam := k.Plug(v4l2test.Device{ID: "usb-Fake_0001-video-index0"})
//	c, err := v4l2.Open(v4l2.Config{Kernel: k, Device: "auto"})
//	cam.Script(func(f *v4l2test.Faults) { f.Freeze = true })
//	cam.Unplug()
//
// Guarantees:
//
//   - As in the kernel, the number of a node is free only after the unplug, the
//     last Close and the last Unmap.
//   - A buffer is overwritten when it is queued or unmapped, so that tests find
//     late readers.
//   - Leaks reports open handles, watches and mappings.
//   - It has no goroutine and no descriptor. It waits on channels and timers
//     only, so it runs on the fake time of a testing/synctest bubble if New was
//     called there.
//
// Suite is a set of test cases for every camera, of this kernel or real.
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
	started time.Time
	offset  time.Duration
	nodes   map[int]*node // by number; an unplugged one stays while it is open or mapped
	cameras []*Camera
	watches []*nodeWatch
	counts  Counts
}

var _ v4l2.Kernel = (*Kernel)(nil)

// Counts are numbers of calls since New.
type Counts struct {
	Opens, Closes int // of handles and probers
	Maps, Unmaps  int
	Frames        int // successful DQBUF
	StreamOns     int
	Frees         int // REQBUFS 0
	Resets        int // USBDEVFS_RESET
	Controls      int // queries of a control or its value
	Watches       int // open now
}

// New returns a kernel without cameras.
func New() *Kernel {
	var t unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &t) // cannot fail on Linux
	return &Kernel{started: time.Now(), offset: time.Duration(t.Nano()), nodes: make(map[int]*node)}
}

// Now returns CLOCK_MONOTONIC. In a synctest bubble it advances by the fake
// time.
func (k *Kernel) Now() time.Duration { return k.offset + time.Since(k.started) }

// Counts returns the present counts.
func (k *Kernel) Counts() Counts {
	k.mu.Lock()
	defer k.mu.Unlock()
	n := k.counts
	n.Watches = len(k.watches)
	return n
}

// Leaks returns an error if a handle, a prober, a watch or a mapping is open.
func (k *Kernel) Leaks() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	var all error
	for _, n := range k.nodes {
		if n.handles > 0 || n.maps > 0 {
			all = errors.Join(all, fmt.Errorf("%s: %d handles open, %d buffers mapped", n.path(), n.handles, n.maps))
		}
	}
	if n := len(k.watches); n > 0 {
		all = errors.Join(all, fmt.Errorf("%d watches open", n))
	}
	return all
}

// Nodes returns the paths of the plugged-in cameras' nodes.
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

// ByID maps nodes to the paths made of Device.ID.
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

// Resolve returns the node of a by-id path or node.
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
	return &handle{node: n, notify: make(chan struct{}, 1)}, nil
}

// Probe opens a node to enumerate formats.
func (k *Kernel) Probe(path string) (v4l2.Prober, error) {
	n, err := k.open(path)
	if err != nil {
		return nil, err
	}
	return &prober{node: n}, nil
}

// Holders returns the program of Faults.Busy, if any.
func (k *Kernel) Holders(node string) []string {
	n, err := k.lookup(node)
	if err != nil || n.cam.Faults().Busy == "" {
		return nil
	}
	return []string{n.cam.Faults().Busy}
}

// Label returns the camera's Card, and the index 1 for a Metadata node.
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

// Age returns the time since the camera was plugged in.
func (k *Kernel) Age(path string) time.Duration {
	n, err := k.lookup(path)
	if err != nil {
		return time.Hour
	}
	return k.Now() - n.made
}

// Group returns "video", or "" while Faults.NoGroup is set.
func (k *Kernel) Group(path string) string {
	if n, err := k.lookup(path); err == nil && n.cam.Faults().NoGroup {
		return ""
	}
	return "video"
}

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
		n.remove()
		return nil, unix.ENODEV
	} else if f.Open != nil {
		return nil, f.Open
	}
	n.handles++
	k.counts.Opens++
	return n, nil
}

// node is a device node. It exists until the last close and unmap after the
// unplug.
type node struct {
	kernel        *Kernel
	cam           *Camera
	number        int
	made          time.Duration
	gone          bool
	handles, maps int
	stream        *stream
}

const byIDDir = "/dev/v4l/by-id/"

func nodePath(n int) string { return "/dev/video" + strconv.Itoa(n) }

func (n *node) path() string { return nodePath(n.number) }

// remove marks the node as unplugged. The caller holds kernel.mu.
func (n *node) remove() {
	n.gone = true
	n.cam.node = nil
	n.stream.notify()
	n.kernel.notifyWatches()
	n.reap()
}

// reap frees the number of an unplugged node when nothing is open or mapped.
func (n *node) reap() {
	if n.gone && n.handles == 0 && n.maps == 0 {
		delete(n.kernel.nodes, n.number)
	}
}

// bytes32 returns s as a C string.
func bytes32(s string) (b [32]byte) {
	copy(b[:31], s)
	return b
}

// controlName returns a control's name as v4l2-ctl prints it.
func controlName(s string) string {
	return strings.Join(strings.FieldsFunc(strings.ToLower(s), func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9')
	}), "_")
}
