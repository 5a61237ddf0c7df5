package screen

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"vchat/cmd/vchatctl/internal/view/screen/internal/uapi"
)

// refresh is the interval of the fake monitors.
const refresh = time.Second / 60

// textFB is the framebuffer of the fake kernel's text console.
const textFB = 1

// fakeKernel implements kernel with scripted faults. It returns the errors of
// the kernel's DRM core, and counts open files and mappings.
type fakeKernel struct {
	mu        sync.Mutex
	all       []*fakeCard
	plugs     chan struct{} // made in the test's bubble
	noUevents bool
	mappings  int
	files     int
	idle      time.Duration // Options.Idle
	devices   map[string]*fakeInput
	inputUps  chan struct{} // made in the test's bubble
}

// fakeCard has one CRTC and one encoder for each connector.
type fakeCard struct {
	kernel     *fakeKernel
	connectors []*uapi.Connector
	crtcs      []*uapi.CRTC
	master     *fakeFile
	held       bool // by another program
	lastID     uint32
	memory     map[uint32][]byte // by framebuffer

	noOutputs   bool   // a GPU for 3D only
	onlyBPP     uint32 // 0: any
	opening     error
	flipping    error
	silent      bool // flips complete without an event
	flips, sets int
}

func newFakeKernel(cards ...*fakeCard) *fakeKernel {
	k := &fakeKernel{all: cards}
	for _, c := range cards {
		c.kernel, c.memory, c.lastID = k, map[uint32][]byte{}, 100
	}
	return k
}

// monitor adds a connector with a monitor that shows the text console.
func (c *fakeCard) monitor(modes ...uapi.ModeInfo) *uapi.Connector {
	n := uint32(len(c.connectors))
	conn := &uapi.Connector{
		ID: 10 + n, Encoder: 20 + n, Encoders: []uint32{20 + n},
		Connection: uapi.Connected, Modes: modes,
	}
	c.connectors = append(c.connectors, conn)
	c.crtcs = append(c.crtcs, &uapi.CRTC{ID: 30 + n, FB: textFB, ModeValid: 1, Mode: modes[0]})
	return conn
}

func mode(w, h uint16, hz, kind uint32) uapi.ModeInfo {
	return uapi.ModeInfo{HDisplay: w, VDisplay: h, VRefresh: hz, Type: kind}
}

// oneMonitor returns a kernel with one card and one monitor.
func oneMonitor() (*fakeKernel, *fakeCard) {
	c := &fakeCard{}
	c.monitor(mode(64, 48, 60, uapi.TypePreferred))
	return newFakeKernel(c), c
}

// hotplug changes the state and sends a hotplug event.
func (k *fakeKernel) hotplug(change func()) {
	k.mu.Lock()
	change()
	k.mu.Unlock()
	select {
	case k.plugs <- struct{}{}:
	default:
	}
}

// shown returns the first byte of the frame that a CRTC shows, or "dark" or
// "text".
func (c *fakeCard) shown(crtc int) string {
	c.kernel.mu.Lock()
	defer c.kernel.mu.Unlock()
	switch fb := c.crtcs[crtc].FB; fb {
	case 0:
		return "dark"
	case textFB:
		return "text"
	default:
		return fmt.Sprint(c.memory[fb][0])
	}
}

// leaks returns an error for framebuffers, masters, files and mappings left.
func (k *fakeKernel) leaks() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	var err error
	for i, c := range k.all {
		if len(c.memory) > 0 || c.master != nil {
			err = errors.Join(err, fmt.Errorf("card %d: %d framebuffers, master %v", i, len(c.memory), c.master != nil))
		}
	}
	if k.files > 0 || k.mappings > 0 {
		err = errors.Join(err, fmt.Errorf("%d files open, %d mappings", k.files, k.mappings))
	}
	return err
}

func (k *fakeKernel) cards() (paths []string, err error) {
	for i := range k.all {
		paths = append(paths, fmt.Sprint(i))
	}
	return paths, nil
}

func (k *fakeKernel) open(path string) (card, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	var i int
	fmt.Sscan(path, &i)
	c := k.all[i]
	if c.opening != nil {
		return nil, c.opening
	}
	f := &fakeFile{on: c, events: make(chan uint64, 8), done: make(chan struct{}), dumbs: map[uint32]*dumb{}}
	if c.master == nil && !c.held {
		c.master = f
	}
	k.files++
	return f, nil
}

func (k *fakeKernel) hotplugs() (<-chan struct{}, <-chan struct{}, func()) {
	if k.noUevents {
		return nil, nil, func() {}
	}
	return k.plugs, k.inputUps, func() {}
}

// fakeFile implements card.
type fakeFile struct {
	on      *fakeCard
	events  chan uint64
	done    chan struct{}
	closed  bool
	dumbs   map[uint32]*dumb
	fbs     []uint32
	pending bool // a flip is pending
}

type dumb struct{ mem []byte }

// enter locks the kernel for a call; leave unlocks it.
func (f *fakeFile) enter() *fakeCard {
	f.on.kernel.mu.Lock()
	return f.on
}

func (f *fakeFile) leave() { f.on.kernel.mu.Unlock() }

func (f *fakeFile) capability(n uint64) (uint64, error) {
	defer f.leave()
	c := f.enter()
	switch {
	case n == uapi.CapDumbBuffer && !c.noOutputs:
		return 1, nil
	case n == uapi.CapDumbPreferredDepth && !c.noOutputs:
		return 24, nil
	}
	return 0, nil
}

func (f *fakeFile) resources() (r uapi.Resources, err error) {
	defer f.leave()
	c := f.enter()
	if c.noOutputs {
		return r, unix.EOPNOTSUPP
	}
	for i, x := range c.connectors {
		r.Connectors, r.CRTCs = append(r.Connectors, x.ID), append(r.CRTCs, c.crtcs[i].ID)
	}
	r.MaxWidth, r.MaxHeight = 4096, 4096
	return r, nil
}

func (f *fakeFile) connector(id uint32) (uapi.Connector, error) {
	defer f.leave()
	c := f.enter()
	i := slices.IndexFunc(c.connectors, func(x *uapi.Connector) bool { return x.ID == id })
	if i < 0 {
		return uapi.Connector{}, unix.ENOENT
	}
	return *c.connectors[i], nil
}

func (f *fakeFile) encoder(id uint32) (uapi.Encoder, error) {
	defer f.leave()
	c := f.enter()
	return uapi.Encoder{ID: id, CRTC: c.crtcs[id-20].ID, PossibleCRTCs: 1<<len(c.crtcs) - 1}, nil
}

func (f *fakeFile) crtc(id uint32) (uapi.CRTC, error) {
	defer f.leave()
	return *f.enter().crtcs[id-30], nil
}

func (f *fakeFile) setCRTC(set uapi.CRTC, connectors []uint32) error {
	defer f.leave()
	c := f.enter()
	switch {
	case c.master != f:
		return unix.EACCES
	case set.FB == 0 && set.ModeValid == 0 && len(connectors) == 0: // off
		*c.crtcs[set.ID-30] = set
		return nil
	case c.memory[set.FB] == nil && set.FB != textFB:
		return unix.ENOENT
	case len(connectors) != 1:
		return unix.EINVAL
	}
	c.sets++
	*c.crtcs[set.ID-30] = set
	return nil
}

func (f *fakeFile) addFB(fb *uapi.FB) error {
	defer f.leave()
	c := f.enter()
	d := f.dumbs[fb.Handle]
	badDepth := fb.BPP == 32 && fb.Depth != 24 || fb.BPP == 16 && fb.Depth != 16
	if d == nil || badDepth || c.onlyBPP != 0 && fb.BPP != c.onlyBPP {
		return unix.EINVAL
	}
	c.lastID++
	fb.ID = c.lastID
	c.memory[fb.ID] = d.mem
	f.fbs = append(f.fbs, fb.ID)
	return nil
}

func (f *fakeFile) rmFB(id uint32) error {
	defer f.leave()
	return f.enter().remove(id)
}

func (c *fakeCard) remove(id uint32) error {
	if c.memory[id] == nil {
		return unix.ENOENT
	}
	delete(c.memory, id)
	for _, x := range c.crtcs {
		if x.FB == id {
			x.FB = 0
		}
	}
	return nil
}

func (f *fakeFile) flip(p *uapi.PageFlip) error {
	defer f.leave()
	c := f.enter()
	switch {
	case c.flipping != nil:
		return c.flipping
	case c.master != f:
		return unix.EACCES
	case f.pending:
		return unix.EBUSY
	case c.memory[p.FB] == nil || p.Flags != uapi.PageFlipEvent || c.crtcs[p.CRTC-30].FB == 0:
		return unix.EINVAL
	}
	f.pending = true
	c.flips++
	crtc, fb, data := c.crtcs[p.CRTC-30], p.FB, p.UserData
	time.AfterFunc(refresh, func() {
		defer f.leave()
		c := f.enter()
		if f.pending = false; f.closed || c.memory[fb] == nil {
			return
		}
		crtc.FB = fb
		if !c.silent {
			f.events <- data
		}
	})
	return nil
}

func (f *fakeFile) createDumb(d *uapi.Dumb) error {
	defer f.leave()
	c := f.enter()
	c.lastID++
	d.Handle, d.Pitch = c.lastID, (d.Width*d.BPP/8+63)&^63
	d.Size = uint64(d.Pitch * d.Height)
	f.dumbs[d.Handle] = &dumb{make([]byte, d.Size)}
	return nil
}

func (f *fakeFile) mapDumb(d *uapi.Dumb) ([]byte, error) {
	defer f.leave()
	f.enter().kernel.mappings++
	return f.dumbs[d.Handle].mem, nil
}

// unmap overwrites the memory, so that a test finds a painter that still uses
// it.
func (f *fakeFile) unmap(b []byte) error {
	defer f.leave()
	f.enter().kernel.mappings--
	for i := range b {
		b[i] = 0xdb
	}
	return nil
}

func (f *fakeFile) destroyDumb(handle uint32) error {
	defer f.leave()
	f.enter()
	if f.dumbs[handle] == nil {
		return unix.ENOENT
	}
	delete(f.dumbs, handle)
	return nil
}

func (f *fakeFile) dropMaster() error {
	defer f.leave()
	c := f.enter()
	if c.master != f {
		return unix.EINVAL
	}
	c.master = nil
	return nil
}

func (f *fakeFile) read(b []byte) (int, error) {
	select {
	case data := <-f.events:
		head := binary.NativeEndian.AppendUint32(b[:0], 99) // an event of an unknown type
		head = binary.NativeEndian.AppendUint32(head, 16)
		head = append(head, make([]byte, 8)...)
		head = binary.NativeEndian.AppendUint32(head, uapi.EventFlipComplete)
		head = binary.NativeEndian.AppendUint32(head, 32)
		head = binary.NativeEndian.AppendUint64(head, data)
		return len(append(head, make([]byte, 16)...)), nil
	case <-f.done:
		return 0, os.ErrClosed
	}
}

func (f *fakeFile) close() error {
	defer f.leave()
	c := f.enter()
	close(f.done)
	f.closed = true
	for _, fb := range f.fbs {
		_ = c.remove(fb)
	}
	if c.master == f {
		c.master = nil
	}
	c.kernel.files--
	return nil
}
