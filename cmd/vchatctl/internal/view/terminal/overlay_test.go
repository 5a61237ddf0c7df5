package terminal

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"vchat/cmd/vchatctl/internal/view/look"
	"vchat/cmd/vchatctl/internal/view/render"
)

func TestCells_drawOverlay(t *testing.T) {
	for _, tt := range []struct {
		name       string
		cols, rows int
		overlay    render.Overlay
		want       []string
	}{
		{"statistics", 44, 3, render.Overlay{State: look.InCall, Title: "wörkshop",
			Info: "29.9 fps"}, []string{
			"                                            ",
			"                                            ",
			" wörkshop  29.9 fps  Enter message · ? keys "}},
		{"everything", 30, 11, render.Overlay{Title: "workshop", Banner: "kitchen is calling", Headline: "12 s old",
			Stale: true, Notice: "link lost 7 s ago, reconnecting at once",
			Lines:  []string{"you: where are you?", "workshop: in the cellar, with the fuses"},
			Typing: "to: 日本語_"}, []string{
			"      kitchen is calling      ",
			"                              ",
			"                              ",
			"           12 s old           ",
			"  link lost 7 s ago,          ",
			"     reconnecting at once     ",
			"                              ",
			" you: where are you?          ",
			" workshop: in the cellar,     ",
			" with the fuses               ",
			"to: 日本語_                   "}},
		{"too many messages", 14, 7, render.Overlay{Headline: "12 s old", Notice: "link lost",
			Lines: []string{"x x x x x x x x x x x", "y", "z"}}, []string{
			"              ",
			"              ",
			"   12 s old   ",
			"  link lost   ",
			" y            ",
			" z            ",
			"   link lost  "}},
		{"no room", 5, 1, render.Overlay{Title: "workshop", Notice: "waiting for calls", Lines: []string{"x"}},
			[]string{" wor…"}},
		{"a long message shows its end", 10, 2, render.Overlay{Typing: "message: 0123456789_"},
			[]string{"          ", "123456789_"}},
		{"ready messages", 24, 5, render.Overlay{Typing: "message: _", Ready: []render.Control{
			{Label: "Yes", Key: "1"}, {Label: "On my way", Key: "2", Focused: true}}}, []string{
			"                        ", "                        ", "                        ",
			" 1 Yes · >2 On my way<  ", "message: _              "}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var c cells
			c.resize(tt.cols, tt.rows)
			c.drawOverlay(&tt.overlay)
			got := c.text()
			for i, row := range got {
				if textWidth(row) != tt.cols {
					t.Errorf("row %d: got %d columns, want %d", i, textWidth(row), tt.cols)
				}
			}
			if tt.name == "everything" { // this row does not test centering
				for i := range got {
					got[i], tt.want[i] = strings.TrimSpace(got[i]), strings.TrimSpace(tt.want[i])
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Who calls, and the keys for it, can be read at any size.
func TestCells_ringing(t *testing.T) {
	o := render.Overlay{State: look.Ringing, Title: "vchat", Name: "bob", Headline: "bob is calling", Blank: true,
		Controls: []render.Control{{Label: "Decline", Key: "d", Style: render.StyleDecline},
			{Label: "Answer", Key: "a", Style: render.StyleAccept}}}
	for _, size := range [][2]int{{20, 8}, {40, 12}, {80, 24}, {200, 60}} {
		for _, colors := range []Colors{TrueColor, Palette256, Palette16, NoColors} {
			c := cells{colors: colors, ascii: true}
			c.resize(size[0], size[1])
			c.drawOverlay(&o)
			all := strings.Join(c.text(), "\n")
			for _, want := range []string{"b o b", "Incoming call", "Decline", "Answer"} {
				if !strings.Contains(all, want) {
					t.Errorf("%v, colors %v: no %q in\n%s", size, colors, want, all)
				}
			}
			green := c.next[strings.Index(strings.ReplaceAll(all, "\n", ""), "Answer")]
			if want := map[bool]rgb{true: ansi[2], false: accept}[colors == Palette16]; green.bg != want {
				t.Errorf("%v, colors %v: Answer is on %v, want %v", size, colors, green.bg, want)
			}
			if want := map[bool]rgb{true: ansi[0], false: white}[colors == Palette16]; green.fg != want {
				t.Errorf("%v, colors %v: Answer is in %v, want %v", size, colors, green.fg, want)
			}
		}
	}
}

// Who the call is with, how to mute, write, hang up and see the keys can be
// read at any size, and all keys then.
func TestCells_inCall(t *testing.T) {
	o := render.Overlay{State: look.InCall, Title: "bob", Caption: "bob · 0:07",
		Info: "29.9 fps · 12 ms old · 5.3 Mbit/s · 640x480"}
	for _, a := range []look.Action{look.ActionCamera, look.ActionMessage, look.ActionOwn, look.ActionSnapshot,
		look.ActionHelp, look.ActionHangUp} {
		o.Controls = append(o.Controls, render.Control{Target: render.Target{Action: a}, Label: a.Label(),
			Key: a.Key()})
	}
	help := o
	for key := range strings.SplitSeq("a d h c Enter s p Tab i ? q", " ") {
		help.Help = append(help.Help, render.Key{Key: key, Text: "about this wide"})
	}
	for _, tt := range []struct {
		cols, rows int
		controls   string
	}{
		{40, 12, "    c Camera Enter Message h Hang up"},
		{80, 24, "   Camera (c)   Message (Enter)   My picture (p)   Snapshot (s)   Hang up (h)"},
		{200, 60, strings.Repeat(" ", 56) +
			" Camera (c)   Message (Enter)   My picture (p)   Snapshot (s)   Keys (?)   Hang up (h)"},
	} {
		var c cells
		c.resize(tt.cols, tt.rows)
		c.drawOverlay(&o)
		got := c.text()
		if row := strings.TrimRight(got[tt.rows-2], " "); row != tt.controls {
			t.Errorf("%d columns: got controls\n%q, want\n%q", tt.cols, row, tt.controls)
		}
		if status := got[tt.rows-1]; !strings.HasPrefix(status, " bob · 0:07  29.9 fps") ||
			!strings.HasSuffix(status, " ? keys ") {
			t.Errorf("%d columns: got status line %q, want the call and a key", tt.cols, status)
		}
		c.reset()
		c.drawOverlay(&help)
		for _, k := range help.Help {
			if all := strings.Join(c.text(), "\n"); !strings.Contains(all, " "+k.Key+" ") {
				t.Errorf("%d columns: no key %s in\n%s", tt.cols, k.Key, all)
			}
		}
	}
}

// Names of peers begin below each other, and the one that Enter calls is
// marked.
func TestCells_peers(t *testing.T) {
	var c cells
	c.resize(20, 6)
	c.drawOverlay(&render.Overlay{Blank: true, Name: "kitchen", Peers: []render.Peer{
		{Name: "bob", Key: "1", Reachable: true, Focused: true}, {Name: "workshop", Key: "2"},
		{Name: "a-very-long-name-indeed", Key: "3"}}})
	want := []string{
		"   k i t c h e n    ",
		"                    ",
		" >● bob (1)       < ",
		"  ○ workshop (2)    ",
		"  ○ a-very-lo… (3)  ",
	}
	if diff := cmp.Diff(want, c.text()[:5]); diff != "" {
		t.Error(diff)
	}
}

func TestCells_ascii(t *testing.T) {
	c := cells{ascii: true, colors: Palette16}
	c.resize(40, 6)
	c.drawOverlay(&render.Overlay{Title: "wörk", Notice: "a · b…", Lines: []string{"you: 日本"}, Blank: true,
		Peers: []render.Peer{{Name: "bob", Reachable: true}, {Name: "eve"}}})
	c.drawFrame(pixels(40, make([]rgb, 40*2)...))
	var out bytes.Buffer
	c.writeChanges(&out)
	if i := bytes.IndexFunc(out.Bytes(), func(r rune) bool { return r > '~' }); i >= 0 {
		t.Errorf("got a character beyond ASCII: %q", out.String()[i:])
	}
	if s := out.String(); strings.Contains(s, "8;2;") || strings.Contains(s, "8;5;") {
		t.Errorf("got more than 16 colors: %q", s)
	}
	if got := c.plain("← ↑ → ↓"); got != "arrows" {
		t.Errorf("keys: got %q, want arrows", got)
	}
	for _, want := range []string{"a - b...", "* bob", "- eve", "? keys"} {
		if !strings.Contains(strings.Join(c.text(), "\n"), want) {
			t.Errorf("no %q in\n%s", want, strings.Join(c.text(), "\n"))
		}
	}
}
