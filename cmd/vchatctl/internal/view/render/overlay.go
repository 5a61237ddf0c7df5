package render

import (
	"slices"

	"vchat/cmd/vchatctl/internal/view/look"
)

// Overlay is everything a viewer shows besides the frames. Empty texts are not
// shown.
type Overlay struct {
	State    look.State
	Title    string    // what the viewer shows: a peer, "self" or "vchat"
	Name     string    // large, in the middle: this device, who calls or is called
	Clock    string    // above Name: the time of day
	Headline string    // in the middle: what happened
	Notice   string    // below Headline: why, and what to do
	Age      string    // below Notice: how old the frame is
	Waiting  int       // below Notice: three dots, of which this one is bright; 0: none
	Peers    []Peer    // below, or beside it: who can be called
	PeerPage int       // of Peers, if not all fit; beyond the last one it begins again
	Banner   string    // at the top: who calls while a frame is shown
	Code     string    // below Banner, large: the code of a pairing
	Pairing  string    // below Code: the pairing, and the keys for it
	Caption  string    // at the top left: the peer and the duration of the call
	Unseen   string    // below Caption: why the peer does not see this device
	Info     string    // below it: statistics
	Lines    []string  // at the bottom: messages, oldest first
	Typing   string    // below Lines: the message being typed, for a line of a terminal
	Typed    string    // and for the painter: its text alone
	Ready    []Control // above Typing: messages that need no typing
	Stale    bool      // the frame is old: dim it
	Blank    bool      // show no frame
	PIP      bool      // show the picture-in-picture
	PIPStale bool      // its frame is old: dim it
	PIPText  string    // instead of its frame: why there is none
	PIPAt    Corner    // where the picture-in-picture goes, if it covers nothing there

	Controls []Control // at the bottom, the first on the left
	ShowKeys bool      // show the keys on the controls
	Fade     int       // quarters by which Controls and Caption are transparent, up to Hidden
	Help     []Key     // in the middle: all keys
}

// Peer is a device that can be called.
type Peer struct {
	Name      string
	Reachable bool
	CanCall   bool   // it is a control, which calls the peer
	Key       string // of that control; "": none
	Focused   bool   // the key Enter calls it
}

// Key is a line of the list of keys.
type Key struct{ Key, Text string }

// Corner is a corner of the display.
type Corner int

// The corners, best ones first.
const (
	LowerRight Corner = iota
	UpperRight
	LowerLeft
	UpperLeft
)

// Equal reports whether both overlays show the same.
func (w *Overlay) Equal(v *Overlay) bool {
	return slices.Equal(w.Lines, v.Lines) && slices.Equal(w.Controls, v.Controls) &&
		slices.Equal(w.Ready, v.Ready) &&
		slices.Equal(w.Peers, v.Peers) && w.PeerPage == v.PeerPage && slices.Equal(w.Help, v.Help) &&
		w.State == v.State && w.Title == v.Title && w.Name == v.Name && w.Clock == v.Clock &&
		w.Headline == v.Headline && w.Notice == v.Notice && w.Age == v.Age && w.Waiting == v.Waiting &&
		w.Banner == v.Banner && w.Code == v.Code && w.Pairing == v.Pairing &&
		w.Caption == v.Caption && w.Unseen == v.Unseen && w.Info == v.Info && w.Typing == v.Typing &&
		w.Typed == v.Typed &&
		w.Stale == v.Stale && w.Blank == v.Blank &&
		w.PIP == v.PIP && w.PIPStale == v.PIPStale && w.PIPText == v.PIPText &&
		w.PIPAt == v.PIPAt && w.ShowKeys == v.ShowKeys &&
		w.Fade == v.Fade
}
