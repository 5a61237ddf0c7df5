package window

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"fmt"

	"github.com/jezek/xgb"
	"github.com/jezek/xgb/shm"
	"github.com/jezek/xgb/xproto"
	"golang.org/x/sys/unix"
)

// putImageHead is the length of a PutImage request without its pixels.
const putImageHead = 24

// buffer is memory for one frame: a segment that the server has mapped too, or memory of ours alone, whose first bytes are
// for the head of a request, so that the pixels need no copy to follow it.
type buffer struct {
	mem      []byte
	segment  shm.Seg
	busy     bool   // the server may still read it
	sequence uint16 // of the request that the server reads it for
}

func (b *buffer) shared() bool { return b.segment != 0 }

// pixels is where to paint.
func (b *buffer) pixels() []byte {
	if b.shared() || len(b.mem) == 0 {
		return b.mem
	}
	return b.mem[putImageHead:]
}

// release gives the memory back. The server's own mapping ends with the connection, or by a request.
func (b *buffer) release() {
	if b.shared() {
		_ = unix.SysvShmDetach(b.mem)
	}
	b.mem, b.segment = nil, 0
}

// grow gives a free buffer at least n bytes, shared if that is possible.
func (w *Window) grow(b *buffer, n int) {
	w.mu.Lock()
	plain := w.plain
	w.mu.Unlock()
	if len(b.pixels()) >= n && b.shared() != plain {
		return
	}
	if b.shared() {
		shm.Detach(w.conn, b.segment)
	}
	var mem []byte
	var segment shm.Seg
	if !plain {
		// As much as the screen needs, at once: memory that is not touched is none, and the window can be made larger.
		whole := w.visual.stride(int(w.screen.WidthInPixels)) * int(w.screen.HeightInPixels)
		var err error
		mem, segment, err = w.share(max(n, whole))
		plain = err != nil
	}
	if plain {
		mem = make([]byte, putImageHead+n)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	b.release()
	b.mem, b.segment, w.plain = mem, segment, plain
}

// share makes memory that both we and the server have mapped.
func (w *Window) share(n int) ([]byte, shm.Seg, error) {
	id, err := unix.SysvShmGet(unix.IPC_PRIVATE, n, unix.IPC_CREAT|0o600)
	if err != nil {
		return nil, 0, fmt.Errorf("shmget: %w", err)
	}
	mem, err := unix.SysvShmAttach(id, 0, 0)
	// Linux lets the server map it even after that, as long as we have it mapped.
	_, _ = unix.SysvShmCtl(id, unix.IPC_RMID, nil)
	if err != nil {
		return nil, 0, fmt.Errorf("shmat: %w", err)
	}
	segment, err := shm.NewSegId(w.conn)
	if err == nil {
		err = shm.AttachChecked(w.conn, segment, uint32(id), true).Check()
	}
	if err != nil {
		_ = unix.SysvShmDetach(mem)
		return nil, 0, fmt.Errorf("attach: %w", err)
	}
	return mem[:n], segment, nil
}

// sharesMemory tries whether the server sees what we write. That it maps a segment does not say so: in another container, or
// on another machine, the same number may be another program's memory.
func (w *Window) sharesMemory() bool {
	const width = 4
	if shm.Init(w.conn) != nil {
		return false
	}
	mem, segment, err := w.share(w.visual.stride(width))
	if err != nil {
		return false
	}
	defer unix.SysvShmDetach(mem)
	defer shm.Detach(w.conn, segment)
	_, _ = rand.Read(mem)
	for i := 3; w.visual.format.BytesPerPixel() == 4 && i < len(mem); i += 4 {
		mem[i] = 0 // the byte that is no colour
	}
	pixmap, err := xproto.NewPixmapId(w.conn)
	if err != nil {
		return false
	}
	xproto.CreatePixmap(w.conn, w.visual.depth, pixmap, xproto.Drawable(w.id), width, 1)
	defer xproto.FreePixmap(w.conn, pixmap)
	if shm.PutImageChecked(w.conn, xproto.Drawable(pixmap), w.gc, width, 1, 0, 0, width, 1, 0, 0,
		w.visual.depth, xproto.ImageFormatZPixmap, 0, segment, 0).Check() != nil {
		return false
	}
	got, err := xproto.GetImage(w.conn, xproto.ImageFormatZPixmap, xproto.Drawable(pixmap), 0, 0, width, 1, 0xffffffff).Reply()
	return err == nil && len(got.Data) >= len(mem) && bytes.Equal(got.Data[:len(mem)], mem)
}

// putShared tells the server to show a segment, and to say when it has done so.
func (w *Window) putShared(b *buffer) {
	width, height := uint16(w.painted.W), uint16(w.painted.H)
	// Under the lock, so that nothing is heard of the request before its number is known. It never waits long: with two
	// frames at most on the way the connection takes it at once.
	w.mu.Lock()
	defer w.mu.Unlock()
	b.busy = true
	cookie := shm.PutImage(w.conn, xproto.Drawable(w.id), w.gc, width, height, 0, 0, width, height, 0, 0,
		w.visual.depth, xproto.ImageFormatZPixmap, 1, b.segment, 0)
	b.sequence = cookie.Sequence
}

// putPlain sends the pixels in strips that the server takes in one request each, and asks it to say when it has them.
func (w *Window) putPlain(b *buffer) error {
	p := w.painted
	rows := (int(w.setup.MaximumRequestLength)*4 - putImageHead) / p.Stride
	if rows == 0 {
		return fmt.Errorf("the X display takes no row of %d pixels", p.W)
	}
	w.mu.Lock()
	b.busy = true
	w.mu.Unlock()
	for y := 0; y < p.H; y += rows {
		n := min(rows, p.H-y)
		// A strip's head goes over the end of the strip before it, which is sent by then: NewRequest returns when it is.
		request := b.mem[y*p.Stride : putImageHead+(y+n)*p.Stride]
		w.putImageHead(request, y, n)
		w.conn.NewRequest(request, w.conn.NewCookie(false, false))
	}
	done := xproto.ClientMessageEvent{Format: 32, Window: w.id, Type: w.atoms.shown,
		Data: xproto.ClientMessageDataUnionData32New(make([]uint32, 5))}
	xproto.SendEvent(w.conn, false, w.id, xproto.EventMaskNoEvent, string(done.Bytes()))
	return nil
}

// putImageHead writes the head of a request by the core protocol's PutImage: n rows from y on.
func (w *Window) putImageHead(request []byte, y, n int) {
	request[0] = 72 // its number
	request[1] = xproto.ImageFormatZPixmap
	le := binary.LittleEndian // as xgb has told the server
	le.PutUint16(request[2:], uint16(len(request)/4))
	le.PutUint32(request[4:], uint32(w.id))
	le.PutUint32(request[8:], uint32(w.gc))
	le.PutUint16(request[12:], uint16(w.painted.W))
	le.PutUint16(request[14:], uint16(n))
	le.PutUint16(request[16:], 0)
	le.PutUint16(request[18:], uint16(y))
	le.PutUint32(request[20:], 0)
	request[21] = w.visual.depth
}

// failed is told of a request that the server has refused.
func (w *Window) failed(err xgb.Error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range w.buffers {
		if b := &w.buffers[i]; b.busy && b.shared() && b.sequence == err.SequenceId() {
			b.busy, w.plain = false, true
		}
	}
}
