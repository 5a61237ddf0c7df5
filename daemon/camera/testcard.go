package camera

import (
	"cmp"
	"slices"
	"time"

	"vchat/daemon/mjpeg"
)

// testCard makes the frames of the test camera. Most of a frame stays; digits and a runner are put together from tiles
// that are encoded at the start, so that a frame costs some copying only.
type testCard struct {
	joined *joined
	fill   [][]byte // what is in the holes now
	most   int      // bytes that a frame can have

	clock, number []cell
	track         [][]int // for each row of the track and column, the hole
	runner        *mosaic
	steps, length int // of a run in frames, and in pixels
}

// cell is a place for one character.
type cell struct {
	holes []int // row by row
	stock *stock
	shown byte
}

// stock has the characters of one size, as tiles.
type stock [256]*mosaic

// newTestCard paints everything. fps says how fast the runner runs: from side to side in two seconds.
func newTestCard(name string, width, height, fps int) *testCard {
	enc := mjpeg.NewEncoder(mosaicQuality)
	l := plan(width, height)
	back := paint(enc, width, height, newArtist(l, name, fps).draw)
	t := &testCard{steps: 2 * fps, length: 16*l.cols + runnerLength}

	var places []int // in the mosaic, of all holes, in any order at first
	hole := func(col, row int) int {
		places = append(places, row*back.cols+col)
		return len(places) - 1
	}
	t.clock = newCells(enc, l.clock, clockInk, hole)
	t.number = newCells(enc, l.number, numberInk, hole)
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

func newCells(enc *mjpeg.Encoder, f field, ink ink, hole func(col, row int) int) (cells []cell) {
	digits, points := paintStock(enc, "0123456789", f.digit, f.rows, ink), paintStock(enc, ":.", f.point, f.rows, ink)
	col := f.left
	for i := range f.text {
		c, w := cell{stock: digits}, f.digit
		if f.text == clockText && i%3 == 2 {
			c.stock, w = points, f.point
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
func (t *testCard) settle(enc *mjpeg.Encoder, back *mosaic, places []int) {
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
	t.most = t.joined.bytes + len(places)*t.largest()
}

// largest is the length of the largest tile in stock.
func (t *testCard) largest() (n int) {
	see := func(m *mosaic) {
		if m != nil {
			for _, tile := range m.tiles {
				n = max(n, len(tile))
			}
		}
	}
	see(t.runner)
	for _, cells := range [][]cell{t.clock, t.number} {
		for _, c := range cells {
			for _, m := range c.stock {
				see(m)
			}
		}
	}
	return n
}

// append appends the frame with a number, made at captured, when it was wall o'clock.
func (t *testCard) append(dst []byte, seq uint64, captured time.Duration, wall time.Time) []byte {
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

func (t *testCard) show(cells []cell, text []byte) {
	for i := range cells {
		if c := &cells[i]; c.shown != text[i] {
			c.shown = text[i]
			for k, tile := range c.stock[c.shown].tiles {
				t.fill[c.holes[k]] = tile
			}
		}
	}
}

// run puts the runner's head to where it is after so many frames.
func (t *testCard) run(step int) {
	head := step * t.length / t.steps
	for y, row := range t.track {
		for x, hole := range row {
			t.fill[hole] = t.runner.tiles[y*t.runner.cols+runnerTile(16*x-head)]
		}
	}
}
