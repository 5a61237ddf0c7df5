// Package testcard paints the test pattern and the status cards as JPEG frames.
//
// Guarantees:
//   - Every frame is a complete baseline JPEG that libjpeg decodes without a
//     warning, at any size of at least 16x16 pixels.
//   - [Pattern.AppendFrame] allocates nothing if dst has room for
//     [Pattern.MaxLen] bytes.
//   - Every frame of a pattern has a stamp: its number and its capture time.
//
// The package starts no goroutines. A Pattern belongs to one goroutine.
//
//	            New                             AppendFrame
//	layout ─▶ painter ─▶ tiles ─▶ join ─▶ fixed, hole, fixed, hole, … ─▶ JPEG
//	               └───▶ glyphs, runner ──────────▲ one tile for each hole
package testcard

import (
	"cmp"
	"slices"
	"time"

	"vchat/daemon/mjpeg"
)

// Pattern makes the frames of the test camera. New encodes every tile once.
// Afterwards a frame only copies the tiles of its digits and of the runner.
type Pattern struct {
	joined *joined
	fill   [][]byte // for each hole, the tile that fills it now
	maxLen int      // bytes

	clock, number []cell
	track         [][]int // holes, by row and column of the track
	runner        *tiles
	steps, length int // of one run: frames, pixels
}

// cell shows one character.
type cell struct {
	holes  []int // row by row
	glyphs *glyphs
	shown  byte
}

// glyphs holds the tiles of each character in one size.
type glyphs [256]*tiles

// New paints a pattern of width by height pixels, each from 16 to 65535. The
// runner crosses the frame in two seconds at fps frames a second. name appears
// on the frame and may be empty.
func New(name string, width, height, fps int) *Pattern {
	enc := mjpeg.NewEncoder(tileQuality)
	l := plan(width, height)
	back := paint(enc, width, height, newPainter(l, name, fps).draw)
	t := &Pattern{steps: 2 * fps, length: 16*l.cols + runnerLength}

	var places []int // the tile that each hole replaces, unsorted
	hole := func(col, row int) int {
		places = append(places, row*back.cols+col)
		return len(places) - 1
	}
	t.clock = newCells(enc, l.clock, clockColor, hole)
	t.number = newCells(enc, l.number, numberColor, hole)
	for y := range l.track.rows {
		t.track = append(t.track, nil)
		for x := range l.cols {
			t.track[y] = append(t.track[y], hole(x, l.track.top+y))
		}
	}
	if l.track.rows > 0 {
		t.runner = paintRunner(enc, l.track)
	}
	t.join(enc, back, places)
	return t
}

func newCells(enc *mjpeg.Encoder, f field, c color, hole func(col, row int) int) (cells []cell) {
	digits, points := paintGlyphs(enc, "0123456789", f.digit, f.rows, c), paintGlyphs(enc, ":.", f.point, f.rows, c)
	col := f.left
	for i := range f.text {
		c, w := cell{glyphs: digits}, f.digit
		if f.text == clockText && i%3 == 2 {
			c.glyphs, w = points, f.point
		}
		for y := range f.rows {
			for x := range w {
				c.holes = append(c.holes, hole(col+x, f.top+y))
			}
		}
		cells, col = append(cells, c), col+w
	}
	return cells
}

// join sorts the holes by place, joins the tiles between them and computes the
// largest size of a frame.
func (t *Pattern) join(enc *mjpeg.Encoder, back *tiles, places []int) {
	order := make([]int, len(places))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(places[a], places[b]) })
	rank, sorted := make([]int, len(places)), make([]int, len(places))
	for i, o := range order {
		rank[o], sorted[i] = i, places[o]
	}
	for _, cells := range [][]cell{t.clock, t.number} {
		for _, c := range cells {
			for i := range c.holes {
				c.holes[i] = rank[c.holes[i]]
			}
		}
	}
	for _, row := range t.track {
		for i := range row {
			row[i] = rank[row[i]]
		}
	}
	t.fill = make([][]byte, len(places))
	t.joined = back.join(enc, make([]byte, stampLen), sorted)
	t.maxLen = t.joined.bytes + len(places)*t.maxTileLen()
}

func (t *Pattern) maxTileLen() (n int) {
	measure := func(m *tiles) {
		if m != nil {
			for _, tile := range m.encoded {
				n = max(n, len(tile))
			}
		}
	}
	measure(t.runner)
	for _, cells := range [][]cell{t.clock, t.number} {
		for _, c := range cells {
			for _, m := range c.glyphs {
				measure(m)
			}
		}
	}
	return n
}

// MaxLen returns the size of the largest possible frame in bytes.
func (t *Pattern) MaxLen() int { return t.maxLen }

// AppendFrame appends frame number seq to dst. It shows wall as the time of
// day. captured, a CLOCK_MONOTONIC time, goes into the stamp.
func (t *Pattern) AppendFrame(dst []byte, seq uint64, captured time.Duration, wall time.Time) []byte {
	var text [clockText]byte
	h, m, s := wall.Clock()
	for i, n := range [...]int{h, m, s, wall.Nanosecond() / 1e7} {
		putDigits(text[3*i:3*i+2], uint64(n))
	}
	text[2], text[5], text[8] = ':', ':', '.'
	t.show(t.clock, text[:])
	putDigits(text[:numberText], seq)
	t.show(t.number, text[numberText-len(t.number):numberText])
	t.moveRunner(int(seq % uint64(t.steps)))

	start := len(dst)
	dst = t.joined.append(dst, t.fill)
	putStamp(dst[start+mjpeg.CommentOffset:], seq, captured)
	return dst
}

func (t *Pattern) show(cells []cell, text []byte) {
	for i := range cells {
		if c := &cells[i]; c.shown != text[i] {
			c.shown = text[i]
			for k, tile := range c.glyphs[c.shown].encoded {
				t.fill[c.holes[k]] = tile
			}
		}
	}
}

// moveRunner puts the runner's head to its place after step frames.
func (t *Pattern) moveRunner(step int) {
	head := step * t.length / t.steps
	for y, row := range t.track {
		for x, hole := range row {
			t.fill[hole] = t.runner.encoded[y*t.runner.cols+runnerTile(16*x-head)]
		}
	}
}
