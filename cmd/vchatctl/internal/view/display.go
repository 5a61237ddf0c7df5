package view

import (
	"context"

	"vchat/cmd/vchatctl/internal/view/render"
)

// A Display shows frames: a window, the screen of a console, a terminal. Next
// and Show are for one goroutine.
type Display interface {
	// Next returns memory of the display's present size to paint into. Its
	// contents are undefined. Next waits while all buffers are being shown or
	// the display is not visible: an iconified window, an inactive console. It
	// returns an error if ctx ends or the display is gone.
	Next(ctx context.Context) (render.Pixels, error)

	// Show shows the memory that Next returned last.
	Show() error

	// Input returns the channel of the user's input. The display closes it when
	// it is gone; see Err.
	Input() <-chan Input

	// Err returns why the display is gone: nil if its user closed it.
	Err() error

	// Close releases the display and restores the state before it, for example
	// that of the console.
	Close() error
}

// Input is one action of the user.
type Input struct {
	Key     Key  // KeyNone if Resized
	Rune    rune // for KeyRune
	Resized bool // resized or uncovered: paint everything again
}

// Key is a key that was pressed.
type Key int

// The keys that viewers know.
const (
	KeyNone Key = iota
	KeyRune     // a character: Input.Rune
	KeyEnter
	KeyEscape
	KeyBackspace
	KeyInterrupt // Ctrl-C, or the window's close button
)

// A Fullscreener is a Display that can cover the whole screen.
type Fullscreener interface {
	SetFullscreen(on bool) error
}

// A TextDisplay is a Display that shows texts itself, such as a terminal.
type TextDisplay interface {
	SetOverlay(render.Overlay) // for the next Show
	Aspect() float64           // height of a pixel divided by its width
}
