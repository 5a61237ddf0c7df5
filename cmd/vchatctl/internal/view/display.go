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
	Key     Key     // KeyNone if Resized, or for a pointer
	Rune    rune    // for KeyRune
	Text    string  // for KeyPaste
	Resized bool    // resized or uncovered: paint everything again
	Pointer Pointer // PointerNone for all other input
}

// Pointer is what a mouse or a finger did.
type Pointer struct {
	Kind   PointerKind
	X, Y   int  // in pixels of the memory that Next returned last
	Touch  bool // a finger: it does not move before it presses
	Clicks int  // for PointerPress: 2 for the second of a double click; else 1
}

// PointerKind is what a pointer did.
type PointerKind int

// The kinds. A display sends at most the newest of several moves.
const (
	PointerNone    PointerKind = iota
	PointerMove                // without or with a button pressed
	PointerPress               // the main button, or a finger
	PointerRelease             // likewise
	PointerLeave               // it left the display; X and Y are undefined
)

// Key is a key that was pressed.
type Key int

// The keys that viewers know.
const (
	KeyNone  Key = iota
	KeyRune      // a character: Input.Rune
	KeyPaste     // a pasted text, without line feeds: Input.Text
	KeyEnter
	KeyEscape
	KeyBackspace
	KeyInterrupt // Ctrl-C, or the window's close button
	KeyF11
	KeyCtrlQ
	KeyTab
	KeyBackTab // Shift-Tab
	KeyLeft
	KeyRight
	KeyUp
	KeyDown
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
