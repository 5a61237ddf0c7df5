package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"github.com/spf13/cobra"

	"vchat/cmd/vchatctl/internal/record"
	"vchat/daemon/api"
	"vchat/daemon/client"
)

func (a *app) recordCmd() *cobra.Command {
	var (
		limit time.Duration
		force bool
	)
	cmd := &cobra.Command{
		Use:   "record [PEER|self] FILE.mkv|FILE.mjpeg",
		Short: "Save a feed's frames until Ctrl-C, the end of the call, or --for",
		Long: `Save a feed's frames as they are, from the first one that comes until Ctrl-C, the end of the call, or --for. Without a
name it is the feed of the peer of the only call, or else of this device's own camera. Whatever ends it, the file can be played.

  FILE.mkv    Matroska, with the times at which the frames were taken
  FILE.mjpeg  JPEG frames one after the other, without times

A lost link or a restart of vchatd leaves a gap. Cards that stand in for missing frames are recorded, too.`,
		Args:              takes(1, 2),
		ValidArgsFunction: a.completeSnapshot,
		RunE: func(cmd *cobra.Command, args []string) error {
			if cmd.Flags().Changed("for") && limit <= 0 {
				return usagef("--for %v: more than nothing", limit)
			}
			name, file := "", args[len(args)-1]
			if len(args) == 2 {
				name = args[0]
			}
			feed, err := a.feed(cmd.Context(), name)
			if err != nil {
				return err
			}
			return a.record(cmd.Context(), feed, file, limit, force)
		},
	}
	cmd.Flags().DurationVar(&limit, "for", 0, "how long to record, from the first frame on, such as 90s or 10m")
	cmd.Flags().BoolVar(&force, "force", false, "replace a file that is there already")
	return cmd
}

// recorded says what was recorded.
type recorded struct {
	Feed       string `json:"feed"`
	File       string `json:"file"`
	Frames     uint64 `json:"frames"`
	Cards      uint64 `json:"cards"`
	Lost       uint64 `json:"lost"`
	DurationMS int64  `json:"duration_ms"`
	Bytes      int64  `json:"bytes"`
}

// The ends of a recording that are none of an error.
var (
	errLongEnough = errors.New("recorded for long enough")
	errCallOver   = errors.New("the call is over")
)

func (a *app) record(ctx context.Context, feed, path string, limit time.Duration, force bool) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	first, err := a.client().Feed(ctx, feed) // before there is a file
	if err != nil {
		return err
	}
	file, err := record.Create(path, force)
	if err != nil {
		first.Close()
		return createFailed(err)
	}
	s := &session{app: a, feed: feed, file: file, limit: limit, end: cancel}
	why := s.run(ctx, first)
	err = file.Close()
	t := file.Totals
	if t.Frames > 0 {
		fmt.Fprintf(a.stderr, "vchatctl: %s: %s in %v, %.1f MB\n", path, join(", ", fmt.Sprintf("%d frames", t.Frames), some(t.Cards, "cards"),
			some(t.Lost, "lost")), t.Length.Round(100*time.Millisecond), float64(t.Bytes)/1e6)
	}
	switch asked := errors.Is(why, errInterrupted); {
	case asked && t.Frames == 0:
		return why
	case asked, errors.Is(why, errLongEnough), errors.Is(why, errCallOver):
		if t.Frames == 0 {
			return a.nothingCame(ctx, feed)
		}
	case why != nil:
		return why
	}
	if err != nil {
		return fmt.Errorf("recording: %w", err)
	}
	return a.print(recorded{feed, path, t.Frames, t.Cards, t.Lost, t.Length.Milliseconds(), t.Bytes}, func(io.Writer) {})
}

func createFailed(err error) error {
	switch {
	case errors.Is(err, record.ErrExists):
		return usagef("%w: --force replaces it", err)
	case errors.Is(err, record.ErrFormat):
		return usageError{err}
	}
	return fmt.Errorf("recording: %w", err)
}

// nothingCame says why there is nothing to record.
func (a *app) nothingCame(ctx context.Context, feed string) error {
	e := &api.Error{Kind: api.CameraUnavailable, Message: "no picture of " + feed + " has come", Hint: "vchatctl status says why"}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if s, err := a.client().Status(ctx); err == nil && feed == api.Self {
		e.Message = join(": ", e.Message, s.Camera.Reason)
		if s.Privacy {
			e.Kind, e.Message, e.Hint = api.PrivacyOn, "privacy is on: the camera is closed", "vchatctl privacy off"
		}
	} else if err == nil {
		return peerShowsNothing(s, feed)
	}
	return e
}

// session records one feed, over restarts of the daemon.
type session struct {
	*app
	feed  string
	file  *record.Recording
	limit time.Duration
	end   context.CancelCauseFunc
	begun bool
	late  *time.Timer // when the first frame should have come
	stop  *time.Timer // when it is enough
}

const (
	patience = 5 * time.Second        // for the first frame: a camera opens in one to three
	retry    = 250 * time.Millisecond // the daemon
)

// run records until ctx ends, or the call, or what is recorded cannot be written. It closes the feed.
func (s *session) run(ctx context.Context, f *client.Feed) error {
	enough := func() { s.end(errLongEnough) }
	late, within := enough, max(s.limit, patience)
	if s.limit == 0 {
		late = func() { s.tell("no picture of %s has come yet; vchatctl status says why", s.feed) }
	}
	s.late = time.AfterFunc(within, late)
	defer s.late.Stop()
	s.stop = time.AfterFunc(math.MaxInt64, enough)
	defer s.stop.Stop()
	for {
		if err := s.copy(f); err != nil {
			return err
		}
		var err error
		if f, err = s.again(ctx); err != nil {
			return err
		}
	}
}

// copy writes what comes until the feed ends, and closes it; where it may go on the error is nil.
func (s *session) copy(f *client.Feed) error {
	ahead := record.ReadAhead(f)
	defer ahead.Close()
	defer f.Close()
	for {
		p, err := ahead.Next()
		switch {
		case err == io.EOF, errors.Is(err, client.ErrUnreachable):
			return nil
		case err != nil:
			return err
		case p.Card && !s.begun:
			continue // there is nothing yet that it stands in for
		}
		if !s.begun {
			s.begun = true
			s.late.Stop()
			if s.limit > 0 {
				s.stop.Reset(s.limit)
			}
		}
		if err := s.file.Add(p); err != nil {
			return fmt.Errorf("recording: %w", err)
		}
	}
}

// again opens the feed once more, after a daemon that was started anew. Where the daemon knows no such feed, the call is over.
func (s *session) again(ctx context.Context) (*client.Feed, error) {
	for told := false; ; {
		select {
		case <-time.After(retry):
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
		f, err := s.client().Feed(ctx, s.feed)
		var refused *api.Error
		switch gone := errors.Is(err, client.ErrUnreachable); {
		case err == nil:
			return f, nil
		case errors.As(err, &refused) && (refused.Kind == api.NoSuchFeed || refused.Kind == api.NoSuchPeer):
			return nil, errCallOver
		case gone && !told:
			told = true
			s.tell("vchatd is gone: recording goes on when it is back")
		case !gone && (refused == nil || refused.Kind != api.ShuttingDown):
			return nil, err
		}
	}
}
