package render

import (
	"strings"
	"testing"
)

func TestLayoutText_messagesDoNotCoverTheNotice(t *testing.T) {
	p := NewPainter(noRecover)
	p.layoutText(pixels(640, 480, BGRX, 0), &Overlay{
		Headline: "4 s old", Notice: "connection lost 4 s ago", Lines: []string{strings.Repeat("x ", 500)},
	})
	if len(p.lines) < 5 {
		t.Fatalf("got %d lines, want at least 5", len(p.lines))
	}
	for i, l := range p.lines {
		for _, m := range p.lines[i+1:] {
			if !l.background.Intersect(m.background).Empty() {
				t.Fatalf("line at %v covers line at %v", m.background, l.background)
			}
		}
	}
}
