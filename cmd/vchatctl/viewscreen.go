package main

import (
	"context"
	"errors"
	"fmt"

	"vchat/cmd/vchatctl/internal/view"
	"vchat/cmd/vchatctl/internal/view/screen"
)

// viewScreen shows a session on the monitor, in place of the console.
func (a *app) viewScreen(ctx context.Context, s *view.Session) (err error) {
	d, err := screen.Open(screen.Options{Console: a.console, Stdin: a.stdin, Tell: func(message string) {
		// Not for somebody who reads it at once: there is no monitor. It is for the journal.
		fmt.Fprintf(a.stderr, "vchatctl: %s\n", message)
	}})
	if errors.Is(err, screen.ErrNoConsole) {
		return usageError{fmt.Errorf("--to screen: %w", err)}
	} else if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	return view.Run(ctx, s, d)
}
