package screen

import (
	"bytes"
	"encoding/binary"
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"vchat/cmd/vchatctl/internal/view/screen/internal/uapi"
)

// fakeInput is an input device of the fake kernel, and implements inputDevice.
type fakeInput struct {
	kernel  *fakeKernel
	caps    capabilities
	axes    map[uint16]uapi.AbsInfo
	opening error // of openInput; kernel.mu guards it
	panel   calibration
	flood   []byte // each read returns it at once
	reads   int

	mu     sync.Mutex
	ids    []int32 // tracking IDs of the slots
	open   bool
	closed chan struct{} // by close
	events chan []byte
	gone   chan struct{} // unplugged
}

// setOf returns a set of numbers.
func setOf(numbers ...int) bitset {
	b := make(bitset, 0x300/8)
	for _, n := range numbers {
		b[n/8] |= 1 << (n % 8)
	}
	return b
}

// plug adds a device to the kernel. It is called in the test's bubble.
func (k *fakeKernel) plug(path string, d *fakeInput) *fakeInput {
	d.kernel, d.events, d.gone = k, make(chan []byte, 8), make(chan struct{})
	if d.panel == (calibration{}) {
		d.panel = noCalibration
	}
	k.mu.Lock()
	if k.devices == nil {
		k.devices = map[string]*fakeInput{}
	}
	k.devices[path] = d
	k.mu.Unlock()
	wake(k.inputUps)
	return d
}

func (k *fakeKernel) unplug(path string) {
	k.mu.Lock()
	d := k.devices[path]
	delete(k.devices, path)
	k.mu.Unlock()
	close(d.gone)
	wake(k.inputUps)
}

// allowOpening gives the right to open a device, as udev does.
func (k *fakeKernel) allowOpening(d *fakeInput) {
	k.mu.Lock()
	defer k.mu.Unlock()
	d.opening = nil
}

func (k *fakeKernel) inputs() (paths []string, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for path := range k.devices {
		paths = append(paths, path)
	}
	return paths, nil
}

func (k *fakeKernel) openInput(path string) (inputDevice, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	d := k.devices[path]
	if d == nil {
		return nil, unix.ENOENT
	}
	if d.opening != nil {
		return nil, d.opening
	}
	k.files++
	d.mu.Lock()
	defer d.mu.Unlock()
	d.open, d.closed = true, make(chan struct{})
	return d, nil
}

func (d *fakeInput) isOpen() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.open
}

func (d *fakeInput) capabilities() (capabilities, error) { return d.caps, nil }

func (d *fakeInput) calibration() calibration {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.panel
}

// turn changes the calibration.
func (d *fakeInput) turn(c calibration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.panel = c
}

func (d *fakeInput) axis(code uint16) (uapi.AbsInfo, error) {
	if a, ok := d.axes[code]; ok {
		return a, nil
	}
	return uapi.AbsInfo{}, unix.EINVAL
}

func (d *fakeInput) slots(code uint16, values []int32) error {
	if code == uapi.AbsMTTrackingID {
		d.mu.Lock()
		defer d.mu.Unlock()
		copy(values, d.ids)
	}
	return nil
}

func (d *fakeInput) read(b []byte) (int, error) {
	d.mu.Lock()
	closed := d.closed
	d.reads++
	d.mu.Unlock()
	select {
	case <-closed:
		return 0, os.ErrClosed
	case <-d.gone:
		return 0, unix.ENODEV
	default:
	}
	if d.flood != nil {
		return copy(b, d.flood), nil
	}
	select {
	case e := <-d.events:
		return copy(b, e), nil
	case <-closed:
		return 0, os.ErrClosed
	case <-d.gone:
		return 0, unix.ENODEV
	}
}

func (d *fakeInput) close() error {
	d.mu.Lock()
	close(d.closed)
	d.open = false
	d.mu.Unlock()
	d.kernel.mu.Lock()
	d.kernel.files--
	d.kernel.mu.Unlock()
	return nil
}

// event encodes struct input_event.
func event(kind, code int, value int32) []byte {
	b := make([]byte, eventSize-8)
	b = binary.NativeEndian.AppendUint16(b, uint16(kind))
	b = binary.NativeEndian.AppendUint16(b, uint16(code))
	return binary.NativeEndian.AppendUint32(b, uint32(value))
}

func events(e ...[]byte) []byte { return bytes.Join(e, nil) }

func abs(code int, value int32) []byte { return event(uapi.EvAbs, code, value) }
func rel(code int, value int32) []byte { return event(uapi.EvRel, code, value) }
func btn(code int, value int32) []byte { return event(uapi.EvKey, code, value) }
func syn() []byte                      { return event(uapi.EvSyn, uapi.SynReport, 0) }

// newPanel returns a touch screen with slots, 1000 by 500 units from 100.
func newPanel() *fakeInput {
	return &fakeInput{
		caps: capabilities{
			keys: setOf(uapi.BtnTouch),
			axes: setOf(uapi.AbsX, uapi.AbsY, uapi.AbsMTSlot, uapi.AbsMTPositionX, uapi.AbsMTPositionY,
				uapi.AbsMTTrackingID),
			props: setOf(uapi.PropDirect),
		},
		axes: map[uint16]uapi.AbsInfo{
			uapi.AbsX: {Min: 100, Max: 1100}, uapi.AbsY: {Min: 100, Max: 600}, uapi.AbsMTSlot: {Max: 9},
			uapi.AbsMTPositionX: {Min: 100, Max: 1100}, uapi.AbsMTPositionY: {Min: 100, Max: 600},
		},
		ids: []int32{-1, -1, -1, -1, -1, -1, -1, -1, -1, -1},
	}
}

func newMouse() *fakeInput {
	return &fakeInput{caps: capabilities{
		keys: setOf(uapi.BtnLeft), rels: setOf(uapi.RelX, uapi.RelY), axes: setOf(), props: setOf(),
	}}
}

func finger(slot, id, x, y int32) []byte {
	return events(abs(uapi.AbsMTSlot, slot), abs(uapi.AbsMTTrackingID, id), abs(uapi.AbsMTPositionX, x),
		abs(uapi.AbsMTPositionY, y), syn())
}

func lift(slot int32) []byte {
	return events(abs(uapi.AbsMTSlot, slot), abs(uapi.AbsMTTrackingID, -1), syn())
}
