package main

import (
	"errors"
	"fmt"

	"vchat/cmd/vchatctl/internal/view"
	"vchat/cmd/vchatctl/internal/view/screen"
)

// openScreen opens the monitor in place of the console.
func (a *app) openScreen() (view.Display, error) {
	d, err := screen.Open(screen.Options{Console: a.console, Stdin: a.stdin, Idle: a.idle, Log: func(message string) {
		a.logf("%s", message) // for the journal: there may be no monitor
	}})
	if errors.Is(err, screen.ErrNoConsole) {
		return nil, usageError{fmt.Errorf("--to screen: %w", err)}
	} else if err != nil {
		return nil, err
	}
	return d, nil
}
