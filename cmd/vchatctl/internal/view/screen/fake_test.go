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

// refresh is how long a flip takes at most.
const refresh = time.Second / 60

// textFB is what the pretended kernel's own text is painted on.
const textFB = 1

// pretendKernel has cards whose faults are scripted. It answers as drm's core does, and counts what is not given back.
type pretendKernel struct {
	mu       sync.Mutex
	all      []*pretendCard
	plugs    chan struct{} // made in the test's bubble
	deaf     bool
	mappings int
	files    int
}

// pretendCard has one CRTC for each of its connectors.
type pretendCard struct {
	kernel     *pretendKernel
	connectors []*uapi.Connector
	crtcs      []*uapi.CRTC
	master     *pretendFile
	held       bool // by another program
	numbers    uint32
	memory     map[uint32][]byte // by framebuffer

	noOutputs   bool   // a graphics processor alone
	onlyBPP     uint32 // 0: any
	opening     error
	flipping    error
	silent      bool // flips, but does not say so
	flips, sets int
}

func newKernel(cards ...*pretendCard) *pretendKernel {
	k := &pretendKernel{all: cards}
	for _, c := range cards {
		c.kernel, c.memory, c.numbers = k, map[uint32][]byte{}, 100
	}
	return k
}

// monitor is a connector with a monitor, that shows the kernel's text now.
func (c *pretendCard) monitor(modes ...uapi.ModeInfo) *uapi.Connector {
	n := uint32(len(c.connectors))
	conn := &uapi.Connector{ID: 10 + n, Encoder: 20 + n, Encoders: []uint32{20 + n}, Connection: uapi.Connected, Modes: modes}
	c.connectors = append(c.connectors, conn)
	c.crtcs = append(c.crtcs, &uapi.CRTC{ID: 30 + n, FB: textFB, ModeValid: 1, Mode: modes[0]})
	return conn
}

func mode(w, h uint16, hz, kind uint32) uapi.ModeInfo {
	return uapi.ModeInfo{HDisplay: w, VDisplay: h, VRefresh: hz, Type: kind}
}

// oneMonitor is a kernel with a card as most have it.
func oneMonitor() (*pretendKernel, *pretendCard) {
	c := &pretendCard{}
	c.monitor(mode(64, 48, 60, uapi.TypePreferred))
	return newKernel(c), c
}

// script changes what there is, and tells of it.
func (k *pretendKernel) script(change func()) {
	k.mu.Lock()
	change()
	k.mu.Unlock()
	select {
	case k.plugs <- struct{}{}:
	default:
	}
}

// shown is the first byte of what a CRTC shows, or what it shows instead.
func (c *pretendCard) shown(crtc int) string {
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

// leaks says what was not given back.
func (k *pretendKernel) leaks() error {
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

func (k *pretendKernel) cards() (paths []string, err error) {
	for i := range k.all {
		paths = append(paths, fmt.Sprint(i))
	}
	return paths, nil
}

func (k *pretendKernel) open(path string) (card, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	var i int
	fmt.Sscan(path, &i)
	c := k.all[i]
	if c.opening != nil {
		return nil, c.opening
	}
	f := &pretendFile{on: c, events: make(chan uint64, 8), gone: make(chan struct{}), dumbs: map[uint32]*dumb{}}
	if c.master == nil && !c.held {
		c.master = f
	}
	k.files++
	return f, nil
}

func (k *pretendKernel) hotplugs() (<-chan struct{}, func()) {
	if k.deaf {
		return nil, func() {}
	}
	return k.plugs, func() {}
}

// pretendFile is an open file of a card.
type pretendFile struct {
	on      *pretendCard
	events  chan uint64
	gone    chan struct{}
	closed  bool
	dumbs   map[uint32]*dumb
	fbs     []uint32
	pending bool // a flip
}

type dumb struct{ mem []byte }

// enter begins a question; the caller unlocks.
func (f *pretendFile) enter() *pretendCard {
	f.on.kernel.mu.Lock()
	return f.on
}

func (f *pretendFile) leave() { f.on.kernel.mu.Unlock() }

func (f *pretendFile) capability(n uint64) (uint64, error) {
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

func (f *pretendFile) resources() (r uapi.Resources, err error) {
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

func (f *pretendFile) connector(id uint32) (uapi.Connector, error) {
	defer f.leave()
	c := f.enter()
	i := slices.IndexFunc(c.connectors, func(x *uapi.Connector) bool { return x.ID == id })
	if i < 0 {
		return uapi.Connector{}, unix.ENOENT
	}
	return *c.connectors[i], nil
}

func (f *pretendFile) encoder(id uint32) (uapi.Encoder, error) {
	defer f.leave()
	c := f.enter()
	return uapi.Encoder{ID: id, CRTC: c.crtcs[id-20].ID, PossibleCRTCs: 1<<len(c.crtcs) - 1}, nil
}

func (f *pretendFile) crtc(id uint32) (uapi.CRTC, error) {
	defer f.leave()
	return *f.enter().crtcs[id-30], nil
}

func (f *pretendFile) setCRTC(set uapi.CRTC, connectors []uint32) error {
	defer f.leave()
	c := f.enter()
	switch {
	case c.master != f:
		return unix.EACCES
	case c.memory[set.FB] == nil && set.FB != textFB:
		return unix.ENOENT
	case len(connectors) != 1:
		return unix.EINVAL
	}
	c.sets++
	*c.crtcs[set.ID-30] = set
	return nil
}

func (f *pretendFile) addFB(fb *uapi.FB) error {
	defer f.leave()
	c := f.enter()
	d := f.dumbs[fb.Handle]
	if d == nil || fb.BPP == 32 && fb.Depth != 24 || fb.BPP == 16 && fb.Depth != 16 || c.onlyBPP != 0 && fb.BPP != c.onlyBPP {
		return unix.EINVAL
	}
	c.numbers++
	fb.ID = c.numbers
	c.memory[fb.ID] = d.mem
	f.fbs = append(f.fbs, fb.ID)
	return nil
}

func (f *pretendFile) rmFB(id uint32) error {
	defer f.leave()
	return f.enter().remove(id)
}

func (c *pretendCard) remove(id uint32) error {
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

func (f *pretendFile) flip(p *uapi.PageFlip) error {
	defer f.leave()
	c := f.enter()
	switch {
	case c.flipping != nil:
		return c.flipping
	case c.master != f:
		return unix.EACCES
	case f.pending:
		return unix.EBUSY
	case c.memory[p.FB] == nil || p.Flags != uapi.PageFlipEvent:
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

func (f *pretendFile) createDumb(d *uapi.Dumb) error {
	defer f.leave()
	c := f.enter()
	c.numbers++
	d.Handle, d.Pitch = c.numbers, (d.Width*d.BPP/8+63)&^63
	d.Size = uint64(d.Pitch * d.Height)
	f.dumbs[d.Handle] = &dumb{make([]byte, d.Size)}
	return nil
}

func (f *pretendFile) mapDumb(d *uapi.Dumb) ([]byte, error) {
	defer f.leave()
	f.enter().kernel.mappings++
	return f.dumbs[d.Handle].mem, nil
}

// unmap makes whoever paints on be found out.
func (f *pretendFile) unmap(b []byte) error {
	defer f.leave()
	f.enter().kernel.mappings--
	for i := range b {
		b[i] = 0xdb
	}
	return nil
}

func (f *pretendFile) destroyDumb(handle uint32) error {
	defer f.leave()
	f.enter()
	if f.dumbs[handle] == nil {
		return unix.ENOENT
	}
	delete(f.dumbs, handle)
	return nil
}

func (f *pretendFile) dropMaster() error {
	defer f.leave()
	c := f.enter()
	if c.master != f {
		return unix.EINVAL
	}
	c.master = nil
	return nil
}

func (f *pretendFile) read(b []byte) (int, error) {
	select {
	case data := <-f.events:
		head := binary.NativeEndian.AppendUint32(b[:0], 99) // an event of a kind that came later
		head = binary.NativeEndian.AppendUint32(head, 16)
		head = append(head, make([]byte, 8)...)
		head = binary.NativeEndian.AppendUint32(head, uapi.EventFlipComplete)
		head = binary.NativeEndian.AppendUint32(head, 32)
		head = binary.NativeEndian.AppendUint64(head, data)
		return len(append(head, make([]byte, 16)...)), nil
	case <-f.gone:
		return 0, os.ErrClosed
	}
}

func (f *pretendFile) close() error {
	defer f.leave()
	c := f.enter()
	close(f.gone)
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
