package view

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"
	"unicode"

	"vchat/daemon/api"
)

const (
	doWithin = 10 * time.Second // what a key asks of the daemon
	maxTyped = 512              // characters of a line
)

// Press does what a key is for. Fullscreen says that it is for the display itself.
//
//	q quit  f full screen  s snapshot  p own picture  h hang up  i figures  a answer  d decline
//	Enter begins a line of text, Enter again says it, Escape leaves it
func (s *Session) Press(in Input) (fullscreen bool) {
	if in.Key == KeyInterrupt {
		s.end(ErrInterrupted)
		return false
	}
	defer poke(s.changed)
	if s.compose(in) || in.Key != KeyRune {
		return false
	}
	switch unicode.ToLower(in.Rune) {
	case 'q':
		s.end(nil)
	case 'f':
		return true
	case 'i':
		s.mu.Lock()
		s.info, s.rate = !s.info, rate{}
		s.mu.Unlock()
	case 'p':
		s.togglePIP()
	case 's':
		s.do("snapshot", s.snapshot)
	case 'h':
		s.do("hang up", s.hangUp)
	case 'a':
		s.do("answer", s.answer)
	case 'd':
		s.do("decline", s.decline)
	}
	return false
}

// compose takes a key for the line that is being typed, if there is one or the key begins it.
func (s *Session) compose(in Input) bool {
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
			s.do("say", func(ctx context.Context) error { return s.tell(ctx, text) })
		}
	default:
		return false
	}
	return true
}

// do does what may take a while. What goes wrong is shown.
func (s *Session) do(what string, f func(context.Context) error) {
	s.goes(func() {
		ctx, cancel := context.WithTimeout(s.ctx, doWithin)
		defer cancel()
		s.done(what, f(ctx))
	})
}

func (s *Session) done(what string, err error) {
	if err != nil && s.ctx.Err() == nil {
		s.say(fmt.Sprintf("%s: %v", what, err))
	}
}

func (s *Session) rings() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.device.rings()
}

func (s *Session) decline(ctx context.Context) error {
	peer := s.rings()
	if peer == "" {
		return nil
	}
	_, err := s.client.Reject(ctx, peer)
	return err
}

func (s *Session) answer(ctx context.Context) error {
	peer := s.rings()
	if peer == "" {
		return nil
	}
	c, err := s.client.Answer(ctx, peer)
	if err == nil && s.opt.Turn && !s.opt.Follow {
		s.mu.Lock()
		s.feedOf = c.Peer
		s.mu.Unlock()
		s.feed.look()
	}
	return err
}

// tell says a line to the other side of the call.
func (s *Session) tell(ctx context.Context, text string) error {
	peer := s.wanted()
	if peer == api.Self {
		peer = ""
	}
	return s.client.Say(ctx, peer, text)
}

// hangUp ends the call that is shown, or the one that is being made.
func (s *Session) hangUp(ctx context.Context) error {
	peer := s.wanted()
	if peer == api.Self {
		peer = ""
	}
	_, err := s.client.Hangup(ctx, peer)
	return err
}

// snapshot saves the newest frame in the working directory.
func (s *Session) snapshot(ctx context.Context) error {
	feed := s.wanted()
	if feed == "" {
		return fmt.Errorf("there is no picture")
	}
	f, err := s.client.Newest(ctx, feed)
	if err != nil {
		return err
	}
	if f.Card {
		return fmt.Errorf("%s's camera gives no picture", feed)
	}
	name := strings.Map(func(r rune) rune {
		if r == '/' || r == 0 {
			return '_'
		}
		return r
	}, feed) + time.Now().Format("-20060102-150405.000") + ".jpg"
	if err := write(name, f.Data); err != nil {
		return err
	}
	s.say("saved " + name)
	return nil
}

// write writes a new file that is there as a whole or not at all.
func write(name string, data []byte) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		_ = os.Remove(name)
	}
	return err
}
