package main

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"vchat/daemon/api"
	"vchat/daemon/client"
)

// pairFlags are the flags of pair.
type pairFlags struct {
	req     api.PairRequest
	timeout time.Duration
	confirm string
	accept  bool
	refuse  bool
}

func (a *app) pairCmd() *cobra.Command {
	f := &pairFlags{}
	cmd := &cobra.Command{
		Use:   "pair ADDRESS|NAME|--wait|--accept|--confirm CODE|--refuse",
		Short: "Make two devices know each other by comparing a short code",
		Long: `Make two devices know each other. Run pair --wait on one of them, and pair ADDRESS on the
other, with the address of the first: HOST or HOST:PORT, or its name if the first is on the local
network (vchatctl peers lists those). Both show the same six digits. Confirm on both devices only if
the digits are the same: then each device is a peer of the other, and either can call. If they
differ, another device is between the two.

pair --accept, in place of --wait, accepts the device whose request status or events shows, and
no other. A window, screen, terminal or page of view shows the request too: the key y accepts it.

With --auto-answer, this device answers the calls of the other one by itself, for a device without
a keyboard; vchatctl peer --auto-answer changes that later. Each device decides for itself.

Nothing is kept if one side refuses, is interrupted with Ctrl-C, or does not answer. The
configuration file does not change; unpair forgets the other device.

Without a terminal, pair prints the code as "code 482 913" and waits for an answer: pair --confirm
CODE, or pair --refuse, in another process. They also answer a pairing that runs elsewhere.`,
		Args:              argCount(0, 1),
		ValidArgsFunction: a.completeStrangers,
		RunE:              func(cmd *cobra.Command, args []string) error { return a.pairByFlags(cmd, args, f) },
	}
	cmd.Flags().BoolVar(&f.req.Wait, "wait", false, "wait for the other device")
	cmd.Flags().BoolVar(&f.accept, "accept", false, "accept the device that asks")
	cmd.Flags().StringVar(&f.req.Name, "name", "", "name of the other device here (default: its own name)")
	cmd.Flags().BoolVar(&f.req.AutoAnswer, "auto-answer", false, "answer calls of the other device automatically")
	cmd.Flags().DurationVar(&f.timeout, "timeout", 0, "how long to wait for the other device (default 2m)")
	cmd.Flags().StringVar(&f.confirm, "confirm", "", "confirm the pairing in progress if its code is this one")
	cmd.Flags().BoolVar(&f.refuse, "refuse", false, "refuse the pairing in progress, or the device that asks")
	return cmd
}

// pairByFlags pairs, or answers a pairing, as the flags say.
func (a *app) pairByFlags(cmd *cobra.Command, args []string, f *pairFlags) error {
	req := f.req
	req.Address = firstArg(args)
	modes := 0
	for _, set := range []bool{req.Address != "", req.Wait, f.accept, cmd.Flags().Changed("confirm"), f.refuse} {
		if set {
			modes++
		}
	}
	if modes != 1 {
		return usagef("usage: vchatctl %s", cmd.Use)
	}
	if cmd.Flags().Changed("timeout") && (f.timeout < time.Second || f.timeout > time.Hour) {
		return usagef("--timeout must be from 1s to 1h, got %v", f.timeout)
	}
	req.TimeoutMS = f.timeout.Milliseconds()
	switch {
	case f.refuse:
		p, err := a.client().RefusePairing(cmd.Context(), api.PairRefuse{})
		return a.printAnswer(p, err)
	case f.accept:
		return a.acceptPairing(cmd.Context(), req)
	case req.Address == "" && !req.Wait:
		p, err := a.client().ConfirmPairing(cmd.Context(), api.PairConfirm{Code: f.confirm, Name: req.Name})
		return a.printAnswer(p, err)
	}
	return a.pair(cmd.Context(), req, func(ctx context.Context) (*client.Events, error) {
		return a.client().Pair(ctx, req)
	})
}

// acceptPairing accepts the request that the status shows.
func (a *app) acceptPairing(ctx context.Context, req api.PairRequest) error {
	s, err := a.client().Status(ctx)
	if err != nil {
		return err
	}
	if s.Pairing == nil || s.Pairing.State != api.PairingRequested {
		return &api.Error{Kind: api.Conflict, Message: "no device asks for a pairing",
			Hint: "run on the other device: vchatctl pair ADDRESS, with the address of this one"}
	}
	return a.pair(ctx, req, func(ctx context.Context) (*client.Events, error) {
		return a.client().AcceptPairing(ctx, api.PairAccept{ID: s.Pairing.ID, Name: req.Name,
			AutoAnswer: req.AutoAnswer})
	})
}

// printAnswer prints the pairing that was answered, with --json.
func (a *app) printAnswer(p api.Pairing, err error) error {
	if err != nil {
		return err
	}
	return a.printJSON(p)
}

// pairDialogue is a pairing that was begun by this process.
type pairDialogue struct {
	app        *app
	ctx        context.Context
	lines      chan string // of the terminal; closed at its end
	asked      bool        // for the code; the next line is the answer
	naming     bool        // for a name; the next line is one
	autoAnswer bool        // --auto-answer
	current    api.Pairing
}

// pair pairs with another device, which begin begins. The end of ctx cancels it
// on both devices.
func (a *app) pair(
	ctx context.Context, req api.PairRequest, begin func(context.Context) (*client.Events, error),
) error {
	stream, err := begin(ctx)
	if err != nil {
		return err
	}
	defer stream.Close()
	d := &pairDialogue{app: a, ctx: ctx, autoAnswer: req.AutoAnswer}
	if term.IsTerminal(int(a.stdin.Fd())) {
		d.lines = make(chan string)
		go readLines(a.stdin, d.lines) // ends with the process
	}
	events := make(chan eventOrError)
	go readEvents(stream, events)
	for {
		select {
		case e := <-events:
			if e.err != nil {
				return e.err
			}
			if done, err := d.onEvent(e.Event); done || err != nil {
				return err
			}
		case line, ok := <-d.lines:
			if !ok {
				d.lines = nil
				line = ""
			}
			if err := d.onLine(strings.TrimSpace(line)); err != nil {
				return err
			}
		}
	}
}

type eventOrError struct {
	api.Event
	err error
}

// readEvents sends the events of a stream, and the error at its end. The
// receiver closes the stream.
func readEvents(stream *client.Events, to chan<- eventOrError) {
	for {
		e, err := stream.Next()
		last := err != nil || e.Pairing != nil &&
			(e.Pairing.State == api.PairingPaired || e.Pairing.State == api.PairingFailed)
		select {
		case to <- eventOrError{e, err}:
		case <-time.After(eventTimeout):
			return // the receiver is gone
		}
		if last {
			return
		}
	}
}

// eventTimeout is longer than the receiver takes for anything.
const eventTimeout = time.Minute

func readLines(from io.Reader, to chan<- string) {
	defer close(to)
	for s := bufio.NewScanner(from); s.Scan(); {
		to <- s.Text()
	}
}

// onEvent shows a state. It reports whether it was the last one.
func (d *pairDialogue) onEvent(e api.Event) (done bool, err error) {
	if e.Event != api.EventPairing || e.Pairing == nil {
		return false, nil
	}
	before := d.current
	d.current = *e.Pairing
	if d.app.json {
		if err := d.app.printJSON(e); err != nil {
			return true, err
		}
	}
	p := d.current
	switch p.State {
	case api.PairingWaiting:
		if p.ID != "" {
			d.app.logf("accepted %q at %s; waiting until it is back", p.Claimed, p.Address)
			break
		}
		d.app.logf("waiting; on the other device run: vchatctl pair ADDRESS, with the address of this one")
	case api.PairingDialling:
		if p.Reason == "" {
			d.app.logf("connecting to %s", p.Address)
		} else if p.Reason != before.Reason {
			d.app.logf("%s", p.Reason)
		}
	case api.PairingComparing:
		return false, d.showCode(p)
	case api.PairingConfirmed:
		d.asked, d.naming = false, false
		d.app.logf("confirmed here; waiting for the other device")
	case api.PairingPaired:
		switch {
		case p.AutoAnswer:
			d.app.logf("calls of %s are answered automatically; to change that: vchatctl peer %s --auto-answer off",
				p.Peer, p.Peer)
		case d.autoAnswer:
			d.app.logf("calls of %s are not answered automatically: it is a peer of the configuration file; "+
				"vchatctl peer %s shows where", p.Peer, p.Peer)
		}
		return true, d.app.printUnlessJSON(func(w io.Writer) {
			fmt.Fprintf(w, "paired with %s  %s\n", p.Peer, p.ID)
		})
	case api.PairingFailed:
		if d.asked {
			fmt.Fprintln(d.app.stderr)
		}
		if p.Error != nil {
			return true, p.Error
		}
		return true, &api.Error{Kind: api.Internal, Message: "pairing failed"}
	}
	return false, nil
}

// showCode shows the code, and asks for the answer on a terminal.
func (d *pairDialogue) showCode(p api.Pairing) error {
	what := "the other device"
	if p.Claimed != "" {
		what = fmt.Sprintf("the other device calls itself %q", p.Claimed)
	}
	d.app.logf("%s, id %s", what, p.ID)
	if p.Known {
		d.app.logf("it is the peer %s already", p.Peer)
	}
	if p.AutoAnswer {
		d.app.logf("once paired, its calls are answered automatically")
	}
	if d.lines == nil {
		if p.NameError != nil { // without a terminal there is no question
			_, _ = d.app.client().RefusePairing(d.ctx, api.PairRefuse{})
			return p.NameError
		}
		return d.app.printUnlessJSON(func(w io.Writer) { fmt.Fprintf(w, "code %s\n", p.Code) })
	}
	d.ask()
	return nil
}

// ask asks for a name if there is none, and for the answer to the code.
func (d *pairDialogue) ask() {
	d.naming, d.asked = d.current.NameError != nil, d.current.NameError == nil
	if d.naming {
		d.app.logf("%s", d.current.NameError.Message)
		fmt.Fprintf(d.app.stderr, "Name for the other device here [%s]: ", d.current.Suggested)
		return
	}
	fmt.Fprintf(d.app.stderr, "Do both devices show %s? [y/N] ", d.current.Code)
}

// onLine handles a line of the user.
func (d *pairDialogue) onLine(line string) error {
	switch {
	case d.naming && cmp.Or(line, d.current.Suggested) != "" && d.lines != nil:
		d.current.Peer, d.current.NameError = cmp.Or(line, d.current.Suggested), nil
		d.ask()
	case d.asked && isYes(line):
		d.asked = false
		_, err := d.app.client().ConfirmPairing(d.ctx, api.PairConfirm{Code: d.current.Code, Name: d.current.Peer})
		if refused := refusal(err); refused != nil && refused.Kind == api.BadValue {
			d.current.NameError = refused // the name is not possible
			d.ask()
			return nil
		}
		return err
	case d.naming, d.asked:
		d.naming, d.asked = false, false
		_, err := d.app.client().RefusePairing(d.ctx, api.PairRefuse{})
		return err // the last event has the rest
	}
	return nil
}

func isYes(s string) bool { return strings.EqualFold(s, "y") || strings.EqualFold(s, "yes") }

// pairingText returns a pairing as one line.
func pairingText(p *api.Pairing) string {
	who := p.Peer
	if who == "" && p.Claimed != "" {
		who = fmt.Sprintf("%q", p.Claimed)
	}
	reason := p.Reason
	if p.Error != nil {
		reason = p.Error.Message
	}
	switch p.State {
	case api.PairingRequested:
		return join("  ", "requested by", who, "from "+p.Address, "id "+p.ID)
	case api.PairingComparing, api.PairingConfirmed:
		return join("  ", string(p.State), "code "+p.Code, who, p.Address)
	}
	return join("  ", string(p.State), who, p.Address, reason)
}

// pairingHint returns what the user can do about a pairing, or "".
func pairingHint(s api.PairingState) string {
	switch s {
	case api.PairingRequested:
		return "to accept it: vchatctl pair --accept; to refuse it: vchatctl pair --refuse"
	case api.PairingComparing:
		return "if both devices show this code: vchatctl pair --confirm CODE; else vchatctl pair --refuse"
	}
	return ""
}

// printUnlessJSON prints text unless --json prints the same.
func (a *app) printUnlessJSON(text func(io.Writer)) error {
	if a.json {
		return nil
	}
	return a.print(nil, text)
}
