package look

// TextSize is a size of text.
type TextSize int

// The sizes of text, smallest first.
const (
	Caption TextSize = iota // keys, statistics, words below icons
	Body                    // messages, reasons
	Title                   // names, what happened
	Display                 // who calls
	Clock                   // the time of day, which is read from afar
)

// MinEm is the smallest readable text, in pixels per em.
const MinEm = 11

// Em returns the height of text on a display of w by h pixels, in pixels per
// em. A narrow display has smaller text, so that words still fit.
func (s TextSize) Em(w, h int) int {
	base := max(MinEm, min(h/28, w/26)) // of Body
	switch s {
	case Caption:
		return max(MinEm, base*4/5)
	case Title:
		return base * 3 / 2
	case Display:
		return base * 5 / 2
	case Clock:
		return base * 4
	}
	return base
}

// Step returns the unit of all margins and gaps on a display of w by h pixels:
// 8 pixels at 1280x720.
func Step(w, h int) int { return max(3, min(h, w*9/16)/90) }
