package view

import (
	"context"

	"vchat/cmd/vchatctl/internal/view/render"
)

// A Display is what frames are painted on: a window, or a console's screen. Next and Show are for one goroutine, and Run's.
type Display interface {
	// Next gives memory of the display's present size to paint on, which holds no particular content. It waits while all
	// that the display has is still being shown, but no longer than ctx. A display that is not to be seen at present (a
	// window that is iconified, a console that is switched away) waits too.
	Next(ctx context.Context) (render.Pixels, error)

	// Show shows what was painted on the memory that Next gave last.
	Show() error

	// Input is what its user does. The display closes it when it is gone, and Err says why.
	Input() <-chan Input

	// Err is why the display is gone: nil if its user closed it.
	Err() error

	// Close takes the display away and gives back what it had, such as the console; only then it returns.
	Close() error
}

// Input is one thing that the user of a display did.
type Input struct {
	Key     Key  // KeyNone: something else
	Rune    rune // of KeyRune
	Resized bool // or uncovered: all has to be painted again
}

// Key is a key that was pressed.
type Key int

const (
	KeyNone Key = iota
	KeyRune     // a character, see Input.Rune
	KeyEnter
	KeyEscape
	KeyBackspace
	KeyInterrupt // Ctrl-C, or the window's close button: the viewer ends
)

// A Fullscreener is a Display that can be made as large as the whole screen, and small again.
type Fullscreener interface {
	SetFullscreen(on bool) error
}
