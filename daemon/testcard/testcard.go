package testcard

import (
	"cmp"
	"slices"
	"time"

	"vchat/daemon/mjpeg"
)

// Pattern makes the frames of the test camera. Most of a frame stays; digits and a runner are put together from tiles
// that are encoded at the start, so that a frame costs some copying only.
type Pattern struct {
	joined *joined
	fill   [][]byte // what is in the holes now
	maxLen int      // bytes that a frame can have

	clock, number []cell
	track         [][]int // for each row of the track and column, the hole
	runner        *tiles
	steps, length int // of a run in frames, and in pixels
}

// cell is a place for one character.
type cell struct {
	holes  []int // row by row
	glyphs *glyphs
	shown  byte
}

// stock has the characters of one size, as tiles.
type glyphs [256]*tiles

// New paints everything. fps says how fast the runner runs: from side to side in two seconds.
func New(name string, width, height, fps int) *Pattern {
	enc := mjpeg.NewEncoder(tileQuality)
	l := plan(width, height)
	back := paint(enc, width, height, newPainter(l, name, fps).draw)
	t := &Pattern{steps: 2 * fps, length: 16*l.cols + runnerLength}

	var places []int // in the mosaic, of all holes, in any order at first
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
	t.settle(enc, back, places)
	return t
}

func newCells(enc *mjpeg.Encoder, f field, color color, hole func(col, row int) int) (cells []cell) {
	digits, points := paintGlyphs(enc, "0123456789", f.digit, f.rows, color), paintGlyphs(enc, ":.", f.point, f.rows, color)
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

// settle sorts the holes by their place, joins the frame around them and finds out how large it can become.
func (t *Pattern) settle(enc *mjpeg.Encoder, back *tiles, places []int) {
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
	t.maxLen = t.joined.bytes + len(places)*t.largest()
}

// largest is the length of the largest tile in stock.
func (t *Pattern) largest() (n int) {
	see := func(m *tiles) {
		if m != nil {
			for _, tile := range m.encoded {
				n = max(n, len(tile))
			}
		}
	}
	see(t.runner)
	for _, cells := range [][]cell{t.clock, t.number} {
		for _, c := range cells {
			for _, m := range c.glyphs {
				see(m)
			}
		}
	}
	return n
}

// AppendFrame appends the frame with a number, made at captured, when it was wall o'clock.
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
	t.run(int(seq % uint64(t.steps)))

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

// run puts the runner's head to where it is after so many frames.
func (t *Pattern) run(step int) {
	head := step * t.length / t.steps
	for y, row := range t.track {
		for x, hole := range row {
			t.fill[hole] = t.runner.encoded[y*t.runner.cols+runnerTile(16*x-head)]
		}
	}
}

// MaxLen is how many bytes a frame can have.
func (t *Pattern) MaxLen() int { return t.maxLen }
