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
	"vchat/cmd/vchatctl/internal/view/look"
	"vchat/cmd/vchatctl/internal/view/render"
	"vchat/daemon/api"
)

const (
	commandTimeout = 10 * time.Second // for a command to the daemon
	maxTyped       = 512              // characters of a message
)

// Press handles a key.
//
//	q, Ctrl-Q quit  f, F11 full screen, Escape leaves it  s snapshot
//	p own picture  h hang up  i statistics  c camera  ? keys
//	a answer  d decline  Enter message, Enter again sends, Escape discards
//	y accept a device that wants to pair, confirm its code  n refuse it
//	Tab next control, Enter or space presses it: while it rings, answer
//	1 to 6 a ready message, in an empty message; a longer text replaces it
//	1 to 9 call a peer, without a call
//	arrows move the own picture or, with a control in focus, the focus
func (s *Session) Press(in Input) {
	switch in.Key {
	case KeyInterrupt:
		s.end(ErrInterrupted)
		return
	case KeyCtrlQ:
		s.Do(ActionQuit)
		return
	case KeyF11:
		s.Do(ActionFullscreen)
		return
	}
	if s.edit(in) {
		notify(s.changed)
		return
	}
	a := s.focused() // before wakeFor shows it again
	if a.Action == look.ActionNone {
		s.Wake()
	} else {
		s.wakeFor(focusDuration)
	}
	if a.Action != look.ActionNone && (in.Key == KeyEnter || in.Key == KeyRune && in.Rune == ' ') {
		if a.Action != ActionAnswer || s.answerSettled() {
			s.press(a)
		}
		return
	}
	switch in.Key {
	case KeyTab:
		s.moveFocus(1)
	case KeyBackTab:
		s.moveFocus(-1)
	case KeyLeft, KeyRight, KeyUp, KeyDown:
		s.arrow(in.Key, a.Action != look.ActionNone)
	case KeyEscape:
		s.leave()
	case KeyEnter:
		s.Do(ActionMessage)
	case KeyRune:
		if a, ok := actionKeys[unicode.ToLower(in.Rune)]; ok {
			s.Do(a)
		}
		s.callByKey(in.Rune)
	}
	notify(s.changed)
}

// callByKey calls the peer of a digit.
func (s *Session) callByKey(r rune) {
	s.mu.Lock()
	peers := s.peers(time.Now())
	s.mu.Unlock()
	for _, p := range peers {
		if p.CanCall && p.Key == string(r) {
			s.call(p.Name)
		}
	}
}

// answerSettled reports whether the user can have seen the caller who gave the
// focus to ActionAnswer.
func (s *Session) answerSettled() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return settled(s.focusGiven, time.Now())
}

// arrow moves the focus or, if no control has it, the own picture.
func (s *Session) arrow(k Key, focused bool) {
	s.mu.Lock()
	own := s.pip != nil && !focused && !s.typing
	if own {
		right := s.pipAt == render.LowerRight || s.pipAt == render.UpperRight
		lower := s.pipAt == render.LowerRight || s.pipAt == render.LowerLeft
		switch k {
		case KeyLeft, KeyRight:
			right = k == KeyRight
		default:
			lower = k == KeyDown
		}
		s.pipAt = cornerAt(right, lower)
	}
	s.mu.Unlock()
	switch {
	case own:
	case k == KeyRight || k == KeyDown:
		s.moveFocus(1)
	default:
		s.moveFocus(-1)
	}
}

func cornerAt(right, lower bool) render.Corner {
	switch {
	case right && lower:
		return render.LowerRight
	case right:
		return render.UpperRight
	case lower:
		return render.LowerLeft
	}
	return render.UpperLeft
}

// leave handles the key Escape outside of a message: it gives up the focus,
// then hides the keys, then leaves the full screen.
func (s *Session) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.focus.Action != look.ActionNone:
		s.focus = render.Target{}
	case s.showHelp:
		s.showHelp = false
	default:
		s.fullscreen = false
	}
}

// edit handles a key of the message being typed. It reports whether the key
// belongs to a message.
func (s *Session) edit(in Input) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.typing {
		return false
	}
	switch in.Key {
	case KeyEscape:
		s.typing = false
	case KeyBackspace:
		s.typed = s.typed[:max(0, len(s.typed)-1)]
		if s.readyKey != 0 {
			s.typed, s.readyKey = s.typed[:0], 0
		}
		s.focus = render.Target{}
	case KeyRune:
		s.typeRune(in.Rune)
		s.focus = render.Target{}
	case KeyPaste:
		for _, r := range in.Text {
			s.typeRune(r)
		}
		s.focus = render.Target{}
	case KeyEnter:
		if s.focusShown() {
			return false // it presses the control
		}
		s.sendTyped()
	default:
		return false
	}
	return true
}

// typeRune adds a character to the message being typed. The caller holds s.mu.
func (s *Session) typeRune(r rune) {
	if !unicode.IsPrint(r) {
		return
	}
	if s.readyKey != 0 { // it was the first character of another text
		s.typed, s.readyKey = append(s.typed[:0], s.readyKey), 0
	}
	for _, a := range look.ReadyMessages {
		if len(s.typed) == 0 && a.Key() == string(r) {
			s.typed, s.readyKey = append(s.typed, []rune(a.Label())...), r
			return
		}
	}
	if len(s.typed) < maxTyped {
		s.typed = append(s.typed, r)
	}
}

// beginMessage begins to write a message, if there is a peer to get it.
func (s *Session) beginMessage() {
	feed, _ := s.feed.current()
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.shownCall(feed); !s.typing && s.device.daemonUp && c != nil && answered(c.State) {
		s.typing, s.typed, s.readyKey = true, s.typed[:0], 0
		s.focus = render.Target{}
	}
}

// sendTyped sends the message being typed, unless it is empty. The caller holds
// s.mu.
func (s *Session) sendTyped() {
	s.typing = false
	if text := strings.TrimSpace(string(s.typed)); text != "" {
		s.runCommand("message", func(ctx context.Context) error { return s.sendMessage(ctx, text) })
	}
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
