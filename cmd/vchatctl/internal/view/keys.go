package view

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"
	"unicode"

	"vchat/cmd/vchatctl/internal/newfile"
	"vchat/daemon/api"
)

const (
	commandTimeout = 10 * time.Second // for a command to the daemon
	maxTyped       = 512              // characters of a message
)

// Press handles a key. It reports whether the display has to toggle its full
// screen.
//
//	q quit  f full screen  s snapshot  p own picture  h hang up  i statistics
//	a answer  d decline  Enter message, Enter again sends, Escape discards
//	y accept a device that wants to pair, confirm its code  n refuse it
func (s *Session) Press(in Input) (fullscreen bool) {
	if in.Key == KeyInterrupt {
		s.end(ErrInterrupted)
		return false
	}
	defer notify(s.changed)
	if s.edit(in) || in.Key != KeyRune {
		return false
	}
	switch unicode.ToLower(in.Rune) {
	case 'q':
		s.end(nil)
	case 'f':
		return true
	case 'i':
		s.mu.Lock()
		s.showStats, s.stats = !s.showStats, frameStats{}
		s.mu.Unlock()
	case 'p':
		s.togglePIP()
	case 's':
		s.runCommand("snapshot", s.snapshot)
	case 'h':
		s.runCommand("hang up", s.hangUp)
	case 'a':
		s.runCommand("answer", s.answer)
	case 'd':
		s.runCommand("decline", s.decline)
	case 'y', 'n':
		s.answerPairing(unicode.ToLower(in.Rune) == 'y')
	}
	return false
}

// edit handles a key of the message being typed. It reports whether the key
// belongs to a message.
func (s *Session) edit(in Input) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.typing {
		s.typing = in.Key == KeyEnter
		s.typed = s.typed[:0]
		return s.typing
	}
	switch in.Key {
	case KeyEscape:
		s.typing = false
	case KeyBackspace:
		s.typed = s.typed[:max(0, len(s.typed)-1)]
	case KeyRune:
		if len(s.typed) < maxTyped && unicode.IsPrint(in.Rune) {
			s.typed = append(s.typed, in.Rune)
		}
	case KeyEnter:
		s.typing = false
		if text := strings.TrimSpace(string(s.typed)); text != "" {
			s.runCommand("message", func(ctx context.Context) error { return s.sendMessage(ctx, text) })
		}
	default:
		return false
	}
	return true
}

// runCommand runs a command in a goroutine and shows its error.
func (s *Session) runCommand(name string, command func(context.Context) error) {
	s.goGuarded(func() {
		ctx, cancel := context.WithTimeout(s.ctx, commandTimeout)
		defer cancel()
		if err := command(ctx); err != nil && s.ctx.Err() == nil {
			s.addLine(fmt.Sprintf("%s: %v", name, err))
		}
	})
}

func (s *Session) caller() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.device.caller()
}

func (s *Session) decline(ctx context.Context) error {
	peer := s.caller()
	if peer == "" {
		return nil
	}
	_, err := s.client.Reject(ctx, peer)
	return err
}

func (s *Session) answer(ctx context.Context) error {
	peer := s.caller()
	if peer == "" {
		return nil
	}
	c, err := s.client.Answer(ctx, peer)
	if err == nil && s.opt.SwitchToCaller && !s.opt.Follow {
		s.mu.Lock()
		s.feedName = c.Peer
		s.mu.Unlock()
		s.feed.recheck()
	}
	return err
}

// sendMessage sends a message to the peer of the call that is shown.
func (s *Session) sendMessage(ctx context.Context, text string) error {
	return s.client.Say(ctx, s.shownPeer(), text)
}

// hangUp ends the call that is shown, or the one being made.
func (s *Session) hangUp(ctx context.Context) error {
	_, err := s.client.Hangup(ctx, s.shownPeer())
	return err
}

// shownPeer returns the peer whose feed is shown, or "": then the daemon picks
// the only call.
func (s *Session) shownPeer() string {
	peer := s.wantedFeed()
	if peer == api.Self {
		peer = ""
	}
	return peer
}

// snapshot saves the newest frame in the working directory.
func (s *Session) snapshot(ctx context.Context) error {
	feed := s.wantedFeed()
	if feed == "" {
		return errors.New("no picture")
	}
	f, err := s.client.Snapshot(ctx, feed)
	if err != nil {
		return err
	}
	if f.Card {
		return errors.New(NoPicture(feed))
	}
	path, err := filepath.Abs(SnapshotName(feed, time.Now()))
	if err != nil {
		return err
	}
	if err := saveNew(path, f.Data); err != nil {
		return err
	}
	s.addLine("saved " + path)
	return nil
}

// SnapshotName returns the file name of a snapshot that was taken at a time.
// All viewers use it.
func SnapshotName(feed string, at time.Time) string {
	feed = strings.Map(func(r rune) rune {
		if r == '/' || r == 0 {
			return '_'
		}
		return r
	}, feed)
	return feed + at.Format("-20060102-150405.000") + ".jpg"
}

// saveNew saves a new file.
func saveNew(path string, data []byte) error {
	f, err := newfile.Create(path, false)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Save(data)
}
