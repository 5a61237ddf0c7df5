package mjpeg

// A frame whose restart interval (DRI) is one MCU is a mosaic: each 16x16 tile is coded by itself and can be made once
// and used in any place of any frame. The frame is then
//
//	AppendTiledHeader  tile 0  RST0  tile 1  RST1 … tile 8  RST0 …  EOI
//
// with as many tiles as cover it, row by row.

// TileSize is the side of a tile in pixels.
const TileSize = 16

// Tile is 16x16 pixels in 4:2:0, full-range BT.601.
type Tile struct {
	Y      [256]uint8
	Cb, Cr [64]uint8
}

// AppendTile appends a tile's code to dst.
func (e *Encoder) AppendTile(dst []byte, t *Tile) []byte {
	out := bitWriter{b: dst}
	out.room()
	var dc int32
	for _, at := range [...]int{0, 8, 8 * 16, 8*16 + 8} {
		dc = e.block(&out, t.Y[at:], 1, 16, 0, dc)
	}
	e.block(&out, t.Cb[:], 1, 8, 1, 0)
	e.block(&out, t.Cr[:], 1, 8, 1, 0)
	out.flush()
	return out.b
}

// AppendTiledHeader appends what comes before the first tile of a frame of w by h pixels, 1..65535 each, with a comment
// of up to 65533 bytes unless it is nil. CommentOffset is where its text begins.
func (e *Encoder) AppendTiledHeader(dst []byte, w, h int, comment []byte) []byte {
	interval := 1
	if w <= TileSize && h <= TileSize {
		interval = 0 // FFmpeg looks for a restart behind the only tile and misses EOI then
	}
	return e.appendHeader(dst, kind{w, h, 0x22}, interval, comment)
}

// CommentOffset is where the comment's text stands in what AppendTiledHeader appends.
const CommentOffset = 2 + 18 + 4

// AppendRestart appends the marker that goes between tile number i (from 0) and the next one.
func AppendRestart(dst []byte, i int) []byte { return append(dst, 0xFF, mRST0+byte(i&7)) }

// AppendEnd appends what ends a frame.
func AppendEnd(dst []byte) []byte { return append(dst, 0xFF, mEOI) }
