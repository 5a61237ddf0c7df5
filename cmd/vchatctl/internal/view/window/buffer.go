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

// putImageHeaderLen is the size in bytes of the header of PutImage in the core
// protocol.
const putImageHeaderLen = 24

// maxPixels is the most that a buffer holds: those of a screen of 7680x4320, as
// the largest frame.
const maxPixels = 33_177_600

func isScreen(width, height int) bool { return int64(width)*int64(height) <= maxPixels }

// buffer holds one frame: either in a segment that the X server has mapped, or
// in private memory. Private memory starts with room for the header of
// PutImage, so that the request needs no copy of the pixels.
type buffer struct {
	mem      []byte
	segment  shm.Seg
	busy     bool   // the server may still read it
	sequence uint16 // of the request that makes the server read it
}

func (b *buffer) shared() bool { return b.segment != 0 }

// pixels returns the memory to paint on.
func (b *buffer) pixels() []byte {
	if b.shared() || len(b.mem) == 0 {
		return b.mem
	}
	return b.mem[putImageHeaderLen:]
}

// release frees the memory. The server unmaps it with the connection, or on a
// ShmDetach request.
func (b *buffer) release() {
	if b.shared() {
		_ = unix.SysvShmDetach(b.mem)
	}
	b.mem, b.segment = nil, 0
}

// allocate makes a free buffer at least n bytes large, in shared memory if
// possible.
func (w *Window) allocate(b *buffer, n int) {
	w.mu.Lock()
	noShm := w.noShm
	w.mu.Unlock()
	if len(b.pixels()) >= n && b.shared() != noShm {
		return
	}
	if b.shared() {
		shm.Detach(w.conn, b.segment)
	}
	var mem []byte
	var segment shm.Seg
	if !noShm {
		// Allocate for the whole screen, so that a larger window needs no new
		// segment. Linux allocates pages on first use.
		size := n
		if width, height := int(w.screen.WidthInPixels), int(w.screen.HeightInPixels); isScreen(width, height) {
			size = max(n, w.visual.stride(width)*height)
		}
		var err error
		mem, segment, err = w.newSegment(size)
		noShm = err != nil
	}
	if noShm {
		mem = make([]byte, putImageHeaderLen+n)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	b.release()
	b.mem, b.segment, w.noShm = mem, segment, noShm
}

// newSegment creates memory that both this process and the server have mapped.
func (w *Window) newSegment(n int) ([]byte, shm.Seg, error) {
	id, err := unix.SysvShmGet(unix.IPC_PRIVATE, n, unix.IPC_CREAT|0o600)
	if err != nil {
		return nil, 0, fmt.Errorf("shmget: %w", err)
	}
	mem, err := unix.SysvShmAttach(id, 0, 0)
	// Linux keeps a segment that is marked for removal until its last mapping
	// ends, and still lets the server map it. So it never outlives the process.
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

// canShareMemory reports whether the server reads what this process writes. A
// successful ShmAttach does not prove it: in another container or on another
// machine, the same id can be another program's segment.
func (w *Window) canShareMemory() bool {
	const width = 4
	if shm.Init(w.conn) != nil {
		return false
	}
	mem, segment, err := w.newSegment(w.visual.stride(width))
	if err != nil {
		return false
	}
	defer unix.SysvShmDetach(mem)
	defer shm.Detach(w.conn, segment)
	_, _ = rand.Read(mem)
	for i := 3; w.visual.format.BytesPerPixel() == 4 && i < len(mem); i += 4 {
		mem[i] = 0 // the server does not keep the padding byte
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
	got, err := xproto.GetImage(w.conn, xproto.ImageFormatZPixmap, xproto.Drawable(pixmap),
		0, 0, width, 1, 0xffffffff).Reply()
	return err == nil && len(got.Data) >= len(mem) && bytes.Equal(got.Data[:len(mem)], mem)
}

// putSegment asks the server to show a segment and to send a completion event.
func (w *Window) putSegment(b *buffer) {
	width, height := uint16(w.painted.W), uint16(w.painted.H)
	// With the lock held, an error for the request cannot be handled before its
	// sequence number is stored. The lock is held briefly: with at most two
	// frames under way, the connection takes the request at once.
	w.mu.Lock()
	defer w.mu.Unlock()
	b.busy = true
	cookie := shm.PutImage(w.conn, xproto.Drawable(w.id), w.gc, width, height, 0, 0, width, height, 0, 0,
		w.visual.depth, xproto.ImageFormatZPixmap, 1, b.segment, 0)
	b.sequence = cookie.Sequence
}

// putImage sends the pixels in strips of the server's maximum request size. A
// client message to the own window, sent last, comes back when the server has
// read them.
func (w *Window) putImage(b *buffer) error {
	p := w.painted
	rows := (int(w.setup.MaximumRequestLength)*4 - putImageHeaderLen) / p.Stride
	if rows <= 0 {
		return fmt.Errorf("a row of %d pixels exceeds the X display's maximum request size", p.W)
	}
	w.mu.Lock()
	b.busy = true
	w.mu.Unlock()
	for y := 0; y < p.H; y += rows {
		n := min(rows, p.H-y)
		// The header overwrites the end of the previous strip, which has been
		// written to the socket when NewRequest returns.
		request := b.mem[y*p.Stride : putImageHeaderLen+(y+n)*p.Stride]
		w.writePutImageHeader(request, y, n)
		w.conn.NewRequest(request, w.conn.NewCookie(false, false))
	}
	done := xproto.ClientMessageEvent{Format: 32, Window: w.id, Type: w.atoms.shown,
		Data: xproto.ClientMessageDataUnionData32New(make([]uint32, 5))}
	xproto.SendEvent(w.conn, false, w.id, xproto.EventMaskNoEvent, string(done.Bytes()))
	return nil
}

// writePutImageHeader writes the header of PutImage for n rows from row y.
func (w *Window) writePutImageHeader(request []byte, y, n int) {
	request[0] = 72 // opcode of PutImage
	request[1] = xproto.ImageFormatZPixmap
	le := binary.LittleEndian // the byte order that xgb sets up
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

// requestFailed handles a server error for a request. If the request is for a
// segment, frames go by PutImage from then on.
func (w *Window) requestFailed(err xgb.Error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range w.buffers {
		if b := &w.buffers[i]; b.busy && b.shared() && b.sequence == err.SequenceId() {
			b.busy, w.noShm = false, true
		}
	}
}
