package testcard

// layout places everything on the test pattern, in tiles. Moving parts use only
// tiles that are completely visible.
type layout struct {
	width, height int // pixels
	cols, rows    int // completely visible tiles
	diameter, top int // of the centred circle; 0: no circle, the bands span the frame
	bands         []band
	clock, number field
	track         band // for the runner
}

// band is a group of tile rows.
type band struct {
	kind      bandKind
	top, rows int
}

type bandKind int

const (
	capBand bandKind = iota // device name
	clockBand
	barsBand
	gratingsBand
	stepsBand
	numberBand
	rainbowBand // size and frame rate
	trackBand
)

// field is a line of characters. A digit has digit by rows tiles, a colon or
// point has point by rows.
type field struct {
	left, top, rows int
	digit, point    int // widths
	text            int // characters; 0: the field does not fit
}

const (
	clockText  = len("15:04:05.00")
	numberText = 8 // last digits of the sequence number
)

func (f field) width() int {
	if f.text == clockText {
		return 8*f.digit + 3*f.point
	}
	return f.text * f.digit
}

// plan returns the layout of a frame of width by height pixels.
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

// round stacks the bands in a circle. Clock and number are as large as the
// circle allows.
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

// square is the layout of small frames. The number has priority, then the
// clock. Bars fill the rest.
func (l *layout) square() {
	l.number = field{text: min(numberText, l.cols), digit: 1, rows: 1}
	bands := []band{{barsBand, 0, 1}}
	if l.cols >= clockText && l.rows >= 3 {
		l.clock = field{text: clockText, digit: 1, point: 1, rows: 1}
		bands = append(bands, band{clockBand, -1, 1})
	}
	l.stack(0, l.track.top, append(bands, band{numberBand, -1, 1}))
}

// stack places bands below each other, starting at row top. A band with top -1
// keeps its rows. The others divide the remaining rows in proportion to theirs.
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
