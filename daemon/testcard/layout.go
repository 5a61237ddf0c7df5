package testcard

// layout says where on a test card everything is, in tiles. What moves is on whole tiles that are wholly visible.
type layout struct {
	width, height int // pixels
	cols, rows    int // of wholly visible tiles
	diameter, top int // of the circle, which stands in the middle; 0: too small for one, the bands go from side to side
	bands         []band
	clock, number field
	track         band // of the runner
}

// band is some rows of tiles.
type band struct {
	kind      bandKind
	top, rows int
}

type bandKind int

const (
	capBand bandKind = iota // the name
	clockBand
	barsBand
	gratingsBand
	stepsBand
	numberBand
	rainbowBand // size and rate
	trackBand
)

// field is a line of characters, each of them digit by rows tiles; colon and point are narrower.
type field struct {
	left, top, rows int
	digit, point    int // widths
	text            int // characters; 0: no room
}

const (
	clockText  = len("15:04:05.00")
	numberText = 8 // digits of the sequence number
)

func (f field) width() int {
	if f.text == clockText {
		return 8*f.digit + 3*f.point
	}
	return f.text * f.digit
}

func plan(width, height int) layout {
	l := layout{width: width, height: height, cols: width / 16, rows: height / 16}
	l.track = band{kind: trackBand}
	if l.rows >= 4 {
		l.track.rows = max(1, l.rows/22)
	}
	l.track.top = l.rows - l.track.rows
	if d := min(l.cols, l.track.top) - 3; d >= 16 {
		l.round(d)
	} else {
		l.square()
	}
	for _, f := range []*field{&l.clock, &l.number} {
		f.left = (l.cols - f.width()) / 2
	}
	l.bands = append(l.bands, l.track)
	return l
}

// round puts the bands into a circle, the clock and the number as large as its chords allow.
func (l *layout) round(diameter int) {
	l.diameter = diameter
	l.top = (l.track.top - diameter + 1) / 2
	l.clock = field{text: clockText, digit: 1, point: 1, rows: 2}
	for f := l.clock; f.width() <= diameter*76/100; f.digit++ {
		l.clock = f
		f.point, f.rows = max(1, (f.digit+2)/2), max(2, (f.digit+1)*5/3)
	}
	l.number = field{text: numberText, digit: max(1, l.clock.digit*2/3), rows: max(2, l.clock.rows*3/5)}
	l.stack(l.top, diameter, []band{
		{capBand, 0, 8}, {clockBand, -1, l.clock.rows}, {barsBand, 0, 8}, {gratingsBand, 0, 4}, {stepsBand, 0, 4},
		{numberBand, -1, l.number.rows}, {rainbowBand, 0, 8},
	})
}

// square gives the number its place first, then the clock; bars fill the rest.
func (l *layout) square() {
	l.number = field{text: min(numberText, l.cols), digit: 1, rows: 1}
	bands := []band{{barsBand, 0, 1}}
	if l.cols >= clockText && l.rows >= 3 {
		l.clock = field{text: clockText, digit: 1, point: 1, rows: 1}
		bands = append(bands, band{clockBand, -1, 1})
	}
	l.stack(0, l.track.top, append(bands, band{numberBand, -1, 1}))
}

// stack lays bands one below the other into rows from top. Those with top -1 keep their rows, the others share what is
// left in the proportion of theirs.
func (l *layout) stack(top, rows int, bands []band) {
	shares := 0
	for _, b := range bands {
		if b.top < 0 {
			rows -= b.rows
		} else {
			shares += b.rows
		}
	}
	used, given := 0, 0
	for _, b := range bands {
		if b.top >= 0 {
			used += b.rows
			b.rows = rows*used/shares - given
			given += b.rows
		}
		b.top = top
		top += b.rows
		switch b.kind {
		case clockBand:
			l.clock.top = b.top
		case numberBand:
			l.number.top = b.top
		}
		l.bands = append(l.bands, b)
	}
}
