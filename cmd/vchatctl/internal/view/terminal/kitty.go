package terminal

import (
	"bytes"
	"compress/zlib"
	"encoding/base64"
	"fmt"

	"vchat/cmd/vchatctl/internal/view/render"
)

// The graphics protocol of kitty, which other terminals know too: sw.kovidgoyal.net/kitty/graphics-protocol.
const (
	canYou       = "\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\" // a frame of one pixel, not to be shown
	deleteAll    = "\x1b_Ga=d,d=A,q=2\x1b\\"
	chunk        = 4096      // bytes of base64 in a piece; so says the protocol
	mostGraphics = 640 * 400 // pixels: more is a megabyte a frame
)

// kitty makes frames for a terminal that shows them.
type kitty struct {
	compress bool // for an SSH connection; on the same machine it only takes time
	raw      []byte
	last     []byte // raw of the frame that is shown
	packed   bytes.Buffer
	zip      *zlib.Writer
	base64   []byte
	id       int
}

// forget makes the next frame be written in any case.
func (k *kitty) forget() { k.last = k.last[:0] }

// write writes a frame that fills cols by rows cells, below the text. The one before is taken away behind it, so that
// nothing flickers.
func (k *kitty) write(w *bytes.Buffer, px render.Pixels, cols, rows int) {
	k.raw = k.raw[:0]
	for y := range px.H {
		line := px.Pix[y*px.Stride:][:4*px.W]
		for i := 0; i < len(line); i += 4 {
			k.raw = append(k.raw, line[i], line[i+1], line[i+2])
		}
	}
	if k.id != 0 && bytes.Equal(k.raw, k.last) {
		return // only words have changed
	}
	k.raw, k.last = k.last, k.raw
	data, zipped := k.last, ""
	if k.compress {
		data, zipped = k.zipped(), ",o=z"
	}
	k.base64 = base64.StdEncoding.AppendEncode(k.base64[:0], data)
	before := k.id
	k.id = before%2 + 1
	moveTo(w, 0, 0)
	fmt.Fprintf(w, "\x1b_Ga=T,q=1,i=%d,p=1,f=24,s=%d,v=%d%s,c=%d,r=%d,z=-1,C=1", k.id, px.W, px.H, zipped, cols, rows)
	rest := k.base64
	for first := true; first || len(rest) > 0; first = false {
		n := min(len(rest), chunk)
		more := 0
		if n < len(rest) {
			more = 1
		}
		if !first {
			w.WriteString("\x1b_Gq=1")
		}
		fmt.Fprintf(w, ",m=%d;", more)
		w.Write(rest[:n])
		w.WriteString("\x1b\\")
		rest = rest[n:]
	}
	if before != 0 {
		fmt.Fprintf(w, "\x1b_Ga=d,d=I,i=%d,q=2\x1b\\", before)
	}
}

func (k *kitty) zipped() []byte {
	k.packed.Reset()
	if k.zip == nil {
		k.zip, _ = zlib.NewWriterLevel(&k.packed, zlib.BestSpeed) // the level is one that there is
	} else {
		k.zip.Reset(&k.packed)
	}
	_, _ = k.zip.Write(k.last) // to memory
	_ = k.zip.Close()
	return k.packed.Bytes()
}
