package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"

	"vchat/cmd/vchatctl/internal/view/web"
)

// viewWeb serves a page until ctx ends. The page shows a feed or, without one,
// the peer of each call in turn.
func (a *app) viewWeb(ctx context.Context, feed string, port int) error {
	// Ctrl-C in ssh HOST vchatctl … ends only the local ssh. The page must
	// end with it: the user cannot know that it is still served.
	ctx, stop := a.readerContext(ctx)
	defer stop()
	if port < 0 || port > 65535 {
		return usagef("--port must be 1 to 65535, or 0 for any free port; got %d", port)
	}
	if err := a.checkFeed(ctx, feed); err != nil {
		return err
	}
	var warn sync.Once
	s, err := web.Listen(a.client(), web.Options{Feed: feed, Port: port, Command: webCommand(feed, port),
		Refused: func(by error) {
			warn.Do(func() { a.logf("page: refused a connection of %v; only your own programs can open the page", by) })
		}})
	if err != nil {
		return err
	}
	defer s.Close()
	page := struct {
		URL string `json:"url"`
	}{s.URL()}
	if err := a.print(page, func(w io.Writer) { fmt.Fprintln(w, page.URL) }); err != nil {
		return err
	}
	if a.onTerminal() {
		if err := s.Open(); err != nil {
			a.noticef("%v", err)
		}
		a.noticef("serving the page until Ctrl-C")
	}
	return s.Serve(ctx)
}

// webCommand returns the command that starts the page of a feed.
func webCommand(feed string, port int) string {
	command := []string{"vchatctl", "view", "--to", toWeb}
	if feed != "" {
		command = slices.Insert(command, 2, feed)
	}
	if port != 0 {
		command = append(command, "--port", strconv.Itoa(port))
	}
	return strings.Join(command, " ")
}
