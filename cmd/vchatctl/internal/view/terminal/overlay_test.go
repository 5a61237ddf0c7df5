package terminal

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"vchat/cmd/vchatctl/internal/view/render"
)

func TestCells_drawOverlay(t *testing.T) {
	for _, tt := range []struct {
		name       string
		cols, rows int
		overlay    render.Overlay
		want       []string
	}{
		{"statistics", 44, 3, render.Overlay{Title: "wörkshop", Info: "29.9 fps"}, []string{
			"                                            ",
			"                                            ",
			" wörkshop  29.9 fps  q quit · Enter message "}},
		{"everything", 30, 11, render.Overlay{Title: "workshop", Banner: "kitchen is calling", Headline: "12 s old",
			Stale: true, Notice: "link lost 7 s ago, reconnecting at once",
			Lines:  []string{"you: where are you?", "workshop: in the cellar, with the fuses"},
			Typing: "to: 日本語_"}, []string{
			"      kitchen is calling      ",
			"                              ",
			"                              ",
			"                              ",
			"           12 s old           ",
			"  link lost 7 s ago,          ",
			"     reconnecting at once     ",
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
			"              "}},
		{"no room", 5, 1, render.Overlay{Title: "workshop", Notice: "waiting for calls", Lines: []string{"x"}},
			[]string{" wor…"}},
		{"a long message shows its end", 10, 2, render.Overlay{Typing: "message: 0123456789_"},
			[]string{"          ", "123456789_"}},
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
