package main

import (
	"context"
	"fmt"
	"io"
	"slices"

	"vchat/cmd/vchatctl/internal/view/web"
	"vchat/daemon/api"
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

// mayCome says whether there can ever be such a feed, for those who wait for it.
func (a *app) mayCome(ctx context.Context, feed string) error {
	peers, err := a.client().Peers(ctx)
	if err != nil {
		return err
	}
	if feed == "" || feed == api.Self || slices.ContainsFunc(peers, func(p api.Peer) bool { return p.Name == feed }) {
		return nil
	}
	return &api.Error{Kind: api.NoSuchPeer, Message: fmt.Sprintf("no peer is called %q", feed), Hint: "vchatctl peers lists them"}
}
