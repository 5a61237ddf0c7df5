package main

import (
	"context"
	"fmt"
	"io"

	"vchat/cmd/vchatctl/internal/view/web"
)

// viewWeb serves a page that shows a feed, or the peer of the call, whichever it is, until ctx ends.
func (a *app) viewWeb(ctx context.Context, feed string, port int) error {
	// Of a command that ssh runs, Ctrl-C over there ends the reader alone: nobody would know of the page any more.
	ctx, stop := a.whileRead(ctx)
	defer stop()
	if port < 0 || port > 65535 {
		return usagef("--port %d: it is a number from 1 to 65535, or 0 for any that is free", port)
	}
	if err := a.mayCome(ctx, feed); err != nil {
		return err
	}
	s, err := web.Listen(a.client(), web.Options{Feed: feed, Port: port})
	if err != nil {
		return err
	}
	defer s.Close()
	where := struct {
		URL string `json:"url"`
	}{s.URL()}
	if err := a.print(where, func(w io.Writer) { fmt.Fprintln(w, where.URL) }); err != nil {
		return err
	}
	if a.onTerminal() {
		if err := s.Open(); err != nil {
			a.tell("%v", err)
		}
		a.tell("the page is there until Ctrl-C")
	}
	return s.Serve(ctx)
}
