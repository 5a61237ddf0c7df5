package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"github.com/spf13/cobra"

	"vchat/cmd/vchatctl/internal/newfile"
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
		Long: `Save a feed's frames unchanged, from the first frame until Ctrl-C, the end of the call, or --for.
Without a name, record the peer of the only call, or this device's camera if there is no call.
The file is playable however the recording ends.

  FILE.mkv    Matroska, with capture times
  FILE.mjpeg  JPEG frames one after the other, without times

A lost connection or a restart of vchatd leaves a gap. Status cards between frames are recorded too.`,
		Args:              argCount(1, 2),
		ValidArgsFunction: a.completeFeedFile,
		RunE: func(cmd *cobra.Command, args []string) error {
			if cmd.Flags().Changed("for") && limit <= 0 {
				return usagef("--for must be positive, got %v", limit)
			}
			name, file := splitFeedFile(args)
			feed, err := a.resolveFeed(cmd.Context(), name)
			if err != nil {
				return err
			}
			return a.record(cmd.Context(), feed, file, limit, force)
		},
	}
	cmd.Flags().DurationVar(&limit, "for", 0, "how long to record from the first frame, such as 90s or 10m")
	cmd.Flags().BoolVar(&force, "force", false, "replace an existing file")
	return cmd
}

// recordResult is the output of record --json.
type recordResult struct {
	Feed       string `json:"feed"`
	File       string `json:"file"`
	Frames     uint64 `json:"frames"`
	Cards      uint64 `json:"cards"`
	Lost       uint64 `json:"lost"`
	DurationMS int64  `json:"duration_ms"`
	Bytes      int64  `json:"bytes"`
}

// Ends of a recording that are not failures.
var (
	errTimeUp   = errors.New("time is up")
	errCallOver = errors.New("call ended")
)

func (a *app) record(ctx context.Context, feed, path string, limit time.Duration, force bool) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	first, err := a.client().Feed(ctx, feed) // before the file is created
	if err != nil {
		return err
	}
	file, err := record.Create(path, force)
	if err != nil {
		first.Close()
		return createError(path, err)
	}
	r := &recorder{app: a, feed: feed, file: file, limit: limit, end: cancel}
	cause := r.run(ctx, first)
	err = file.Close()
	t := file.Totals
	if t.Frames > 0 {
		counts := join(", ", fmt.Sprintf("%d frames", t.Frames), countText(t.Cards, "cards"), countText(t.Lost, "lost"))
		length := t.Length.Round(100 * time.Millisecond)
		a.logf("%s: %s in %v, %.1f MB", absolute(path), counts, length, float64(t.Bytes)/1e6)
	}
	switch interrupted := errors.Is(cause, errInterrupted); {
	case interrupted && t.Frames == 0:
		return cause
	case interrupted, errors.Is(cause, errTimeUp), errors.Is(cause, errCallOver):
		if t.Frames == 0 {
			return a.noFrameRecorded(ctx, feed)
		}
	case cause != nil:
		return cause
	}
	if err != nil {
		return fmt.Errorf("record: %w", err)
	}
	result := recordResult{feed, path, t.Frames, t.Cards, t.Lost, t.Length.Milliseconds(), t.Bytes}
	return a.printJSON(result)
}

func createError(path string, err error) error {
	switch {
	case errors.Is(err, newfile.ErrExists):
		return existsError(path)
	case errors.Is(err, record.ErrFormat):
		return usageError{err}
	}
	return fmt.Errorf("record: %w", err)
}

// noFrameRecorded returns the reason why a feed had no frame to record.
func (a *app) noFrameRecorded(ctx context.Context, feed string) error {
	e := &api.Error{Kind: api.CameraUnavailable, Message: "no picture from " + feed, Hint: "see vchatctl status"}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if s, err := a.client().Status(ctx); err == nil && feed == api.Self {
		e.Message = join(": ", e.Message, s.Camera.Reason)
		if s.Privacy {
			e.Kind, e.Message, e.Hint = api.PrivacyOn, "privacy is on: the camera is closed", "vchatctl privacy off"
		}
	} else if err == nil {
		return noPictureError(s, feed)
	}
	return e
}

// recorder records one feed, across restarts of the daemon.
type recorder struct {
	*app
	feed    string
	file    *record.Recording
	limit   time.Duration // 0: no limit
	end     context.CancelCauseFunc
	begun   bool        // the first frame has arrived
	noFrame *time.Timer // fires if the first frame is late
	stop    *time.Timer // fires after limit
}

const (
	firstFrameTimeout = 5 * time.Second // a camera takes 1 to 3 s to open
	reopenInterval    = 250 * time.Millisecond
)

// run records until ctx or the call ends, or writing fails. It closes the feed.
func (r *recorder) run(ctx context.Context, f *client.Feed) error {
	timeUp := func() { r.end(errTimeUp) }
	late, timeout := timeUp, max(r.limit, firstFrameTimeout)
	if r.limit == 0 {
		late = func() { r.noticef("no picture from %s yet; see vchatctl status", r.feed) }
	}
	r.noFrame = time.AfterFunc(timeout, late)
	defer r.noFrame.Stop()
	r.stop = time.AfterFunc(math.MaxInt64, timeUp)
	defer r.stop.Stop()
	for {
		if err := r.copy(f); err != nil {
			return err
		}
		var err error
		if f, err = r.reopen(ctx); err != nil {
			return err
		}
	}
}

// copy writes frames until the feed ends, and closes it. It returns nil if the
// feed may come back.
func (r *recorder) copy(f *client.Feed) error {
	buffer := record.NewBuffer(f)
	defer buffer.Close()
	defer f.Close()
	for {
		p, err := buffer.Next()
		switch {
		case err == io.EOF, errors.Is(err, client.ErrUnreachable):
			return nil
		case err != nil:
			return err
		case p.Card && !r.begun:
			continue // a recording starts with a frame
		}
		if !r.begun {
			r.begun = true
			r.noFrame.Stop()
			if r.limit > 0 {
				r.stop.Reset(r.limit)
			}
		}
		if err := r.file.Add(p); err != nil {
			return createError(r.file.Path(), err)
		}
	}
}

// reopen opens the feed again after a restart of the daemon. If the daemon does
// not have the feed any more, reopen returns errCallOver.
func (r *recorder) reopen(ctx context.Context) (*client.Feed, error) {
	for notified := false; ; {
		select {
		case <-time.After(reopenInterval):
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
		f, err := r.client().Feed(ctx, r.feed)
		refused := refusal(err)
		switch down := errors.Is(err, client.ErrUnreachable); {
		case err == nil:
			return f, nil
		case refused != nil && (refused.Kind == api.NoSuchFeed || refused.Kind == api.NoSuchPeer):
			return nil, errCallOver
		case down && !notified:
			notified = true
			r.noticef("vchatd stopped; recording continues when it is back")
		case !down && (refused == nil || refused.Kind != api.ShuttingDown):
			return nil, err
		}
	}
}
