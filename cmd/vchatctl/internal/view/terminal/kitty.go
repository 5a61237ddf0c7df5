package terminal

import (
	"bytes"
	"compress/zlib"
	"encoding/base64"
	"fmt"

	"vchat/cmd/vchatctl/internal/view/render"
)

// The kitty graphics protocol, which other terminals implement too. See
// https://sw.kovidgoyal.net/kitty/graphics-protocol.
const (
	queryGraphics     = "\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\" // one pixel that is not shown
	deleteGraphics    = "\x1b_Ga=d,d=A,q=2\x1b\\"
	chunkSize         = 4096      // bytes of base64; the limit of the protocol
	maxGraphicsPixels = 640 * 400 // more would be over a megabyte a frame
)

// kitty encodes frames for the graphics protocol.
type kitty struct {
	compress bool   // for slow connections; on the same machine it costs time
	raw      []byte // RGB
	last     []byte // raw of the frame on the screen
	packed   bytes.Buffer
	zip      *zlib.Writer
	base64   []byte
	id       int // of the image on the screen: 1 or 2; 0: none
}

// invalidate makes the next write write the frame even if it has not changed.
func (k *kitty) invalidate() { k.last = k.last[:0] }

// write writes a frame that fills cols by rows cells, below the text. It
// deletes the previous frame only afterwards, so the screen does not flicker.
func (k *kitty) write(w *bytes.Buffer, px render.Pixels, cols, rows int) {
	k.raw = k.raw[:0]
	for y := range px.H {
		line := px.Pix[y*px.Stride:][:4*px.W]
		for i := 0; i < len(line); i += 4 {
			k.raw = append(k.raw, line[i], line[i+1], line[i+2])
		}
	}
	if k.id != 0 && bytes.Equal(k.raw, k.last) {
		return // only texts have changed
	}
	k.raw, k.last = k.last, k.raw
	data, option := k.last, ""
	if k.compress {
		data, option = k.compressed(), ",o=z"
	}
	k.base64 = base64.StdEncoding.AppendEncode(k.base64[:0], data)
	previous := k.id
	k.id = previous%2 + 1
	moveTo(w, 0, 0)
	fmt.Fprintf(w, "\x1b_Ga=T,q=1,i=%d,p=1,f=24,s=%d,v=%d%s,c=%d,r=%d,z=-1,C=1", k.id, px.W, px.H, option, cols, rows)
	rest := k.base64
	for first := true; first || len(rest) > 0; first = false {
		n := min(len(rest), chunkSize)
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
	if previous != 0 {
		fmt.Fprintf(w, "\x1b_Ga=d,d=I,i=%d,q=2\x1b\\", previous)
	}
}

func (k *kitty) compressed() []byte {
	k.packed.Reset()
	if k.zip == nil {
		k.zip, _ = zlib.NewWriterLevel(&k.packed, zlib.BestSpeed) // the level is valid
	} else {
		k.zip.Reset(&k.packed)
	}
	_, _ = k.zip.Write(k.last) // a bytes.Buffer returns no errors
	_ = k.zip.Close()
	return k.packed.Bytes()
}
