package mjpeg

// With a restart interval (DRI) of one MCU each 16x16 tile is coded
// independently. A tile is encoded once and then copied to any position of any
// frame:
//
//	AppendTiledHeader  tile 0  RST0  tile 1  RST1 … tile 8  RST0 …  EOI
//
// Tiles cover the frame row by row.

// TileSize is the side of a tile in pixels.
const TileSize = 16

// Tile is 16x16 pixels in 4:2:0, full-range BT.601.
type Tile struct {
	Y      [256]uint8
	Cb, Cr [64]uint8
}

// AppendTile appends a tile's entropy-coded data to dst.
func (e *Encoder) AppendTile(dst []byte, t *Tile) []byte {
	out := bitWriter{b: dst}
	out.grow()
	var dc int32
	for _, at := range [...]int{0, 8, 8 * 16, 8*16 + 8} {
		dc = e.block(&out, t.Y[at:], 1, 16, 0, dc)
	}
	e.block(&out, t.Cb[:], 1, 8, 1, 0)
	e.block(&out, t.Cr[:], 1, 8, 1, 0)
	out.flush()
	return out.b
}

// AppendTiledHeader appends everything before the first tile of a frame of w by
// h pixels, 1..65535 each. A comment of up to 65533 bytes is included unless it
// is nil; its text begins at CommentOffset.
func (e *Encoder) AppendTiledHeader(dst []byte, w, h int, comment []byte) []byte {
	interval := 1
	if w <= TileSize && h <= TileSize {
		interval = 0 // with one tile FFmpeg looks for a restart marker and misses EOI
	}
	return e.appendHeader(dst, frameKind{w, h, 0x22}, interval, comment)
}

// CommentOffset is the offset of the comment's text in the output of
// AppendTiledHeader.
const CommentOffset = 2 + 18 + 4

// AppendRestart appends the marker between tile i, counted from 0, and the next
// one.
func AppendRestart(dst []byte, i int) []byte { return append(dst, 0xFF, mRST0+byte(i&7)) }

// AppendEnd appends EOI.
func AppendEnd(dst []byte) []byte { return append(dst, 0xFF, mEOI) }
